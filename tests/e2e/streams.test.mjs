// Flagsmith's realtime stream: an event for each change, at a time when every isolate serves the change.

import assert from "node:assert/strict";
import { test } from "node:test";

import { adminOf, createFlag, embeddedOrigin } from "./embedded_origin.mjs";
import { becomes, declaredObjects, eventually, startEdge } from "./harness.mjs";
import { evaluate, KEY, startWithFlags } from "./ofrep.mjs";
import { learn } from "./secrets.mjs";

const EVENT = /^id: (\d+)\nevent: environment_updated\ndata: \{"updated_at": (\d+\.\d{3})\}$/;
const OFREP_EVENT = /^id: (\d+)\ndata: (\{"type":"refetchEvaluation".*\})$/;

/** An edge with three isolates and a flag: {edge, admin, key, change, values, path}. */
async function started(t, { variables, ...others } = {}) {
  const edge = await startEdge({ ...embeddedOrigin({ LOG_REQUESTS: 0, ...variables }), workers: 3, ...others });
  t.after(() => edge.close());
  edge.kv.entries.clear();
  const { admin, key, change } = await createFlag(edge);
  const headers = { "X-Environment-Key": key };
  const value = async (port) => (await fetch(`http://127.0.0.1:${port}/api/v1/flags/`, { headers })).json();
  /** The flag's value at every isolate. */
  const values = () => Promise.all(edge.ports.map(async (port) => (await value(port))[0]?.feature_state_value));
  await becomes(async () => (await values()).join(), "0,0,0", "the environment is published");
  return { edge, admin, key, change, values, path: `/sse/environments/${key}/stream`, ofrep: `/ofrep/v1/environments/${key}/stream` };
}

/**
 * Opens a stream: {status, headers, events, end()}. `events` are those received so far: {id, updatedAt}, or {id, data} in
 * OpenFeature's stream. Without a `lastEventId` it gets only events after its opening.
 */
async function open(t, port, path, lastEventId = String(Number.MAX_SAFE_INTEGER)) {
  const controller = new AbortController();
  const headers = path.includes("lastEventId") ? {} : { "Last-Event-ID": lastEventId };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers, signal: controller.signal });
  const stream = { status: response.status, headers: response.headers, events: [], hasEnded: false };
  let text = "";
  const read = async () => {
    for await (const piece of response.body) {
      text += Buffer.from(piece).toString();
      const blocks = text.split("\n\n");
      text = blocks.pop();
      for (const block of blocks) {
        if (/^(retry: \d+|: .*)$/.test(block)) continue;
        if (path.startsWith("/ofrep/")) {
          const [, id, data] = OFREP_EVENT.exec(block) ?? assert.fail(`no event: ${block}`);
          stream.events.push({ id: Number(id), data: JSON.parse(data) });
        } else {
          const [, id, updatedAt] = EVENT.exec(block) ?? assert.fail(`no event: ${block}`);
          stream.events.push({ id: Number(id), updatedAt: Number(updatedAt) });
        }
      }
    }
  };
  const ended = read().catch((error) => {
    if (error instanceof assert.AssertionError) throw error;
  }).finally(() => (stream.hasEnded = true));
  stream.end = async () => {
    controller.abort();
    await ended;
  };
  t.after(stream.end);
  return stream;
}

test("an event arrives when every isolate serves the change, in all streams and in order", async (t) => {
  const { edge, change, values, path } = await started(t);
  const streams = [];
  for (const port of [...edge.ports, ...edge.ports]) streams.push(await open(t, port, path));
  for (const { status, headers } of streams) {
    assert.deepEqual([status, headers.get("content-type"), headers.get("access-control-allow-origin")], [200, "text/event-stream", "*"]);
  }
  for (let round = 1; round <= 3; round += 1) {
    const published = (await values()).join();
    assert.equal(published, Array(3).fill(String(round - 1)).join());
    // Isolates are busy, so each has just asked for the version.
    let isOver = false;
    const busy = (async () => {
      while (!isOver) await values();
    })();
    await change(String(round));
    await eventually(() => streams.some(({ events }) => events.length === round), "an event arrives");
    const seen = (await values()).join();
    isOver = true;
    await busy;
    assert.equal(seen, Array(3).fill(String(round)).join(), "right after the first event");
    await becomes(() => streams.map(({ events }) => events.length).join(), streams.map(() => round).join(), "each stream gets it once");
  }
  for (const { events } of streams) {
    assert.deepEqual(events, streams[0].events);
    for (const [index, { id, updatedAt }] of events.slice(1).entries()) assert.ok(id > events[index].id && updatedAt > events[index].updatedAt);
  }
});

