// Elements of the page. Data of the worker becomes text, never markup: names can be hostile.

/** The element with this id. */
export const byId = (id) => document.getElementById(id);

/** Creates an element with properties and children; strings become text nodes. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  const { role, aria = {}, data = {}, ...others } = properties;
  Object.assign(made, others);
  if (role !== undefined) made.setAttribute("role", role);
  for (const [key, value] of Object.entries(aria)) made.setAttribute(`aria-${key}`, value);
  Object.assign(made.dataset, data);
  made.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return made;
}

/** A list of terms: [[term, ...description], …]; terms without a description are left out. */
export function definitions(pairs) {
  const rows = pairs
    .filter(([, ...description]) => description.some((part) => part !== null && part !== undefined))
    .map(([term, ...description]) => element("div", {}, element("dt", {}, term), element("dd", {}, ...description)));
  return element("dl", {}, ...rows);
}

/**
 * A table with a caption. It scrolls if it is wider than the page. On a phone its rows are displayed as lists, and browsers
 * then drop the roles of a table; so every role is set.
 */
export function table(caption, heads, rows) {
  const cell = (content, index) =>
    index === 0
      ? element("th", { scope: "row", role: "rowheader" }, content)
      : element("td", { role: "cell", data: { label: heads[index] } }, content);
  const line = (row) => element("tr", { role: "row", className: row.className ?? "" }, ...(row.cells ?? row).map(cell));
  const titles = heads.map((head) => element("th", { scope: "col", role: "columnheader" }, head));
  const made = element(
    "table",
    { role: "table" },
    element("caption", {}, caption),
    element("thead", { role: "rowgroup" }, element("tr", { role: "row" }, ...titles)),
    element("tbody", { role: "rowgroup" }, ...rows.map(line)),
  );
  // Keyboard users can scroll only elements that get the focus.
  return element("div", { className: "scrolls", tabIndex: 0, role: "group", aria: { label: caption } }, made);
}

/** A section to unfold. Its content is created when it is first unfolded. */
export function unfolding(summary, make, properties = {}) {
  const made = element("details", properties, element("summary", {}, ...[summary].flat()));
  const fill = () => {
    if (made.open && made.childElementCount === 1) made.append(element("div", { className: "inside" }, make()));
  };
  made.addEventListener("toggle", fill);
  return made;
}

/** A badge; `kind` is "good", "bad", "warning" or "plain". */
export function badge(kind, text) {
  return element("span", { className: `badge ${kind}` }, text);
}

/** A value of a flag or a trait, with its type if the text is ambiguous. */
export function value(json) {
  if (json === null || json === undefined) return element("span", { className: "quiet" }, "none");
  if (typeof json === "string") return json === "" ? element("span", { className: "quiet" }, "empty text") : element("code", {}, json);
  return element("code", { className: typeof json.valueOf() }, String(json));
}

/** A time relative to now, which is kept up to date. */
export function timeAgo(iso) {
  const at = Date.parse(iso);
  if (Number.isNaN(at)) return element("span", {}, String(iso));
  const made = element("time", { dateTime: iso, title: new Date(at).toLocaleString() });
  made.textContent = distance(at, Date.now());
  return made;
}

/** Updates all times of the page. */
export function updateTimes() {
  const now = Date.now();
  for (const time of document.querySelectorAll("time")) {
    const text = distance(Date.parse(time.dateTime), now);
    if (time.textContent !== text) time.textContent = text;
  }
}

const UNITS = [
  ["year", 31_536_000],
  ["month", 2_592_000],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];

function distance(at, now) {
  const seconds = Math.round((at - now) / 1000);
  if (Math.abs(seconds) < 1) return "just now";
  const [unit, length] = UNITS.find(([, length]) => Math.abs(seconds) >= length);
  return new Intl.RelativeTimeFormat("en").format(Math.trunc(seconds / length), unit);
}
