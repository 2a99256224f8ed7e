// Collects confidential values from all requests to a test's workers, and searches the workers' output for them.

/** The members of a body with an identifier or the value of a trait. `traits` of an upload are an object of values. */
const CONFIDENTIAL = new Set(["identifier", "identifiers", "trait_value", "traits", "dashboard_alias", "q"]);
const SECRET_VARIABLES = ["ADMIN_KEY_SHA256", "ORIGIN_API_TOKEN", "SERVER_KEYS", "SSE_AUTHENTICATION_TOKEN", "WEBHOOK_SECRET"];
/** The minimum length of a searched value: shorter ones occur in many texts by chance. */
const MIN_LENGTH = 3;
const MIN_DIGITS = 8;

const learnt = new Set();

// Values that SDKs send by themselves.
const { fetch: send } = globalThis;
globalThis.fetch = (input, init) => {
  const { pathname, search } = new URL(input.url ?? input);
  const headers = Object.fromEntries(new Headers(init?.headers ?? input.headers));
  learnRequest({ path: pathname + search, headers, body: init?.body });
  return send(input, init);
};

/** Collects the credentials, identifiers and values of traits of a request. */
export function learnRequest({ path = "/", headers = {}, body = null }) {
  for (const [name, value] of Object.entries(headers)) {
    for (const text of [value].flat()) credentials(name.toLowerCase(), String(text)).forEach(learn);
  }
  for (const [name, value] of new URLSearchParams(path.split("?").slice(1).join("?"))) {
    if (CONFIDENTIAL.has(name)) learn(value.replace(/^"|"$/g, ""));
  }
  if (typeof body === "string" || Buffer.isBuffer(body)) learnJson(body);
}

/** Collects the identifiers and values of traits in a text, if it is JSON. */
export function learnJson(text) {
  try {
    walk(JSON.parse(text), false);
  } catch {
    // The worker's parsers never quote an invalid text.
  }
}

/** Collects the secrets among a worker's variables. */
export function learnVariables(variables) {
  for (const name of SECRET_VARIABLES) String(variables[name] ?? "").split(",").forEach(learn);
}

export function learn(text) {
  const trimmed = text.trim();
  if (trimmed.length >= (/^[-+.\d]*$/.test(trimmed) ? MIN_DIGITS : MIN_LENGTH)) learnt.add(trimmed);
}

/** The lines of a log with a confidential value, each with the value. */
export function leaks(log) {
  const found = [];
  for (const secret of learnt) {
    // The value itself, or its form in a JSON text.
    const forms = new Set([secret, JSON.stringify(secret).slice(1, -1)]);
    if (![...forms].some((form) => log.includes(form))) continue;
    const line = log.split("\n").find((line) => [...forms].some((form) => hasWord(line, form)));
    if (line !== undefined) found.push(`${JSON.stringify(secret)} in: ${line}`);
  }
  return found;
}

function credentials(name, text) {
  switch (name) {
    case "x-environment-key":
      // A client key is public.
      return text.trim().startsWith("ser.") ? [text] : [];
    case "authorization":
      return [text, text.replace(/^\S+\s+/, "")];
    case "cookie":
      return text.split(";").map((cookie) => cookie.slice(cookie.indexOf("=") + 1));
    case "x-flagsmith-signature":
      return [text];
    default:
      return [];
  }
}

function walk(value, isConfidential) {
  if (Array.isArray(value)) value.forEach((item) => walk(item, isConfidential));
  else if (typeof value === "object" && value !== null) {
    // A list of traits has keys and values, of which only the values are collected. The object of an upload has values only.
    const isTrait = "trait_key" in value;
    for (const [key, item] of Object.entries(value)) walk(item, CONFIDENTIAL.has(key) || (isConfidential && !isTrait));
  } else if (isConfidential && (typeof value === "string" || typeof value === "number")) learn(String(value));
}

/** True if `text` is in `line`, and not only as a part of a longer word. In an object's name it follows a client key. */
function hasWord(line, text) {
  for (let at = line.indexOf(text); at >= 0; at = line.indexOf(text, at + 1)) {
    const before = line.slice(0, at);
    const begins = !/\w$/.test(before) || /\b[A-Za-z0-9]{20,}_$/.test(before);
    if (begins && !/\w/.test(line.charAt(at + text.length))) return true;
  }
  return false;
}