test("an event's time is later than the document's own", async (t) => {
  const { edge, change, key, path } = await started(t);
  const stream = await open(t, edge.port, path);
  await change("1");
  await eventually(() => stream.events.length === 1, "the event arrives");
  const flags = await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } });
  assert.equal(flags.json()[0].feature_state_value, "1");
  assert.ok(stream.events[0].updatedAt > Number(flags.headers["x-flagsmith-document-updated-at"]), flags.headers["x-flagsmith-document-updated-at"]);
});

test("a client that missed events gets one at once, another none", async (t) => {
  const { edge, change, path } = await started(t);
  const before = await open(t, edge.ports[0], path);
  await change("1");
  await eventually(() => before.events.length === 1, "the event arrives");
  const [{ id: first }] = before.events;
  await before.end();
  const other = await open(t, edge.ports[1], path);
  await change("2");
  await eventually(() => other.events.length > 0, "a stream gets the later change");
  const late = await open(t, edge.ports[2], path, String(first));
  await eventually(() => late.events.length === 1, "the missed event arrives");
  const last = late.events[0].id;
  assert.ok(last > first);
  const parameter = await open(t, edge.ports[0], `${path}?lastEventId=${first}`);
  await eventually(() => parameter.events.length === 1, "the parameter counts, too");
  const current = await open(t, edge.ports[0], path, String(last));
  const invalid = await open(t, edge.ports[0], path, "no number");
  await change("3");
  await eventually(() => current.events.length === 1 && invalid.events.at(-1)?.id > last, "the next event arrives");
  assert.ok(current.events[0].id > last && current.events[0].id === invalid.events.at(-1).id, "and none before it");
  // It may have fetched its flags just before the event that came just before.
  assert.deepEqual(invalid.events.map(({ id }) => id), [last, current.events[0].id]);
});

test("OpenFeature's event comes at once, and its hint brings the new version from every isolate", async (t) => {
  const { edge, change, key, path, ofrep } = await started(t);
  const { json } = await edge.request({ method: "POST", path: "/ofrep/v1/evaluate/flags", headers: { "X-API-Key": key, "Content-Type": "application/json" }, body: "{}" }).then((answer) => ({ json: answer.json() }));
  assert.deepEqual(json.eventStreams, [{ type: "sse", endpoint: { requestUri: ofrep }, inactivityDelaySec: 120 }]);
  const stream = await open(t, edge.ports[0], ofrep);
  const delayed = await open(t, edge.ports[1], path);
  assert.equal(stream.headers.get("content-type"), "text/event-stream");
  for (let round = 1; round <= 5; round += 1) {
    const events = stream.events.length;
    await change(String(round));
    await eventually(() => stream.events.length > events, "the event arrives");
    const { id, data: { etag, lastModified, type } } = stream.events.at(-1);
    assert.ok(!delayed.events.some((event) => event.id === id), "Flagsmith's event comes later");
    assert.deepEqual([type, lastModified], ["refetchEvaluation", Math.floor(id / 1000)]);
    for (const port of edge.ports) {
      const query = `?${new URLSearchParams({ flagConfigEtag: etag, flagConfigLastModified: lastModified })}`;
      const answer = await fetch(`http://127.0.0.1:${port}/ofrep/v1/evaluate/flags${query}`, { method: "POST", headers: { "X-API-Key": key, "Content-Type": "application/json" }, body: "{}" });
      assert.equal((await answer.json()).flags[0].value, String(round), `isolate ${port}, round ${round}`);
    }
  }
  await eventually(() => delayed.events.at(-1)?.id === stream.events.at(-1).id, "Flagsmith's stream has the same last event");
});

