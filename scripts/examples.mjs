// Requests to paste into a shell, with the seeded keys.

const IDENTIFIER = "ada@example.com";

/** Curl lines for one environment, each below a line that explains it. */
export function examples(address, environment) {
  const requests = [
    ["Its flags:", get(address, "/api/v1/flags/", keyHeader(environment.key))],
    [
      "The flags of an identity with these traits, which are stored:",
      post(address, "/api/v1/identities/", environment.key, {
        identifier: IDENTIFIER,
        traits: [
          { trait_key: "loyalty_points", trait_value: 1200 },
          { trait_key: "country", trait_value: "NL" },
        ],
      }),
    ],
  ];
  const serverKey = environment.serverKeys.find(isValid);
  if (serverKey !== undefined) {
    requests.push([
      "The environment document, which needs a server key:",
      get(address, "/api/v1/environment-document/", keyHeader(serverKey.key)),
    ]);
  }
  return paragraphs(requests);
}

/** Curl lines that need the admin key: about the identities of one environment, or without one about all environments. */
export function adminKeyExamples(address, environment, adminKey) {
  const authorization = credential(adminKey);
  if (environment === undefined) return paragraphs([["The published environments:", get(address, "/edge/status", authorization)]]);
  return paragraphs(identityExamples(address, environment, authorization));
}

/**
 * Curl lines for the Admin API of the embedded origin: what its documentation does, with the ids of a project. `feature` and
 * its `state` belong to the first environment.
 */
export function adminExamples(address, { project, environments: [environment], feature, state }, apiKey) {
  const authorization = credential(apiKey);
  const path = `/api/v1/environments/${environment.key}`;
  const toggled = { enabled: !state.enabled, feature_state_value: state.feature_state_value };
  const override = { identifier: IDENTIFIER, feature: feature.name, enabled: true, feature_state_value: "only for ada" };
  return paragraphs([
    [`Switch the feature ${feature.name} in ${environment.name}; the edge serves the change within two seconds:`, send("PATCH", address, `${path}/featurestates/${state.id}/`, authorization, toggled)],
    ["Create a feature:", send("POST", address, `/api/v1/projects/${project.id}/features/`, authorization, { name: "new_feature", initial_value: "hello" })],
    ["Create an environment:", send("POST", address, "/api/v1/environments/", authorization, { name: "New Environment", project: project.id })],
    [`Override a feature for ${IDENTIFIER}:`, send("PUT", address, `${path}/edge-identities-featurestates`, authorization, override)],
    ...identityExamples(address, environment, authorization),
  ]);
}

function identityExamples(address, environment, authorization) {
  const identities = `/edge/environments/${environment.key}/identities`;
  return [
    [`The number of identities in ${environment.name}:`, get(address, `${identities}/count/`, authorization)],
    [`The reasons for the flags of ${IDENTIFIER}:`, get(address, `${identities}/explain/?identifier=${encodeURIComponent(IDENTIFIER)}`, authorization)],
  ];
}

function credential(key) {
  return `Authorization: Api-Key ${key}`;
}

function paragraphs(requests) {
  return requests.map(([title, line]) => `${title}\n${line}\n`).join("\n");
}

/** True if a server key is accepted now. */
export function isValid({ active, expires_at }) {
  return active && (expires_at === null || Date.parse(expires_at) > Date.now());
}

function get(address, path, header) {
  return `curl -sS ${quote(address + path)} -H ${quote(header)}`;
}

function keyHeader(key) {
  return `X-Environment-Key: ${key}`;
}

function post(address, path, key, body) {
  return withBody(get(address, path, keyHeader(key)), body);
}

function send(method, address, path, header, body) {
  return withBody(get(address, path, header).replace("curl -sS", `curl -sS -X ${method}`), body);
}

function withBody(line, body) {
  return `${line} -H 'Content-Type: application/json' -d ${quote(JSON.stringify(body))}`;
}

function quote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
