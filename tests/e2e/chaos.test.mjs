// Clients get the last valid version while a part behind the worker fails, never a wrong one and never defaults.

import assert from "node:assert/strict";
import { after, test } from "node:test";

import { documentEntry } from "../../scripts/environments.mjs";
import { ADMIN_KEY, ADMIN_KEY_SHA256, set, startFlagsmith, stateOf, TOKEN } from "./flagsmith.mjs";
import { becomes, declaredObjects, eventually, FIXTURES, startEdge } from "./harness.mjs";
import { request } from "./http.mjs";
import { createStandIn } from "./stand_in.mjs";

// Every answer is revalidated, so that cached values hide no fault.
const SETTINGS = { ORIGIN_API_TOKEN: TOKEN, ADMIN_KEY_SHA256, FRESHNESS_SECONDS: 0, REFRESH_SECONDS: 1, DISCOVERY_SECONDS: 1 };
const rows = [];
after(() => console.table(rows));

// The faults of the origin, and the message of each.
const ORIGIN_FAULTS = {
  "is down": { begin: ({ origin }) => origin.down(), end: ({ origin }) => origin.up(), cause: /./ },
  "answers 500": { begin: ({ origin }) => origin.behave("fail"), end: ({ origin }) => origin.behave("serve"), cause: /500/ },
  "cuts its connections": { begin: ({ origin }) => origin.behave("cut"), end: ({ origin }) => origin.behave("serve"), cause: /./ },
  "cuts its answers off": { begin: ({ origin }) => origin.behave("cut-body"), end: ({ origin }) => origin.behave("serve"), cause: /./ },
  "answers with garbage": { begin: ({ origin }) => origin.behave("garbage"), end: ({ origin }) => origin.behave("serve"), cause: /JSON|UTF|document/ },
  "answers with nothing": { begin: ({ origin }) => origin.behave("empty"), end: ({ origin }) => origin.behave("serve"), cause: /document/ },
  "sends an object without content": lying(() => ({}), /document/),
  "sends a document cut in half": lying((document) => JSON.stringify(document).slice(0, -200), /JSON|document/),
  "sends a document whose flags are no flags": lying((document) => ({ ...document, feature_states: [{ enabled: "yes" }] }), /feature_states/),
  "sends an older document": lying((document) => ({ ...document, feature_states: [], updated_at: "2020-01-01T00:00:00Z" }), /older/),
  "sends a document without a date": lying(({ updated_at, ...document }) => ({ ...document, feature_states: [] }), /older/),
  "sends another environment's document": lying((document) => ({ ...document, api_key: "anotherEnvironment" }), /another environment/),
};

for (const [what, fault] of Object.entries(ORIGIN_FAULTS)) {
  edgeTest(`the origin ${what}`, { workers: 2 }, async (context) => {
    const { edge, flagsmith, key } = context;
    const watch = watched(context);
    await fault.begin(flagsmith);
    // Documents published meanwhile are not available; the previous ones stay.
    set(flagsmith, key, 60);
    await eventually(async () => (await status(edge, key)).last_fault?.attempts >= 2, "it has failed twice");
    assert.match((await status(edge, key)).last_fault.cause, fault.cause);
    for (const port of edge.ports) {
      const response = await flags(port, key);
      assert.equal(valueIn(response), 50);
      assert.match(response.headers["x-edge-stale-seconds"] ?? "absent", /^\d+$/);
    }
    await fault.end(flagsmith);
    await everywhere(edge, key, 60);
    await eventually(async () => (await status(edge, key)).last_fault === null, "it has recovered");
    await watch.end(`the origin ${what}`, [50, 60]);
  });
}

edgeTest("the origin is down while the worker starts again", { workers: 2 }, async ({ edge, flagsmith, key }) => {
  await eventually(() => edge.kv.entries.has(documentEntry(key)), "KV has the document");
  await flagsmith.origin.down();
  await edge.kill();
  await edge.start();
  for (const port of edge.ports) assert.equal(valueIn(await served(port, key)), 50);
  // KV does not have the document, so the object answers.
  edge.kv.entries.clear();
  await edge.kill();
  await edge.start();
  for (const port of edge.ports) assert.equal(valueIn(await served(port, key)), 50);
  await flagsmith.origin.up();
  set(flagsmith, key, 60);
  await everywhere(edge, key, 60);
  await eventually(() => edge.kv.entries.has(documentEntry(key)), "KV has the document again");
});

