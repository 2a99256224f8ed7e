// The endpoints of Flagsmith's Admin API that this page uses.

import { call, send } from "./calls.js";
import { MAX_PAGE_SIZE } from "./flagsmith.js";

/** The size of a page of flags or segments. */
export const PAGE_SIZE = 50;

/** The path with a query; members without a value are left out. */
function withQuery(path, query) {
  const present = Object.entries(query).filter(([, value]) => value !== undefined && value !== "");
  return `${path}?${new URLSearchParams(present)}`;
}

const inProject = (project) => `/api/v1/projects/${project}`;
const inEnvironment = (environment) => `/api/v1/environments/${encodeURIComponent(environment.api_key)}`;

export const projects = (signal) => call("/api/v1/projects/", signal);

export const environments = async (project, signal) =>
  (await call(withQuery("/api/v1/environments/", { project, page_size: MAX_PAGE_SIZE }), signal)).results;

/** A page of a project's features, with their states in an environment. */
export const features = (project, environment, { search, page }, signal) =>
  call(
    withQuery(`${inProject(project)}/features/`, { environment: environment.id, search, page, page_size: PAGE_SIZE, sort_field: "name" }),
    signal,
  );

export const feature = (project, id, environment) => call(withQuery(`${inProject(project)}/features/${id}/`, { environment: environment.id }));
export const createFeature = (project, body) => send("POST", `${inProject(project)}/features/`, body);
export const deleteFeature = (project, id) => send("DELETE", `${inProject(project)}/features/${id}/`);

export const createOption = (project, feature, body) => send("POST", `${inProject(project)}/features/${feature}/mv-options/`, body);
export const deleteOption = (project, feature, id) => send("DELETE", `${inProject(project)}/features/${feature}/mv-options/${id}/`);

/** The default state of a feature in an environment. */
export const defaultState = (environment, id) => call(`${inEnvironment(environment)}/featurestates/${id}/`);
export const switchDefaultState = (environment, id, enabled) => send("PATCH", `${inEnvironment(environment)}/featurestates/${id}/`, { enabled });

/** Replaces a state of any kind. */
export const putState = (id, body) => send("PUT", `/api/v1/features/featurestates/${id}/`, body);

/** The feature segments of a feature in an environment, in order: the first that matches decides. */
export async function featureSegmentsOf(environment, feature) {
  const query = { environment: environment.id, feature, page_size: MAX_PAGE_SIZE };
  const { results } = await call(withQuery("/api/v1/features/feature-segments/", query));
  return results.sort((one, other) => one.priority - other.priority || one.id - other.id);
}

/** The states of a feature in an environment, or the state of one feature segment. */
export const states = async (environment, { feature, featureSegment }) =>
  (
    await call(
      withQuery("/api/v1/features/featurestates/", { environment: environment.id, feature, feature_segment: featureSegment, page_size: MAX_PAGE_SIZE }),
    )
  ).results;

export const createOverride = (environment, feature, body) =>
  send("POST", `${inEnvironment(environment)}/features/${feature}/create-segment-override/`, body);
export const deleteFeatureSegment = (id) => send("DELETE", `/api/v1/features/feature-segments/${id}/`);
export const orderFeatureSegments = (ids) =>
  send("POST", "/api/v1/features/feature-segments/update-priorities/", ids.map((id, priority) => ({ id, priority })));

/** A page of a project's segments. */
export const segments = (project, { search, page }, signal) =>
  call(withQuery(`${inProject(project)}/segments/`, { q: search, page, page_size: PAGE_SIZE }), signal);
export const segment = (project, id) => call(`${inProject(project)}/segments/${id}/`);
export const createSegment = (project, body) => send("POST", `${inProject(project)}/segments/`, { ...body, project });
export const changeSegment = (project, id, body) => send("PATCH", `${inProject(project)}/segments/${id}/`, body);
export const deleteSegment = (project, id) => send("DELETE", `${inProject(project)}/segments/${id}/`);
/** The number of overrides of a segment, in all environments. */
export const countOverrides = async (project, id) =>
  (await call(withQuery(`${inProject(project)}/segments/${id}/associated-features/`, { page_size: 1 }))).count;
