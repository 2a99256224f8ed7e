// Values at the extremes of their types: the commands export exactly the imported values.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { JsonNumber, read, write } from "../../src/pages/edge/numbers.js";
import { byBytes, startAdmin } from "./admin.mjs";
import { run } from "./commands.mjs";

// Thousands of objects would wait for the disk, so a file system in memory is used if there is one with enough room.
process.env.TMPDIR = memoryFolder() ?? tmpdir();

const COUNT = 2_000;
/** Numbers that JavaScript's would change. */
const INTEGERS = [
  "0", "-1", "7", "2147483648", "9007199254740991", "9007199254740992", "9007199254740993", "-9007199254740991", "-9007199254740992",
  "-9007199254740993", "1234567890123456789", "9223372036854775806", "9223372036854775807", "-9223372036854775807", "-9223372036854775808",
];
const FLOATS = [
  "0.0", "-0.0", "1.0", "100.0", "-2.5", "0.1", "0.30000000000000004", "9007199254740992.0", "1e+16", "1e+22", "1.2345678901234567e+19", "1e+308",
  "1.7976931348623157e+308", "-1.7976931348623157e+308", "5e-324", "2.2250738585072014e-308", "0.00001", "1e-7",
];
const TEXTS = [
  "", " ", " padded ", "\t\n\r\b\f", "\u0001\u001f\u007f\u0080", '"', "\\", "\\u", "\\ud800", "\u2028\u2029", "\ufeff", "\u00e9", "e\u0301", "👩🏽‍🚀", "\ufffd\uffff",
  "1", "1.0", "-0", "null", "true", "{}", "</script>", "𝒳".repeat(10),
].map((text) => JSON.stringify(text));
/** Texts of the maximum length. */
const LONG = ["x", "\u0001", '"', "😀"].map((text) => JSON.stringify(text.repeat(2_000)));
const VALUES = [...INTEGERS, ...FLOATS, ...TEXTS, "true", "false"];
const FEATURES = [
  { id: 9007, name: "support_chat", type: "STANDARD" },
  { id: 9003, name: "hero_banner", type: "MULTIVARIATE" },
  // A feature that the environment does not have.
  { id: 1, name: "gone", type: "STANDARD" },
];

