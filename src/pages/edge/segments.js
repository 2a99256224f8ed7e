// The segments of a project: the list, the editor of each, and new ones.

import * as api from "./admin_api.js";
import { mayDelete } from "./dialogs.js";
import { byId, element, unfolding } from "./elements.js";
import { servesNoSegment, servesRules } from "./explanation_checks.js";
import { attempt, button, field, form, settle } from "./forms.js";
import { PagedList } from "./lists.js";
import { describeRules, ruleEditor, rulesOf } from "./rules.js";
import { isSame, save } from "./saving.js";
import { showServing } from "./serving.js";

const list = new PagedList("segments", { title: "Segments", one: "segment", several: "segments" });
const NEW_RULES = [{ type: "ALL", conditions: [], rules: [{ type: "ANY", conditions: [{ property: "", operator: "EQUAL", value: "" }] }] }];

/** Shows the segments of a project. `watched` returns the environment to watch at the edge, or null. */
export async function openSegments(project, watched, signal) {
  const load = (query, signal) => api.segments(project.id, query, signal);
  await list.open(load, (segment) => segmentItem(project, watched, segment), signal);
  byId("new-segment").replaceChildren(unfolding("New segment", () => newSegment(project, watched)));
}

export function closeSegments() {
  list.close();
  byId("new-segment").replaceChildren();
}

function contentOf({ name, description, rules }) {
  return { name, description: description ?? "", rules: rulesOf(rules) };
}

function describe({ name, description, rules }) {
  return [["Name", name], ["Description", description], ["Rules", describeRules(rules)]];
}

/** The item of a segment. Its row has the content that the page shows: {name, description, rules}. */
function segmentItem(project, watched, segment) {
  const row = { project, watched, segment, content: contentOf(segment) };
  const name = element("span", { className: "name" });
  const rules = element("span", { className: "why" });
  const details = unfolding([name, rules], () => segmentForm(row), { className: "segment" });
  const item = element("li", {}, details);
  row.show = () => {
    name.textContent = row.content.name;
    rules.textContent = describeRules(row.content.rules);
  };
  row.reopen = () => {
    details.querySelector(".inside")?.replaceChildren(segmentForm(row));
    details.querySelector("summary").focus();
  };
  row.removed = () => list.removed(item);
  row.show();
  return item;
}

/** The fields of a segment: {fields, read}. */
function segmentFields({ name, description, rules }) {
  const nameInput = element("input", { maxLength: 2000, autocomplete: "off", spellcheck: false, value: name });
  const descriptionInput = element("input", { autocomplete: "off", value: description });
  const editor = ruleEditor(rules);
  return {
    fields: [
      field("Name", nameInput, { names: ["name"] }),
      field("Description", descriptionInput, { names: ["description"] }),
      editor.element,
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
  const { fields, read } = segmentFields(row.content);
  const note = segment.feature === null ? null : element("p", { className: "quiet" }, "This segment belongs to one feature.");
  const options = () => ({
    subject: row.content.name,
    read: async () => contentOf(await api.segment(project.id, segment.id)),
    shown: row.content,
    describe,
  });
  const replace = (current) => {
    if (current === null) return;
    row.content = current;
    row.show();
    row.reopen();
  };
  const remove = button("Delete this segment", () => attempt(made, () => removeSegment(row, options(), replace)), { className: "danger" });
  const made = form(`Segment ${row.content.name}`, [note, ...fields], {
    submit: "Save",
    others: [remove],
    action: async (result) => {
      const mine = read();
      if (isSame(row.content, mine)) {
        settle(made);
        result.textContent = "Nothing is changed.";
        return;
      }
      const { done, current, written } = await save({ ...options(), mine, write: () => api.changeSegment(project.id, segment.id, bodyOf(mine)) });
      if (!done) return replace(current);
      settle(made);
      row.content = contentOf(written);
      row.show();
      showServing(result, row.watched(), servesRules(segment.id, row.content));
    },
  });
  return made;
}

async function removeSegment(row, options, replace) {
  const { project, segment, content } = row;
  const count = await api.countOverrides(project.id, segment.id);
  const overrides = `${count.toLocaleString("en")} ${count === 1 ? "override of a flag is" : "overrides of flags are"}`;
  const consequence = count === 0 ? "No flag has an override for it." : `${overrides} deleted with it.`;
  if (!(await mayDelete(content.name, `${consequence} This cannot be undone.`))) return;
  const { done, current } = await save({ ...options, mine: null, write: () => api.deleteSegment(project.id, segment.id) });
  if (!done) return replace(current);
  row.removed();
  showServing(byId("segments-result"), row.watched(), servesNoSegment(segment.id), `${content.name} is deleted.`);
}

function newSegment(project, watched) {
  const slot = element("div");
  const fill = () => {
    const { fields, read } = segmentFields({ name: "", description: "", rules: NEW_RULES });
    const made = form("New segment", fields, {
      submit: "Create segment",
      action: async () => {
        const segment = await api.createSegment(project.id, bodyOf(read()));
        const details = slot.closest("details");
        fill();
        details.open = false;
        details.querySelector("summary").focus();
        await list.reload();
        showServing(byId("segments-result"), watched(), servesRules(segment.id, contentOf(segment)), `${segment.name} is created.`);
      },
    });
    slot.replaceChildren(made);
  };
  fill();
  return slot;
}
