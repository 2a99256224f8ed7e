// The commands that import identities from a file or from a Flagsmith, and export them.

import assert from "node:assert/strict";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { startAdmin } from "./admin.mjs";
import { run } from "./commands.mjs";
import { startOrigin } from "./origin.mjs";
import { recordedBody } from "./shapes.mjs";

test("an export equals the imported file", async (t) => {
  const admin = await startAdmin(t);
  const folder = mkdtempSync(join(tmpdir(), "identities-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [file, copy] = [join(folder, "in.jsonl"), join(folder, "out.jsonl")];
  const identities = Array.from({ length: 130 }, (_, number) => identity(admin.key, number));
  writeFileSync(file, identities.map((identity) => `${JSON.stringify(identity)}\n`).join(""));
  // As in docs/identities.md, with the commands' defaults for unset values.
  await run(t, "import-identities", admin, { FILE: file, RATE: "" });
  await run(t, "export-identities", admin, { FILE: copy, RATE: "" });
  const written = readFileSync(copy, "utf8").split("\n").filter(Boolean).map((line) => JSON.parse(line));
  assert.deepEqual(sorted(written), sorted(identities));
  // Imported identities are found by their own UUIDs and identifiers.
  const [{ identity_uuid, identifier, dashboard_alias }] = identities;
  assert.deepEqual(await admin.expect(200, "GET", `${identity_uuid}/`), { identity_uuid, identifier, dashboard_alias });
  // The import is complete, so another one resumes at its end.
  assert.match(await run(t, "import-identities", admin, { FILE: file }), /^130 identities/m);
  assert.ok(existsSync(`${file}.imported`));
});

test("two identities never share a UUID, and an error is reported for its identity", async (t) => {
  const admin = await startAdmin(t);
  const bring = (...identities) =>
    admin.send("POST", `/edge/environments/${admin.key}/identities/import/`, identities.map((identity) => JSON.stringify(identity)).join("\n"));
  const [first, second] = [identity(admin.key, 0), identity(admin.key, 1)];
  assert.equal((await bring(first)).status, 200);
  const shared = { ...second, identity_uuid: first.identity_uuid };
  const taken = { identity_uuid: ["Another identity of this environment has this UUID."] };
  for (const [identities, data] of [[[shared], [taken]], [[first, shared], [{}, taken]]]) {
    const response = await bring(...identities);
    assert.deepEqual([response.status, response.json()], [400, { data }]);
  }
  assert.deepEqual(await admin.identifiers(), [first.identifier]);
  assert.equal((await bring(first, second)).status, 200);
  // Values of the maximum length, with characters of two bytes in the store; and longer ones.
  const quoted = (length) => ({ ...first, identity_features: [{ ...first.identity_features[0], feature_state_value: '"'.repeat(length) }] });
  assert.equal((await bring(quoted(20_000))).status, 200);
  const long = await bring(second, quoted(1_900_000));
  assert.equal(long.status, 400);
  assert.deepEqual(long.json().data[0], {});
  assert.match(long.text, /no more than 20000 characters/);
});

test("an interrupted import resumes at its last position", async (t) => {
  const admin = await startAdmin(t);
  const folder = mkdtempSync(join(tmpdir(), "identities-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "in.jsonl");
  const lines = Array.from({ length: 30 }, (_, number) => `${JSON.stringify(identity(admin.key, number))}\n`);
  writeFileSync(file, [...lines.slice(0, 20), "no json\n", ...lines.slice(20)].join(""));
  await assert.rejects(run(t, "import-identities", admin, { FILE: file, BATCH: "10" }), /400/);
  assert.equal((await admin.list()).length, 20);
  const reached = JSON.parse(readFileSync(`${file}.imported`, "utf8"));
  assert.equal(reached.identities, 20);
  await assert.rejects(run(t, "import-identities", admin, { FILE: file, EDGE_URL: "http://127.0.0.1:1" }), /another edge/);
  assert.equal(reached.bytes, Buffer.byteLength(lines.slice(0, 20).join("")));
  // A file of the same name with other identities is not resumed.
  writeFileSync(file, [...lines].reverse().join(""));
  await assert.rejects(run(t, "import-identities", admin, { FILE: file, BATCH: "10" }), /of other identities/);
  assert.equal((await admin.list()).length, 20);
  // The same file with a corrected line is resumed.
  writeFileSync(file, lines.join(""));
  await run(t, "import-identities", admin, { FILE: file, BATCH: "10" });
  assert.equal((await admin.list()).length, 30);
});

test("a Flagsmith's own identities are imported with their traits and overrides", async (t) => {
  const admin = await startAdmin(t);
  const walked = await startWalked(t, admin, 50);
  const { origin, all } = walked;
  const root = `/api/v1/environments/${admin.key}`;
  const settings = { SOURCE: "origin", ORIGIN_URL: origin.url, ORIGIN_AUTHORIZATION: "Api-Key origin.key", BATCH: "20" };
  // Overrides would be lost.
  const document = (complete) => ({ body: { ...documentOf(complete ? ["user-1"] : []), use_identity_overrides_in_local_eval: complete } });
  origin.on("GET", `${root}/document/`, document(false));
  await assert.rejects(run(t, "import-identities", admin, settings), /does not include identity overrides/);
  assert.deepEqual(await admin.identifiers(), []);
  origin.on("GET", `${root}/document/`, document(true));
  await run(t, "import-identities", admin, settings);
  assert.deepEqual(await admin.identifiers(), all.map(({ identifier }) => identifier).sort());
  const { identities } = await admin.expect(200, "GET", `/edge/environments/${admin.key}/identities/export/`);
  const numbers = identities.map(({ identifier, django_id }) => [identifier, django_id]);
  assert.deepEqual(Object.fromEntries(numbers), Object.fromEntries(all.map(({ identifier, id }) => [identifier, id])));
  const { traits, flags } = await admin.identify("user-1");
  assert.deepEqual(traits, [{ trait_key: "number", trait_value: 2 }]);
  assert.ok(walked.mostAtOnce <= 8, `${walked.mostAtOnce} requests at once`);
  assert.equal(flags.find(({ feature }) => feature.name === "support_chat").feature_state_value, "vip");
  for (const { headers } of origin.requests) assert.equal(headers.authorization, "Api-Key origin.key");
});

test("a Flagsmith's traits keep their types and the text of their numbers over several pages", async (t) => {
  const admin = await startAdmin(t);
  const walked = await startWalked(t, admin, 3);
  const text = "ü\u2028 \"quoted\"";
  const values = [
    ["unicode", JSON.stringify(text)], ["unicode", '"1.0"'], ["unicode", '""'], ["int", "-2147483648"], ["int", "2147483647"], ["bool", "true"], ["bool", "false"],
    ["float", "1.0"], ["float", "-0.0"], ["float", "100"], ["float", "0.30000000000000004"], ["float", "1e+16"], ["float", "1.7976931348623157e+308"],
  ];
  walked.traits = values.map(([type, json], index) => trait(index + 1, `t${String(index).padStart(2, "0")}`, type, json));
  const document = JSON.stringify(documentOf(["user-1"])).replace('"vip"', "9007199254740993");
  walked.origin.on("GET", `/api/v1/environments/${admin.key}/document/`, { headers: { "content-type": "application/json" }, body: document });
  const settings = { SOURCE: "origin", ORIGIN_URL: walked.origin.url, ORIGIN_AUTHORIZATION: "Api-Key origin.key" };
  const stored = [
    JSON.stringify(text), '"1.0"', '""', "-2147483648", "2147483647", "true", "false", "1.0", "-0.0", "100.0", "0.30000000000000004", "1e+16", "1.7976931348623157e+308",
  ];
  const expected = stored.map((json, index) => `{"trait_key":"t${String(index).padStart(2, "0")}","trait_value":${json}}`);
  // A Flagsmith that uses the page size of the request, and one with pages of ten.
  for (const largest of [999, 10]) {
    walked.largestPage = largest;
    await run(t, "import-identities", admin, settings);
    const lines = (await run(t, "export-identities", admin)).split("\n").filter(Boolean);
    assert.deepEqual(lines.map((line) => /"identity_traits":([^]*),"identity_features"/.exec(line)[1]), Array(3).fill(`[${expected.join(",")}]`));
    assert.match(lines[1], /"feature_state_value":9007199254740993,/);
    assert.equal(walked.origin.requests.filter(({ path }) => path.endsWith("/identities/2/traits/")).length, largest === 999 ? 1 : 2);
    walked.origin.requests.length = 0;
  }
  walked.traits = [trait(1, "of", "decimal", "1")];
  await assert.rejects(run(t, "import-identities", admin, settings), /unknown type "decimal"/);
});

test("an identity imported from a Flagsmith keeps its Django id", async (t) => {
  const { origin } = await startWalked(t, { key: "key" }, 3);
  origin.on("GET", "/api/v1/environments/key/document/", { body: documentOf([]) });
  const worker = await startOrigin();
  t.after(() => worker.close());
  worker.fault("POST", "/edge/environments/key/identities/import/", { body: { imported: 3, passed_over: 0 } });
  const settings = { SOURCE: "origin", ORIGIN_URL: origin.url, ORIGIN_AUTHORIZATION: "Api-Key origin.key" };
  await run(t, "import-identities", { key: "key", edge: { address: worker.url } }, settings);
  const [{ body }] = worker.requests;
  const lines = body.toString().trim().split("\n").map((line) => JSON.parse(line));
  assert.deepEqual(lines.map(({ identifier, django_id }) => [identifier, django_id]), [["user-0", 1], ["user-1", 2], ["user-2", 3]]);
});

test("an import resumes with pages of another size, and never into another worker", async (t) => {
  const admin = await startAdmin(t);
  const walked = await startWalked(t, admin, 11);
  const { origin, all } = walked;
  origin.on("GET", `/api/v1/environments/${admin.key}/document/`, { body: documentOf([]) });
  const folder = mkdtempSync(join(tmpdir(), "transfer-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const settings = { SOURCE: "origin", ORIGIN_URL: origin.url, ORIGIN_AUTHORIZATION: "Api-Key origin.key" };
  // The import stops at the eighth identity, with pages of three.
  walked.refused = 8;
  await assert.rejects(run(t, "import-identities", admin, { ...settings, BATCH: "3" }, folder), /403/);
  assert.equal((await admin.list()).length, 6);
  walked.refused = null;
  for (const other of [{ EDGE_URL: "http://127.0.0.1:1" }, { ORIGIN_URL: "http://127.0.0.1:1" }]) {
    await assert.rejects(run(t, "import-identities", admin, { ...settings, ...other }, folder), /belongs to an import with another/);
  }
  await run(t, "import-identities", admin, { ...settings, BATCH: "5" }, folder);
  assert.deepEqual(await admin.identifiers(), all.map(({ identifier }) => identifier).sort());
});

test("pages of other sites are not imported", async (t) => {
  const admin = await startAdmin(t);
  const path = `/edge/environments/${admin.key}/identities/import/`;
  const send = (type) =>
    admin.edge.request({
      method: "POST",
      path,
      headers: { Authorization: "Api-Key local.key", "Content-Type": type },
      body: '{"identifier": "ada"}',
    });
  assert.equal((await send("text/plain")).status, 415);
  assert.deepEqual(await admin.list(), []);
  assert.equal((await send("application/x-ndjson")).status, 200);
});

test("a command waits for the duration of Retry-After", async (t) => {
  const origin = await startOrigin();
  t.after(() => origin.close());
  const path = "/edge/environments/key/identities/export/";
  const asked = [];
  origin.fault("GET", path, () => {
    asked.push(Date.now());
    return asked.length === 1
      ? { status: 429, headers: { "retry-after": "3" }, body: { detail: "Request was throttled. Expected available in 3 seconds." } }
      : { body: { last_evaluated_key: null } };
  });
  await run(t, "export-identities", { key: "key", edge: { address: origin.url } });
  assert.equal(asked.length, 2);
  assert.ok(asked[1] - asked[0] >= 3_000, `${asked[1] - asked[0]} ms`);
});

test("an export from a worker without JSON lines is refused", async (t) => {
  const origin = await startOrigin();
  t.after(() => origin.close());
  origin.fault("GET", "/edge/environments/key/identities/export/", { body: { identities: [{ identifier: "ada" }], last_evaluated_key: null } });
  await assert.rejects(run(t, "export-identities", { key: "key", edge: { address: origin.url } }), /older than this command/);
});

test("the repair covers the whole directory", async (t) => {
  const admin = await startAdmin(t);
  for (const name of ["ada", "grace"]) await admin.create(name);
  assert.match(await run(t, "repair-directory", admin), /^2 identities .* 0 entries/m);
});

/**
 * A Flagsmith with `count` identities. It refuses the traits of the identity with the number `refused`. Each identity has
 * `traits`, as JSON texts, or one trait with its number. `largestPage`: the maximum size of a page.
 */
async function startWalked(t, admin, count) {
  const origin = await startOrigin();
  t.after(() => origin.close());
  const root = `/api/v1/environments/${admin.key}`;
  const all = Array.from({ length: count }, (_, number) => ({ id: number + 1, identifier: `user-${number}`, environment: 1 }));
  const walked = { origin, all, refused: null, traits: null, largestPage: 999, mostAtOnce: 0 };
  let atOnce = 0;
  origin.on("GET", `${root}/identities/`, ({ query }) => {
    const [page, size] = ["page", "page_size"].map((name) => Number(new URLSearchParams(query).get(name)));
    const results = all.slice((page - 1) * size, page * size);
    return { body: { count, next: page * size < count ? "there is more" : null, previous: null, results } };
  });
  origin.on("GET", /\/identities\/\d+\/traits\/(\?|$)/, async ({ path, query }) => {
    const id = Number(/identities\/(\d+)/.exec(path)[1]);
    if (id === walked.refused) return { status: 403, body: { detail: "No." } };
    atOnce += 1;
    walked.mostAtOnce = Math.max(walked.mostAtOnce, atOnce);
    // Concurrent requests arrive before this one is answered.
    await new Promise(setImmediate);
    atOnce -= 1;
    const parameters = new URLSearchParams(query);
    const [page, size] = [Number(parameters.get("page") ?? 1), Math.min(walked.largestPage, Number(parameters.get("page_size") ?? 10))];
    const traits = walked.traits ?? [trait(id, "number", "int", String(id))];
    const next = page * size < traits.length ? JSON.stringify(`${origin.url}${path}?page=${page + 1}&page_size=${size}`) : "null";
    const results = traits.slice((page - 1) * size, page * size).join(",");
    const body = `{"count":${traits.length},"next":${next},"previous":null,"results":[${results}]}`;
    return { headers: { "content-type": "application/json" }, body };
  });
  return walked;
}

/** A Flagsmith's environment document with an override for each of these identities. */
function documentOf(identifiers) {
  const document = recordedBody("GET", "/api/v1/environments/{key}/document/");
  const [overridden] = document.identity_overrides;
  const [recorded] = overridden.identity_features;
  const [state] = identity("key", 0).identity_features;
  const identity_features = [{ ...recorded, ...state }];
  return { ...document, identity_overrides: identifiers.map((identifier) => ({ ...overridden, identifier, identity_features })) };
}

/** A trait in the form of Flagsmith's Admin API: the value is in the member of its type, the others are null. */
function trait(id, key, type, json) {
  const value = (of) => (of === type ? json : "null");
  return (
    `{"id":${id},"trait_key":${JSON.stringify(key)},"value_type":"${type}","integer_value":${value("int")},"string_value":${value("unicode")},` +
    `"boolean_value":${value("bool")},"float_value":${value("float")},"created_date":"2026-01-01T00:00:00.000000Z"}`
  );
}

function identity(key, number) {
  const identifier = `imported-${String(number).padStart(3, "0")}`;
  const state = {
    feature: { id: 9007, name: "support_chat", type: "STANDARD" },
    enabled: true,
    feature_state_value: "vip",
    django_id: null,
    featurestate_uuid: `00000000-1111-4111-8111-${String(number).padStart(12, "0")}`,
    multivariate_feature_state_values: [],
  };
  return {
    composite_key: `${key}_${identifier}`,
    environment_api_key: key,
    identifier,
    identity_uuid: `ffffffff-1111-4111-8111-${String(number).padStart(12, "0")}`,
    created_date: "2025-02-03T04:05:06.789000+00:00",
    identity_traits: [{ trait_key: "n", trait_value: number }, { trait_key: "t", trait_value: `ü ${number}` }],
    identity_features: number % 3 === 0 ? [state] : [],
    django_id: number % 2 === 0 ? number : null,
    dashboard_alias: `alias ${number}`,
  };
}

function sorted(identities) {
  return [...identities].sort((a, b) => (a.identifier < b.identifier ? -1 : 1));
}
