// An environment with a flag of every kind, for the tests of OpenFeature's providers.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { startEdge } from "./harness.mjs";

export const KEY = "openfeature";
export const SERVER_KEY = "ser.openfeature";
/** The segment of customers with `plan: gold`. */
export const SEGMENT = "gold members";

/** The values of enabled flags without a context. `none` has no value at the origin. */
export const VALUES = { text: "blue", empty: "", integer: 50, float: 0.82, yes: true, no: false, none: true };
/** Enabled flags whose names have a meaning in URLs. */
export const NAMES = ["a/b", "a b", "100%", "why?", "%2F", "🚀 ü", "a+b"];

const ALL = [...Object.keys(VALUES), "off", "split", "secret", ...NAMES];

/** The number of a feature. */
export const idOf = (name) => 100 + ALL.indexOf(name);

/** Starts a worker that serves the environment; `options` are startEdge's. */
export async function startWithFlags(t, options = {}) {
  const folder = mkdtempSync(join(tmpdir(), "openfeature-"));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, "environment.json"), JSON.stringify(environment()));
  writeFileSync(join(folder, "server-keys.json"), JSON.stringify({ [KEY]: [{ key: SERVER_KEY, active: true, expires_at: null }] }));
  const edge = await startEdge({ documents: folder, ...options });
  t.after(() => edge.close());
  return edge;
}

/** Sends a request of the protocol. */
export async function evaluate(edge, path, context, headers = {}, isolate = 0) {
  const response = await fetch(`http://127.0.0.1:${edge.ports[isolate]}/ofrep/v1/evaluate/flags${path}`, {
    method: "POST",
    headers: { "X-API-Key": KEY, "Content-Type": "application/json", ...headers },
    body: typeof context === "string" ? context : JSON.stringify({ context }),
  });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === "" ? null : JSON.parse(text) };
}

function environment() {
  const value = (name) => (name === "none" ? null : (VALUES[name] ?? "a"));
  const states = ALL.map((name) => ({ ...state(name, value(name)), enabled: name !== "off" }));
  const option = { id: 1, key: "beta", value: "b" };
  const split = states.find(({ feature }) => feature.name === "split");
  split.feature.type = "MULTIVARIATE";
  split.multivariate_feature_state_values = [{ id: 1, percentage_allocation: 33.5, multivariate_feature_option: option }];
  const conditions = [{ property_: "plan", operator: "EQUAL", value: "gold" }];
  return {
    id: 1,
    api_key: KEY,
    name: "OpenFeature",
    updated_at: "2026-11-22T15:52:01+00:00",
    project: {
      id: 1,
      name: "OpenFeature",
      organisation: { id: 1, name: "OpenFeature", persist_trait_data: true, stop_serving_flags: false, feature_analytics: false },
      hide_disabled_flags: false,
      server_key_only_feature_ids: [idOf("secret")],
      segments: [{ id: 1, name: SEGMENT, rules: [{ type: "ALL", rules: [], conditions }], feature_states: [state("text", "red")] }],
    },
    feature_states: states,
    identity_overrides: [{ identifier: "grace", identity_uuid: "4f8e1c52-0000-4000-8000-000000000001", created_date: "2026-01-01T00:00:00+00:00", environment_api_key: KEY, identity_features: [state("text", "green")] }],
  };
}

function state(name, value) {
  const feature = { id: idOf(name), name, type: "STANDARD" };
  return { feature, enabled: true, feature_state_value: value, django_id: 1000 + idOf(name), multivariate_feature_state_values: [] };
}
