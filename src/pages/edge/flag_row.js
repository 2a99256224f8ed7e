// A flag in the list: its name, its switch, and its editor to unfold.

import * as api from "./admin_api.js";
import { element, timeAgo, unfolding, value } from "./elements.js";
import { servesDefault } from "./explanation_checks.js";
import { flagEditor } from "./flag_editor.js";
import { attempt, problemLine, switchButton } from "./forms.js";
import { itemSummary } from "./lists.js";
import { PageProblem } from "./problems.js";
import { save } from "./saving.js";
import { showServing } from "./serving.js";
import { defaultStateAccess, flagStateOf } from "./states.js";

export class FlagRow {
  /** The flag state of the default that the page shows; null if the flag has no state in the environment. */
  flagState;
  /** The item of the list. */
  element;
  /** The line with the result of the latest change. */
  result = element("p", { className: "result", role: "status" });
  /** The form of the default, and the time of its latest change, in the open editor. */
  defaultForm = null;
  changedAt = null;
  #toggle;
  #details;
  #value = element("span", { className: "value" });
  #notes = element("span", { className: "why" });

  /** `removed` is called with the item when the flag was deleted. */
  constructor({ project, environment }, feature, removed) {
    const state = feature.environment_feature_state;
    Object.assign(this, { project, environment, feature, stateId: state?.id ?? null });
    this.flagState = state === null ? null : flagStateOf(state);
    this.#toggle = switchButton(feature.name, this.flagState?.enabled ?? false, () => attempt(this.element, () => this.#flip()));
    this.#toggle.disabled = this.flagState === null || this.isReadOnly;
    this.#details = unfolding(itemSummary(feature.name, this.#value, this.#notes), () => flagEditor(this), { className: "flag" });
    this.element = element("li", { className: "switched" }, this.#toggle, this.#details, problemLine(), this.result);
    this.removed = () => removed(this.element);
    this.show();
  }

  /** True if the Admin API refuses changes of the environment's feature states. */
  get isReadOnly() {
    return this.environment.use_v2_feature_versioning === true;
  }

  /** Shows the flag state and the feature as they are in this row. */
  show() {
    const { flagState } = this;
    this.#toggle.setAttribute("aria-checked", String(flagState?.enabled ?? false));
    this.#value.replaceChildren(flagState === null ? "no state in this environment" : value(flagState.value));
    this.#notes.replaceChildren(notes(this.feature));
  }

  /** Replaces the shown flag state. */
  replace(flagState) {
    this.flagState = flagState;
    this.show();
  }

  /** Marks the state as changed just now, if the editor is open. */
  touch() {
    this.changedAt?.replaceChildren(timeAgo(new Date().toISOString()));
  }

  /** Loads the editor again, if it is open. */
  reopen() {
    this.#details.querySelector(".inside")?.replaceChildren(flagEditor(this));
    this.#details.querySelector("summary").focus();
  }

  /** Throws if the form of the default has unsaved changes, which `reopen` would discard. */
  requireSettled() {
    if (this.defaultForm?.dataset.changed === undefined) return;
    throw new PageProblem("The default has unsaved changes. Save them, or search for the flag again to discard them.");
  }

  /** Switches the default state. Its value stays as it is at the API. */
  async #flip() {
    const { environment, stateId, feature } = this;
    this.result.textContent = "";
    const mine = { ...this.flagState, enabled: !this.flagState.enabled };
    const { done, current } = await save({
      ...defaultStateAccess(this),
      shown: this.flagState,
      mine,
      write: () => api.switchDefaultState(environment, stateId, mine.enabled),
    });
    if (!done && current === null) return;
    // Without a decision against it, the editor keeps the state that its changes are based on.
    this.replace(done ? { ...this.flagState, enabled: mine.enabled } : current);
    if (!done) return this.reopen();
    this.touch();
    showServing(this.result, environment, servesDefault(feature, this.flagState, false), `Switched ${mine.enabled ? "on" : "off"}.`);
  }
}

function notes({ num_segment_overrides: count, multivariate_options: options, is_server_key_only, is_archived }) {
  return [
    options.length > 0 ? `${options.length} ${options.length === 1 ? "variant" : "variants"}` : null,
    count > 0 ? `${count} segment ${count === 1 ? "override" : "overrides"}` : null,
    is_server_key_only ? "server keys only" : null,
    is_archived ? "archived" : null,
  ]
    .filter(Boolean)
    .join(" · ");
}
