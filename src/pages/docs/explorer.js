// The API explorer: shows a description with Swagger UI, and gives it the visitor's keys.
//
// Every request goes to this host, even if a description names other servers. The worker forwards those for the origin.

import { here, onHost } from "./hosts.js";
import { mend } from "./mending.js";

// Credentials for services. The page has no field for them.
const NOT_ENTERED = ["RealtimeToken"];

const keys = document.querySelector("#keys");
const said = document.querySelector("#keys-said");
const chooser = document.querySelector("#chooser");
const descriptions = chooser.querySelector("select");
const problem = document.querySelector("#problem");
/** The present view: Swagger UI, the description's security schemes by name, and the schemes with a credential. */
let shown = null;

mend(document.querySelector("#explorer"));
keys.addEventListener("input", () => authorize(shown));
// An origin may restrict its description to its own accounts.
keys.addEventListener("change", () => problem.hidden || show(descriptions.value));
keys.addEventListener("submit", (event) => event.preventDefault());
descriptions.addEventListener("change", () => show(descriptions.value));

for (const { name, url } of await read("/api/v1/docs/descriptions.json")) descriptions.add(new Option(name, url));
chooser.hidden = descriptions.length < 2;
await show(descriptions.value);

async function show(url) {
  problem.hidden = true;
  document.querySelector("#explorer").replaceChildren();
  const { description, error } = await read(url).then(
    (description) => ({ description: onHost(description, location.origin) }),
    (error) => ({ error }),
  );
  // The visitor has chosen another description meanwhile.
  if (url !== descriptions.value) return;
  if (error !== undefined) {
    problem.textContent = `This description cannot be shown: ${error.message}`;
    problem.hidden = false;
    return;
  }
  const schemes = description.components?.securitySchemes ?? description.securityDefinitions ?? {};
  const ui = SwaggerUIBundle({
    dom_id: "#explorer",
    spec: description,
    presets: [SwaggerUIBundle.presets.apis],
    deepLinking: true,
    defaultModelsExpandDepth: 0,
    displayRequestDuration: true,
    docExpansion: "list",
    filter: true,
    tryItOutEnabled: true,
    // Without a validator, since it would be on another host.
    validatorUrl: null,
    // Catches URLs in members of a description that OpenAPI does not define.
    requestInterceptor: (request) => Object.assign(request, { url: here(request.url, location.origin) }),
    onComplete: () => authorize(shown),
  });
  shown = { ui, schemes, given: new Set() };
}

async function read(url) {
  const { administrator } = entered();
  const response = await fetch(url, { headers: administrator === "" ? {} : { Authorization: administrator } });
  const text = await response.text();
  if (!response.ok) throw new Error(`${url} returned ${response.status}. ${detail(text)}`);
  return JSON.parse(text);
}

function detail(text) {
  try {
    return JSON.parse(text).detail ?? "";
  } catch {
    return "";
  }
}

/** The visitor's credentials. */
function entered() {
  return Object.fromEntries(Array.from(new FormData(keys), ([name, value]) => [name, value.trim()]));
}

/** Gives each security scheme its credential, or takes it away. */
function authorize(shown) {
  const { environment, administrator } = entered();
  const values = { "x-environment-key": environment, authorization: administrator };
  const used = [environment && "the environment key", administrator && "the administrator’s credential"].filter(Boolean).join(" and ");
  said.textContent = used === "" ? "" : `Requests are sent with ${used}.`;
  if (shown === null) return;
  for (const [name, scheme] of Object.entries(shown.schemes)) {
    const value = values[String(scheme.name).toLowerCase()];
    if (scheme.type !== "apiKey" || value === undefined || NOT_ENTERED.includes(name)) continue;
    if (value !== "") {
      shown.ui.preauthorizeApiKey(name, value);
      shown.given.add(name);
    } else if (shown.given.delete(name)) {
      shown.ui.authActions.logout([name]);
    }
  }
}