test("2,000 identities with extreme numbers are imported and exported byte for byte", async (t) => {
  const folder = mkdtempSync(join(tmpdir(), "numbers-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [first, second] = [await startAdmin(t), await startAdmin(t)];
  const lines = generated(first.key);
  const [file, exported, again] = ["in", "out", "again"].map((name) => join(folder, `${name}.jsonl`));
  writeFileSync(file, lines.join(""));
  await run(t, "import-identities", first, { FILE: file });
  await run(t, "export-identities", first, { FILE: exported });
  requireSame(exported, lines);
  await run(t, "import-identities", second, { FILE: exported });
  await run(t, "export-identities", second, { FILE: again });
  requireSame(again, lines);
  // SDKs get the same values.
  const integers = (await flagsOf(second, "sdk")).match(/"trait_value":(-?\d+)\D/g);
  assert.deepEqual(integers, INTEGERS.map((integer) => `"trait_value":${integer}}`));
});

test("JSON keeps the text of its numbers", () => {
  for (const text of [...VALUES, "[]", "{}", "null", `{"a":[${VALUES.join(",")}],"1":{"__proto__":1.0,"b":null}}`]) {
    // In JavaScript, members with numeric names come first.
    assert.equal(write(read(text)), text.replace(/^\{("a":.*),("1":.*)\}$/s, "{$2,$1}"));
  }
  assert.deepEqual(read('["1.0", 2.50]'), ["1.0", new JsonNumber("2.50")]);
  assert.equal(String(read("1e400")), "1e400");
  for (const text of ["", "01", "{1:2}", "[1 2]", "[1,]", "1.", '"', "NaN"]) assert.throws(() => read(text), SyntaxError, text);
});

/** The folder of a file system in memory with a gibibyte to spare, or null. */
function memoryFolder() {
  try {
    const { bavail, bsize } = statfsSync("/dev/shm");
    return bavail * bsize > 2 ** 30 ? "/dev/shm" : null;
  } catch {
    return null;
  }
}

/** Fails at the first different line. */
function requireSame(file, expected) {
  const lines = readFileSync(file, "utf8").split(/(?<=\n)/);
  for (const [index, line] of expected.entries()) assert.equal(lines[index], line, `line ${index + 1}`);
  assert.equal(lines.length, expected.length);
}

async function flagsOf(admin, identifier) {
  const path = `/api/v1/identities/?identifier=${identifier}`;
  return (await admin.edge.request({ path, headers: { "X-Environment-Key": admin.key } })).text;
}

/** Lines in the form and the order of an export. */
function generated(key) {
  const random = generator(20_260_101);
  const some = (values) => values[Math.floor(random() * values.length)];
  const value = () => some(random() < 0.02 ? LONG : VALUES);
  const identities = Array.from({ length: COUNT - 1 }, (_, number) => {
    const count = Math.floor(random() * 8);
    const features = FEATURES.filter(() => random() < 0.2);
    return {
      number,
      // The text does not end in white space, which would be trimmed.
      identifier: `${number}${JSON.parse(some(random() < 0.02 ? [JSON.stringify("é".repeat(1_990))] : TEXTS))}.`,
      traits: Array.from({ length: count }, () => [some(["", "é", " ", "\\u0001\\n"]), value()]),
      states: features.map((feature) => state(feature, some, value)),
    };
  });
  const sdk = { number: COUNT, identifier: "sdk", traits: INTEGERS.map((integer) => ["", integer]), states: [] };
  identities.push(sdk);
  identities.sort((a, b) => byBytes(a.identifier, b.identifier));
  return identities.map((identity) => line(key, identity));
}

function line(key, { number, identifier, traits, states }) {
  const pairs = traits.map(([prefix, value], index) => ({ key: `${prefix}${String(index).padStart(3, "0")} `, value }));
  pairs.sort((a, b) => byBytes(JSON.parse(`"${a.key}"`), JSON.parse(`"${b.key}"`)));
  const written = pairs.map(({ key, value }) => `{"trait_key":"${key}","trait_value":${value}}`);
  const alias = number % 2 === 0 ? `,"dashboard_alias":"alias ${number} ü"` : "";
  return (
    `{"composite_key":${JSON.stringify(`${key}_${identifier}`)},"environment_api_key":"${key}","identifier":${JSON.stringify(identifier)},` +
    `"identity_uuid":"${uuid(number)}","created_date":"2025-02-03T04:05:06.789000+00:00","identity_traits":[${written.join(",")}],` +
    `"identity_features":[${states.join(",")}],"django_id":null${alias}}\n`
  );
}

/** An override. A percentage is a float, and an option has the number that it has in the environment. */
function state({ id, name, type }, some, value) {
  const option = (number) =>
    `{"id":${some(["null", "7"])},"mv_fs_value_uuid":"${uuid(number)}","percentage_allocation":${some(["0.0", "50.0", "33.333333333333336", "5e-324"])},` +
    `"multivariate_feature_option":{"id":${number},"value":${value()},"key":${some(["null", '"a \\"key\\""'])}}}`;
  const options = type === "MULTIVARIATE" ? [option(1), option(2)] : [];
  return (
    `{"feature":{"id":${id},"name":"${name}","type":"${type}"},"enabled":${some(["true", "false"])},` +
    `"feature_state_value":${some([value(), "null"])},"django_id":${some(["null", "3"])},"featurestate_uuid":"${uuid(id)}",` +
    `"multivariate_feature_state_values":[${options.join(",")}]}`
  );
}

function uuid(number) {
  return `ffffffff-1111-4111-8111-${String(number).padStart(12, "0")}`;
}

/** Numbers from 0 to below 1, the same for the same seed (mulberry32). */
function generator(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
