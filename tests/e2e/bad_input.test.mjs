// Invalid requests get a clear answer in Flagsmith's form, and the worker still answers the next request.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { startEdge } from "./harness.mjs";

const MEBIBYTE = 1_048_576;
const IDENTITIES = "/api/v1/identities/";

const edge = await startEdge();
after(() => edge.close());
const [{ key, serverKeys }] = edge.environments;

const JSON_ERROR = { status: 400, detail: /^JSON parse error - ./ };
const NOT_FOUND = { status: 404, body: { detail: "Not found." } };
const OK = { status: 200 };
const CLIENT_ERROR = { status: [400, 404] };

suite("bodies that are not JSON", [
  ["an open object", "{\"identifier\": ", JSON_ERROR],
  ["text after the end", "{} {}", JSON_ERROR],
  ["a single quote", "{'identifier': 'a'}", JSON_ERROR],
  ["a trailing comma", "{\"identifier\": \"a\",}", JSON_ERROR],
  ["a control character in a text", "{\"identifier\": \"a\u0001b\"}", JSON_ERROR],
  ["a line break in a text", "{\"identifier\": \"a\nb\"}", JSON_ERROR],
  ["a NUL byte between tokens", "{\u0000}", JSON_ERROR],
  ["NaN", bodyWith("NaN"), JSON_ERROR],
  ["Infinity", bodyWith("Infinity"), JSON_ERROR],
  ["-Infinity", bodyWith("-Infinity"), JSON_ERROR],
  ["a number beyond every float", bodyWith("1e999"), JSON_ERROR],
  ["a number with a leading zero", bodyWith("012"), JSON_ERROR],
  ["invalid UTF-8", Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), JSON_ERROR],
  ["UTF-8 that ends in the middle of a character", Buffer.from("7b226964656e746966696572223a22c3", "hex"), JSON_ERROR],
  ["a byte order mark", "\ufeff{}", JSON_ERROR],
  ["100,000 opening brackets", "[".repeat(100_000), { status: 400 }],
  ["100,000 opening braces", "{\"a\":".repeat(100_000), { status: 400 }],
]);

suite("values of the wrong type", [
  ["a list", "[]", { status: 400, body: { non_field_errors: ["Invalid data. Expected a dictionary, but got list."] } }],
  ["a text", "\"a\"", { status: 400, body: { non_field_errors: ["Invalid data. Expected a dictionary, but got str."] } }],
  ["null", "null", { status: 400, body: { non_field_errors: ["No data provided"] } }],
  ["an identifier that is true", "{\"identifier\": true}", { status: 400, body: { identifier: ["Not a valid string."] } }],
  ["an identifier that is a list", "{\"identifier\": []}", { status: 400, body: { identifier: ["Not a valid string."] } }],
  ["an identifier that is an object", "{\"identifier\": {}}", { status: 400, body: { identifier: ["Not a valid string."] } }],
  ["traits that are null", "{\"identifier\": \"a\", \"traits\": null}", { status: 400, body: { traits: ["This field may not be null."] } }],
  ["traits that are a number", "{\"identifier\": \"a\", \"traits\": 1}", { status: 400, body: { traits: { non_field_errors: ["Expected a list of items but got type \"int\"."] } } }],
  ["a trait that is a number", "{\"identifier\": \"a\", \"traits\": [1]}", { status: 400, body: { traits: [{ non_field_errors: ["Invalid data. Expected a dictionary, but got int."] }] } }],
  ["a trait key that is null", traits([{ trait_key: null, trait_value: 1 }]), { status: 400, body: { traits: [{ trait_key: ["This field may not be null."] }] } }],
  ["a trait key that is an object", traits([{ trait_key: {}, trait_value: 1 }]), { status: 400, body: { traits: [{ trait_key: ["Not a valid string."] }] } }],
  ["transient that is a text", "{\"identifier\": \"a\", \"transient\": \"banana\"}", { status: 400, body: { transient: ["Must be a valid boolean."] } }],
  ["transient that is a list", "{\"identifier\": \"a\", \"transient\": []}", { status: 400 }],
]);

