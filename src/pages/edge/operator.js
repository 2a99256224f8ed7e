// The operator's page: the sign-in form, and the view after it.

import { Refusal, call, signIn } from "./calls.js";
import { closeDialogs } from "./dialogs.js";
import { byId, updateTimes } from "./elements.js";
import { countIdentities, describeDiscovery, environmentCards } from "./environments.js";
import { nameEnvironment, search, showEnvironments } from "./identities.js";
import { PageProblem, problemText } from "./problems.js";
import { closeProjectChooser, openProjectChooser } from "./project_chooser.js";
import { settingsWarnings } from "./settings.js";

const KIB = 1024;
let loading = null;

showWorker();
setInterval(updateTimes, 5_000);

byId("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const form = event.target;
  const secret = form.elements.secret.value.trim();
  // Headers allow no other characters.
  if (!/^[!-~]+$/.test(secret)) return fail(new PageProblem("A credential is one word of ASCII letters, digits and symbols."));
  signIn(`${form.elements.kind.value} ${secret}`);
  byId("message").textContent = "Signing in…";
  if (await load()) {
    form.reset();
    show(true);
    byId("environments-title").focus();
    openProjectChooser();
  } else {
    signIn(null);
    form.elements.secret.focus();
  }
});
byId("sign-out").addEventListener("click", () => {
  leave();
  byId("message").textContent = "You are signed out.";
  byId("secret").focus();
});
byId("refresh").addEventListener("click", load);
byId("search").addEventListener("submit", (event) => {
  event.preventDefault();
  search(fail);
});
// Otherwise the browser's back button would restore the view and the credential.
addEventListener("pagehide", leave);

/** Loads the status and shows it. Returns true on success. */
async function load() {
  loading?.abort();
  loading = new AbortController();
  const { signal } = loading;
  byId("problem").textContent = "";
  byId("signed-in").ariaBusy = "true";
  try {
    const status = await call("/edge/status", signal).catch(nothingPermitted);
    byId("environments").replaceChildren(...environmentCards(status));
    byId("discovery").replaceChildren(...describeDiscovery(status));
    byId("settings").replaceChildren(...settingsWarnings(status));
    showEnvironments(status.environments);
    const count = status.environments.length;
    byId("message").textContent = `${count} ${count === 1 ? "environment" : "environments"}, as of ${new Date().toLocaleTimeString()}.`;
    countIdentities(status.environments, signal, nameEnvironment);
    return true;
  } catch (error) {
    if (error.name !== "AbortError") fail(error);
    return false;
  } finally {
    byId("signed-in").ariaBusy = "false";
  }
}

/** A caller without administered environments may still have the permission to view identities. */
function nothingPermitted(error) {
  if (error.status !== 403) throw error;
  fail(error);
  return { environments: [], discovery: null, webhook: null };
}

/** Shows the problem; a refused credential ends the session. */
function fail(error) {
  byId("message").textContent = "";
  if (error instanceof Refusal && error.status === 401 && !byId("signed-in").hidden) leave();
  byId("problem").textContent = problemText(error);
}

/** Removes the credential and everything that was shown with it. */
function leave() {
  loading?.abort();
  signIn(null);
  closeDialogs();
  closeProjectChooser();
  show(false);
  byId("sign-in").reset();
  byId("search").reset();
  for (const id of ["environments", "settings", "discovery", "results", "explanation", "environment", "message", "problem"]) byId(id).replaceChildren();
}

function show(signedIn) {
  byId("signing-in").hidden = signedIn;
  byId("signed-in").hidden = !signedIn;
  byId("sign-out").hidden = !signedIn;
}

/** The worker's version, and its share of the size budget. Both are public. */
async function showWorker() {
  const [version, build] = await Promise.all([call("/version/"), call("/edge/build.json")].map((answer) => answer.catch(() => null)));
  const parts = [];
  if (version !== null) parts.push(`Worker ${version.image_tag}`);
  if (build !== null) {
    const size = (build.gzip_bytes / KIB).toFixed(0);
    parts.push(`${size} KiB of WebAssembly, ${build.budget_kib} allowed`);
  }
  byId("worker").textContent = parts.join(" · ");
}
