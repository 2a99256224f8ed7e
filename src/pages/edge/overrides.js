// The segment overrides of a flag in an environment, in their order: the first whose segment matches decides.

import * as api from "./admin_api.js";
import { allocationEditor } from "./allocations.js";
import { mayDelete } from "./dialogs.js";
import { element, unfolding, value } from "./elements.js";
import { servesOverrides } from "./explanation_checks.js";
import { columnsOf } from "./flagsmith.js";
import { attempt, button, checkbox, form, problemLine, settle, switchButton } from "./forms.js";
import { itemSummary } from "./lists.js";
import { isSame, save } from "./saving.js";
import { segmentChooser } from "./segment_chooser.js";
import { showServing } from "./serving.js";
import { flagStateOf, haveOtherAllocations, overrideAccess, readOverride } from "./states.js";
import { valueEditor } from "./values.js";

/** The element with the overrides of a flag, which loads them. */
export function overrideList(row) {
  const container = element("div", {}, problemLine());
  const list = element("ol", { className: "overrides" });
  const none = element("p", { className: "quiet", hidden: true }, "No segment overrides this flag.");
  const result = element("p", { className: "result", role: "status" });
  const { project, environment, feature } = row;
  const overrides = { row, project, environment, feature, container, list, none, result, items: [] };
  container.append(none, list, result, unfolding("Add an override", () => newOverride(overrides)));
  attempt(container, () => load(overrides));
  return container;
}

/** Loads the overrides. Those that are shown already stay as they are, with what was entered. */
async function load(overrides) {
  const { environment, feature, list } = overrides;
  const shown = new Map(overrides.items.map((item) => [item.id, item]));
  const found = await api.featureSegmentsOf(environment, feature.id);
  const isNew = ({ id }) => !shown.has(id);
  const states = found.filter(isNew).length > 1 ? await api.states(environment, { feature: feature.id }) : [];
  const byFeatureSegment = new Map(states.map((state) => [state.feature_segment, state]));
  const items = [];
  for (const featureSegment of found) {
    const { id } = featureSegment;
    // A feature can have more states than a page: one for each identity with an override.
    const read = async () => byFeatureSegment.get(id) ?? readOverride(environment, id);
    items.push(isNew(featureSegment) ? overrideItem(overrides, featureSegment, await read()) : shown.get(id));
  }
  overrides.items = items;
  showItems(overrides);
}

/** An override in the list: its feature segment's id, its segment's name, the flag state that the page shows, its elements. */
function overrideItem(overrides, { id, segment, segment_name }, state) {
  const { feature } = overrides;
  const item = { id, name: segment_name ?? `segment ${segment}`, flagState: flagStateOf(state) };
  const shownValue = element("span", { className: "value" });
  const toggle = switchButton(`${feature.name} for ${item.name}`, item.flagState.enabled, () =>
    attempt(overrides.container, () => change(overrides, item, { ...item.flagState, enabled: !item.flagState.enabled })),
  );
  const details = unfolding(itemSummary(item.name, shownValue), () => overrideForm(overrides, item));
  const mover = (sign, step, ariaLabel) =>
    button(sign, () => attempt(overrides.container, () => move(overrides, item, step)), { ariaLabel, className: "small" });
  item.up = mover("↑", -1, `Move ${item.name} up`);
  item.down = mover("↓", 1, `Move ${item.name} down`);
  item.element = element("li", { className: "switched" }, toggle, details, element("div", { className: "order" }, item.up, item.down));
  item.show = () => {
    toggle.setAttribute("aria-checked", String(item.flagState.enabled));
    shownValue.replaceChildren(value(item.flagState.value));
  };
  item.reopen = () => details.querySelector(".inside")?.replaceChildren(overrideForm(overrides, item));
  item.show();
  return item;
}

function overrideForm(overrides, item) {
  const { feature } = overrides;
  const options = feature.multivariate_options;
  const editor = valueEditor(item.flagState.value, { label: options.length > 0 ? "Control value" : "Value" });
  const allocations = allocationEditor(options, item.flagState.allocations);
  const remove = button("Delete this override", () => attempt(overrides.container, () => removeOverride(overrides, item)), { className: "danger" });
  const made = form(`${feature.name} for ${item.name}`, [editor.element, allocations.element], {
    submit: "Save",
    others: [remove],
    action: async (result) => {
      const mine = { enabled: item.flagState.enabled, value: editor.read(), allocations: allocations.read() };
      if (isSame(item.flagState, mine)) result.textContent = "Nothing is changed.";
      else if (!(await change(overrides, item, mine, result))) return;
      settle(made);
    },
  });
  return made;
}