edgeTest("the origin fails and recovers repeatedly", { workers: 2 }, async (context) => {
  const { edge, flagsmith, key } = context;
  const watch = watched(context);
  for (let value = 51; value <= 56; value += 1) {
    await flagsmith.origin.down();
    set(flagsmith, key, value);
    const { last_fault } = await status(edge, key);
    await eventually(async () => (await status(edge, key)).last_fault?.at !== last_fault?.at, "it is missed");
    await flagsmith.origin.up();
    await everywhere(edge, key, value);
  }
  await watch.end("the origin fails and recovers", [50, 51, 52, 53, 54, 55, 56]);
});

edgeTest("the origin takes two seconds for each answer", { workers: 2 }, async (context) => {
  const { edge, flagsmith, key } = context;
  const watch = watched(context);
  flagsmith.origin.behave(2_000);
  set(flagsmith, key, 60);
  await everywhere(edge, key, 60);
  await watch.end("the origin takes two seconds for each answer", [50, 60]);
});

edgeTest("an environment without its first document is unavailable, not unknown", { fresh: false }, async ({ edge, flagsmith, key }) => {
  flagsmith.spoil = () => "{";
  const response = await flags(edge.port, key);
  assert.equal(response.status, 503, response.text);
  assert.equal(response.headers["retry-after"], "1");
  flagsmith.spoil = (document) => document;
  await everywhere(edge, key, 50);
});

for (const way of ["fail", "garbage", "stall"]) {
  edgeTest(`KV answers with ${way}`, { workers: 2 }, async (context) => {
    const { edge, flagsmith, key } = context;
    const watch = watched(context);
    edge.kv.behave(way);
    set(flagsmith, key, 60);
    await everywhere(edge, key, 60);
    await watch.end(`KV answers with ${way}`, [50, 60]);
    // An isolate with an empty cache gets the document from the object, too.
    await edge.kill();
    await edge.start();
    for (const port of edge.ports) assert.equal(valueIn(await served(port, key)), 60);
    edge.kv.behave("serve");
    const hasIt = () => edge.kv.entries.get(documentEntry(key))?.includes('"feature_state_value":60');
    await eventually(hasIt, "KV has the change");
  });
}

edgeTest("KV shows new keys late", { workers: 2 }, async (context) => {
  const { edge, flagsmith, key } = context;
  const watch = watched(context);
  const shown = new Map(edge.kv.entries);
  edge.kv.view = (entry) => shown.get(entry);
  set(flagsmith, key, 60);
  await everywhere(edge, key, 60);
  await watch.end("KV shows new keys late", [50, 60]);
});

// A script in front of the environments' objects, which fails on demand.
const faultyObjects = (port) => `
  import { DurableObject } from "cloudflare:workers";
  export class FaultyEnvironment extends DurableObject {
    async #call(method, ...given) {
      const way = await (await fetch("http://127.0.0.1:${port}/")).text();
      if (way === "fail") throw new Error("out of order");
      if (way === "stall") await new Promise(() => {});
      return this.env.OBJECTS.get(this.env.OBJECTS.idFromName(this.ctx.id.name))[method](...given);
    }
    ${["announcement", "document", "told", "follow", "leave", "reconcile", "status"]
      .map((method) => `${method}(...given) { return this.#call("${method}", ...given); }`)
      .join("\n    ")}
  }
  export default { fetch() { return new Response(null, { status: 404 }); } };
`;

for (const way of ["fail", "stall"]) {
  test(`environments' objects answer with ${way}`, async (t) => {
    let behaviour = "serve";
    const control = createStandIn((_, response) => response.end(behaviour));
    await new Promise((resolve) => control.listen(0, "127.0.0.1", resolve));
    t.after(() => control.close());
    const objects = declaredObjects().map((object) =>
      object.binding === "PUBLISHERS" ? { ...object, binding: "REAL_PUBLISHERS" } : object,
    );
    const script = {
      name: "faulty",
      source: faultyObjects(control.address().port),
      classes: ["FaultyEnvironment"],
      objects: [{ binding: "OBJECTS", className: "EnvironmentObject", service: "worker0" }],
    };
    const context = await started(t, {
      workers: 2,
      objects: [...objects, { binding: "PUBLISHERS", className: "FaultyEnvironment", service: "faulty" }],
      scripts: [script],
    });
    const { edge, flagsmith, key } = context;
    await eventually(() => edge.kv.entries.has(documentEntry(key)), "KV has the document");
    const watch = watched(context);
    behaviour = way;
    set(flagsmith, key, 60);
    for (const port of edge.ports) {
      const response = await flags(port, key);
      assert.equal(valueIn(response), 50);
      assert.match(response.headers["x-edge-stale-seconds"] ?? "absent", /^\d+$/);
    }
    await watch.reads(20);
    await watch.end(`environments' objects answer with ${way}`, [50, 60]);
    // For an isolate without a known version, KV's document counts.
    await edge.kill();
    await edge.start();
    for (const port of edge.ports) assert.ok([50, 60].includes(valueIn(await served(port, key))));
    behaviour = "serve";
    await everywhere(edge, key, 60);
  });
}