suite("characters and lengths", [
  ["NUL in an identifier", "{\"identifier\": \"a\\u0000b\"}", { status: 400, body: { identifier: ["Null characters are not allowed."] } }],
  ["NUL in a trait value", traits([{ trait_key: "a", trait_value: "\0" }]), { status: 400, body: { traits: [{ trait_value: ["Null characters are not allowed."] }] } }],
  ["NUL in a trait key", traits([{ trait_key: "\0", trait_value: 1 }]), { status: 400, body: { traits: [{ trait_key: ["Null characters are not allowed."] }] } }],
  ["escaped control characters", traits([{ trait_key: "a", trait_value: "\u0001\u001b\u007f" }]), OK],
  ["half of a surrogate pair", "{\"identifier\": \"\\ud800\"}", JSON_ERROR],
  ["an identifier of 0 characters: anonymous", "{\"identifier\": \"\"}", OK],
  ["an identifier of 2,000 characters", JSON.stringify({ identifier: "é".repeat(2000) }), OK],
  ["an identifier of 2,001 characters", JSON.stringify({ identifier: "é".repeat(2001) }), { status: 400, body: { identifier: ["Ensure this field has no more than 2000 characters."] } }],
  ["a trait key of 0 characters", traits([{ trait_key: "", trait_value: 1 }]), { status: 400, body: { traits: [{ trait_key: ["This field may not be blank."] }] } }],
  ["a trait key of 200 characters", traits([{ trait_key: "k".repeat(200), trait_value: 1 }]), OK],
  ["a trait key of 201 characters", traits([{ trait_key: "k".repeat(201), trait_value: 1 }]), { status: 400, body: { traits: [{ trait_key: ["Ensure this field has no more than 200 characters."] }] } }],
  ["a trait value of 2,000 characters", traits([{ trait_key: "a", trait_value: "☃".repeat(2000) }]), OK],
  ["a trait value of 2,001 characters", traits([{ trait_key: "a", trait_value: "☃".repeat(2001) }]), { status: 400, body: { traits: [{ trait_value: ["Value string is too long. Must be less than 2000 character"] }] } }],
]);

suite("numbers, repetition and depth", [
  ["an integer of 64 bits", bodyWith("9223372036854775807"), OK],
  ["an integer beyond 64 bits", bodyWith("9223372036854775808"), { status: 400, body: { traits: [{ trait_value: ["A valid integer is required."] }] } }],
  ["an integer of 5,000 digits", bodyWith("9".repeat(5000)), { status: 400 }],
  ["a float of 5,000 digits", bodyWith(`0.${"1".repeat(5000)}`), OK],
  ["an identifier that is a number beyond 64 bits", `{"identifier": 1${"0".repeat(30)}}`, OK],
  ["a member twice: the last counts", "{\"identifier\": \"first\", \"identifier\": \"second\"}", OK],
  ["a trait twice", traits([{ trait_key: "a", trait_value: 1 }, { trait_key: "a", trait_value: 2 }]), OK],
  ["100 levels in a trait value", bodyWith(nested(100)), OK],
  ["128 levels in a trait value", bodyWith(nested(128)), JSON_ERROR],
  ["1,000 levels in a trait value", bodyWith(nested(1000)), { status: 400 }],
  ["10,000 small traits", traits(Array.from({ length: 10_000 }, (_, number) => ({ trait_key: `t${number}`, trait_value: number }))), OK],
]);

suite("media types", [
  ["text/plain", "{}", { status: 415, body: { detail: "Unsupported media type \"text/plain\" in request." } }, { headers: { "Content-Type": "text/plain" } }],
  ["none", "{}", { status: 415, body: { detail: "Unsupported media type \"\" in request." } }, { headers: {} }],
  ["a form", "identifier=a", { status: 415 }, { headers: { "Content-Type": "application/x-www-form-urlencoded" } }],
  ["JSON with a charset", "{}", OK, { headers: { "Content-Type": "application/json; charset=utf-8" } }],
  ["JSON in capitals", "{}", OK, { headers: { "Content-Type": "Application/JSON" } }],
  ["no type at all", "{}", { status: 415 }, { headers: { "Content-Type": "nonsense;;;=" } }],
]);

suite("the other endpoints with a body", [
  ["/traits/, no JSON", "{", JSON_ERROR, { path: "/api/v1/traits/" }],
  ["/traits/, a list", "[]", { status: 400 }, { path: "/api/v1/traits/" }],
  ["/traits/bulk/, an object", "{\"a\": 1}", { status: 400, body: { detail: "Invalid request data" } }, { path: "/api/v1/traits/bulk/", method: "PUT" }],
  ["/traits/bulk/, texts", "[\"a\"]", { status: 400, body: { detail: "Invalid request data" } }, { path: "/api/v1/traits/bulk/", method: "PUT" }],
  ["/traits/increment-value/, a float", "{\"identifier\":\"a\",\"trait_key\":\"n\",\"increment_by\":1.5}", { status: 400, body: { increment_by: ["A valid integer is required."] } }, { path: "/api/v1/traits/increment-value/" }],
  ["/traits/increment-value/, beyond 64 bits", "{\"identifier\":\"a\",\"trait_key\":\"n\",\"increment_by\":99999999999999999999}", { status: 400 }, { path: "/api/v1/traits/increment-value/" }],
  ["/analytics/flags/ v1, a list", "[]", { status: 400, body: { non_field_errors: ["Expected a JSON object."] } }, { path: "/api/v1/analytics/flags/" }],
  ["/analytics/flags/ v2, nothing", "{}", { status: 400, body: { evaluations: ["This field is required."] } }, { path: "/api/v2/analytics/flags/" }],
]);

