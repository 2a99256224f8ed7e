// The commands that export and import a project, between embedded origins and from environment documents.

import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";

import { AdminApi } from "../../scripts/project/admin_api.mjs";
import { seedProject } from "../../scripts/project/seed.mjs";
import { run } from "./commands.mjs";
import { API_KEY, startEmbeddedOrigin } from "./embedded_origin.mjs";
import { startForwarder } from "./forwarder.mjs";
import { FIXTURES, startEdge } from "./harness.mjs";
import { startOrigin } from "./origin.mjs";
import { inventionsIn, recordedBody } from "./shapes.mjs";

const DOCUMENTS = ["production", "staging"].map((name) => JSON.parse(readFileSync(join(FIXTURES, `${name}.json`), "utf8")));
const NAMES = DOCUMENTS.map(({ name }) => name);

test("an exported project is the same after an import elsewhere", async (t) => {
  const [source, target] = [await origin(t), await origin(t)];
  const project = await makeProject(source.api);
  const { file, content } = await exported(t, source, project);
  // The export has server keys.
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.doesNotMatch(JSON.stringify({ ...content, environments: content.environments.map(withoutKeys) }), /"(id|uuid)":/);
  const report = await imported(t, target, { FILE: file, ORGANISATION: "Elsewhere" });
  assert.match(report, /^The target was read again: it equals the export\.$/m);
  assert.match(report, /^- created organisations: 1$/m);
  const copy = await exported(t, target, await projectId(target.api));
  assert.deepEqual(withoutAllKeys(copy.content), withoutAllKeys(content));
  // Where both origins serve the same flags, their documents agree, too.
  for (const { name } of content.environments) {
    assert.deepEqual(comparable(await documentOf(target.api, name)), comparable(await documentOf(source.api, name)), name);
  }
});

test("a project is read directly from its origin, page by page", async (t) => {
  const [source, target] = [await origin(t), await origin(t)];
  const project = await makeProject(source.api);
  const paged = await startForwarder(t, source);
  // Pages of two, also of lists that ignore page_size.
  paged.change = (request) => ({ ...request, target: request.target.replace("page_size=999", "page_size=2") });
  const settings = { SOURCE: "origin", ORIGIN_URL: paged.url, ORIGIN_AUTHORIZATION: source.authorization, PROJECT: String(project) };
  await imported(t, target, settings);
  assert.ok(paged.exchanges.some(({ target }) => target.startsWith(`/api/v1/projects/${project}/features/`) && /&page=2$/.test(target)));
  assert.deepEqual(paged.writes, []);
  const [copy, original] = [await exported(t, target, await projectId(target.api)), await exported(t, source, project)];
  assert.deepEqual(withoutAllKeys(copy.content), withoutAllKeys(original.content));
});

test("documents become one project, whose documents and flags equal them", async (t) => {
  const target = await origin(t);
  const report = await imported(t, target, { SOURCE: "documents", ENVIRONMENTS: FIXTURES });
  assert.match(report, /^The target was read again: it equals the export\.$/m);
  assert.match(report, /^- aliases of identities: Production$/m);
  const served = [];
  for (const document of DOCUMENTS) {
    served.push(await documentOf(target.api, document.name));
    assert.deepEqual(comparable(served.at(-1)), comparable(document), document.name);
  }
  const [before, after] = [await startEdge(), await startEdge({ documents: folderOf(t, served) })];
  for (const edge of [before, after]) t.after(() => edge.close());
  for (const [index, { api_key }] of DOCUMENTS.entries()) {
    for (const [identifier, traits] of VISITORS) {
      const [expected, actual] = [await flagsOf(before, api_key, identifier, traits), await flagsOf(after, served[index].api_key, identifier, traits)];
      assert.ok(Object.keys(expected).length > 0);
      assert.deepEqual(actual, expected, `${NAMES[index]}: ${identifier}`);
    }
  }
});

