// Requests to paste into a shell, made of the keys that were seeded.

/** Curl lines for one environment, each below a line that explains it. */
export function examples(address, environment) {
  const requests = [
    ["Its flags:", get(address, "/api/v1/flags/", environment.key)],
    [
      "The flags of one identity, which keeps these traits:",
      post(address, "/api/v1/identities/", environment.key, {
        identifier: "ada@example.com",
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
      "Its document, which only a server key may read:",
      get(address, "/api/v1/environment-document/", serverKey.key),
    ]);
  }
  return requests.map(([title, line]) => `${title}\n${line}\n`).join("\n");
}

function isValid({ active, expires_at }) {
  return active && (expires_at === null || Date.parse(expires_at) > Date.now());
}

function get(address, path, key) {
  return `curl -sS ${quote(address + path)} -H ${quote(`X-Environment-Key: ${key}`)}`;
}

function post(address, path, key, body) {
  return `${get(address, path, key)} -H 'Content-Type: application/json' -d ${quote(JSON.stringify(body))}`;
}

function quote(text) {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
