// Answers to clients while objects of identities or of the directory fail.

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { test } from "node:test";

import { startAdmin } from "./admin.mjs";
import { declaredObjects, eventually } from "./harness.mjs";

const OVERLOADED = `import { DurableObject } from "cloudflare:workers";
  export class IdentityObject extends DurableObject {
    carryOut() {
      console.log("asked");
      throw Object.assign(new Error("Durable Object is overloaded. Too many requests queued."), { overloaded: true });
    }
    carryOutAndTell() { return this.carryOut(); }
  }
  export default { fetch() { return new Response("none"); } };`;

test("an overloaded object is 503 with Retry-After, and is not called again", async (t) => {
  const objects = declaredObjects().map((object) => (object.binding === "IDENTITIES" ? { ...object, service: "overloaded" } : object));
  const admin = await startAdmin(t, { objects, scripts: [{ name: "overloaded", source: OVERLOADED, classes: ["IdentityObject"] }] });
  const key = { "X-Environment-Key": admin.key, "Content-Type": "application/json" };
  const sent = (method, path, body) => ({ method, path, headers: key, body: body === undefined ? null : JSON.stringify(body) });
  const requests = [
    sent("GET", "/api/v1/identities/?identifier=ada"),
    sent("POST", "/api/v1/identities/", { identifier: "ada", traits: [{ trait_key: "a", trait_value: 1 }] }),
    sent("POST", "/api/v1/identities/", { identifier: "ada", transient: true, traits: [] }),
    sent("POST", "/api/v1/traits/", { identity: { identifier: "ada" }, trait_key: "a", trait_value: 1 }),
    sent("POST", "/api/v1/traits/increment-value/", { identifier: "ada", trait_key: "a", increment_by: 1 }),
    sent("PUT", "/api/v1/bulk-identities/", { data: [{ identifier: "ada", traits: [] }] }),
  ];
  for (const [index, request] of requests.entries()) {
    const response = await admin.edge.request(request);
    assert.equal(response.status, 503, `${request.method} ${request.path}: ${response.text}`);
    assert.equal(response.headers["retry-after"], "1");
    await eventually(() => asked(admin.edge) > index, "the object was asked");
  }
  const created = await admin.send("POST", "", { identifier: "ada" });
  assert.deepEqual([created.status, created.headers["retry-after"]], [503, "1"]);
  await eventually(() => asked(admin.edge) > requests.length, "the object was asked");
  assert.equal(asked(admin.edge), requests.length + 1);
  // A request without an identity is not affected.
  assert.equal((await admin.edge.request({ path: "/api/v1/flags/", headers: key })).status, 200);
});

/** A script in front of the directory's objects, which makes one of them fail. */
const faulty = (name) => `import { DurableObject } from "cloudflare:workers";
  export class FaultyDirectory extends DurableObject {
    answer(request) {
      if (this.ctx.id.name === ${JSON.stringify(name)}) throw new Error("down");
      return this.env.OBJECTS.get(this.env.OBJECTS.idFromName(this.ctx.id.name)).answer(request);
    }
  }
  export default { fetch() { return new Response("none"); } };`;

test("one failing shard of the directory does not affect the others, and it catches up", async (t) => {
  const declared = declaredObjects();
  const admin = await startAdmin(t, {});
  const names = Array.from({ length: 24 }, (_, number) => `user-${number}`);
  const [failing, ...others] = [...new Set(names.map(shardOf))];
  const [onFailing, onOther] = [failing, others[0]].map((shard) => names.filter((name) => shardOf(name) === shard));
  await admin.edge.stop();
  admin.edge.configure({
    objects: [
      ...declared.map((object) => (object.binding === "DIRECTORY" ? { ...object, binding: "REAL_DIRECTORY" } : object)),
      { binding: "DIRECTORY", className: "FaultyDirectory", service: "faulty" },
    ],
    scripts: [
      {
        name: "faulty",
        source: faulty(`${admin.key}_${failing}`),
        classes: ["FaultyDirectory"],
        objects: [{ binding: "OBJECTS", className: "DirectoryObject", service: "worker0" }],
      },
    ],
  });
  await admin.edge.start();
  await Promise.all(names.map((name) => admin.identify(name, { name })));
  // An admin creates identities, too, some of them in the failing shard.
  const created = await Promise.all(names.map((name) => admin.create(`${name}-too`)));
  const [known, unknown] = [false, true].map((fails) => created.filter(({ identifier }) => (shardOf(identifier) === failing) === fails));
  assert.ok(known.length > 0 && unknown.length > 0);
  // A page of the list needs every shard.
  for (const path of ["", "?q=user", `/edge/environments/${admin.key}/identities/export/`]) {
    const response = await admin.send("GET", path);
    assert.deepEqual([response.status, response.headers["retry-after"]], [503, "1"], path);
  }
  // A UUID made here contains the number of its shard.
  for (const { identity_uuid } of known) await admin.expect(200, "GET", `${identity_uuid}/`);
  for (const { identity_uuid } of unknown) await admin.expect(503, "GET", `${identity_uuid}/`);
  await admin.override(onFailing[0], "support_chat", { enabled: true, feature_state_value: "vip" });
  await admin.override(onOther[0], "support_chat", { enabled: true, feature_state_value: "vip" });
  const document = (await admin.document()).json();
  for (const name of [onFailing[0], onOther[0]]) assert.ok(document.identity_overrides.some(({ identifier }) => identifier === name), name);
  await admin.edge.stop();
  admin.edge.configure({ objects: declared, scripts: [] });
  await admin.edge.start();
  await eventually(async () => (await admin.list()).length === 2 * names.length, "all are listed");
});

function asked(edge) {
  return [...edge.log.matchAll(/^asked$/gm)].length;
}

/** The part of the directory that has an identifier's entry. */
function shardOf(identifier) {
  return createHash("sha256").update(identifier).digest()[0] % 8;
}