test("a second import changes nothing, restores what was changed, and keeps what is only at the target", async (t) => {
  const target = await origin(t);
  const forwarder = await startForwarder(t, target);
  const settings = { SOURCE: "documents", ENVIRONMENTS: FIXTURES };
  await imported(t, { ...target, url: forwarder.url }, settings);
  assert.ok(forwarder.writes.length > 0);
  const again = async () => {
    forwarder.exchanges.length = 0;
    return imported(t, { ...target, url: forwarder.url }, settings);
  };
  assert.match(await again(), /^Everything was there already\.$/m);
  assert.deepEqual(forwarder.writes, []);

  const { api } = target;
  const root = `/api/v1/projects/${await projectId(api)}`;
  const features = await api.list(`${root}/features/`);
  const [segment] = await api.list(`${root}/segments/`);
  const { id: environment, api_key } = await environmentOf(api, "Production");
  const states = await api.list(`/api/v1/environments/${api_key}/featurestates/`);
  const feature = (name) => features.find((feature) => feature.name === name);
  const stateOf = (name) => states.find(({ feature: id }) => id === feature(name).id);
  await api.patch(`/api/v1/environments/${api_key}/featurestates/${stateOf("free_shipping_threshold").id}/`, { feature_state_value: "50" });
  await api.patch(`${root}/segments/${segment.id}/`, { rules: [{ type: "NONE", conditions: [] }] });
  const [option, other] = feature("hero_banner").multivariate_options;
  // Restored in the order of the export, the allocations would have a sum of more than 100 % meanwhile.
  await api.put(`${root}/features/${feature("hero_banner").id}/mv-options/${option.id}/`, { ...option, default_percentage_allocation: 5 });
  await api.put(`${root}/features/${feature("hero_banner").id}/mv-options/${other.id}/`, { ...other, string_value: "Winter", default_percentage_allocation: 95 });
  const featureSegments = await api.list(`/api/v1/features/feature-segments/?environment=${environment}&feature=${feature("free_shipping_threshold").id}`);
  const reversed = featureSegments.map(({ id, priority }) => ({ id, priority: featureSegments.length - 1 - priority }));
  await api.post("/api/v1/features/feature-segments/update-priorities/", reversed);
  await api.post(`${root}/features/`, { name: "of_the_target" });
  const report = await again();
  for (const line of ["changed feature states: 1", "changed segments: 1", "changed features: 1", "changed orders of segment overrides: 1"]) {
    assert.match(report, new RegExp(`^- ${line}$`, "m"));
  }
  assert.match(report, /^The target was read again: it equals the export\.$/m);
  assert.match(report, /^At the target only, and kept there:\n- feature of_the_target$/m);
  assert.deepEqual(comparable(await documentOf(api, "Production"), ["of_the_target"]), comparable(DOCUMENTS[0]));
});

test("an interrupted import resumes after its last step", async (t) => {
  const target = await origin(t);
  const forwarder = await startForwarder(t, target);
  const folder = mkdtempSync(join(tmpdir(), "projects-"));
  const settings = { SOURCE: "documents", ENVIRONMENTS: FIXTURES };
  const isFeature = ({ method, target }) => method === "POST" && target.endsWith("/features/");
  forwarder.fault = (request) => (isFeature(request) && JSON.parse(request.body).name === "maintenance_message" ? FORBIDDEN : null);
  const run = () => imported(t, { ...target, url: forwarder.url }, settings, folder);
  await assert.rejects(run(), /POST .*features\/: 403/);
  const [file] = readdirSync(folder);
  const { done } = JSON.parse(readFileSync(join(folder, file), "utf8"));
  assert.equal(done, 2 + 4, "two environments, four features");
  forwarder.exchanges.length = 0;
  forwarder.fault = () => null;
  // The counts are those of both runs.
  assert.match(await run(), /^- created features: 8$/m);
  assert.equal(forwarder.writes.filter(isFeature).length, 4);
  assert.deepEqual(readdirSync(folder), []);
  for (const document of DOCUMENTS) assert.deepEqual(comparable(await documentOf(target.api, document.name)), comparable(document), document.name);
});

