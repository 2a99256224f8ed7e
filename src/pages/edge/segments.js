// The segments of a project: the list, the editor of each, and new ones.

import * as api from "./admin_api.js";
import { mayDelete } from "./dialogs.js";
import { byId, element, unfolding } from "./elements.js";
import { attempt, button, field, form, settle } from "./forms.js";
import { PagedList } from "./lists.js";
import { contentOfRules, describeRules, ruleEditor, servesRules } from "./rules.js";
import { isSame, save } from "./saving.js";
import { showServing } from "./serving.js";

const list = new PagedList("segments", ["segment", "segments"]);
const NEW_RULES = [{ type: "ALL", conditions: [], rules: [{ type: "ANY", conditions: [{ property: "", operator: "EQUAL", value: "" }] }] }];

/** Shows the segments of a project. `place.environment()` is the environment that is watched at the edge. */
export async function openSegments(place, signal) {
  const load = (query, signal) => api.segments(place.project.id, query, signal);
  await list.open(load, (segment) => segmentItem(place, segment), signal);
  byId("new-segment").replaceChildren(unfolding("New segment", () => newSegment(place)));
}

export function closeSegments() {
  list.close();
  byId("new-segment").replaceChildren();
}

function contentOf({ name, description, rules }) {
  return { name, description: description ?? "", rules: contentOfRules(rules) };
}

function describe({ name, description, rules }) {
  return [["Name", name], ["Description", description], ["Rules", describeRules(rules)]];
}

function segmentItem(place, segment) {
  const row = { ...place, segment, shown: contentOf(segment) };
  const name = element("span", { className: "name" });
  const rules = element("span", { className: "why" });
  const details = unfolding([name, rules], () => segmentForm(row), { className: "segment" });
  const item = element("li", {}, details);
  row.show = () => {
    name.textContent = row.shown.name;
    rules.textContent = describeRules(row.shown.rules);
  };
  row.reopen = () => {
    details.querySelector(".inside")?.replaceChildren(segmentForm(row));
    details.querySelector("summary").focus();
  };
  row.removed = () => list.removed(item);
  row.show();
  return item;
}

/** The fields of a segment: {content, read}. */
function segmentFields({ name, description, rules }) {
  const nameInput = element("input", { maxLength: 2000, autocomplete: "off", spellcheck: false, value: name });
  const descriptionInput = element("input", { autocomplete: "off", value: description });
  const editor = ruleEditor(rules);
  return {
    content: [
      field("Name", nameInput, { names: ["name"] }),
      field("Description", descriptionInput, { names: ["description"] }),
      editor.shown,
    ],
    read: () => ({ name: nameInput.value.trim(), description: descriptionInput.value.trim(), rules: editor.read() }),
  };
}

/** The body of a request with this content. */
function bodyOf({ name, description, rules }) {
  return { name, description: description === "" ? null : description, rules };
}

function segmentForm(row) {
  const { project, segment } = row;
  const { content, read } = segmentFields(row.shown);
  const note = segment.feature === null ? null : element("p", { className: "quiet" }, "This segment belongs to one feature.");
  const options = () => ({
    subject: row.shown.name,
    read: async () => contentOf(await api.segment(project.id, segment.id)),
    shown: row.shown,
    describe,
  });
  const replace = (present) => {
    if (present === null) return;
    row.shown = present;
    row.show();
    row.reopen();
  };
  const remove = button("Delete this segment", () => attempt(made, () => removeSegment(row, options(), replace)), { className: "danger" });
  const made = form(`Segment ${row.shown.name}`, [note, ...content], {
    submit: "Save",
    others: [remove],
    action: async (result) => {
      const mine = read();
      if (isSame(row.shown, mine)) {
        settle(made);
        result.textContent = "Nothing is changed.";
        return;
      }
      const { done, present, written } = await save({ ...options(), mine, write: () => api.changeSegment(project.id, segment.id, bodyOf(mine)) });
      if (!done) return replace(present);
      settle(made);
      row.shown = contentOf(written);
      row.show();
      serve(row.environment(), result, servesRules(segment.id, row.shown));
    },
  });
  return made;
}

async function removeSegment(row, options, replace) {
  const { project, segment, shown } = row;
  const { results: used } = await api.overridesOfSegment(project.id, segment.id);
  const count = used.length;
  const overrides = `${count} ${count === 1 ? "override of a flag is" : "overrides of flags are"}`;
  const consequence = count === 0 ? "No flag uses it." : `${overrides} deleted with it.`;
  if (!(await mayDelete(shown.name, `${consequence} This cannot be undone.`))) return;
  const { done, present } = await save({ ...options, mine: null, write: () => api.deleteSegment(project.id, segment.id) });
  if (!done) return replace(present);
  row.removed();
  const serves = ({ segments }) => segments.every(({ id }) => id !== segment.id);
  serve(row.environment(), byId("segments-result"), serves, `${shown.name} is deleted.`);
}

function newSegment(place) {
  const slot = element("div");
  const fill = () => {
    const { content, read } = segmentFields({ name: "", description: "", rules: NEW_RULES });
    const made = form("New segment", content, {
      submit: "Create segment",
      action: async () => {
        const segment = await api.createSegment(place.project.id, bodyOf(read()));
        const details = slot.closest("details");
        fill();
        details.open = false;
        details.querySelector("summary").focus();
        await list.reload();
        serve(place.environment(), byId("segments-result"), servesRules(segment.id, contentOf(segment)), `${segment.name} is created.`);
      },
    });
    slot.replaceChildren(made);
  };
  fill();
  return slot;
}

function serve(environment, place, check, saved = "Saved.") {
  if (environment === null) place.textContent = saved;
  else showServing(place, environment, check, saved);
}