const exactly = padded(MEBIBYTE);
const over = padded(MEBIBYTE + 1);
const TOO_LARGE = { status: 413, detail: /./ };
suite("the size of a body", [
  ["1 MiB", exactly, OK],
  ["1 MiB, chunked", exactly, OK, { chunked: true }],
  ["a byte more", over, TOO_LARGE],
  ["a byte more, chunked", over, TOO_LARGE, { chunked: true }],
  // The rest of the body is never sent, so the worker must answer without waiting for it.
  ["10 GiB announced", "{", TOO_LARGE, { headers: { "Content-Type": "application/json", "Content-Length": "10737418240" }, unfinished: true }],
  ["over 1 MiB so far, and no end", over, TOO_LARGE, { chunked: true, unfinished: true }],
  ["10 GiB announced, to /traits/", "{", TOO_LARGE, { path: "/api/v1/traits/", headers: { "Content-Type": "application/json", "Content-Length": "10737418240" }, unfinished: true }],
]);

const METHODS = ["PUT", "PATCH", "DELETE", "PROPFIND", "TRACE", "COPY", "REPORT", "PURGE"];
suite("methods that a route does not have", [
  ...METHODS.map((method) => [`${method} identities`, null, methodError(method, "GET, POST, HEAD, OPTIONS"), { method }]),
  ...["POST", ...METHODS].map((method) => [`${method} flags`, null, methodError(method, "GET, HEAD, OPTIONS"), { method, path: "/api/v1/flags/" }]),
  ["GET traits", null, methodError("GET", "POST, OPTIONS"), { method: "GET", path: "/api/v1/traits/" }],
  ["POST environment-document", null, { status: 405 }, { path: "/api/v1/environment-document/", key: serverKeys[0].key }],
]);

suite("paths that are no route", [
  ["an unknown one", null, NOT_FOUND, { method: "GET", path: "/api/v1/nothing/" }],
  ["the root", null, NOT_FOUND, { method: "GET", path: "/" }],
  ["capitals", null, NOT_FOUND, { method: "GET", path: "/api/v1/FLAGS/" }],
  ["two slashes", null, NOT_FOUND, { method: "GET", path: "/api/v1//flags/" }],
  ["10,000 characters", null, { status: [404, 414] }, { method: "GET", path: `/${"a".repeat(10_000)}` }],
  ["a NUL byte, encoded", null, NOT_FOUND, { method: "GET", path: "/api/v1/flags%00/" }],
  ["an incomplete escape", null, CLIENT_ERROR, { method: "GET", path: "/api/v1/fl%a" }],
  ...["..", ".", "%2e%2e", "%2E%2e", ".%2e", "%2e", "..%2f", "%2e%2e%2f", "%5c..%5c"].flatMap((dots) => [
    [`${dots} before what is no route`, null, CLIENT_ERROR, { method: "GET", path: `/api/v1/nothings/${dots}/nothing/` }],
    [`${dots} after a route`, null, CLIENT_ERROR, { method: "GET", path: `/api/v1/flags/${dots}/secret/` }],
    [`${dots} above the root`, null, CLIENT_ERROR, { method: "GET", path: `/${dots}/${dots}/etc/passwd` }],
  ]),
  // The runtime resolves plain dot segments before the worker sees them. The worker must not resolve any other form.
  [".. on the way to a route", null, OK, { method: "GET", path: "/api/v1/nothing/../flags/" }],
  ...["%2e%2e", "%2E%2E", ".%2e", "%2e."].map((dots) => [
    `${dots} on the way to a route`, null, CLIENT_ERROR, { method: "GET", path: `/api/v1/nothing/${dots}/flags/` },
  ]),
  ["%2e within a route", null, CLIENT_ERROR, { method: "GET", path: "/api/v1/%2e/flags/" }],
  ["backslashes", null, CLIENT_ERROR, { method: "GET", path: "/api/v1/nothing\\..\\flags/" }],
  ["an encoded slash", null, CLIENT_ERROR, { method: "GET", path: "/api/v1%2fflags/" }],
]);

