// The segment overrides of a flag in an environment, in their order: the first whose segment matches decides.

import * as api from "./admin_api.js";
import { mayDelete } from "./dialogs.js";
import { element, unfolding, value } from "./elements.js";
import { attempt, button, checkbox, form, problemPlace, settle, switchButton } from "./forms.js";
import { itemSummary } from "./lists.js";
import { isSame, save } from "./saving.js";
import { segmentChooser } from "./segment_chooser.js";
import { showServing } from "./serving.js";
import { contentOf, describe, readOverride, servesOverrides, typed, write } from "./states.js";
import { valueEditor } from "./values.js";
import { weightEditor } from "./weights.js";

/** The element with the overrides of a flag, which loads them. */
export function overrideList(row) {
  const place = element("div", {}, problemPlace());
  const list = element("ol", { className: "overrides" });
  const none = element("p", { className: "quiet", hidden: true }, "No segment overrides this flag.");
  const result = element("p", { className: "result", role: "status" });
  const overrides = { ...row, row, place, list, none, result, items: [] };
  place.append(none, list, result, unfolding("Add an override", () => newOverride(overrides)));
  attempt(place, () => load(overrides));
  return place;
}

/** Loads the overrides. Those that are shown already stay as they are, with what was entered. */
async function load(overrides) {
  const { environment, feature, list } = overrides;
  const shown = new Map(overrides.items.map((item) => [item.id, item]));
  const found = await api.places(environment, feature.id);
  const isNew = ({ id }) => !shown.has(id);
  const states = found.filter(isNew).length > 1 ? await api.states(environment, { feature: feature.id }) : [];
  const byPlace = new Map(states.map((state) => [state.feature_segment, state]));
  const items = [];
  for (const place of found) {
    // A feature can have more states than a page: one for each identity with an override.
    const read = async () => byPlace.get(place.id) ?? readOverride(environment, place.id);
    items.push(isNew(place) ? overrideItem(overrides, place, await read()) : shown.get(place.id));
  }
  overrides.items = items;
  list.replaceChildren(...overrides.items.map(({ shown }) => shown));
  showOrder(overrides);
}

function overrideItem(overrides, place, state) {
  const { feature } = overrides;
  const item = { id: place.id, name: place.segment_name ?? `segment ${place.segment}`, content: contentOf(state) };
  const shownValue = element("span", { className: "value" });
  const toggle = switchButton(`${feature.name} for ${item.name}`, item.content.enabled, () =>
    attempt(overrides.place, () => change(overrides, item, { ...item.content, enabled: !item.content.enabled })),
  );
  const details = unfolding(itemSummary(item.name, shownValue), () => overrideForm(overrides, item));
  const mover = (sign, step, ariaLabel) =>
    button(sign, () => attempt(overrides.place, () => move(overrides, item, step)), { ariaLabel, className: "small" });
  item.up = mover("↑", -1, `Move ${item.name} up`);
  item.down = mover("↓", 1, `Move ${item.name} down`);
  item.shown = element("li", { className: "switched" }, toggle, details, element("div", { className: "order" }, item.up, item.down));
  item.show = () => {
    toggle.setAttribute("aria-checked", String(item.content.enabled));
    shownValue.replaceChildren(value(item.content.value));
  };
  item.reopen = () => details.querySelector(".inside")?.replaceChildren(overrideForm(overrides, item));
  item.show();
  return item;
}

function overrideForm(overrides, item) {
  const { feature } = overrides;
  const options = feature.multivariate_options;
  const editor = valueEditor(item.content.value, { label: options.length > 0 ? "Control value" : "Value" });
  const weights = weightEditor(options, item.content.shares);
  const remove = button("Delete this override", () => attempt(overrides.place, () => removeOverride(overrides, item)), { className: "danger" });
  const made = form(`${feature.name} for ${item.name}`, [editor.shown, weights.shown], {
    submit: "Save",
    others: [remove],
    action: async (result) => {
      const mine = { enabled: item.content.enabled, value: editor.read(), shares: weights.read() };
      if (isSame(item.content, mine)) result.textContent = "Nothing is changed.";
      else if (!(await change(overrides, item, mine, result))) return;
      settle(made);
    },
  });
  return made;
}

