// The embedded origin keeps what it acknowledged, and applies each request as a whole: under kill -9 and many writers.

import assert from "node:assert/strict";
import { test } from "node:test";

import { adminOf, createProject, embeddedOrigin, startEmbeddedOrigin } from "./embedded_origin.mjs";
import { becomes, startEdge } from "./harness.mjs";

const ROUNDS = 20;
const WRITERS = 4;

/** A started edge with a project: {edge, admin, project, environments}. `admin` returns the JSON of an answer below 300. */
async function started(t) {
  const edge = await startEdge({ ...embeddedOrigin() });
  t.after(() => edge.close());
  const { admin, send, project } = await createProject(edge);
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

test("a write that fails half-way is 503 and changes nothing, and the next one works", async (t) => {
  const { send, sql, project, failures } = await opened(t);
  const feature = { name: "early" };
  const count = async () => (await send("GET", `/api/v1/projects/${project}/features/`)).json().count;
  // The audit row is written after the feature and its states.
  await sql("CREATE TRIGGER broken BEFORE INSERT ON origin_row WHEN NEW.kind = 'sequences' BEGIN SELECT RAISE(ABORT, 'injected'); END");
  for (const round of [1, 2]) {
    const failed = await send("POST", `/api/v1/projects/${project}/features/`, feature);
    assert.deepEqual([failed.status, failed.json()], [503, { detail: "The origin cannot read or write its data now. Send the request again." }]);
    assert.equal(await count(), 0);
    assert.equal((await failures()).length, round);
  }
  assert.deepEqual(await sql("SELECT count(*) AS count FROM origin_row WHERE kind = 'feature'"), [{ count: 0 }]);
  await sql("DROP TRIGGER broken");
  assert.equal((await send("POST", `/api/v1/projects/${project}/features/`, feature)).status, 201);
  assert.equal(await count(), 1);
  assert.equal((await failures()).length, 2);
});

test("nothing is served without a row that cannot be read, and the log does not quote it", async (t) => {
  const { origin, send, sql, project, failures } = await opened(t);
  const [{ json }] = await sql("SELECT json FROM origin_row WHERE kind = 'project'");
  await sql(`UPDATE origin_row SET json = '{"id": "confidential"}' WHERE kind = 'project'`);
  await origin.kill();
  await origin.start();
  for (const [method, path] of [["GET", "organisations/"], ["POST", "organisations/"], ["GET", `projects/${project}/`]]) {
    assert.equal((await send(method, `/api/v1/${path}`, method === "POST" ? { name: "more" } : undefined)).status, 503, path);
  }
  const causes = await failures();
  assert.equal(causes.length, 3);
  for (const cause of causes) assert.ok(/a row of project/.test(cause) && !cause.includes("confidential"), cause);
  await sql(`UPDATE origin_row SET json = '${json.replaceAll("'", "''")}' WHERE kind = 'project'`);
  assert.equal((await send("GET", `/api/v1/projects/${project}/`)).status, 200);
});

/** An origin alone, with a project and access to its rows: {origin, send, sql, project, failures}. */
async function opened(t) {
  const origin = await startEmbeddedOrigin({ opened: true });
  t.after(() => origin.close());
  const sql = async (statements) => {
    const answer = await origin.request({ method: "POST", path: "/sql", body: statements });
    assert.equal(answer.status, 200, answer.text);
    return answer.json();
  };
  const { admin, send, project } = await createProject(origin);
  await admin("POST", "environments/", { name: "e", project });
  /** The causes of the object's failures in the log. */
  const failures = async () => {
    await origin.flush();
    return Array.from(origin.log.matchAll(/^\{"failure":"origin object".*$/gm), ([line]) => JSON.parse(line).cause);
  };
  return { origin, send, sql, project, failures };
}

test("of 50 writers to one flag the last acknowledged wins, and versions are in order", async (t) => {
  const { edge, admin, project, environments } = await started(t);
  const [{ api_key: key }] = environments;
  const { id } = await admin("POST", `projects/${project}/features/`, { name: "contended" });
  const { results } = await admin("GET", `environments/${key}/featurestates/?feature=${id}`);
  const path = `environments/${key}/featurestates/${results[0].id}/`;
  const before = (await admin("GET", "audit/")).count;
  const answers = await Promise.all(
    Array.from({ length: 50 }, async (_, index) => {
      const body = { feature_state_value: index, enabled: index % 2 === 0, feature: id, environment: environments[0].id };
      const answer = await admin("PUT", path, body);
      assert.deepEqual([answer.feature_state_value, answer.enabled], [index, index % 2 === 0], "each answer has its own write");
      return answer;
    }),
  );
  // Writes of the same millisecond have the same time.
  const latest = answers.reduce((time, { updated_at }) => (updated_at > time ? updated_at : time), "");
  const last = answers.filter(({ updated_at }) => updated_at === latest).map(({ feature_state_value }) => feature_state_value);
  const stored = await admin("GET", path);
  assert.ok(stored.updated_at === latest && last.includes(stored.feature_state_value), `${stored.feature_state_value} is not among ${last}`);
  assert.equal(stored.enabled, stored.feature_state_value % 2 === 0);
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