suite("keys and queries", [
  ["an empty key", null, { status: 403 }, { method: "GET", path: "/api/v1/flags/", key: "" }],
  ["a key of 8,000 characters", null, { status: 403 }, { method: "GET", path: "/api/v1/flags/", key: "k".repeat(8000) }],
  ["a server key of 8,000 characters", null, { status: 403 }, { method: "GET", path: "/api/v1/flags/", key: `ser.${"k".repeat(8000)}` }],
  ["a key with a slash", null, { status: 403 }, { method: "GET", path: "/api/v1/flags/", key: "../document:x" }],
  ["a key that is not ASCII", null, { status: 403 }, { method: "GET", path: "/api/v1/flags/", key: "schlüssel" }],
  ["two keys", null, { status: 403 }, { method: "GET", path: "/api/v1/flags/", key: [key, "another"] }],
  ["an identifier that is not UTF-8", null, OK, { method: "GET", path: `${IDENTITIES}?identifier=%ff%fe` }],
  ["an identifier with NUL", null, { status: 400 }, { method: "GET", path: `${IDENTITIES}?identifier=a%00b` }],
  ["an identifier of 2,000 characters", null, OK, { method: "GET", path: `${IDENTITIES}?identifier=${"y".repeat(2000)}` }],
  ["an identifier of 2,001 characters", null, { status: 400 }, { method: "GET", path: `${IDENTITIES}?identifier=${"y".repeat(2001)}` }],
  ["an identifier with an incomplete escape", null, OK, { method: "GET", path: `${IDENTITIES}?identifier=%` }],
]);

/** Cases: [name, body, {status, body?, detail?}, {path, method, headers, key, chunked, unfinished}]. */
function suite(name, cases) {
  test(name, async () => {
    const failures = [];
    for (const [what, body, expected, options = {}] of cases) {
      const fault = await faultOf(body, expected, options).catch((error) => error.message);
      if (fault !== null) failures.push(`${what}: ${fault}`);
    }
    if (failures.length > 0) assert.fail(`${failures.length} of ${cases.length}\n${failures.join("\n")}`);
  });
}

async function faultOf(body, expected, { path = IDENTITIES, method = "POST", key: sent = key, headers, ...transfer }) {
  const all = { "X-Environment-Key": sent, ...(headers ?? (body === null ? {} : { "Content-Type": "application/json" })) };
  const response = await edge.request({ method, path, headers: all, body, ...transfer });
  const fault = differs(response, expected);
  const next = await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
  if (next.status !== 200) return `${fault ?? "answered well"}, and the next request got ${next.status} ${next.text}`;
  return fault;
}

function differs(response, { status, body, detail, allow }) {
  const got = `${response.status} ${response.text.slice(0, 200)}`;
  if (![status].flat().includes(response.status)) return `${got} instead of ${status}`;
  if (response.status < 400) return null;
  if (response.headers["content-type"] !== "application/json") return `${got} is ${response.headers["content-type"]}`;
  let parsed;
  try {
    parsed = response.json();
  } catch {
    return `${got} is not JSON`;
  }
  if (!hasShape(parsed)) return `${got} is not of Flagsmith's shape`;
  if (body !== undefined && !equal(parsed, body)) return `${got} instead of ${JSON.stringify(body)}`;
  if (detail !== undefined && !detail.test(parsed.detail)) return `${got} has not a detail like ${detail}`;
  if (allow !== undefined && response.headers.allow !== allow) return `Allow: ${response.headers.allow} instead of ${allow}`;
  return null;
}

/** {"detail": text}, fields with lists of texts, nested like the request, or a list of texts. */
function hasShape(value) {
  if (typeof value?.detail === "string") return true;
  const isTexts = (list) => Array.isArray(list) && list.length > 0 && list.every((item) => typeof item === "string");
  if (isTexts(value)) return true;
  if (Array.isArray(value)) return value.every((item) => equal(item, {}) || hasShape(item));
  if (typeof value !== "object" || value === null) return false;
  return Object.keys(value).length > 0 && Object.values(value).every(hasShape);
}

function equal(left, right) {
  try {
    assert.deepStrictEqual(left, right);
    return true;
  } catch {
    return false;
  }
}

function methodError(method, allow) {
  return { status: 405, body: { detail: `Method "${method}" not allowed.` }, allow };
}

function traits(list) {
  return JSON.stringify({ identifier: "bad-input", traits: list });
}

function bodyWith(traitValue) {
  return `{"identifier": "bad-input", "traits": [{"trait_key": "a", "trait_value": ${traitValue}}]}`;
}

function nested(levels) {
  return "[".repeat(levels) + "]".repeat(levels);
}

/** A valid body of exactly `bytes` bytes. */
function padded(bytes) {
  const body = "{\"identifier\": \"padded\"}";
  return body + " ".repeat(bytes - body.length);
}
