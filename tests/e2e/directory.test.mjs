// The directory of identities: searches, consistency with the identities through faults, and cost.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { byBytes, startAdmin } from "./admin.mjs";
import { becomes, declaredObjects, eventually } from "./harness.mjs";

test("identities that SDKs create are listed in byte order, page by page", async (t) => {
  const admin = await startAdmin(t);
  const names = [...numbers(60).map((number) => `user-${number}`), "ä", "Z", "a", "\u{10000}", "\uffff", "/&?=\"'%", "x".repeat(2000)];
  await Promise.all(names.map((name) => admin.identify(name)));
  await eventually(async () => (await admin.list()).length === names.length, "all are listed");
  const sorted = [...names].sort(byBytes);
  assert.deepEqual(await admin.identifiers(), sorted);
  for (const size of [1, 7, 66]) assert.deepEqual(await admin.identifiers(`page_size=${size}`), sorted, `pages of ${size}`);
  const beginning = sorted.filter((name) => name.startsWith("user-1"));
  assert.deepEqual(await admin.identifiers("q=user-1&page_size=3"), beginning);
  assert.deepEqual(await admin.identifiers("q=%22user-1%22"), ["user-1"]);
  // Aliases have their own pages, and several identities may share one alias.
  const identities = await admin.list("q=user-2");
  for (const { identity_uuid } of identities) await admin.expect(200, "PATCH", `${identity_uuid}/`, { dashboard_alias: "The Same" });
  assert.deepEqual(await admin.identifiers("q=dashboard_alias:the&page_size=2"), identities.map(({ identifier }) => identifier));
  assert.deepEqual(await admin.identifiers("q=dashboard_alias:%22the%20same%22&page_size=1"), identities.map(({ identifier }) => identifier));
});

test("admin writes are listed at once in every location", async (t) => {
  const admin = await startAdmin(t, { workers: 3 });
  const { ports } = admin.edge;
  const created = await Promise.all(numbers(30).map((number) => admin.create(`user-${number}`, ports[number % 3])));
  for (const port of ports) assert.equal((await admin.list("", port)).length, 30);
  await Promise.all(
    created.map(async ({ identity_uuid, identifier }, number) => {
      const [here, there] = [ports[number % 3], ports[(number + 1) % 3]];
      await admin.expect(200, "PUT", `${identity_uuid}/`, { dashboard_alias: `Alias ${number}` }, here);
      const found = await admin.list(`q=dashboard_alias:%22alias%20${number}%22`, there);
      assert.deepEqual(found, [{ identity_uuid, identifier, dashboard_alias: `alias ${number}` }]);
      await admin.expect(204, "DELETE", `${identity_uuid}/`, undefined, here);
      assert.deepEqual(await admin.list(`q=%22${identifier}%22`, there), []);
      await admin.expect(404, "GET", `${identity_uuid}/`, undefined, there);
    }),
  );
  assert.deepEqual(await admin.list(), []);
});

test("the directory is complete after the runtime is killed, 8 times", async (t) => {
  const admin = await startAdmin(t);
  const acknowledged = new Set();
  for (const round of numbers(8)) {
    let killed = null;
    let count = 0;
    const create = async (number) => {
      const name = `round-${round}-${number}`;
      try {
        await admin.identify(name);
      } catch (error) {
        if (killed === null) throw error;
        return;
      }
      acknowledged.add(name);
      count += 1;
      // Other requests are in progress, and the directory has some of their updates.
      if (count === 5 + round * 3) killed = admin.edge.kill();
    };
    await Promise.all(numbers(40).map(create));
    await killed;
    await admin.edge.start();
  }
  const missing = async () => {
    const listed = new Set(await admin.identifiers());
    return [...acknowledged].filter((name) => !listed.has(name));
  };
  await eventually(async () => (await missing()).length === 0, "all that exist are listed");
  // Every listed identity exists.
  for (const { identity_uuid } of await admin.list()) await admin.expect(200, "GET", `${identity_uuid}/`);
});

const FAILING = `import { DurableObject } from "cloudflare:workers";
  export class DirectoryObject extends DurableObject { answer() { throw new Error("down"); } }
  export default { fetch() { return new Response("none"); } };`;

test("identities can be written while the directory fails and are listed after it recovers", async (t) => {
  const objects = declaredObjects();
  const failing = objects.map((object) => (object.binding === "DIRECTORY" ? { ...object, service: "failing" } : object));
  const scripts = [{ name: "failing", source: FAILING, classes: ["DirectoryObject"] }];
  const admin = await startAdmin(t, { objects: failing, scripts });
  await Promise.all(numbers(10).map((number) => admin.identify(`sdk-${number}`, { number })));
  const { identity_uuid } = await admin.create("admin-1");
  await admin.override("admin-1", "support_chat", { enabled: true, feature_state_value: "vip" });
  const flag = (await admin.identify("admin-1")).flags.find(({ feature }) => feature.name === "support_chat");
  assert.equal(flag.feature_state_value, "vip");
  for (const path of ["", `${identity_uuid}/`]) {
    const response = await admin.send("GET", path);
    assert.equal(response.status, 503);
    assert.equal(response.headers["retry-after"], "1");
  }
  // Without its overrides the document would differ.
  assert.equal((await admin.document()).status, 503);
  await admin.edge.stop();
  admin.edge.configure({ objects, scripts: [] });
  await admin.edge.start();
  await eventually(async () => (await admin.list()).length === 11, "all are listed");
  await eventually(async () => (await admin.document()).json().identity_overrides.some(({ identifier }) => identifier === "admin-1"), "the override is in the document");
  await admin.expect(200, "GET", `${identity_uuid}/`);
});

