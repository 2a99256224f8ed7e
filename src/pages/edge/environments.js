// Environments: how publishing each of them goes.

import { call } from "./calls.js";
import { badge, definitions, element, moment, table, unfolding } from "./elements.js";

/** A card for each environment of the status. */
export function environmentCards({ environments, discovery, more }) {
  if (environments.length > 0) {
    const rest = "There are more environments in KV than are listed. They are served too: look their identities up by client key.";
    return [...environments.map((status) => card(status, Boolean(discovery))), ...(more ? [element("li", { className: "empty" }, rest)] : [])];
  }
  const text =
    "None is published from a Flagsmith behind this worker or in KV, or none that this credential administers. What is in " +
    "KV beside what a Flagsmith publishes is served too: look its identities up by client key.";
  return [element("li", { className: "empty" }, text)];
}

/** The progress of the search for environments, in a sentence. */
export function describeDiscovery({ discovery, webhook }) {
  // Only administrators of all environments get it.
  const { last_success: success, last_fault: fault } = discovery ?? {};
  const parts = [];
  if (success) parts.push("The Flagsmith behind this worker was last asked which environments there are ", moment(success), ". ");
  if (fault) parts.push(badge("bad", "failing"), " ", ...faultWords(fault), " ");
  if (webhook) parts.push("The organisation's webhook leads to ", element("code", {}, webhook), ".");
  return parts;
}

/**
 * Reads the number of identities, of one environment after the other, and shows it; and with it the document's facts, where
 * the status lacks them. `named` gets names.
 */
export async function countIdentities(environments, signal, named) {
  for (const { environment, name } of environments) {
    const fill = (slot, ...content) => document.querySelector(`[data-${slot}="${CSS.escape(environment)}"]`)?.replaceChildren(...content);
    try {
      const counted = await call(`/edge/environments/${encodeURIComponent(environment)}/identities/count/`, signal);
      fill("count", counted.identities.toLocaleString("en"));
      fill("hashing", ...hashingWarning(counted));
      fill("changed", counted.updated_at ? moment(counted.updated_at) : "not known");
      if (!name && counted.name) {
        fill("name", counted.name);
        named(environment, counted.name);
      }
    } catch (error) {
      if (error.name === "AbortError") return;
      fill("count", `not known. ${error.message}`);
      fill("changed", "not known");
    }
  }
}

function card(status, hasOrigin) {
  const { environment, name, changes = [] } = status;
  const keys = status.server_keys;
  const expiry = keys?.soonest_expiry ? [", the first expires ", moment(keys.soonest_expiry)] : [", none expires"];
  const title = element("h3", { data: name ? {} : { name: environment } }, name || "Without a name");
  return element(
    "li",
    { className: "card" },
    element("div", { className: "title" }, title, state(status)),
    element("p", { className: "key" }, element("code", {}, environment)),
    ...warnings(status, hasOrigin),
    element("div", { data: { hashing: environment } }),
    definitions([
      // There is nothing that it could be synced with.
      ["Last synced", isStored(status) ? null : status.last_success ? moment(status.last_success) : "never"],
      ["Last failure", ...(isStored(status) ? [null] : lastFailure(status))],
      ["Version", ...version(status)],
      ["Changed", isStored(status) ? element("span", { data: { changed: environment } }, "…") : status.updated_at ? moment(status.updated_at) : null],
      ["Server keys", keys ? String(keys.count) : "not known", ...(keys?.count > 0 ? expiry : [])],
      ["Identities", element("span", { data: { count: environment } }, "…")],
      ["Published with", status.source && !isStored(status) ? element("code", {}, status.source) : null],
      ["Last notification", ...lastNotification(status)],
      ["Webhook", status.webhook ? element("code", {}, status.webhook) : null],
    ]),
    changes.length === 0 ? null : unfolding(`Latest changes (${changes.length})`, () => changesOf(changes)),
  );
}

const NOTICES = {
  realtime: "to the realtime server",
  environment_webhook: "by the environment's webhook",
  organisation_webhook: "by the organisation's webhook",
};

/** The origin's latest notice of a change. What has no origin has none. */
function lastNotification({ last_notification: notice, source }) {
  if (notice === undefined || isStored({ source })) return [null];
  if (notice === null) return ["none ever came: a change is seen when the document is next asked for"];
  return [moment(notice.at), `, ${NOTICES[notice.kind] ?? notice.kind}`];
}

/** True if the environment is known only from KV. */
function isStored({ source }) {
  return source === "KV";
}

/** Its state, in a word. */
function state(status) {
  if (isStored(status)) return badge("good", "in KV");
  if (status.unavailable) return badge("bad", "no answer");
  if (status.last_fault) return badge("bad", "failing");
  if (status.kv_fault || status.stale_seconds != null) return badge("warning", "store failing");
  if (!status.version) return badge("warning", "not published yet");
  return badge("good", "in sync");
}

function warnings(status, hasOrigin) {
  const warning = (...text) => element("p", { className: "warning" }, ...text);
  const found = [];
  if (isStored(status) && hasOrigin) found.push(warning("It was put into KV by hand. The Flagsmith behind this worker does not publish it."));
  if (status.unavailable) found.push(warning("Its object did not answer: ", status.unavailable));
  if (status.last_fault && status.version) found.push(warning("The Flagsmith behind this worker could not be read. What it said last is served."));
  if (status.kv_fault) found.push(warning("KV could not be written: ", status.kv_fault));
  if (status.identity_overrides_left_out) {
    found.push(warning("Its document comes without identity overrides: switch them on in Flagsmith's SDK settings of the environment."));
  }
  return found;
}

/** Says how many identities have other buckets than at the origin, if there are any. */
function hashingWarning({ identities, without_django_id: without }) {
  if (!without) return [];
  const count = (number) => number.toLocaleString("en");
  const text =
    `${count(without)} of ${count(identities)} identities have no django_id, which this environment's percentage splits and multivariate ` +
    "flags are hashed from, so they may get other values than from Flagsmith. In Flagsmith, switch ";
  const setting = element("code", {}, "use_identity_composite_key_for_hashing");
  return [element("p", { className: "warning" }, text, setting, " on, or bring identities in with make import-identities SOURCE=origin.")];
}

function version({ version, published_at, source, changes = [] }) {
  if (!version) return [isStored({ source }) ? "not known" : "none"];
  const at = published_at ?? changes.find((change) => change.version === version)?.at;
  return [element("code", {}, version), ...(at ? [", published ", moment(at)] : [])];
}

function lastFailure({ last_fault: fault, past_fault: past }) {
  if (fault) return faultWords(fault);
  return past ? [...faultWords(past), " It is over."] : ["none"];
}

function faultWords({ at, cause, attempts }) {
  return [moment(at), `, ${attempts === 1 ? "1 attempt" : `${attempts} attempts`}: `, `${cause.replace(/\.+$/, "")}.`];
}

function changesOf(changes) {
  const rows = [...changes].reverse().map(({ version, at, bytes }) => [
    moment(at),
    element("code", {}, version),
    `${bytes.toLocaleString("en")} bytes`,
  ]);
  return table("Latest changes", ["When", "Version", "Document"], rows);
}