/** Writes a content of an override. Returns true if it was written or replaced by the present one. */
async function change(overrides, item, mine, result = overrides.result) {
  const { environment, feature } = overrides;
  result.textContent = "";
  const before = item.content;
  let state;
  const { done, present, written } = await save({
    subject: `${feature.name} for ${item.name}`,
    read: async () => contentOf((state = await readOverride(environment, item.id))),
    shown: before,
    mine,
    describe: (content) => describe(content, feature.multivariate_options),
    write: () => write(state, mine),
  });
  if (!done && present === null) return false;
  item.content = done ? contentOf(written) : present;
  item.show();
  if (!done) {
    item.reopen();
    return true;
  }
  const sharesChanged = !isSame({ shares: before.shares }, { shares: item.content.shares });
  serve(overrides, result, `${item.name} is saved.`, sharesChanged ? item : null);
  return true;
}

async function removeOverride(overrides, item) {
  const { environment, feature } = overrides;
  const subject = `${feature.name} for ${item.name}`;
  if (!(await mayDelete(`the override for ${item.name}`, `Identities in ${item.name} get the next override or the default.`))) return;
  const { done, present } = await save({
    subject,
    read: async () => contentOf(await readOverride(environment, item.id)),
    shown: item.content,
    mine: null,
    describe: (content) => describe(content, feature.multivariate_options),
    write: () => api.deletePlace(item.id),
  });
  if (!done) {
    if (present === null) return;
    item.content = present;
    item.show();
    return item.reopen();
  }
  overrides.items = overrides.items.filter((other) => other !== item);
  item.shown.remove();
  showOrder(overrides);
  (overrides.list.querySelector("summary") ?? overrides.place.querySelector("summary")).focus();
  serve(overrides, overrides.result, `The override for ${item.name} is deleted.`);
}

/** Moves an override by one place. */
async function move(overrides, item, step) {
  const { environment, feature, list } = overrides;
  const before = overrides.items;
  const moved = before.filter((other) => other !== item);
  moved.splice(before.indexOf(item) + step, 0, item);
  const names = (items) => ({ order: items.map(({ id, name }) => [id, name]) });
  const { done, present } = await save({
    subject: `The order of ${feature.name}'s overrides`,
    read: async () => names((await api.places(environment, feature.id)).map(({ id, segment_name: name }) => ({ id, name }))),
    shown: names(before),
    mine: names(moved),
    describe: ({ order }) => [["Order", order.map(([, name]) => name).join(", ")]],
    write: () => api.orderPlaces(moved.map(({ id }) => id)),
  });
  if (!done) return present === null ? undefined : load(overrides);
  overrides.items = moved;
  list.replaceChildren(...moved.map(({ shown }) => shown));
  showOrder(overrides);
  const [pressed, opposite] = step < 0 ? [item.up, item.down] : [item.down, item.up];
  (pressed.disabled ? opposite : pressed).focus();
  serve(overrides, overrides.result, `${item.name} is number ${moved.indexOf(item) + 1} of ${moved.length} now.`);
}

function showOrder({ items, none, row }) {
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
  const editor = valueEditor(overrides.row.shown.value);
  const made = form(`New override of ${feature.name}`, [chooser.shown, enabled.shown, editor.shown], {
    submit: "Add override",
    action: async () => {
      const segment = chooser.read();
      await api.createOverride(environment, feature.id, {
        feature_segment: { segment: segment.id },
        enabled: enabled.control.checked,
        feature_state_value: typed(editor.read()),
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

/** Shows when the edge serves the overrides as they are shown now. */
function serve(overrides, place, saved, sharesOf = null) {
  const { environment, feature } = overrides;
  const expected = overrides.items.map((item) => ({ name: item.name, content: item.content, item }));
  const changed = expected.find(({ item }) => item === sharesOf) ?? null;
  showServing(place, environment, servesOverrides(feature, expected, changed), saved);
}
