// The search for an identity.

import { call } from "./calls.js";
import { byId, element } from "./elements.js";
import { explanation } from "./explanation.js";
import { read } from "./numbers.js";

const PAGE_SIZE = 20;
let asking = null;

/** Shows these environments as options, or a text field if there are none. The present choice stays. */
export function showEnvironments(environments) {
  byId("listed").hidden = environments.length === 0;
  byId("unlisted").hidden = environments.length > 0;
  byId("client-key").required = environments.length === 0;
  const select = byId("environment");
  const chosen = select.value;
  const option = ({ environment, name }) => element("option", { value: environment }, label(environment, name));
  select.replaceChildren(...environments.map(option));
  if (environments.some(({ environment }) => environment === chosen)) select.value = chosen;
}

/** Labels an option with the name of its environment, which arrives later. */
export function nameEnvironment(environment, name) {
  for (const option of byId("environment").options) {
    if (option.value === environment) option.textContent = label(environment, name);
  }
}

function label(environment, name) {
  return name ? `${name} (${environment})` : environment;
}

/** Shows the identities that the form finds. A single one is explained at once. */
export async function search(fail) {
  const { environment, clientKey, query } = byId("search").elements;
  const asked = { environment: environment.value || clientKey.value.trim(), text: query.value, fail };
  byId("explanation").replaceChildren();
  byId("results").replaceChildren();
  const page = await ask(`${path(asked.environment)}&q=${encodeURIComponent(asked.text)}`, fail);
  if (page === null) return;
  const found = page.results;
  const list = element("ul", { className: "found" }, ...found.map((identity) => choice(asked, identity)));
  byId("results").replaceChildren(element("p", {}, summary(found, page)), list, ...more(asked, page, list), ...unknown(asked, found));
  if (found.length === 1 && page.last_evaluated_key === null) await explain(asked, found[0].identifier);
}

function path(environment) {
  return `/api/v1/environments/${encodeURIComponent(environment)}/edge-identities/?page_size=${PAGE_SIZE}`;
}

function summary(found, page) {
  if (found.length === 0) return "No identity found.";
  if (page.last_evaluated_key !== null) return `The first ${found.length} identities:`;
  return found.length === 1 ? "One identity:" : `${found.length} identities:`;
}

function choice(asked, { identifier, dashboard_alias: alias }) {
  const name = element("code", {}, identifier);
  const button = element("button", { type: "button" }, name, alias === null ? null : ` ${alias}`);
  button.addEventListener("click", () => explain(asked, identifier));
  return element("li", {}, button);
}

function more(asked, page, list) {
  if (page.last_evaluated_key === null) return [];
  const button = element("button", { type: "button" }, "More");
  let after = page.last_evaluated_key;
  button.addEventListener("click", async () => {
    const next = await ask(`${path(asked.environment)}&q=${encodeURIComponent(asked.text)}&last_evaluated_key=${encodeURIComponent(after)}`, asked.fail);
    if (next === null) return;
    list.append(...next.results.map((identity) => choice(asked, identity)));
    after = next.last_evaluated_key;
    button.hidden = after === null;
  });
  return [button];
}

/** A button that explains an unknown identity, which would get flags, too. */
function unknown(asked, found) {
  const text = asked.text.trim();
  if (text === "" || /^"|^dashboard_alias:/.test(text)) return [];
  if (found.some(({ identifier }) => identifier === text)) return [];
  const button = element("button", { type: "button" }, "What would ", element("code", {}, text), " get?");
  button.addEventListener("click", () => explain(asked, text));
  return [element("p", {}, button)];
}

async function explain({ environment, fail }, identifier) {
  const path = `/edge/environments/${encodeURIComponent(environment)}/identities/explain/?identifier=${encodeURIComponent(identifier)}`;
  const answer = await ask(path, fail, read);
  if (answer === null) return;
  const shown = explanation(answer);
  byId("explanation").replaceChildren(...stored(identifier, answer), shown);
  shown.querySelector("h3").focus();
}

/** A note about an identity that an earlier version stored under a name that requests cannot reach. */
function stored(identifier, answer) {
  if (answer.identifier === identifier) return [];
  const text = [" has white space at an end, so requests for it get the flags of ", "."];
  return [element("p", {}, element("code", {}, identifier), text[0], element("code", {}, answer.identifier), text[1])];
}

/** Fetches the answer to the latest request; null if another request replaced it, or if it failed. */
async function ask(path, fail, read = JSON.parse) {
  asking?.abort();
  asking = new AbortController();
  byId("problem").textContent = "";
  byId("search").ariaBusy = "true";
  const { signal } = asking;
  try {
    return await call(path, signal, read);
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
    return null;
  } finally {
    if (!signal.aborted) byId("search").ariaBusy = "false";
  }
}