test("a cached document is served while the directory fails", async (t) => {
  const source = `import { DurableObject } from "cloudflare:workers";
    let count = 0;
    export class DirectoryObject extends DurableObject {
      answer(request) {
        if (JSON.parse(request).overrides === undefined || (count += 1) > 1) throw new Error("down");
        return JSON.stringify({ answer: { version: 1, overrides: [] }, rows: [0, 0] });
      }
    }
    export default { fetch() { return new Response("none"); } };`;
  const objects = declaredObjects().map((object) => (object.binding === "DIRECTORY" ? { ...object, service: "failing" } : object));
  const scripts = [{ name: "failing", source, classes: ["DirectoryObject"] }];
  const admin = await startAdmin(t, { objects, scripts, variables: { FRESHNESS_SECONDS: 0 } });
  assert.equal((await admin.document()).status, 200);
  const stale = await admin.document();
  assert.equal(stale.status, 200);
  assert.match(stale.headers["x-edge-stale-seconds"], /^\d+$/);
});

test("documents wait only once for a directory that hangs after a write", async (t) => {
  const source = `import { DurableObject } from "cloudflare:workers";
    let count = 0;
    export class DirectoryObject extends DurableObject {
      async answer(request) {
        const { overrides } = JSON.parse(request);
        const answer = (answer) => JSON.stringify({ answer, rows: [0, 0] });
        if (overrides === undefined) return answer(null);
        count += 1;
        console.log("asked for overrides");
        if (count === 2) await new Promise((resolve) => setTimeout(resolve, 60_000));
        return answer({ version: count, overrides: [] });
      }
    }
    export default { fetch() { return new Response("none"); } };`;
  const objects = declaredObjects().map((object) => (object.binding === "DIRECTORY" ? { ...object, service: "hanging" } : object));
  const scripts = [{ name: "hanging", source, classes: ["DirectoryObject"] }];
  const admin = await startAdmin(t, { objects, scripts, variables: { FRESHNESS_SECONDS: 3600 } });
  const asked = () => [...admin.edge.log.matchAll(/asked for overrides/g)].length;
  const read = async (count) => {
    const documents = [];
    while (documents.length < count) documents.push(await admin.document());
    return documents.map(({ status, headers }) => [status, headers["x-edge-stale-seconds"] !== undefined]);
  };
  assert.deepEqual(await read(2), Array(2).fill([200, false]));
  await admin.override("ada", "support_chat", { enabled: true });
  assert.deepEqual(await read(5), Array(5).fill([200, true]));
  await admin.edge.flush();
  assert.equal(asked(), 2, "only the first read after the write waits");
  // A repeated write reads the result of the first.
  await admin.override("ada", "support_chat", { enabled: false });
  assert.deepEqual(await read(2), Array(2).fill([200, false]));
  await admin.edge.flush();
  assert.equal(asked(), 3);
});

test("a deleted identity leaves no stored data", async (t) => {
  const admin = await startAdmin(t);
  const secret = "a-secret-that-is-nowhere-else";
  await admin.identify(secret, { colour: `${secret}-trait` });
  const { identity_uuid } = (await becomes(() => admin.list(), (list) => list.length === 1))[0];
  await admin.override(secret, "support_chat", { enabled: true, feature_state_value: `${secret}-value` });
  assert.ok(filesWith(admin.edge, "IdentityObject", secret).length > 0, "the text is found before the deletion");
  await admin.expect(204, "DELETE", `${identity_uuid}/`);
  assert.deepEqual(await admin.list(), []);
  assert.deepEqual((await admin.expect(200, "GET", `/api/v1/environments/${admin.key}/edge-identity-overrides`)).results, []);
  assert.equal((await admin.document()).text.includes(secret), false);
  await admin.edge.stop();
  assert.deepEqual(filesWith(admin.edge, "IdentityObject", secret), []);
  await admin.edge.start();
  // An identity after a deletion is a new one.
  assert.deepEqual((await admin.identify(secret)).traits, []);
  const [again] = await becomes(() => admin.list(), (list) => list.length === 1);
  assert.notEqual(again.identity_uuid, identity_uuid);
});

