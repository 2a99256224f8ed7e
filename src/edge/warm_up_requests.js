// The requests of the warm-up (warm_up.js), and the platform that they find. Nothing here is known outside of the warm-up.

const CLIENT_KEY = "warm-up";
/** One condition for each operator, and one for each way to read a property. */
const CONDITIONS = [
  ["EQUAL", "plan", "pro"],
  ["NOT_EQUAL", "visits", "3"],
  ["GREATER_THAN", "visits", "10"],
  ["GREATER_THAN_INCLUSIVE", "ratio", "0.5"],
  ["LESS_THAN", "version", "2.0.0-rc.1:semver"],
  ["LESS_THAN_INCLUSIVE", "plan", "x"],
  ["CONTAINS", "email", "@"],
  ["NOT_CONTAINS", "email", "+test"],
  ["REGEX", "email", "^[a-z.]+@(\\w+\\.)*example\\.(com|org)$"],
  ["MODULO", "visits", "2|0"],
  ["IN", "plan", "free,pro"],
  ["IN", "$.identity.identifier", '["ada","grace"]'],
  ["IS_SET", "beta", null],
  ["IS_NOT_SET", "absent", null],
  ["EQUAL", "beta", "true"],
  ["PERCENTAGE_SPLIT", "", "50"],
  ["PERCENTAGE_SPLIT", "plan", "100"],
  ["EQUAL", "$.environment.name", "Warm-up"],
  ["EQUAL", "$.identity.traits[?@ == 'pro']", "pro"],
];
const TRAITS = { email: "ada@example.com", plan: "pro", visits: 12, ratio: 0.75, beta: true, version: "1.4.2" };
const VALUES = ["Welcome back", 25, true, null, '{"colour":"#c22","steps":[1,2]}'];

/** The environment document. Everything in it is evaluated. */
function environmentDocument() {
  const segments = CONDITIONS.map(([operator, property_, value], index) => {
    const rules = [{ type: "ANY", rules: [], conditions: [{ operator, property_, value }] }];
    return {
      id: index + 1,
      name: `segment ${index}`,
      rules: [{ type: index % 5 === 4 ? "NONE" : "ALL", rules, conditions: [] }],
      feature_states: [{ ...state(index % VALUES.length, "overridden"), feature_segment: { priority: index } }],
    };
  });
  const organisation = { id: 1, name: "Warm-up", feature_analytics: false, stop_serving_flags: false, persist_trait_data: true };
  return {
    id: 1,
    api_key: CLIENT_KEY,
    name: "Warm-up",
    updated_at: "2026-01-31T12:30:00.250000+00:00",
    allow_client_traits: true,
    hide_sensitive_data: false,
    use_identity_composite_key_for_hashing: true,
    project: { id: 1, name: "Warm-up", organisation, hide_disabled_flags: false, server_key_only_feature_ids: [], segments },
    feature_states: VALUES.map((value, index) => state(index, value)),
    identity_overrides: [{ identifier: "ada", identity_features: [state(1, 30)] }],
  };
}

function state(index, value) {
  const options = ["first \"option\"", "second option"].map((value, option) => ({
    id: option,
    mv_fs_value_uuid: `00000000-0000-4000-8000-00000000000${option}`,
    percentage_allocation: 30,
    multivariate_feature_option: { id: option, value, key: `option-${option}` },
  }));
  return {
    feature: { id: index, name: `feature_${index}`, type: index === 0 ? "MULTIVARIATE" : "STANDARD" },
    enabled: index !== 3,
    django_id: index,
    featurestate_uuid: `00000000-0000-4000-8000-0000000000${10 + index}`,
    feature_segment: null,
    feature_state_value: value,
    multivariate_feature_state_values: index === 0 ? options : [],
  };
}

/** The requests, in order: method, path, environment key, body and the expected status. */
export const REQUESTS = [
  { method: "GET", path: "/api/v1/flags/", status: 200 },
  // Stored, unchanged, and not stored.
  identities({ identifier: "ada" }),
  identities({ identifier: "ada" }),
  identities({ identifier: "ada", transient: true }),
  identities({ transient: true }),
  { method: "POST", path: "/ofrep/v1/evaluate/flags", body: { context: { targetingKey: "ada", ...TRAITS } }, status: 200 },
  { method: "POST", path: "/api/v1/identities/", body: { identifier: "ada", traits: [{}] }, status: 400 },
  { method: "GET", path: "/api/v1/flags/", key: "unknown", status: 403 },
];

function identities(body) {
  const traits = Object.entries(TRAITS).map(([trait_key, trait_value]) => ({ trait_key, trait_value }));
  return { method: "POST", path: "/api/v1/identities/", body: { ...body, traits }, status: 200 };
}

/** The bindings and the context of the requests. `IdentityObject` is the class in WebAssembly, whose storage is empty. */
export function platform(IdentityObject) {
  const document = new TextEncoder().encode(JSON.stringify(environmentDocument()));
  const cursor = { raw: () => [].values(), rowsRead: 0, rowsWritten: 0 };
  const done = () => Promise.resolve();
  const sql = { exec: () => cursor };
  const storage = { sql, transactionSync: (write) => write(), setAlarm: done, deleteAlarm: done, deleteAll: done };
  const identity = new IdentityObject({ storage }, {});
  const env = {
    ENVIRONMENTS: { get: (key) => Promise.resolve(key === `document:${CLIENT_KEY}` ? document.slice().buffer : null) },
    IDENTITIES: {
      // The name by which the bindings know a namespace.
      constructor: { name: "DurableObjectNamespace" },
      getByName: () => ({ carryOut: (command) => Promise.resolve(identity.carryOut(command)) }),
    },
    // Bound, so that their absence is not logged.
    ...Object.fromEntries(["PUBLISHERS", "REGISTRY", "ANALYTICS", "DIRECTORY", "STREAMS", "ASSETS"].map((name) => [name, {}])),
  };
  return { clientKey: CLIENT_KEY, env, context: { waitUntil() {} } };
}
