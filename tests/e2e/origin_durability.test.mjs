// The embedded origin keeps what it acknowledged, and applies each request as a whole: under kill -9 and many writers.

import assert from "node:assert/strict";
import { test } from "node:test";

import { adminOf, embeddedOrigin } from "./embedded_origin.mjs";
import { becomes, startEdge } from "./harness.mjs";

const ROUNDS = 20;
const WRITERS = 4;

/** A started edge with a project: {edge, admin, project, environments}. `admin` returns the JSON of an answer below 300. */
async function started(t) {
  const edge = await startEdge({ ...embeddedOrigin() });
  t.after(() => edge.close());
  const send = adminOf(edge);
  const admin = async (method, path, body) => {
    const answer = await send(method, `/api/v1/${path}`, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json();
  };
  const { id: organisation } = await admin("POST", "organisations/", { name: "o" });
  const { id: project } = await admin("POST", "projects/", { name: "p", organisation });
  const environments = [];
  for (const name of ["one", "two"]) environments.push(await admin("POST", "environments/", { name, project }));
  return { edge, admin, send, project, environments };
}

/** A segment whose two conditions always have the same number, so that rules replaced by halves would show. */
function segmentOf(project, number) {
  const condition = (property) => ({ operator: "EQUAL", property, value: String(number) });
  return { name: "pair", project, rules: [{ type: "ALL", rules: [{ type: "ALL", rules: [], conditions: [condition("a"), condition("b")] }], conditions: [] }] };
}

/** The number in the segment's conditions. Fails if they differ. */
function numberOf({ rules }) {
  const numbers = rules.flatMap(({ rules }) => rules.flatMap(({ conditions }) => conditions.map(({ value }) => value)));
  assert.ok(numbers.length === 2 && numbers[0] === numbers[1], JSON.stringify(rules));
  return Number(numbers[0]);
}

test("kill -9 loses nothing acknowledged and leaves nothing half applied", async (t) => {
  const { edge, admin, send, project, environments } = await started(t);
  const [{ api_key: key }] = environments;
  const writers = [];
  for (let index = 0; index < WRITERS; index += 1) {
    const { id } = await admin("POST", `projects/${project}/features/`, { name: `counter_${index}` });
    const { results } = await admin("GET", `environments/${key}/featurestates/?feature=${id}`);
    writers.push({ state: results[0].id, sent: 0, acknowledged: 0 });
  }
  const segment = await admin("POST", `projects/${project}/segments/`, segmentOf(project, 0));
  const rules = { sent: 0, acknowledged: 0 };
  const created = { sent: 0, acknowledged: [] };

  for (let round = 1; round <= ROUNDS; round += 1) {
    let isKilled = false;
    let answers = 0;
    // Whether a request without an answer was carried out is open.
    const attempt = async (work, succeeded) => {
      while (!isKilled) {
        const answer = await work().catch(() => null);
        if (answer === null || answer.status >= 500) return;
        assert.ok(answer.status < 300, answer.text);
        succeeded();
        answers += 1;
      }
    };
    const all = writers.map((writer) => {
      let number;
      const work = () => send("PATCH", `/api/v1/environments/${key}/featurestates/${writer.state}/`, { feature_state_value: (number = writer.sent += 1) });
      return attempt(work, () => (writer.acknowledged = number));
    });
    let number;
    all.push(attempt(() => send("PUT", `/api/v1/projects/${project}/segments/${segment.id}/`, segmentOf(project, (number = rules.sent += 1))), () => (rules.acknowledged = number)));
    let name;
    all.push(attempt(() => send("POST", `/api/v1/projects/${project}/features/`, { name: (name = `feature_${(created.sent += 1)}`) }), () => created.acknowledged.push(name)));
    // A different moment in each round.
    await becomes(() => answers >= 10 + round, true, "writes are acknowledged");
    isKilled = true;
    await edge.kill();
    await Promise.all(all);
    await edge.start();

    for (const { state, sent, acknowledged } of writers) {
      const { feature_state_value: value } = await admin("GET", `environments/${key}/featurestates/${state}/`);
      assert.ok(value >= acknowledged && value <= sent, `round ${round}: ${value}, acknowledged ${acknowledged}, sent ${sent}`);
    }
    const stored = numberOf(await admin("GET", `projects/${project}/segments/${segment.id}/`));
    assert.ok(stored >= rules.acknowledged && stored <= rules.sent, `round ${round}: rules ${stored}, acknowledged ${rules.acknowledged}`);
    const { results } = await admin("GET", `projects/${project}/features/?page_size=999`);
    const names = new Set(results.map(({ name }) => name));
    for (const name of created.acknowledged) assert.ok(names.has(name), `round ${round}: ${name} is lost`);
    // Each feature has its state in each environment.
    for (const { api_key } of environments) {
      const { count } = await admin("GET", `environments/${api_key}/featurestates/?page_size=999`);
      assert.equal(count, results.length, `round ${round}`);
    }
  }
  // The edge serves what is stored.
  const expected = JSON.stringify(await Promise.all(writers.map(async ({ state }) => (await admin("GET", `environments/${key}/featurestates/${state}/`)).feature_state_value)));
  const served = async () => {
    const flags = (await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } })).json();
    return JSON.stringify(writers.map((_, index) => flags.find(({ feature }) => feature.name === `counter_${index}`)?.feature_state_value));
  };
  await becomes(served, expected, "the edge serves the stored values");
});

test("of 50 writers to one flag the last acknowledged wins, and versions are in order", async (t) => {
  const { edge, admin, project, environments } = await started(t);
  const [{ api_key: key }] = environments;
  const { id } = await admin("POST", `projects/${project}/features/`, { name: "contended" });
  const { results } = await admin("GET", `environments/${key}/featurestates/?feature=${id}`);
  const path = `environments/${key}/featurestates/${results[0].id}/`;
  const before = (await admin("GET", "audit/")).count;
  let last;
  await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const answer = await admin("PUT", path, { feature_state_value: index, enabled: index % 2 === 0, feature: id, environment: environments[0].id });
      assert.deepEqual([answer.feature_state_value, answer.enabled], [index, index % 2 === 0], "each answer has its own write");
      if (last === undefined || answer.updated_at > last.updated_at) last = answer;
    }),
  );
  const stored = await admin("GET", path);
  // Writes of the same millisecond have the same time.
  if (stored.updated_at === last.updated_at) last = stored;
  assert.deepEqual([stored.feature_state_value, stored.enabled, stored.updated_at], [last.feature_state_value, last.enabled, last.updated_at]);
  const { results: audit, count } = await admin("GET", "audit/?page_size=100");
  assert.equal(count - before, 50, "an audit row for each");
  const times = audit.map(({ created_date }) => created_date);
  assert.deepEqual(times, [...times].sort().reverse());

  const served = async () => (await edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": key } })).json()[0]?.feature_state_value;
  await becomes(served, stored.feature_state_value, "the edge serves it");
  const status = await adminOf(edge)("GET", "/edge/status");
  const { changes } = status.json().environments.find(({ environment }) => environment === key);
  const versions = changes.map(({ version }) => version);
  assert.deepEqual(versions, [...versions].sort().reverse(), "the edge's versions, the latest first");
});
