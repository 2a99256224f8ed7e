// Compares an answer with a recorded one: the status, the listed headers, and the whole body as JSON.

import { readFileSync } from "node:fs";

const PLACEHOLDERS = [
  [/^<any>$/, () => () => true],
  [/^<number: \d+>$/, () => (actual) => typeof actual === "number"],
  [/^<random hex, (\d+) digits>$/, ([, digits]) => (actual) => new RegExp(`^[0-9a-f]{${digits}}$`).test(actual)],
  [/^<starts: ([^]*)>$/, ([, start]) => (actual) => typeof actual === "string" && actual.startsWith(start)],
];

/** The differences between `response` and `expected`, one line each. `document` is the file of the key's environment. */
export function differences(expected, response, document) {
  const found = [];
  if (response.status !== expected.status) found.push(`status: ${response.status} instead of ${expected.status}`);
  for (const [name, value] of Object.entries(expected.headers)) {
    // Flagsmith sends Allow with nearly every answer; only that of a 405 is compared.
    if (name === "allow" && expected.status !== 405) continue;
    if (response.headers[name] !== value) found.push(`${name}: ${show(response.headers[name])} instead of ${show(value)}`);
  }
  found.push(...bodyDifferences(expected.body, response.text, document));
  return found;
}

function bodyDifferences(expected, text, file) {
  if (expected === null) return text === "" ? [] : [`body: ${show(text)} instead of none`];
  let actual;
  try {
    actual = JSON.parse(text);
  } catch {
    return [`body: ${show(text)} is not JSON`];
  }
  const { document, results_are_in_any_order: anyOrder, ...rest } = isObject(expected) ? expected : {};
  // Two recorded rows have another environment's document than their key's, which that key must not open.
  if (document !== undefined) {
    const published = JSON.parse(readFileSync(file, "utf8"));
    return compare(withoutIdentityUuids(published), withoutIdentityUuids(actual), "body");
  }
  if (anyOrder) return compare(sortedResults(rest), sortedResults(actual), "body");
  return compare(expected, actual, "body");
}

function compare(expected, actual, path) {
  if (typeof expected === "string" && typeof actual !== "object") {
    return matches(expected, actual) ? [] : [`${path}: ${show(actual)} instead of ${show(expected)}`];
  }
  if (expected === "<any>") return [];
  if (Array.isArray(expected) && Array.isArray(actual)) return compareArrays(expected, actual, path);
  if (isObject(expected) && isObject(actual)) return compareObjects(expected, actual, path);
  return expected === actual ? [] : [`${path}: ${show(actual)} instead of ${show(expected)}`];
}

function compareObjects(expected, actual, path) {
  const { flags_are_a_subset: subset, ...members } = expected;
  const compared = subset ? { ...actual, flags: namedIn(actual.flags, members.flags) } : actual;
  return [...new Set([...Object.keys(members), ...Object.keys(compared)])].flatMap((key) => {
    const at = `${path}.${key}`;
    if (!(key in compared)) return [`${at}: missing, should be ${show(members[key])}`];
    if (!(key in members)) return [`${at}: ${show(compared[key])} should not be there`];
    return compare(members[key], compared[key], at);
  });
}

function compareArrays(expected, actual, path) {
  const identify = [flagName, traitKey].find((of) => expected.length > 0 && expected.every((item) => of(item) !== undefined));
  if (identify !== undefined && (identify === flagName || path.endsWith(".traits"))) {
    return compareNamed(expected, actual, path, identify);
  }
  const found = expected.length === actual.length ? [] : [`${path}: ${actual.length} items instead of ${expected.length}`];
  const common = Math.min(expected.length, actual.length);
  for (let index = 0; index < common; index += 1) found.push(...compare(expected[index], actual[index], `${path}[${index}]`));
  return found;
}

/** Flags by feature name and traits by key, since their order is not part of the contract. */
function compareNamed(expected, actual, path, identify) {
  const byName = new Map(actual.map((item) => [identify(item), item]));
  const found = expected.flatMap((item) => {
    const name = identify(item);
    const at = `${path}[${name}]`;
    return byName.has(name) ? compare(item, byName.get(name), at) : [`${at}: missing, should be ${show(item)}`];
  });
  const names = new Set(expected.map(identify));
  for (const item of actual) {
    if (!names.has(identify(item))) found.push(`${path}: ${show(item)} should not be there`);
  }
  if (byName.size !== actual.length) found.push(`${path}: something is there twice`);
  return found;
}

function matches(expected, actual) {
  for (const [pattern, check] of PLACEHOLDERS) {
    const groups = pattern.exec(expected);
    if (groups !== null) return check(groups)(actual);
  }
  return expected === actual;
}

function namedIn(flags, listed) {
  const names = new Set(listed.map(flagName));
  return Array.isArray(flags) ? flags.filter((flag) => names.has(flagName(flag))) : flags;
}

function withoutIdentityUuids(document) {
  const overrides = document.identity_overrides?.map(({ identity_uuid: _, ...override }) => override);
  return { ...document, identity_overrides: overrides };
}

function sortedResults(body) {
  return { ...body, results: body.results?.map((result) => JSON.stringify(result)).sort() };
}

function flagName(item) {
  return item?.feature?.name;
}

// In an error `trait_key` is a list of messages.
function traitKey(item) {
  return typeof item?.trait_key === "string" ? item.trait_key : undefined;
}

function isObject(value) {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function show(value) {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}
