// Lists that the Admin API sends in pages, with a search.

import { byId, element } from "./elements.js";
import { mayDiscard } from "./dialogs.js";
import { attempt, button, hasChanges, problemLine } from "./forms.js";

/**
 * A list in the element with this id, which gets a search at its start: the form `${id}-search`, the count `${id}-count`, the line
 * `${id}-result`, the list `${id}-list` and the button in `${id}-more`. `nouns`: {title, one, several}. `load`: ({search, page},
 * signal) → a page of the API; `item`: row → the list's item.
 */
export class PagedList {
  #id;
  #nouns;
  #load = null;
  #item = null;
  #loading = null;

  constructor(id, nouns) {
    this.#id = id;
    this.#nouns = nouns;
    byId(id).prepend(...searchParts(id, nouns));
    byId(`${id}-search`).addEventListener("submit", async (event) => {
      event.preventDefault();
      if (this.#load === null || (hasChanges(this.#list) && !(await mayDiscard()))) return;
      await attempt(byId(`${id}-search`), () => this.#show());
    });
  }

  /** Shows the first page of another list. */
  async open(load, item, signal) {
    this.close();
    this.#load = load;
    this.#item = item;
    await this.#show(signal);
  }

  /** Shows the first page again, without the search. */
  async reload() {
    byId(`${this.#id}-search`).reset();
    await this.#show();
  }

  close() {
    this.#loading?.abort();
    this.#load = null;
    byId(`${this.#id}-search`).reset();
    for (const part of ["list", "count", "more"]) byId(`${this.#id}-${part}`).replaceChildren();
  }

  /** Counts the rows again after one was removed. */
  removed(item) {
    const next = item.nextElementSibling ?? item.previousElementSibling;
    item.remove();
    this.total -= 1;
    this.#count();
    (next?.querySelector("summary") ?? byId(`${this.#id}-count`)).focus();
  }

  get #list() {
    return byId(`${this.#id}-list`);
  }

  async #show(outer = undefined) {
    this.#loading?.abort();
    this.#loading = new AbortController();
    const signals = AbortSignal.any([this.#loading.signal, ...(outer === undefined ? [] : [outer])]);
    this.search = byId(`${this.#id}-search`).elements.search.value.trim();
    await this.#page(1, signals);
  }

  async #page(page, signal) {
    const { search } = this;
    const { count, next, results } = await this.#load({ search, page }, signal);
    signal?.throwIfAborted();
    const items = results.map(this.#item);
    if (page === 1) this.#list.replaceChildren(...items);
    else this.#list.append(...items);
    this.total = count;
    this.#count();
    const more = next === null ? [] : [button("More", (made) => this.#more(made, page + 1))];
    byId(`${this.#id}-more`).replaceChildren(...more);
    return items;
  }

  async #more(made, page) {
    if (made.ariaBusy === "true") return;
    made.ariaBusy = "true";
    const [first] = (await attempt(byId(`${this.#id}-search`), () => this.#page(page, this.#loading.signal))) ?? [];
    made.ariaBusy = "false";
    first?.querySelector("summary").focus();
  }

  #count() {
    const shown = this.#list.childElementCount;
    const { one, several } = this.#nouns;
    const found = this.search === "" ? "" : ` found for “${this.search}”`;
    const all = `${this.total.toLocaleString("en")} ${this.total === 1 ? one : several}${found}`;
    byId(`${this.#id}-count`).textContent = this.total === 0 ? `No ${one}${found}.` : shown < this.total ? `${shown} of ${all}` : all;
  }
}

function searchParts(id, { title, one }) {
  const exactText = { maxLength: 2000, autocomplete: "off", spellcheck: false, autocapitalize: "none" };
  const query = element("input", { id: `${id}-query`, name: "search", type: "search", ...exactText });
  const label = element("label", { htmlFor: query.id }, `Name of a ${one}, or a part of it`);
  const fields = element("div", { className: "fields" }, element("div", { className: "grows" }, label, query), element("button", {}, "Search"));
  return [
    element("form", { id: `${id}-search`, role: "search", aria: { label: title } }, fields, problemLine()),
    element("p", { id: `${id}-count`, className: "quiet", role: "status", tabIndex: -1 }),
    element("p", { id: `${id}-result`, className: "result", role: "status" }),
    element("ul", { id: `${id}-list`, className: "flags", aria: { labelledby: `${id}-title` } }),
    element("div", { id: `${id}-more` }),
  ];
}

/** A heading of an item: its name and further parts. */
export function itemSummary(name, ...parts) {
  return [element("span", { className: "name" }, name), ...parts];
}