/** Writes a flag state of an override. Resolves to true if it was written or replaced by the current one. */
async function change(overrides, item, mine, result = overrides.result) {
  result.textContent = "";
  const before = item.flagState;
  const { done, current, written } = await save({ ...overrideAccess(overrides, item), shown: before, mine });
  if (!done && current === null) return false;
  item.flagState = done ? flagStateOf(written) : current;
  item.show();
  if (!done) {
    item.reopen();
    return true;
  }
  serve(overrides, result, `${item.name} is saved.`, haveOtherAllocations(before, item.flagState) ? item : null);
  return true;
}

async function removeOverride(overrides, item) {
  if (!(await mayDelete(`the override for ${item.name}`, `Identities in ${item.name} get the next override or the default.`))) return;
  const { done, current } = await save({
    ...overrideAccess(overrides, item),
    shown: item.flagState,
    mine: null,
    write: () => api.deleteFeatureSegment(item.id),
  });
  if (!done) {
    if (current === null) return;
    item.flagState = current;
    item.show();
    return item.reopen();
  }
  overrides.items = overrides.items.filter((other) => other !== item);
  showItems(overrides);
  (overrides.list.querySelector("summary") ?? overrides.container.querySelector("summary")).focus();
  serve(overrides, overrides.result, `The override for ${item.name} is deleted.`);
}

/** Moves an override by one position. */
async function move(overrides, item, step) {
  const { environment, feature } = overrides;
  const before = overrides.items;
  const moved = before.filter((other) => other !== item);
  moved.splice(before.indexOf(item) + step, 0, item);
  const names = (items) => ({ order: items.map(({ id, name }) => [id, name]) });
  const { done, current } = await save({
    subject: `The order of ${feature.name}'s overrides`,
    read: async () => names((await api.featureSegmentsOf(environment, feature.id)).map(({ id, segment_name: name }) => ({ id, name }))),
    shown: names(before),
    mine: names(moved),
    describe: ({ order }) => [["Order", order.map(([, name]) => name).join(", ")]],
    write: () => api.orderFeatureSegments(moved.map(({ id }) => id)),
  });
  if (!done) return current === null ? undefined : load(overrides);
  overrides.items = moved;
  showItems(overrides);
  const [pressed, opposite] = step < 0 ? [item.up, item.down] : [item.down, item.up];
  (pressed.disabled ? opposite : pressed).focus();
  serve(overrides, overrides.result, `${item.name} is number ${moved.indexOf(item) + 1} of ${moved.length} now.`);
}

/** Shows the items in their order. */
function showItems({ items, list, none, row }) {
  list.replaceChildren(...items.map((item) => item.element));
  none.hidden = items.length > 0;
  items.forEach((item, index) => {
    item.up.disabled = index === 0;
    item.down.disabled = index === items.length - 1;
  });
  row.feature.num_segment_overrides = items.length;
  row.show();
}

function newOverride(overrides) {
  const { project, environment, feature } = overrides;
  const chooser = segmentChooser(project);
  const enabled = checkbox("Switched on for this segment", true);
  const editor = valueEditor(overrides.row.flagState.value);
  const made = form(`New override of ${feature.name}`, [chooser.element, enabled.element, editor.element], {
    submit: "Add override",
    action: async () => {
      const segment = chooser.read();
      await api.createOverride(environment, feature.id, {
        feature_segment: { segment: segment.id },
        enabled: enabled.control.checked,
        feature_state_value: columnsOf(editor.read()),
      });
      await load(overrides);
      const details = made.closest("details");
      made.replaceWith(newOverride(overrides));
      details.open = false;
      details.querySelector("summary").focus();
      serve(overrides, overrides.result, `The override for ${segment.name} is added.`);
    },
  });
  return made;
}

/** Shows when the edge serves the overrides as they are shown now. `changed`: the item with changed allocations, or null. */
function serve({ environment, feature, items }, container, saved, changed = null) {
  const expected = items.map(({ name, flagState }) => ({ name, flagState }));
  const check = servesOverrides(feature, expected, changed === null ? null : expected[items.indexOf(changed)]);
  showServing(container, environment, check, saved);
}