test("SDK requests write to the directory only for new identities", async (t) => {
  const admin = await startAdmin(t, { variables: { LOG_ROWS: "true" } });
  const lines = () => [...admin.edge.log.matchAll(/^\{"object".*\}$/gm)].map(([line]) => JSON.parse(line));
  await admin.identify("ada", { points: 1 });
  await eventually(() => lines().some(({ object }) => object === "directory"), "the directory is updated");
  await becomes(() => admin.list(), (list) => list.length === 1);
  await admin.edge.flush();
  const before = lines().length;
  for (const traits of [{ points: 1 }, { points: 2 }, {}, { points: null }, { points: null }]) await admin.identify("ada", traits);
  await admin.edge.flush();
  const costs = lines().slice(before);
  const cost = (rows_written) => ({ object: "identity", rows_read: 0, rows_written });
  assert.deepEqual(costs.map(({ object, rows_written }) => ({ object, rows_read: 0, rows_written })), [0, 1, 0, 1, 0].map(cost));
  assert.deepEqual(costs.filter((_, index) => index % 2 === 0).map(({ rows_read }) => rows_read), [0, 0, 0]);
  await admin.override("ada", "support_chat", { enabled: true });
  await eventually(() => lines().slice(before).some(({ object }) => object === "directory"), "the directory has the override");
});

test("a page of the directory reads only its own rows", async (t) => {
  const admin = await startAdmin(t, { variables: { LOG_ROWS: "true" } });
  const names = numbers(400).map((number) => `user-${String(number).padStart(4, "0")}`);
  for (let start = 0; start < 400; start += 50) await Promise.all(names.slice(start, start + 50).map((name) => admin.identify(name)));
  await eventually(async () => (await admin.list()).length === 400, "all are listed");
  const { identity_uuid } = (await admin.list("q=%22user-0300%22"))[0];
  await admin.expect(200, "PATCH", `${identity_uuid}/`, { dashboard_alias: "alias" });
  const rows = async (path) => {
    await admin.edge.flush();
    const before = directoryLines(admin.edge).length;
    await admin.expect(200, "GET", path);
    await admin.edge.flush();
    const read = directoryLines(admin.edge).slice(before).map(({ rows_read }) => rows_read);
    assert.equal(read.length, 8, "every shard has answered");
    return read;
  };
  const { last_evaluated_key: middle } = await admin.expect(200, "GET", "?page_size=100&q=user-0");
  for (const path of ["?page_size=5", `?page_size=5&last_evaluated_key=${middle}`, "?page_size=5&q=user-03", "?page_size=5&q=dashboard_alias:a"]) {
    // One row more than the page, which shows if another page follows.
    for (const read of await rows(path)) assert.ok(read <= 6 + 1, `${path}: ${read} rows`);
  }
});

test("the directory is rebuilt from identifiers, and entries without an identity are removed", async (t) => {
  const admin = await startAdmin(t);
  for (const name of ["ada", "grace", "joan"]) await admin.create(name);
  await admin.override("ada", "support_chat", { enabled: true });
  await admin.edge.stop();
  rmSync(join(admin.edge.stateFolder, "DirectoryObject"), { recursive: true });
  await admin.edge.start();
  assert.deepEqual(await admin.list(), []);
  const repair = `/edge/environments/${admin.key}/identities/repair/`;
  const done = await admin.expect(200, "POST", repair, { identifiers: ["ada", "grace", "joan", "nobody"] });
  assert.deepEqual(done, { repaired: 3, removed: 1 });
  assert.deepEqual(await admin.identifiers(), ["ada", "grace", "joan"]);
  assert.equal((await admin.document()).json().identity_overrides.filter(({ identifier }) => identifier === "ada").length, 1);
  // A repair of a correct directory changes nothing.
  const { etag, "last-modified": date } = (await admin.document()).headers;
  assert.deepEqual(await admin.expect(200, "POST", repair, { identifiers: ["ada", "grace"] }), { repaired: 2, removed: 0 });
  const again = (await admin.document()).headers;
  assert.deepEqual([again.etag, again["last-modified"]], [etag, date]);
  // Entries without an identity.
  await admin.edge.stop();
  rmSync(join(admin.edge.stateFolder, "IdentityObject"), { recursive: true });
  await admin.edge.start();
  assert.equal((await admin.list()).length, 3);
  assert.deepEqual(await admin.expect(200, "POST", repair, { identifiers: ["ada", "grace", "joan"] }), { repaired: 0, removed: 3 });
  assert.deepEqual(await admin.list(), []);
  assert.equal((await admin.document()).json().identity_overrides.some(({ identifier }) => identifier === "ada"), false);
});

function directoryLines(edge) {
  return [...edge.log.matchAll(/^\{"object":"directory".*\}$/gm)].map(([line]) => JSON.parse(line));
}

/** The files of a class of objects in which a text occurs. */
function filesWith(edge, className, text) {
  const folder = join(edge.stateFolder, className);
  const files = existsSync(folder) ? readdirSync(folder) : [];
  return files.filter((file) => readFileSync(join(folder, file)).includes(text));
}

function numbers(count) {
  return Array.from({ length: count }, (_, index) => index);
}