test("busy isolates ask shards, which ask the object; events and changes arrive as ever", async (t) => {
  const { edge, change, values, path, ofrep, admin, key } = await started(t, { entry: "tests/e2e/counted.js", variables: { SHARD_REQUESTS_PER_SECOND: 1 } });
  let isOver = false;
  const busy = (async () => {
    while (!isOver) await values();
  })();
  t.after(() => (isOver = true));
  const shards = () => new Set([...edge.log.matchAll(/"called":"StreamObject","id":"(\w+)","method":"relay"/g)].map(([, id]) => id));
  await eventually(() => shards().size >= 2, "there are several shards");
  const streams = await Promise.all(edge.ports.flatMap((port) => [open(t, port, path), open(t, port, ofrep)]));
  for (let round = 1; round <= 2; round += 1) {
    await change(String(round));
    await becomes(() => streams.map(({ events }) => events.length).join(), streams.map(() => round).join(), "each stream gets one event");
    assert.equal((await values()).join(), Array(3).fill(String(round)).join());
  }
  const override = { identifier: "ada", feature: "f", enabled: true, feature_state_value: "hers" };
  await admin("PUT", `environments/${key}/edge-identities-featurestates`, override);
  await becomes(() => streams.map(({ events }) => events.length).join(), streams.map(() => 3).join(), "and one for an override");
  isOver = true;
  await busy;
});

const FAILING_SHARDS = `import { DurableObject } from "cloudflare:workers";
export class Broken extends DurableObject {
  relay() { throw new Error("broken"); }
  announce() {}
}
export default {};`;

test("a shard that fails is passed over", async (t) => {
  const options = embeddedOrigin();
  const objects = declaredObjects().map((object) => (object.binding === "STREAMS" ? { ...object, className: "Broken", service: "broken" } : object));
  const { edge, change, values } = await started(t, {
    objects,
    scripts: [...options.scripts, { name: "broken", source: FAILING_SHARDS, classes: ["Broken"] }],
    variables: { SHARD_REQUESTS_PER_SECOND: 1 },
  });
  let isOver = false;
  const busy = (async () => {
    while (!isOver) await values();
  })();
  t.after(() => (isOver = true));
  await eventually(() => /"failure":"streams","cause":"shard of \w+: broken"/.test(edge.log), "a shard is asked, and fails");
  await change("1");
  await becomes(async () => (await values()).join(), "1,1,1", "the change is served");
  isOver = true;
  await busy;
});

test("no stream of a shard misses an event", async (t) => {
  const edge = await startEdge({ entry: "tests/e2e/stream_shards.js" });
  t.after(() => edge.close());
  const versions = async (fault) => (await edge.request({ path: `/${fault}` })).json();
  assert.deepEqual(await versions("joining"), ["", "1-a", "2-b"], "an event while the shard joins, and two later ones");
  assert.deepEqual(await versions("overtaken"), ["2-b"], "an event that overtook another");
  assert.deepEqual(await versions("hanging"), ["1-a"], "an event that the shard did not answer to");
});

test("no page of overrides is older than the first, though shards keep pages", async (t) => {
  const { edge, admin, key } = await started(t, { entry: "tests/e2e/stream_shards.js", variables: { SHARD_REQUESTS_PER_SECOND: 1, FRESHNESS_SECONDS: 0 } });
  const { key: serverKey } = await admin("POST", `environments/${key}/api-keys/`, { name: "s" });
  learn(serverKey);
  const identifiers = Array.from({ length: 120 }, (_, index) => `identity-${String(index).padStart(3, "0")}`);
  const put = (identifier, letter) => admin("PUT", `environments/${key}/edge-identities-featurestates`, { identifier, feature: "f", enabled: true, feature_state_value: letter.repeat(20_000) });
  for (const identifier of identifiers) await put(identifier, "a");
  /** The first letters of all overrides, from an isolate that changed none. */
  const letters = async () => {
    const answer = await fetch(`http://127.0.0.1:${edge.ports[1]}/api/v1/environment-document/`, { headers: { "X-Environment-Key": serverKey } });
    const { identity_overrides: overrides } = await answer.json();
    return overrides?.map(({ identity_features: [{ feature_state_value: [letter] }] }) => letter).join("");
  };
  await becomes(letters, "a".repeat(120), "the document has all overrides");
  await put(identifiers.at(-1), "b");
  await becomes(letters, `${"a".repeat(119)}b`, "a change on the last page arrives");
});

const FLAKY = `import { DurableObject } from "cloudflare:workers";
export class Flaky extends DurableObject {
  async announce(version) {
    const attempts = ((await this.ctx.storage.get("attempts")) ?? 0) + 1;
    await this.ctx.storage.put("attempts", attempts);
    console.log(JSON.stringify({ announced: version, attempts }));
    if (attempts < 3) throw new Error("broken");
  }
}
export default {};`;

