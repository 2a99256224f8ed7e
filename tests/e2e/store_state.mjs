// Writes the stored data of the present build, for tests of later versions (fixtures/stored/README.md).

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ADMIN_KEY, ADMIN_KEY_SHA256, startFlagsmith, TOKEN } from "./flagsmith.mjs";
import { eventually, FIXTURES, startEdge } from "./harness.mjs";

const [archive] = process.argv.slice(2);
if (archive === undefined || existsSync(archive)) throw new Error("usage: node tests/e2e/store_state.mjs <new archive>");
const folder = mkdtempSync(join(tmpdir(), "store-"));
const flagsmith = await startFlagsmith(FIXTURES);
flagsmith.origin.behaviour = ({ path }) => (path.includes("analytics") ? "fail" : "serve");
const edge = await startEdge({
  origin: flagsmith.origin,
  variables: { ORIGIN_API_TOKEN: TOKEN, ADMIN_KEY_SHA256, ANALYTICS_INTERVAL_SECONDS: 1, REFRESH_SECONDS: 3600, DISCOVERY_SECONDS: 3600 },
});
const [{ key }] = edge.environments;
// Documents come from the origin, not from a seed.
edge.kv.entries.clear();
edge.kv.metadata.clear();
const sdk = { "X-Environment-Key": key, "Content-Type": "application/json" };
const admin = { Authorization: `Api-Key ${ADMIN_KEY}`, "Content-Type": "application/json" };
const send = async (method, path, headers, body, status = 200) => {
  const answer = await edge.request({ method, path, headers, body: body === undefined ? null : JSON.stringify(body) });
  assert.equal(answer.status, status, `${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.text === "" ? null : answer.json();
};
await eventually(async () => (await edge.request({ path: "/api/v1/flags/", headers: sdk })).status === 200, "published", 30000);
const trait = (trait_key, trait_value) => ({ trait_key, trait_value });
const traits = [trait("text", "ü☃😀\u2028\"\\"), trait("empty", ""), trait("integer", 1200), trait("big", -1), trait("float", 1.5), trait("yes", true), trait("no", false), trait("list", [1, "a", null])];
// Numbers in forms that JavaScript does not write.
const raw = JSON.stringify({ identifier: "ada", traits }).replace(":-1}", ":9223372036854775807}").replace(":1.5}", ":100.0}");
const posted = await edge.request({ method: "POST", path: "/api/v1/identities/", headers: sdk, body: raw });
assert.equal(posted.status, 200, posted.text);
await send("POST", "/api/v1/identities/", sdk, { identifier: "bo", traits: [trait("loyalty_points", 1200)] });
await send("POST", "/api/v1/identities/", sdk, { identifier: "gone", traits: [trait("a", 1)] });
await send("GET", "/api/v1/identities/?identifier=cy", sdk);
const root = `/api/v1/environments/${key}/edge-identities`;
const list = async () => (await send("GET", `${root}/`, admin)).results;
await eventually(async () => (await list()).length === 4, "listed", 60000);
const uuid = async (name) => (await list()).find(({ identifier }) => identifier === name).identity_uuid;
await send("PUT", `${root}/${await uuid("bo")}/`, admin, { dashboard_alias: "Bo" });
await send("PUT", `${root}/${await uuid("cy")}/`, admin, { dashboard_alias: "Cy" });
await send("DELETE", `${root}/${await uuid("gone")}/`, admin, undefined, 204);
const document = flagsmith.environments.get(key).document;
const [feature, multivariate] = [document.feature_states[0].feature, document.feature_states.find(({ multivariate_feature_state_values: values }) => values?.length > 0)];
await send("PUT", `/api/v1/environments/${key}/edge-identities-featurestates`, admin, { identifier: "ada", feature: feature.id, enabled: true, feature_state_value: "for ada" });
const option = multivariate.multivariate_feature_state_values[0].multivariate_feature_option.id;
await send("PUT", `/api/v1/environments/${key}/edge-identities-featurestates`, admin, { identifier: "cy", feature: multivariate.feature.id, enabled: true, feature_state_value: null, multivariate_feature_state_values: [{ multivariate_feature_option: option, percentage_allocation: 100 }] });
await send("POST", "/api/v1/analytics/flags/", sdk, { [feature.name]: 7 });
await send("POST", "/api/v2/analytics/flags/", sdk, { evaluations: [{ feature_name: feature.name, identity_identifier: "ada", enabled_when_evaluated: true, count: 3 }] }, 204);
await eventually(() => flagsmith.origin.requests.filter(({ path }) => path.includes("analytics")).length >= 2, "evaluations refused", 30000);
// A second version.
const state = document.feature_states.find(({ feature }) => feature.name === "free_shipping_threshold");
await send("PATCH", `/api/v1/environments/${key}/featurestates/${state.django_id}/`, { ...admin, Authorization: `Api-Key ${TOKEN}` }, { feature_state_value: 77 });
await eventually(async () => (await send("GET", "/api/v1/flags/", sdk)).some(({ feature_state_value }) => feature_state_value === 77), "second version", 30000);
const everything = {
  key,
  flags: await send("GET", "/api/v1/flags/", sdk),
  identities: Object.fromEntries(await Promise.all(["ada", "bo", "cy"].map(async (name) => [name, JSON.parse((await edge.request({ path: `/api/v1/identities/?identifier=${name}`, headers: sdk })).text)]))),
  listed: await list(),
  overrides: await send("GET", `/api/v1/environments/${key}/edge-identity-overrides`, admin),
  exported: (await edge.request({ path: `/edge/environments/${key}/identities/export/?page_size=50`, headers: admin })).text,
};
await edge.stop();
const entries = Object.fromEntries(Array.from(edge.kv.entries, ([name, value]) => [name, value.toString()]));
writeFileSync(join(folder, "kv.json"), JSON.stringify({ entries, metadata: Object.fromEntries(edge.kv.metadata) }, null, 1));
writeFileSync(join(folder, "answers.json"), JSON.stringify(everything, null, 1));
execFileSync("cp", ["-r", edge.stateFolder, join(folder, "objects")]);
execFileSync("tar", ["--sort=name", "--owner=0", "--group=0", "--numeric-owner", "-czf", archive, "-C", folder, "objects", "kv.json", "answers.json"]);
rmSync(folder, { recursive: true });
await edge.close();
await flagsmith.close();