test("a request whose answer is lost is not carried out twice", async (t) => {
  const target = await origin(t);
  const forwarder = await startForwarder(t, target);
  const lost = new Set();
  // One of each kind that Flagsmith would accept a second time, or refuse.
  const kinds = [/\/organisations\/$/, /\/projects\/$/, /\/environments\/$/, /\/features\/$/, /\/segments\/$/, /\/feature-segments\/$/, /\/featurestates\/$/, /\/api-keys\/$/, /\/identities\/$/];
  forwarder.fault = ({ method, target }) => {
    const kind = kinds.find((kind) => kind.test(target));
    if (method !== "POST" || kind === undefined || lost.has(kind)) return null;
    lost.add(kind);
    return "lose";
  };
  const report = await imported(t, { ...target, url: forwarder.url }, { SOURCE: "documents", ENVIRONMENTS: FIXTURES });
  assert.equal(lost.size, kinds.length);
  assert.match(report, /^The target was read again: it equals the export\.$/m);
  assert.doesNotMatch(report, /^At the target only/m);
  for (const document of DOCUMENTS) assert.deepEqual(comparable(await documentOf(target.api, document.name)), comparable(document), document.name);
  assert.equal((await target.api.list("/api/v1/organisations/")).length, 1);
  const { api_key } = await environmentOf(target.api, "Production");
  assert.equal((await target.api.list(`/api/v1/environments/${api_key}/api-keys/`)).length, 3);
});

test("new keys of a Flagsmith that keeps none are reported", async (t) => {
  const target = await origin(t);
  const forwarder = await startForwarder(t, target);
  forwarder.change = (request) => (request.method === "POST" ? { ...request, body: withoutMembers(request.body, ["api_key", "key"], /\/(environments|api-keys)\/$/, request.target) } : request);
  const report = await imported(t, { ...target, url: forwarder.url }, { SOURCE: "documents", ENVIRONMENTS: FIXTURES });
  const { api_key } = await environmentOf(target.api, "Staging");
  assert.notEqual(api_key, DOCUMENTS[1].api_key);
  assert.match(report, new RegExp(`^  Staging +${DOCUMENTS[1].api_key} +${api_key} +Server key 1$`, "m"));
  // Server keys are secret.
  assert.doesNotMatch(report, /ser\./);
  const serverKeys = await target.api.list(`/api/v1/environments/${(await environmentOf(target.api, "Production")).api_key}/api-keys/`);
  assert.deepEqual(
    serverKeys.map(({ name, active, expires_at }) => [name, active, expires_at && Date.parse(expires_at)]),
    [["Server key 1", true, null], ["Server key 2", true, Date.parse("2026-03-31T00:00:00Z")], ["Server key 3", false, null]],
  );
});

test("a key that the target refuses is replaced by a new one", async (t) => {
  const target = await origin(t);
  const forwarder = await startForwarder(t, target);
  const refusal = (member) => ({ status: 400, body: { [member]: ["This key is in use."] } });
  forwarder.fault = ({ method, target, body }) => {
    const member = { "/api/v1/environments/": "api_key" }[target] ?? (target.endsWith("/api-keys/") ? "key" : null);
    return method === "POST" && member !== null && member in JSON.parse(body) ? refusal(member) : null;
  };
  const report = await imported(t, { ...target, url: forwarder.url }, { SOURCE: "documents", ENVIRONMENTS: FIXTURES });
  assert.match(report, /^The target made new keys; give them to the SDKs:$/m);
  assert.match(report, /^- created server keys: 4$/m);
  for (const document of DOCUMENTS) assert.deepEqual(comparable(await documentOf(target.api, document.name)), comparable(document), document.name);
});

test("the commands need only what a recorded Flagsmith answers", async (t) => {
  const [source, target] = [await origin(t), await origin(t)];
  const project = await makeProject(source.api);
  const [read, written] = [await startForwarder(t, source), await startForwarder(t, target)];
  const settings = { SOURCE: "origin", ORIGIN_URL: read.url, ORIGIN_AUTHORIZATION: source.authorization, PROJECT: String(project), ORGANISATION: "1" };
  await target.api.post("/api/v1/organisations/", { name: "Flagsmith's" });
  await imported(t, { ...target, url: written.url }, settings);
  // This origin has no webhooks; a Flagsmith lists them.
  const answered = [...read.exchanges, ...written.exchanges].filter(({ target }) => !target.includes("/webhooks/"));
  assert.ok(answered.length > 50);
  const inventions = answered.flatMap(({ method, target, status, body }) => inventionsIn(method, target, { status, body }));
  // A list that was recorded without items says nothing about items.
  assert.deepEqual(new Set(inventions.filter((text) => !text.endsWith("must NOT have more than 0 items"))), new Set());
});