test("a change of which streams could not be told is told again, after a restart, too", async (t) => {
  const options = embeddedOrigin();
  const objects = declaredObjects().map((object) => (object.binding === "STREAMS" ? { ...object, className: "Flaky", service: "flaky" } : object));
  const { edge, admin, key } = await started(t, { objects, scripts: [...options.scripts, { name: "flaky", source: FLAKY, classes: ["Flaky"] }] });
  const announced = () => [...edge.log.matchAll(/^\{"announced":"([^"]*)","attempts":(\d+)\}/gm)].map(([, version, attempts]) => [version, Number(attempts)]);
  await eventually(() => announced().length === 1, "the first attempt fails");
  await edge.kill();
  await edge.start();
  await eventually(() => announced().length >= 3, "it is repeated");
  const [[version], ...later] = announced();
  assert.ok(later.slice(0, 2).every(([again]) => again === version) && version !== "");
  const override = { identifier: "ada", feature: "f", enabled: true, feature_state_value: "hers" };
  await admin("PUT", `environments/${key}/edge-identities-featurestates`, override);
  await eventually(() => announced().at(-1)[0] === "", "an override is told");
});

const RECORDING = `import { DurableObject } from "cloudflare:workers";
export class Recording extends DurableObject {
  announce(version, sequence, updatedAt) { console.log(JSON.stringify({ announced: version, updatedAt })); }
}
export default {};`;

test("without an origin, the isolate that reads a changed document tells the streams", async (t) => {
  const objects = declaredObjects().map((object) => (object.binding === "STREAMS" ? { ...object, className: "Recording", service: "recording" } : object));
  const variables = { DOCUMENT_SOFT_AGE_SECONDS: "0", DOCUMENT_HARD_AGE_SECONDS: "0" };
  const edge = await startWithFlags(t, { objects, variables, workers: 2, scripts: [{ name: "recording", source: RECORDING, classes: ["Recording"] }] });
  const both = () => Promise.all([0, 1].map(async (isolate) => (await evaluate(edge, "/text", {}, {}, isolate)).body.value));
  assert.deepEqual(await both(), ["blue", "blue"]);
  const announced = () => [...edge.log.matchAll(/^\{"announced":"(\w+)","updatedAt":([\d.]+)\}/gm)].map(([, version, updatedAt]) => `${version} ${updatedAt}`);
  assert.deepEqual([await both(), announced()], [["blue", "blue"], []]);
  const [[entry, document]] = [...edge.kv.entries].filter(([name]) => name === `document:${KEY}`);
  edge.kv.entries.set(entry, String(document).replace('"feature_state_value":"blue"', '"feature_state_value":"cyan"'));
  assert.deepEqual(await both(), ["cyan", "cyan"]);
  await eventually(() => announced().length === 2, "both isolates tell of it");
  const [first, second] = announced();
  assert.ok(first === second && first.endsWith(` ${Date.parse("2026-11-22T15:52:01Z") / 1000}`), first);
});

test("without an origin, a request that wants a later document tells the streams, too", async (t) => {
  const objects = declaredObjects().map((object) => (object.binding === "STREAMS" ? { ...object, className: "Recording", service: "recording" } : object));
  const variables = { DOCUMENT_SOFT_AGE_SECONDS: "3600", DOCUMENT_HARD_AGE_SECONDS: "3600" };
  const edge = await startWithFlags(t, { objects, variables, scripts: [{ name: "recording", source: RECORDING, classes: ["Recording"] }] });
  assert.equal((await evaluate(edge, "/text", {})).body.value, "blue");
  const [[entry, document]] = [...edge.kv.entries].filter(([name]) => name === `document:${KEY}`);
  edge.kv.entries.set(entry, String(document).replace('"feature_state_value":"blue"', '"feature_state_value":"cyan"'));
  const wanting = `/text?flagConfigLastModified=${Math.floor(Date.now() / 1000) + 60}`;
  assert.equal((await evaluate(edge, wanting, {})).body.value, "cyan");
  await eventually(() => /^\{"announced":"\w+"/m.test(edge.log), "the isolate tells of it");
});

const DROPPING = `import { DurableObject } from "cloudflare:workers";
let opened = 0;
export class Dropping extends DurableObject {
  announce() {}
  fetch(request) {
    opened += 1;
    const [client, server] = Object.values(new WebSocketPair());
    server.accept();
    const sequence = Date.now() + opened;
    console.log(JSON.stringify({ opened, seen: request.headers.get("last-event-id") }));
    server.send(JSON.stringify({ sequence, updated_at: sequence / 1000, version: "" }));
    setTimeout(() => server.close(), 100);
    return new Response(null, { status: 101, webSocket: client });
  }
}
export default {};`;

test("a stream outlasts the sockets of its object", async (t) => {
  const options = embeddedOrigin();
  const objects = declaredObjects().map((object) => (object.binding === "STREAMS" ? { ...object, className: "Dropping", service: "dropping" } : object));
  const { edge, ofrep } = await started(t, { objects, scripts: [...options.scripts, { name: "dropping", source: DROPPING, classes: ["Dropping"] }] });
  const stream = await open(t, edge.port, ofrep);
  await eventually(() => stream.events.length >= 3, "events of three sockets arrive in one stream");
  const opened = [...edge.log.matchAll(/^\{"opened":(\d+),"seen":(null|"\d+")\}/gm)].map(([, , seen]) => seen);
  assert.deepEqual(opened.slice(0, 3), [`"${Number.MAX_SAFE_INTEGER}"`, ...stream.events.slice(0, 2).map(({ id }) => `"${id}"`)], "each names the latest event");
  assert.ok(!stream.hasEnded);
});

test("an override made at the worker is an event", async (t) => {
  const { edge, admin, key, path } = await started(t);
  const stream = await open(t, edge.port, path);
  const override = { identifier: "ada", feature: "f", enabled: true, feature_state_value: "hers" };
  await admin("PUT", `environments/${key}/edge-identities-featurestates`, override);
  await eventually(() => stream.events.length === 1, "the event arrives");
  const identity = await edge.request({ path: "/api/v1/identities/?identifier=ada", headers: { "X-Environment-Key": key } });
  assert.equal(identity.json().flags[0].feature_state_value, "hers");
});

test("a refused override is no event", async (t) => {
  const { edge, change, key, path } = await started(t);
  const stream = await open(t, edge.port, path);
  const body = { identifier: "ada", feature: "f", enabled: true, multivariate_feature_state_values: [{ multivariate_feature_option: 1, percentage_allocation: 200 }] };
  const refused = await adminOf(edge)("PUT", `/api/v1/environments/${key}/edge-identities-featurestates`, body);
  assert.ok(refused.status >= 400, refused.text);
  await change("1");
  await eventually(() => stream.events.length > 0, "the next event arrives");
  assert.equal(stream.events.length, 1);
});

test("unknown keys, other methods and endings", async (t) => {
  const { edge, change, path, key } = await started(t);
  const ask = (method, path) => edge.request({ method, path });
  const unknown = await ask("GET", "/sse/environments/unknown/stream");
  assert.deepEqual([unknown.status, unknown.json()], [403, { detail: "Invalid or missing Environment Key" }]);
  assert.equal((await ask("GET", "/sse/environments/ser.secret/stream")).status, 404);
  const posted = await ask("POST", path);
  assert.deepEqual([posted.status, posted.headers.allow], [405, "GET, OPTIONS"]);
  assert.equal((await ask("OPTIONS", path)).status, 200);
  // A stream ends with the runtime, and a new one gets the events since then.
  const before = await open(t, edge.port, `${path}/`);
  await change("1");
  await eventually(() => before.events.length === 1, "the event arrives");
  await edge.kill();
  await eventually(() => before.hasEnded, "the stream ends");
  await edge.start();
  const after = await open(t, edge.port, path, String(before.events[0].id));
  assert.equal(after.status, 200);
  await change("2");
  await eventually(() => after.events.length === 1, "the next event arrives");
  assert.ok(after.events[0].id > before.events[0].id);
  assert.equal((await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } })).json()[0].feature_state_value, "2");
});

const BROKEN = `import { DurableObject } from "cloudflare:workers";
export class Broken extends DurableObject {
  fetch() { throw new Error("broken"); }
  announce() { throw new Error("broken"); }
}
export default {};`;

test("flags and changes are served while the object of streams fails", async (t) => {
  const options = embeddedOrigin({ LOG_REQUESTS: 0 });
  const objects = declaredObjects().map((object) => (object.binding === "STREAMS" ? { ...object, className: "Broken", service: "broken" } : object));
  const scripts = [...options.scripts, { name: "broken", source: BROKEN, classes: ["Broken"] }];
  const edge = await startEdge({ ...options, scripts, objects });
  t.after(() => edge.close());
  const [{ key }] = edge.environments;
  const refused = await edge.request({ path: `/sse/environments/${key}/stream` });
  assert.deepEqual([refused.status, refused.headers["retry-after"], refused.json()], [503, "10", { detail: "No stream can be opened now; try again." }]);
  assert.equal((await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } })).status, 200);
});
