// Environments: the state of publishing, by environment.

import { call } from "./calls.js";
import { badge, definitions, element, timeAgo, table, unfolding } from "./elements.js";

/** A card for each environment of the status. */
export function environmentCards({ environments, discovery, more }) {
  if (environments.length > 0) {
    const rest = "KV has more environments than this list. They are served too: find their identities by client key.";
    return [...environments.map((status) => card(status, Boolean(discovery))), ...(more ? [element("li", { className: "empty" }, rest)] : [])];
  }
  const text =
    "No environment is published, or this credential administers none. Environments in KV that no Flagsmith publishes are " +
    "served too: find their identities by client key.";
  return [element("li", { className: "empty" }, text)];
}

/** A sentence about the state of discovery. */
export function describeDiscovery({ discovery, webhook }) {
  // Only administrators of all environments get this part.
  const { last_success: success, last_fault: fault } = discovery ?? {};
  const parts = [];
  if (success) parts.push("The latest discovery at the Flagsmith behind this worker was ", timeAgo(success), ". ");
  if (fault) parts.push(badge("bad", "failing"), " ", ...faultWords(fault), " ");
  if (webhook) parts.push("The URL for the organisation's webhook is ", element("code", {}, webhook), ".");
  return parts;
}

/**
 * Fetches and shows the number of identities, for one environment after the other. Facts of the document that the status
 * lacks are shown, too. `named` is called with names.
 */
export async function countIdentities(environments, signal, named) {
  for (const { environment, name } of environments) {
    const fill = (slot, ...content) => document.querySelector(`[data-${slot}="${CSS.escape(environment)}"]`)?.replaceChildren(...content);
    try {
      const counted = await call(`/edge/environments/${encodeURIComponent(environment)}/identities/count/`, signal);
      fill("count", counted.identities.toLocaleString("en"));
      fill("hashing", ...hashingWarning(counted));
      fill("changed", counted.updated_at ? timeAgo(counted.updated_at) : "not known");
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
  const expiry = keys?.soonest_expiry ? [", the first expires ", timeAgo(keys.soonest_expiry)] : [", none expires"];
  const title = element("h3", { data: name ? {} : { name: environment } }, name || "Without a name");
  return element(
    "li",
    { className: "card" },
    element("div", { className: "title" }, title, state(status)),
    element("p", { className: "key" }, element("code", {}, environment)),
    ...warnings(status, hasOrigin),
    element("div", { data: { hashing: environment } }),
    definitions([
      // An environment that is only in KV has no origin to sync with.
      ["Last synced", isStored(status) ? null : status.last_success ? timeAgo(status.last_success) : "never"],
      ["Last failure", ...(isStored(status) ? [null] : lastFailure(status))],
      ["Version", ...version(status)],
      ["Changed", isStored(status) ? element("span", { data: { changed: environment } }, "…") : status.updated_at ? timeAgo(status.updated_at) : null],
      ["Server keys", keys ? String(keys.count) : "not known", ...(keys?.count > 0 ? expiry : [])],
      ["Identities", element("span", { data: { count: environment } }, "…")],
      ["Published with", status.source && !isStored(status) ? element("code", {}, status.source) : null],
      ["Last notification", ...lastNotification(status)],
      ["Webhook", status.webhook ? element("code", {}, status.webhook) : null],
    ]),
    changes.length === 0 ? null : unfolding(`Latest changes (${changes.length})`, () => changesOf(changes)),
  );
}

const NOTIFICATIONS = {
  realtime: "to the realtime server",
  environment_webhook: "by the environment's webhook",
  organisation_webhook: "by the organisation's webhook",
};

/** The origin's latest notification of a change; null for an environment without an origin. */
function lastNotification({ last_notification: last, source }) {
  if (last === undefined || isStored({ source })) return [null];
  if (last === null) return ["none yet: a change is published with the next routine fetch"];
  return [timeAgo(last.at), `, ${NOTIFICATIONS[last.kind] ?? last.kind}`];
}

/** True if the environment is known only from KV. */
function isStored({ source }) {
  return source === "KV";
}

/** The state of an environment, in one or two words. */
function state(status) {
  if (isStored(status)) return badge("good", "in KV");
  if (status.unavailable) return badge("bad", "no answer");
  if (status.last_fault) return badge("bad", "failing");
  if (status.kv_fault || status.stale_seconds != null) return badge("warning", "KV failing");
  if (!status.version) return badge("warning", "not published yet");
  return badge("good", "in sync");
}

function warnings(status, hasOrigin) {
  const warning = (...text) => element("p", { className: "warning" }, ...text);
  const found = [];
  if (isStored(status) && hasOrigin) found.push(warning("It was put into KV by hand. The Flagsmith behind this worker does not publish it."));
  if (status.unavailable) found.push(warning("The environment's object did not answer: ", status.unavailable));
  if (status.last_fault && status.version) found.push(warning("The fetch from the Flagsmith behind this worker failed. The last version is served."));
  if (status.kv_fault) found.push(warning("A write to KV failed: ", status.kv_fault));
  if (status.identity_overrides_left_out) {
    found.push(warning("The document has no identity overrides: enable them in the environment's SDK settings in Flagsmith."));
  }
  return found;
}

/** A warning with the number of identities in other buckets than at the origin, if there are any. */
function hashingWarning({ identities, without_django_id: without }) {
  if (!without) return [];
  const count = (number) => number.toLocaleString("en");
  const text =
    `${count(without)} of ${count(identities)} identities have no django_id, which this environment's percentage splits and multivariate ` +
    "flags are hashed from, so they may get other values than from Flagsmith. In Flagsmith, switch ";
  const setting = element("code", {}, "use_identity_composite_key_for_hashing");
  return [element("p", { className: "warning" }, text, setting, " on, or import identities with make import-identities SOURCE=origin.")];
}

function version({ version, published_at, source, changes = [] }) {
  if (!version) return [isStored({ source }) ? "not known" : "none"];
  const at = published_at ?? changes.find((change) => change.version === version)?.at;
  return [element("code", {}, version), ...(at ? [", published ", timeAgo(at)] : [])];
}

function lastFailure({ last_fault: fault, past_fault: past }) {
  if (fault) return faultWords(fault);
  return past ? [...faultWords(past), " It is over."] : ["none"];
}

function faultWords({ at, cause, attempts }) {
  return [timeAgo(at), `, ${attempts === 1 ? "1 attempt" : `${attempts} attempts`}: `, `${cause.replace(/\.+$/, "")}.`];
}

function changesOf(changes) {
  const rows = [...changes].reverse().map(({ version, at, bytes }) => [
    timeAgo(at),
    element("code", {}, version),
    `${bytes.toLocaleString("en")} bytes`,
  ]);
  return table("Latest changes", ["When", "Version", "Document"], rows);
}
