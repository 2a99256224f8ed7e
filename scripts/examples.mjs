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
export function adminExamples(address, environment, adminKey) {
  const authorization = `Authorization: Api-Key ${adminKey}`;
  if (environment === undefined) return paragraphs([["The published environments:", get(address, "/edge/status", authorization)]]);
  const identities = `/edge/environments/${environment.key}/identities`;
  return paragraphs([
    [`The number of identities in ${environment.name}:`, get(address, `${identities}/count/`, authorization)],
    [`The reasons for the flags of ${IDENTIFIER}:`, get(address, `${identities}/explain/?identifier=${encodeURIComponent(IDENTIFIER)}`, authorization)],
  ]);
}

function paragraphs(requests) {
  return requests.map(([title, line]) => `${title}\n${line}\n`).join("\n");
}

function isValid({ active, expires_at }) {
  return active && (expires_at === null || Date.parse(expires_at) > Date.now());
}

function get(address, path, header) {
  return `curl -sS ${quote(address + path)} -H ${quote(header)}`;
}

function keyHeader(key) {
  return `X-Environment-Key: ${key}`;
}

function post(address, path, key, body) {
  return `${get(address, path, keyHeader(key))} -H 'Content-Type: application/json' -d ${quote(JSON.stringify(body))}`;
}

function quote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