test("a report lists the objects that an export cannot hold", async (t) => {
  const flagsmith = await recordedFlagsmith(t);
  const target = await origin(t);
  const settings = { SOURCE: "origin", ORIGIN_URL: flagsmith.url, ORIGIN_AUTHORIZATION: "Api-Key origin.key", PROJECT: "3" };
  const report = await imported(t, target, settings);
  for (const line of ["owners of features: feature_a", "webhooks of environments: Env A", "earlier and scheduled versions of features: Env A"]) {
    assert.match(report, new RegExp(`^- ${line}$`, "m"));
  }
  assert.match(report, /^Never moved: users, /m);
  assert.match(report, /^The target was read again: it equals the export\.$/m);
});

test("an invalid export is refused before anything is written", async (t) => {
  const target = await origin(t);
  const forwarder = await startForwarder(t, target);
  const folder = mkdtempSync(join(tmpdir(), "projects-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "project.json");
  const empty = { version: 1, project: { name: "Shop" }, features: [], segments: [], environments: [] };
  const feature = { name: "banner", type: "MULTIVARIATE", multivariate_options: [{ name: "a", key: null, value: "a", default_percentage_allocation: 10 }] };
  const environment = (...feature_states) => ({ features: [feature], environments: [{ name: "Production", feature_states }] });
  const state = { feature: "banner", enabled: true, feature_state_value: null };
  for (const [change, problem] of [
    [{ version: 2 }, /has version 2; this command reads version 1/],
    [{ version: undefined }, /This is not a project export: version is missing\./],
    [{ project: {} }, /This is not a project export: project\.name is missing\./],
    [{ segments: [{}] }, /A segment of the export has no name\./],
    [{ environments: [{}, {}] }, /An environment of the export has no name\./],
    [{ segments: undefined }, /no list segments/],
    [{ features: [feature, feature] }, /two features with the name "banner"/],
    [environment({ ...state, feature: "other" }), /no feature "other"/],
    [environment({ ...state, feature_state_value: 0.5 }), /A value of the feature "banner" is neither/],
    [environment({ ...state, multivariate_feature_state_values: [{ option: "b", percentage_allocation: 10 }] }), /has no option "b"/],
    [environment({ ...state, segment_overrides: [{ ...state, segment: "staff" }] }), /no segment "staff"/],
  ]) {
    writeFileSync(file, JSON.stringify({ ...empty, ...change }));
    await assert.rejects(imported(t, { ...target, url: forwarder.url }, { FILE: file }), problem);
  }
  writeFileSync(file, "{");
  await assert.rejects(imported(t, { ...target, url: forwarder.url }, { FILE: file }), /project\.json cannot be read/);
  await assert.rejects(imported(t, { ...target, url: forwarder.url }, { SOURCE: "orign", FILE: file }), /^Error: \nSOURCE must be file, origin or documents\.$/m);
  await assert.rejects(imported(t, { ...target, url: forwarder.url }, {}), /nothing to import/);
  assert.deepEqual(forwarder.exchanges, []);
});

test("IDENTITIES bounds the identities of an export", async (t) => {
  const source = await origin(t);
  const project = await makeProject(source.api);
  const exportWith = (IDENTITIES, from = source) => exported(t, from, project, { IDENTITIES });
  const identifiers = ({ content }) => content.environments[0].identities.map(({ identifier }) => identifier);
  const remarks = ({ content }) => content.left_out.map(({ what }) => what).filter((what) => what.includes("IDENTITIES"));
  assert.deepEqual(identifiers(await exportWith("all")), ["ada", "ünï ✓/&?"]);
  const overrides = await exportWith("overrides");
  assert.deepEqual(identifiers(overrides), ["ada"]);
  assert.deepEqual(remarks(overrides), ["identities without overrides, as IDENTITIES=overrides asks"]);
  const none = await exportWith("none");
  assert.deepEqual(identifiers(none), []);
  assert.deepEqual(remarks(none), ["identities and their overrides, as IDENTITIES=none asks"]);
  await assert.rejects(exportWith("some"), /IDENTITIES is "some"; it must be all, overrides, none or unset\./);

  const forwarder = await startForwarder(t, source);
  const results = Array.from({ length: 100_001 }, (_, index) => ({ id: index + 1, identifier: `user ${index}` }));
  forwarder.fault = ({ target }) => (/\/identities\/\?/.test(target) ? { status: 200, body: { count: results.length, next: null, results } } : null);
  await assert.rejects(exportWith("all", { ...source, url: forwarder.url }), /more than 100000 identities, too many for an export\. Set IDENTITIES=overrides/);
  results.length = 0;
  await exportWith("all", { ...source, url: forwarder.url });
});

test("with several organisations at the target, ORGANISATION chooses one or names a new one", async (t) => {
  const target = await origin(t);
  const ids = [];
  for (const name of ["One", "Two"]) ids.push((await target.api.post("/api/v1/organisations/", { name })).id);
  const file = join(folderOf(t, []), "project.json");
  writeFileSync(file, JSON.stringify({ version: 1, project: { name: "Shop" }, features: [], segments: [], environments: [] }));
  const choices = new RegExp(`The target has several organisations\\. Set ORGANISATION to one of these ids: ${ids[0]} \\(One\\), ${ids[1]} \\(Two\\)\\.`);
  await assert.rejects(imported(t, target, { FILE: file }), choices);
  const inOrganisation = async (ORGANISATION) => {
    const report = await imported(t, target, { FILE: file, ORGANISATION });
    return [Number(/in the organisation (\d+)\.$/m.exec(report)[1]), /^- created organisations: 1$/m.test(report)];
  };
  assert.deepEqual(await inOrganisation(String(ids[1])), [ids[1], false]);
  assert.deepEqual(await inOrganisation("One"), [ids[0], false]);
  // Also a typo names a new organisation, which the report shows.
  const [created, isNew] = await inOrganisation("Onne");
  assert.equal(isNew, true);
  assert.deepEqual((await target.api.list("/api/v1/organisations/")).map(({ id, name }) => [id, name]), [[ids[0], "One"], [ids[1], "Two"], [created, "Onne"]]);
});

test("an origin is seeded with the shop, once", async (t) => {
  const target = await origin(t);
  const forwarder = await startForwarder(t, target);
  const seed = () => seedProject({ base: forwarder.url, authorization: target.authorization, folder: FIXTURES });
  const seeded = await seed();
  assert.equal(seeded.project.name, "Web shop");
  assert.deepEqual(seeded.environments.map(({ name }) => name), NAMES);
  assert.equal((await target.api.list(`/api/v1/projects/${seeded.project.id}/features/`)).length, 8);
  forwarder.exchanges.length = 0;
  assert.deepEqual({ ...(await seed()), counts: null }, { ...seeded, counts: null });
  assert.deepEqual(forwarder.writes, []);
});

const FORBIDDEN = { status: 403, body: { detail: "You do not have permission to perform this action." } };
/** Features whose flags depend on hashed ids, which an import does not keep. */
const HASHED = ["hero_banner", "checkout_redesign"];
const VISITORS = [
  ["ada@example.com", { loyalty_points: 1200, country: "NL" }],
  ["bo@example.com", { basket_total: 180, app_version: "3.1.9" }],
  ["carl@meadow.example", { orders: 4, newsletter: false, country: "LU" }],
  ["dee+test@example.com", { orders: 9 }],
  ["joan@example.com", {}],
];

/** An identity's flags by feature, without those of HASHED. */
async function flagsOf(edge, key, identifier, traits) {
  const body = JSON.stringify({ identifier, traits: Object.entries(traits).map(([trait_key, trait_value]) => ({ trait_key, trait_value })) });
  const headers = { "X-Environment-Key": key, "Content-Type": "application/json" };
  const response = await edge.request({ method: "POST", path: "/api/v1/identities/", headers, body });
  assert.equal(response.status, 200, response.text);
  const flags = response.json().flags.filter(({ feature }) => !HASHED.includes(feature.name));
  return Object.fromEntries(flags.map(({ feature, enabled, feature_state_value }) => [feature.name, [enabled, feature_state_value]]));
}

/** An embedded origin: {url, authorization, api}. */
async function origin(t) {
  const started = await startEmbeddedOrigin();
  t.after(() => started.close());
  const [url, authorization] = [started.address, `Api-Key ${API_KEY}`];
  return { url, authorization, api: new AdminApi(url, authorization) };
}

/** Imports into an origin; resolves to the report. */
function imported(t, { url, authorization }, settings, folder) {
  return run(t, "import-project", { key: "", edge: { address: url } }, { AUTHORIZATION: authorization, ...settings }, folder);
}

/** Exports a project of an origin: {file, content}. */
async function exported(t, { url, authorization }, project, settings = {}) {
  const folder = mkdtempSync(join(tmpdir(), "projects-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const file = join(folder, "project.json");
  await run(t, "export-project", { key: "", edge: { address: url } }, { AUTHORIZATION: authorization, PROJECT: String(project), FILE: file, ...settings });
  return { file, content: JSON.parse(readFileSync(file, "utf8")) };
}

/** Makes a project with everything that an export can have; resolves to its id. */
async function makeProject(api) {
  const { id: organisation } = await api.post("/api/v1/organisations/", { name: "Makers" });
  const { id: project } = await api.post("/api/v1/projects/", { name: "Everything", organisation });
  const root = `/api/v1/projects/${project}`;
  const environments = [];
  for (const name of ["Live", "Test"]) environments.push(await api.post("/api/v1/environments/", { name, project }));
  const [live, tested] = environments;
  const feature = (body) => api.post(`${root}/features/`, body);
  const number = await feature({ name: "number", initial_value: "7", default_enabled: true, description: "A number." });
  const truth = await feature({ name: "truth", initial_value: "true", is_server_key_only: true });
  const text = await feature({ name: "text", initial_value: "07", is_archived: true });
  const options = [
    { type: "unicode", string_value: "red", key: "red", default_percentage_allocation: 20 },
    { type: "int", integer_value: 5, default_percentage_allocation: 30 },
    { type: "bool", boolean_value: false, default_percentage_allocation: 0 },
    { type: "unicode", string_value: "5", default_percentage_allocation: 1 },
  ];
  const colour = await feature({ name: "colour", type: "MULTIVARIATE", initial_value: "grey", multivariate_options: options });
  const condition = (operator, property, value) => ({ operator, property, value, ...(operator === "EQUAL" ? { description: "exactly" } : {}) });
  const segment = (name, conditions, feature = null) =>
    api.post(`${root}/segments/`, { name, project, feature, description: `The ${name}.`, rules: [{ type: "ALL", conditions: [], rules: [{ type: "ANY", conditions }] }, { type: "NONE", conditions: [condition("IS_SET", "banned")] }] });
  const segments = [
    await segment("gold", [condition("EQUAL", "plan", "gold"), condition("MODULO", "n", "3|1")]),
    await segment("some", [{ operator: "PERCENTAGE_SPLIT", property: null, value: "30.5" }]),
    await segment("gold", [condition("IN", "plan", "gold,platinum")], colour.id),
  ];
  const allocations = (...pairs) => pairs.map(([index, percentage_allocation]) => ({ multivariate_feature_option: colour.multivariate_options[index].id, percentage_allocation }));
  const write = (scope, body) => api.post("/api/v1/features/featurestates/", { ...scope, ...body });
  const value = (text) => ({ type: "unicode", string_value: text });
  for (const [index, { id }] of [segments[2], segments[0], segments[1]].entries()) {
    const featureSegment = await api.post("/api/v1/features/feature-segments/", { feature: colour.id, segment: id, environment: live.id });
    // The allocations of the last are in another order than the options, which decides about the chosen one.
    const ofOptions = index === 2 ? allocations([2, 40], [0, 60]) : allocations([0, 100 - index], [1, index]);
    await write({ feature: colour.id, environment: live.id, feature_segment: featureSegment.id }, { enabled: index > 0, feature_state_value: value(`over ${index}`), multivariate_feature_state_values: ofOptions });
  }
  const featureSegment = await api.post("/api/v1/features/feature-segments/", { feature: number.id, segment: segments[1].id, environment: tested.id });
  await write({ feature: number.id, environment: tested.id, feature_segment: featureSegment.id }, { enabled: false, feature_state_value: { type: "int", integer_value: -3 } });
  const states = await api.list(`/api/v1/environments/${tested.api_key}/featurestates/`);
  const change = (feature, body) => api.put(`/api/v1/environments/${tested.api_key}/featurestates/${states.find((state) => state.feature === feature.id).id}/`, body);
  await change(text, { enabled: true, feature_state_value: " spaces \n and \"quotes\" " });
  await change(truth, { enabled: true, feature_state_value: false });
  const identities = `/api/v1/environments/${live.api_key}/identities/`;
  const ada = await api.post(identities, { identifier: "ada" });
  await api.post(identities, { identifier: "ünï ✓/&?" });
  for (const [value_type, column, value] of [["unicode", "string_value", "1.0"], ["int", "integer_value", -5], ["bool", "boolean_value", false], ["float", "float_value", 1e16]]) {
    await api.post(`${identities}${ada.id}/traits/`, { trait_key: value_type, value_type, [column]: value });
  }
  await write({ feature: colour.id, environment: live.id, identity: ada.id }, { enabled: true, feature_state_value: value(null), multivariate_feature_state_values: allocations([3, 100]) });
  await write({ feature: truth.id, environment: live.id, identity: ada.id }, { enabled: false, feature_state_value: { type: "bool", boolean_value: true } });
  await api.post(`/api/v1/environments/${live.api_key}/api-keys/`, { name: "server", expires_at: "2099-01-01T00:00:00Z" });
  await api.post(`/api/v1/environments/${live.api_key}/api-keys/`, { name: "server", active: false });
  const settings = { description: "d", banner_text: "Careful", banner_colour: "#ff0000", hide_disabled_flags: true, hide_sensitive_data: true, allow_client_traits: false };
  await api.patch(`/api/v1/environments/${live.api_key}/`, { ...settings, use_identity_composite_key_for_hashing: false });
  // Its identity overrides are not in the document, but in the export.
  await api.patch(`/api/v1/environments/${tested.api_key}/`, { use_identity_overrides_in_local_eval: false });
  await api.patch(`${root}/`, { hide_disabled_flags: true, prevent_flag_defaults: true, feature_name_regex: "[a-z]+", stale_flags_limit_days: 9 });
  return project;
}

/** A Flagsmith with one environment and one feature, made of recorded answers, with things that have no place elsewhere. */
async function recordedFlagsmith(t) {
  const flagsmith = await startOrigin();
  t.after(() => flagsmith.close());
  const page = (...results) => ({ body: { count: results.length, next: null, previous: null, results } });
  const one = (route) => recordedBody("GET", route).results[0];
  const feature = { ...one("/api/v1/projects/{id}/features/"), id: 70, name: "feature_a", multivariate_options: [], owners: [OWNER] };
  const environment = { ...one("/api/v1/environments/"), id: 6, name: "Env A", api_key: "key", use_v2_feature_versioning: true };
  const state = { ...one("/api/v1/features/featurestates/"), feature: 70, environment: 6, identity: null, feature_segment: null, multivariate_feature_state_values: [] };
  flagsmith.on("GET", "/api/v1/projects/3/", { body: recordedBody("GET", "/api/v1/projects/{id}/") });
  flagsmith.on("GET", "/api/v1/projects/3/features/", page(feature));
  flagsmith.on("GET", "/api/v1/projects/3/segments/", page(one("/api/v1/projects/{id}/segments/")));
  flagsmith.on("GET", "/api/v1/environments/", page(environment));
  flagsmith.on("GET", "/api/v1/environments/key/webhooks/", { body: recordedBody("GET", "/api/v1/environments/{key}/webhooks/") });
  flagsmith.on("GET", "/api/v1/environments/key/api-keys/", { body: recordedBody("GET", "/api/v1/environments/{key}/api-keys/") });
  flagsmith.on("GET", "/api/v1/features/featurestates/", page(state));
  flagsmith.on("GET", "/api/v1/environments/key/identities/", page());
  return flagsmith;
}

const OWNER = { id: 1, email: "admin@oracle.test", first_name: "Ora", last_name: "Cle", last_login: "2026-11-22T15:45:23.548526Z", uuid: "00000000-0000-4000-8000-000000000001" };

async function projectId(api) {
  const [{ id }] = await api.list("/api/v1/projects/");
  return id;
}

async function environmentOf(api, name) {
  const environments = await api.list(`/api/v1/environments/?project=${await projectId(api)}`);
  return environments.find((environment) => environment.name === name);
}

/** The environment document that an origin serves. */
async function documentOf(api, name) {
  return api.get(`/api/v1/environments/${(await environmentOf(api, name)).api_key}/document/`);
}

/** A folder of documents. */
function folderOf(t, documents) {
  const folder = mkdtempSync(join(tmpdir(), "documents-"));
  t.after(() => rmSync(folder, { recursive: true }));
  documents.forEach((document, index) => writeFileSync(join(folder, `${index}.json`), JSON.stringify(document)));
  return folder;
}

/** A document with names instead of ids, without dates, keys and the features in `without`. Lists without an order are sorted. */
function comparable({ name, project, feature_states, identity_overrides, ...settings }, without = []) {
  const features = new Map(feature_states.map(({ feature }) => [feature.id, feature.name]));
  const { id, api_key, updated_at, ...kept } = settings;
  return {
    name,
    ...kept,
    project: { name: project.name, hide_disabled_flags: project.hide_disabled_flags, enable_realtime_updates: project.enable_realtime_updates },
    secret: project.server_key_only_feature_ids.map((id) => features.get(id)).sort(),
    // Two segments of the makers' project have one name at the source.
    segments: project.segments.map(({ name, rules, feature_states }) => [name.replace(/ \(\d\)$/, ""), rules.map(comparableRule), states(feature_states)]),
    feature_states: states(feature_states, without),
    identity_overrides: identity_overrides.map(({ identifier, identity_features }) => [identifier, states(identity_features)]).sort(byText),
  };
}

function states(list, without = []) {
  const kept = list.filter(({ feature }) => !without.includes(feature.name));
  return kept
    .map(({ feature, enabled, feature_state_value, feature_segment, multivariate_feature_state_values }) => {
      const allocations = [...multivariate_feature_state_values].sort((a, b) => a.id - b.id);
      const options = allocations.map(({ multivariate_feature_option: { value, key }, percentage_allocation }) => [value, key, percentage_allocation]);
      return [feature.name, feature.type, enabled, feature_state_value, feature_segment?.priority ?? null, options];
    })
    .sort(byText);
}

function comparableRule({ type, rules, conditions }) {
  // Flagsmith stores the text "None" as the value of an operator that reads none.
  const condition = ({ operator, property_, value }) => [operator, property_, operator.startsWith("IS_") ? null : value];
  return { type, rules: rules.map(comparableRule), conditions: conditions.map(condition) };
}

function byText(a, b) {
  return JSON.stringify(a) < JSON.stringify(b) ? -1 : 1;
}

function withoutAllKeys(content) {
  return { ...content, left_out: null, environments: content.environments.map(withoutKeys) };
}

function withoutKeys({ api_key, server_keys, ...environment }) {
  return { ...environment, server_keys: server_keys.map(({ key, ...others }) => others) };
}

/** A body without some members, as a server sees it that ignores them. */
function withoutMembers(body, names, path, target) {
  if (!path.test(target)) return body;
  const kept = Object.entries(JSON.parse(body)).filter(([name]) => !names.includes(name));
  return JSON.stringify(Object.fromEntries(kept));
}
