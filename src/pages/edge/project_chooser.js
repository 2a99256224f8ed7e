// The choice of a project and an environment of the Admin API, which flags and segments belong to.

import * as api from "./admin_api.js";
import { Refusal } from "./calls.js";
import { mayDiscard } from "./dialogs.js";
import { byId, element } from "./elements.js";
import { closeFlags, openFlags } from "./flags.js";
import { hasChanges } from "./forms.js";
import { PageProblem, problemText } from "./problems.js";
import { closeSegments, openSegments } from "./segments.js";

let opening = null;
let projects = [];
let environments = [];
/** The selection whose flags are shown: {project, environment}. `environment` is null if the project has none. */
let selection = null;

/** Loads the projects, and shows the flags and segments of the first. */
export function openProjectChooser() {
  return load(async (signal) => {
    projects = await api.projects(signal);
    showOptions(byId("project"), projects, ({ id }) => id);
    if (projects.length === 0) throw new PageProblem("This credential can see no project.");
    await openProject(projects[0], signal);
  });
}

/** Removes everything that was shown. */
export function closeProjectChooser() {
  opening?.abort();
  opening = null;
  selection = null;
  byId("workspace").hidden = true;
  byId("workspace-problem").textContent = "";
  for (const id of ["project", "environment-of-flags"]) byId(id).replaceChildren();
  closeFlags();
  closeSegments();
}

byId("project").addEventListener("change", async () => {
  if (!(await mayLeave([byId("flags"), byId("segments")]))) return showSelection();
  await load((signal) => openProject(projects[byId("project").selectedIndex], signal));
});
byId("environment-of-flags").addEventListener("change", async () => {
  if (!(await mayLeave([byId("flags")]))) return showSelection();
  await load((signal) => openEnvironment(selection.project, environments[byId("environment-of-flags").selectedIndex], signal));
});

/** True if no form in these containers has changes, or if they may be discarded. */
async function mayLeave(containers) {
  return !containers.some(hasChanges) || mayDiscard();
}

function showSelection() {
  byId("project").value = String(selection.project.id);
  byId("environment-of-flags").value = String(selection.environment?.id ?? "");
}

async function openProject(project, signal) {
  environments = await api.environments(project.id, signal);
  showOptions(byId("environment-of-flags"), environments, ({ id }) => id);
  await openEnvironment(project, environments[0] ?? null, signal);
  await openSegments(project, () => selection?.environment ?? null, signal);
}

async function openEnvironment(project, environment, signal) {
  selection = { project, environment };
  byId("workspace").hidden = false;
  showSelection();
  if (environment === null) throw new PageProblem(`The project ${project.name} has no environment.`);
  await openFlags(selection, signal);
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
    byId("workspace-problem").textContent = reason(error);
  }
}

function reason(error) {
  const text = problemText(error);
  if (error instanceof Refusal && error.status === 401) {
    return `Flags need a credential of the Flagsmith behind this worker; the worker's own admin key is none. ${text}`;
  }
  return error instanceof Refusal || error instanceof PageProblem ? `Flags and segments cannot be shown. ${text}` : text;
}

function showOptions(select, items, value) {
  select.replaceChildren(...items.map((item) => element("option", { value: value(item) }, item.name)));
}