test("documents are served while the registry fails", async (t) => {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const source = `
    import { DurableObject } from "cloudflare:workers";
    export class Broken extends DurableObject {
      look() { throw new Error("out of order"); }
      serverKey() { throw new Error("out of order"); }
      environments() { throw new Error("out of order"); }
    }
    export default { fetch: () => new Response() };
  `;
  const objects = declaredObjects().filter(({ binding }) => binding !== "REGISTRY");
  const edge = await startEdge({
    origin: flagsmith.origin,
    variables: SETTINGS,
    scripts: [{ name: "broken", source, classes: ["Broken"] }],
    objects: [...objects, { binding: "REGISTRY", className: "Broken", service: "broken" }],
  });
  t.after(() => edge.close());
  // Entries in KV are served; unknown keys are unavailable.
  const [{ key, serverKeys }] = edge.environments;
  for (const name of [key, serverKeys[0].key]) assert.equal(valueIn(await flags(edge.port, name)), 50);
  for (const name of ["unknown", "ser.unknown"]) {
    const response = await flags(edge.port, name);
    assert.deepEqual([response.status, response.headers["retry-after"]], [503, "1"]);
  }
  const response = await request(edge.port, { path: "/edge/status", headers: { Authorization: `Api-Key ${ADMIN_KEY}` } });
  assert.equal(response.status, 503);
});

/** A test with a Flagsmith, and workers in front of it that have served its first environment, unless `fresh` is false. */
function edgeTest(name, { fresh = true, ...options }, body) {
  test(name, async (t) => body(await started(t, options, fresh)));
}

async function started(t, { variables = {}, ...options }, fresh = true) {
  const flagsmith = await startFlagsmith(FIXTURES);
  t.after(() => flagsmith.close());
  const edge = await startEdge({ origin: flagsmith.origin, variables: { ...SETTINGS, ...variables }, ...options });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const [key] = flagsmith.environments.keys();
  if (fresh) await everywhere(edge, key, 50);
  return { edge, flagsmith, key };
}

/** Reads from every isolate until `end` is called, and then checks the results. */
function watched({ edge, key }) {
  let reads = true;
  const began = Date.now();
  const seen = edge.ports.map(() => []);
  const readers = edge.ports.map(async (port, isolate) => {
    const answers = seen[isolate];
    while (reads) {
      const path = answers.length % 2 ? "/api/v1/flags/" : "/api/v1/identities/?identifier=someone&transient=true";
      answers.push(await request(port, { path, headers: { "X-Environment-Key": key } }));
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  });
  return {
    /** Waits until every isolate has been read this many times. */
    reads: (count) => eventually(() => seen.every((answers) => answers.length >= count), `${count} reads`),
    async end(what, allowed) {
      reads = false;
      await Promise.all(readers);
      for (const answers of seen) {
        const values = answers.map(valueIn);
        assert.deepEqual(values.filter((value) => !allowed.includes(value)), [], "a value that never was");
        assert.deepEqual(values, [...values].sort((a, b) => a - b), "an older value after a newer one");
      }
      const answers = seen.flat();
      const stale = answers.filter(({ headers }) => headers["x-edge-stale-seconds"] !== undefined).length;
      rows.push({ what, seconds: (Date.now() - began) / 1000, reads: answers.length, stale });
    },
  };
}

/** Ways to spoil a document, with the message of each. */
function lying(spoil, cause) {
  return { begin: (flagsmith) => (flagsmith.spoil = spoil), end: (flagsmith) => (flagsmith.spoil = (document) => document), cause };
}

function flags(port, key) {
  return request(port, { path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
}

/** The answer of an isolate that may have an empty cache. Retries while the answer has a Retry-After. */
function served(port, key) {
  return becomes(() => flags(port, key), ({ status }) => status !== 503);
}

function valueIn(response) {
  assert.equal(response.status, 200, response.text);
  const body = response.json();
  return stateOf(body.flags ?? body).feature_state_value;
}

async function everywhere(edge, key, value) {
  for (const port of edge.ports) {
    const serves = async () => {
      const response = await flags(port, key);
      return response.status === 200 && valueIn(response) === value;
    };
    await eventually(serves, `${value} is served`);
  }
}

async function status(edge, key) {
  const response = await request(edge.port, { path: "/edge/status", headers: { Authorization: `Api-Key ${ADMIN_KEY}` } });
  return response.json().environments.find(({ environment }) => environment === key);
}
