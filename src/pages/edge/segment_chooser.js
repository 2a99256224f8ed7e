// A choice among the segments of a project, with a search, since there can be hundreds.

import * as api from "./admin_api.js";
import { element } from "./elements.js";
import { Invalid, button, field } from "./forms.js";

/** A chooser: {element, read}. `read` returns the chosen segment, or throws that there is none. */
export function segmentChooser(project) {
  const search = element("input", { type: "search", maxLength: 2000, autocomplete: "off", spellcheck: false });
  const choice = element("select");
  const count = element("p", { className: "hint", role: "status" });
  let found = [];
  const find = async () => {
    try {
      const page = await api.segments(project.id, { search: search.value.trim() });
      found = page.results;
      choice.replaceChildren(...found.map(({ id, name }) => element("option", { value: id }, name)));
      const more = page.count > found.length ? ` The first ${found.length} are listed; search for others.` : "";
      count.textContent = `${page.count.toLocaleString("en")} ${page.count === 1 ? "segment" : "segments"}.${more}`;
    } catch (error) {
      if (error.name !== "AbortError") count.textContent = error.message;
    }
  };
  search.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    // Otherwise Enter would send the form around the chooser.
    event.preventDefault();
    find();
  });
  find();
  const container = element(
    "div",
    { className: "fields" },
    field("Search for a segment", search),
    button("Find", find),
    element("div", {}, field("Segment", choice, { names: ["feature_segment", "feature_segment.segment"] }), count),
  );
  const read = () => {
    const segment = found[choice.selectedIndex];
    if (segment === undefined) throw new Invalid(choice, "Choose a segment.");
    return segment;
  };
  return { element: container, read };
}
