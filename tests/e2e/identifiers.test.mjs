// Identities that an earlier version stored under identifiers with white space at their ends: GETs did not trim them.

import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { byBytes, startAdmin } from "./admin.mjs";
import { run } from "./commands.mjs";
import { becomes } from "./harness.mjs";

const STORED = ["ada ", " ada", "grace\u00a0", " "];

test("an identity stored under an untrimmed identifier is listed, read and deleted", async (t) => {
  const { admin, stored } = await startEarlier(t);
  await admin.identify("ada", { plan: "gold" });
  await becomesListed(admin, [...STORED, "ada"]);
  assert.deepEqual(await admin.identifiers(`q=${encodeURIComponent('"ada "')}`), ["ada "]);
  const { uuid } = stored.get("ada ");
  assert.equal((await admin.expect(200, "GET", `${uuid}/`)).identifier, "ada ");
  assert.deepEqual(await admin.expect(200, "GET", `${uuid}/list-traits/`), [{ trait_key: "of", trait_value: "ada " }]);
  assert.match(await run(t, "repair-directory", admin), /^5 identities .* 0 entries/m);
  await admin.expect(200, "PUT", `${uuid}/update-traits/`, { trait_key: "of", trait_value: "another" });
  await admin.expect(204, "DELETE", `${uuid}/`);
  await admin.expect(204, "DELETE", `${stored.get(" ").uuid}/`);
  assert.deepEqual(await admin.identifiers(), [" ada", "ada", "grace\u00a0"]);
  assert.deepEqual((await admin.identify("ada")).traits, [{ trait_key: "plan", trait_value: "gold" }]);
});

test("SDK requests neither reach nor create identities with untrimmed identifiers", async (t) => {
  const { admin } = await startEarlier(t);
  const get = async (identifier) => {
    const path = `/api/v1/identities/?identifier=${encodeURIComponent(identifier)}`;
    const response = await admin.edge.request({ path, headers: { "X-Environment-Key": admin.key } });
    assert.equal(response.status, 200);
    return response.json();
  };
  for (const [sent, identifier] of [["ada ", "ada"], [" ada", "ada"], ["new\u2028", "new"], [" ", " "], ["\u00a0", "\u00a0"]]) {
    const answer = await get(sent);
    assert.deepEqual([answer.identifier, answer.traits], [identifier, []], JSON.stringify(sent));
  }
  await becomesListed(admin, [...STORED, "ada", "new"]);
  for (const sent of ["new\u2028", "\u00a0"]) {
    assert.deepEqual(await ask(admin, `${admin.key}_${sent}`, "rows", "SELECT name FROM sqlite_master WHERE name = 'details'"), [], JSON.stringify(sent));
  }
});

