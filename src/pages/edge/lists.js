// Lists that the Admin API sends in pages, with a search.

import { byId, element } from "./elements.js";
import { mayDiscard } from "./dialogs.js";
import { attempt, button, hasChanges } from "./forms.js";

/**
 * A list in the element `${id}-list`, with the form `${id}-search` and the count `${id}-count`. `noun`: [one, several].
 * `load`: ({search, page}, signal) → a page of the API; `item`: row → the list's item.
 */
export class PagedList {
  #id;
  #noun;
  #load = null;
  #item = null;
  #loading = null;

  constructor(id, noun) {
    this.#id = id;
    this.#noun = noun;
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
    const [one, several] = this.#noun;
    const found = this.search === "" ? "" : ` found for “${this.search}”`;
    const all = `${this.total.toLocaleString("en")} ${this.total === 1 ? one : several}${found}`;
    byId(`${this.#id}-count`).textContent = this.total === 0 ? `No ${one}${found}.` : shown < this.total ? `${shown} of ${all}` : all;
  }
}

/** A heading of an item: its name and further parts. */
export function itemSummary(name, ...parts) {
  return [element("span", { className: "name" }, name), ...parts];
}
