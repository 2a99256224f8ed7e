// The operator's page in front of the embedded origin with a small shop, for tests in a real browser.

import assert from "node:assert/strict";
import { test } from "node:test";

import { startBrowser, visit } from "./browser.mjs";
import { adminOf, API_KEY, embeddedOrigin } from "./embedded_origin.mjs";
import { eventually, startEdge } from "./harness.mjs";

/** The options of a browser's window. */
export const WINDOW = { viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", refusals: true };
/** The end of the page's text about a change that the edge serves. */
export const SERVED = /The edge serves it in Production after \d+\.\d s\.$/;

/** A test of the page of a worker in front of the embedded origin, which has a shop. The page is signed in. */
export function pageTest(name, { prepare = () => {} }, body) {
  test(name, async (t) => {
    const edge = await startEdge(embeddedOrigin({ FRESHNESS_SECONDS: 1 }));
    t.after(() => edge.close());
    edge.kv.entries.clear();
    const shop = new Shop(edge);
    await shop.create();
    await prepare(shop);
    await eventually(async () => (await shop.flags()).status === 200, "the environment is published");
    const browser = await startBrowser();
    t.after(() => browser.close());
    const visits = [];
    const open = async (options) => {
      visits.push(await visit(browser, `${edge.address}/edge/`, { ...WINDOW, ...options }));
      const { page } = visits.at(-1);
      await signIn(page, API_KEY);
      await page.waitForSelector("#flags-list > li");
      return { page };
    };
    await body({ shop, open });
    for (const { leave } of visits) await leave();
  });
}

/** A project with two environments at the origin, and what the edge serves of the first. */
class Shop {
  /** The ids of features and segments by name. */
  features = new Map();
  segments = new Map();

  constructor(edge) {
    this.edge = edge;
    this.send = adminOf(edge);
  }

  async create() {
    const organisation = await this.api("POST", "/api/v1/organisations/", { name: "Acme" });
    this.project = (await this.api("POST", "/api/v1/projects/", { name: "Shop", organisation: organisation.id })).id;
    this.environment = await this.api("POST", "/api/v1/environments/", { name: "Production", project: this.project });
    await this.api("POST", "/api/v1/environments/", { name: "Staging", project: this.project });
    await this.addFeature({ name: "checkout" });
    await this.addFeature({ name: "shipping", initial_value: "50", default_enabled: true });
    await this.addFeature({ name: "settings", initial_value: '{"a": [1, 2]}' });
    const option = (string_value, default_percentage_allocation) => ({ type: "unicode", string_value, default_percentage_allocation });
    await this.addFeature({ name: "banner", type: "MULTIVARIATE", initial_value: "classic", multivariate_options: [option("bold", 30), option("calm", 20)] });
    await this.addSegment("loyal", { operator: "GREATER_THAN", property: "points", value: "100" });
    await this.addSegment("benelux", { operator: "IN", property: "country", value: "NL,BE,LU" });
    await this.addSegment("big_baskets", { operator: "GREATER_THAN", property: "basket", value: "200" });
    await this.override("shipping", "loyal", 25);
    await this.override("shipping", "benelux", 30);
  }

  async addFeature(content) {
    this.features.set(content.name, (await this.api("POST", `/api/v1/projects/${this.project}/features/`, content)).id);
  }

  async addSegment(name, condition) {
    const rules = [{ type: "ALL", conditions: [], rules: [{ type: "ANY", conditions: [condition] }] }];
    const content = { name, project: this.project, rules };
    this.segments.set(name, (await this.api("POST", `/api/v1/projects/${this.project}/segments/`, content)).id);
  }

  override(feature, segment, value) {
    const content = { feature_segment: { segment: this.segments.get(segment) }, enabled: true, feature_state_value: { type: "int", integer_value: value } };
    return this.api("POST", `/api/v1/environments/${this.environment.api_key}/features/${this.features.get(feature)}/create-segment-override/`, content);
  }

  /** Sends a request to the Admin API, as another admin does. */
  async api(method, path, content) {
    const { status, text } = await this.send(method, path, content);
    assert.ok(status < 300, `${method} ${path}: ${status} ${text}`);
    return text === "" ? null : JSON.parse(text);
  }

  /** The default state of a feature at the origin. */
  async state(feature) {
    const { results } = await this.api("GET", `/api/v1/environments/${this.environment.api_key}/featurestates/?feature=${this.features.get(feature)}`);
    return results[0];
  }

  async content(feature) {
    const { enabled, feature_state_value: value } = await this.state(feature);
    return [enabled, value];
  }

  async change(feature, content) {
    const { id } = await this.state(feature);
    await this.api("PATCH", `/api/v1/environments/${this.environment.api_key}/featurestates/${id}/`, content);
  }

  async options(feature) {
    return (await this.api("GET", `/api/v1/projects/${this.project}/features/${this.features.get(feature)}/mv-options/`)).results;
  }

  /** The overrides of a feature in their order: {name, enabled, value, state}. */
  async overrides(feature) {
    const query = `environment=${this.environment.id}&feature=${this.features.get(feature)}`;
    const { results: featureSegments } = await this.api("GET", `/api/v1/features/feature-segments/?${query}`);
    const { results: states } = await this.api("GET", `/api/v1/features/featurestates/?${query}`);
    return featureSegments.map(({ id, segment_name: name }) => {
      const state = states.find(({ feature_segment }) => feature_segment === id);
      const { type, string_value, integer_value, boolean_value } = state.feature_state_value;
      return { name, enabled: state.enabled, value: { unicode: string_value, int: integer_value, bool: boolean_value }[type], state };
    });
  }

  async changeOverride(feature, segment, feature_state_value) {
    const { state } = (await this.overrides(feature)).find(({ name }) => name === segment);
    await this.api("PUT", `/api/v1/features/featurestates/${state.id}/`, { ...state, feature_state_value });
  }

  /** A segment at the origin; undefined if there is none of this name. */
  async segment(name) {
    const { results } = await this.api("GET", `/api/v1/projects/${this.project}/segments/`);
    return results.find((segment) => segment.name === name);
  }

  flags() {
    return this.edge.request({ path: "/api/v1/flags/", headers: { "X-Environment-Key": this.environment.api_key } });
  }

  /** A flag as the edge's SDK API serves it; undefined if it serves none of this name. */
  async served(name) {
    return JSON.parse((await this.flags()).text).find(({ feature }) => feature.name === name);
  }
}

/** Signs in on the page. */
export async function signIn(page, secret) {
  await page.fill("#secret", secret);
  await page.click("#sign-in button");
  await page.waitForSelector("#signed-in:not([hidden])");
}

/** The item of a flag. */
export function flag(page, name) {
  return page.locator("#flags-list > li", { has: page.locator("summary > .name", { hasText: name }) }).filter({ hasText: name }).first();
}

/** Unfolds a flag, and waits for its editor. */
export async function openFlag(page, name) {
  await flag(page, name).locator("summary").first().click();
  await flag(page, name).locator("form").first().waitFor();
}