test("an export of untrimmed identifiers is imported, in any order", async (t) => {
  const { admin } = await startEarlier(t);
  await admin.identify("ada", { plan: "gold", of: "ada" });
  await becomesListed(admin, [...STORED, "ada"]);
  const folder = mkdtempSync(join(tmpdir(), "identifiers-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [file, reversed] = [join(folder, "out.jsonl"), join(folder, "reversed.jsonl")];
  await run(t, "export-identities", admin, { FILE: file });
  const lines = readFileSync(file, "utf8").split("\n").filter(Boolean);
  assert.deepEqual(lines.map((line) => JSON.parse(line).identifier), [...STORED, "ada"].sort(byBytes));
  writeFileSync(reversed, lines.toReversed().map((line) => `${line}\n`).join(""));
  const expected = {
    ada: [{ trait_key: "of", trait_value: "ada" }, { trait_key: "only", trait_value: " ada" }, { trait_key: "plan", trait_value: "gold" }],
    grace: [{ trait_key: "of", trait_value: "grace\u00a0" }, { trait_key: "only", trait_value: "grace\u00a0" }],
  };
  // All lines in one request, and each line in its own request.
  for (const [from, batch] of [[file, "50"], [reversed, "50"], [file, "1"], [reversed, "1"]]) {
    const other = await startAdmin(t);
    const printed = await run(t, "import-identities", other, { FILE: copyOf(from, folder), BATCH: batch });
    assert.match(printed, /^4 identities .*\n1 lines were skipped, because their identifiers are blank\.$/m);
    assert.deepEqual(await other.identifiers(), ["ada", "grace"]);
    for (const [identifier, traits] of Object.entries(expected)) {
      assert.deepEqual((await other.identify(identifier)).traits, traits, `${identifier}, ${batch} a request`);
    }
  }
  // The import also works at their source, where other identities still have their UUIDs.
  assert.match(await run(t, "import-identities", admin, { FILE: copyOf(reversed, folder) }), /^4 identities/m);
  assert.deepEqual(await admin.identifiers(), [...STORED, "ada", "grace"].sort(byBytes));
});

test("data merged from another spelling survives a restart of the object", async (t) => {
  const admin = await startAdmin(t, { entry: "tests/e2e/objects.js" });
  const bring = (line) => admin.expect(200, "POST", `/edge/environments/${admin.key}/identities/import/`, JSON.stringify(line));
  const pair = (trait_key, trait_value) => ({ trait_key, trait_value });
  const state = (id, name, value) => ({
    feature: { id, name, type: "STANDARD" }, enabled: true, feature_state_value: value, django_id: null,
    featurestate_uuid: "00000000-1111-4111-8111-000000000001", multivariate_feature_state_values: [],
  });
  await bring({ identifier: "ada ", identity_traits: [pair("a", 1), pair("b", 2)], identity_features: [state(9007, "support_chat", "other")] });
  await admin.edge.stop();
  await admin.edge.start();
  await bring({ identifier: "ada", identity_traits: [pair("a", 9)] });
  const { traits, flags } = await admin.identify("ada");
  assert.deepEqual(traits, [pair("a", 9), pair("b", 2)]);
  assert.equal(flags.find(({ feature }) => feature.name === "support_chat").feature_state_value, "other");
  // The inherited data is deleted with the identity.
  const [{ identity_uuid }] = await admin.list();
  await admin.expect(204, "DELETE", `${identity_uuid}/`);
  const tables = await ask(admin, `${admin.key}_ada`, "rows", "SELECT name FROM sqlite_master WHERE name = 'inherited'");
  assert.deepEqual(tables, []);
});

/** A worker with objects of the previous version, which are stored under the untrimmed identifiers of GETs. */
async function startEarlier(t) {
  const admin = await startAdmin(t, { entry: "tests/e2e/objects.js" });
  const stored = new Map();
  for (const identifier of STORED) {
    const traits = [["of", identifier], ...(identifier === "ada " ? [] : [["only", identifier]])];
    const request = { environment: admin.key, identifier, command: { set_traits: traits } };
    const { result } = JSON.parse(await ask(admin, `${admin.key}_${identifier}`, "carryOutAndTell", JSON.stringify(request)));
    stored.set(identifier, result.Ok.details);
  }
  return { admin, stored };
}

/** Waits until exactly these are listed. An alarm lists an identity that an SDK creates, after the answer. */
function becomesListed(admin, identifiers) {
  return becomes(() => admin.identifiers(), [...identifiers].sort(byBytes), "the listed identifiers");
}

async function ask(admin, name, method, ...parameters) {
  const body = JSON.stringify({ binding: "IDENTITIES", name, method, parameters });
  const { value, error } = (await admin.edge.request({ method: "POST", path: "/", headers: { "X-Object": "yes" }, body })).json();
  if (error !== undefined) throw new Error(error);
  return value;
}

/** A copy of the file without its checkpoint. */
function copyOf(file, folder) {
  const copy = join(mkdtempSync(join(folder, "copy-")), "in.jsonl");
  writeFileSync(copy, readFileSync(file));
  return copy;
}
