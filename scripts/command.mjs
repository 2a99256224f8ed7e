// The settings of a command, which make passes as environment variables, and the end of a command that fails.

/** A required setting; `hint` is an example. */
export function required(name, hint = "") {
  return setting(name, null) ?? fail(`${name} is not set${hint}. Pass it to make: ${name}=…`);
}

/** An optional setting. make exports unset variables as empty texts. */
export function setting(name, otherwise) {
  return process.env[name] || otherwise;
}

/** Prints the problem and exits. */
export function fail(message) {
  console.error(message);
  process.exit(1);
}
