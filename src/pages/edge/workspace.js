// The chosen project and environment of the Admin API, which flags and segments belong to.

import * as api from "./admin_api.js";
import { Refusal } from "./calls.js";
import { mayDiscard } from "./dialogs.js";
import { byId, element } from "./elements.js";
import { closeFlags, openFlags } from "./flags.js";
import { hasChanges } from "./forms.js";
import { closeSegments, openSegments } from "./segments.js";

let opening = null;
let projects = [];
let environments = [];
/** The choice whose flags are shown: {project, environment}. */
let chosen = null;

/** Loads the projects, and shows the flags and segments of the first. */
export function openWorkspace() {
  return load(async (signal) => {
    projects = await api.projects(signal);
    showOptions(byId("project"), projects, ({ id }) => id);
    if (projects.length === 0) throw new Refusal(404, "This credential can see no project.");
    await openProject(projects[0], signal);
  });
}

/** Removes everything that was shown. */
export function closeWorkspace() {
  opening?.abort();
  opening = null;
  chosen = null;
  byId("workspace").hidden = true;
  byId("workspace-problem").textContent = "";
  for (const id of ["project", "environment-of-flags"]) byId(id).replaceChildren();
  closeFlags();
  closeSegments();
}

byId("project").addEventListener("change", async () => {
  if (!(await mayLeave([byId("flags"), byId("segments")]))) return showChosen();
  await load((signal) => openProject(projects[byId("project").selectedIndex], signal));
});
byId("environment-of-flags").addEventListener("change", async () => {
  if (!(await mayLeave([byId("flags")]))) return showChosen();
  await load((signal) => openEnvironment(chosen.project, environments[byId("environment-of-flags").selectedIndex], signal));
});

/** True if no form in these places has changes, or if they may be discarded. */
async function mayLeave(places) {
  return !places.some(hasChanges) || mayDiscard();
}

function showChosen() {
  byId("project").value = String(chosen.project.id);
  byId("environment-of-flags").value = String(chosen.environment?.id ?? "");
}

async function openProject(project, signal) {
  environments = await api.environments(project.id, signal);
  showOptions(byId("environment-of-flags"), environments, ({ id }) => id);
  await openEnvironment(project, environments[0] ?? null, signal);
  await openSegments({ project, environment: () => chosen?.environment ?? null }, signal);
}

async function openEnvironment(project, environment, signal) {
  chosen = { project, environment };
  byId("workspace").hidden = false;
  showChosen();
  if (environment === null) throw new Refusal(404, `The project ${project.name} has no environment.`);
  await openFlags({ project, environment }, signal);
}

/** Runs a load, which replaces an earlier one. Its failure is shown as the reason why there are no flags. */
async function load(action) {
  opening?.abort();
  opening = new AbortController();
  const { signal } = opening;
  byId("workspace-problem").textContent = "";
  try {
    await action(signal);
  } catch (error) {
    if (error.name === "AbortError") return;
    if (!(error instanceof Refusal)) console.error(error);
    byId("workspace-problem").textContent = reason(error);
  }
}

function reason(error) {
  if (!(error instanceof Refusal)) return "This page failed. Reload it.";
  if (error.status === 401) {
    return `Flags need a credential of the Flagsmith behind this worker; the worker's own admin key is none. ${error.message}`;
  }
  return `Flags and segments cannot be shown. ${error.message}`;
}

function showOptions(select, items, value) {
  select.replaceChildren(...items.map((item) => element("option", { value: value(item) }, item.name)));
}
