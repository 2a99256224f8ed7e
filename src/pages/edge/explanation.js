// The view of one identity: its traits, and its flags with their causes. All decisions are the worker's; this module only
// displays them.

import { badge, definitions, element, timeAgo, table, unfolding, value } from "./elements.js";

/** The element with the worker's explanation of an identity. */
export function explanation(explained) {
  const { identifier, identity_uuid: uuid, flags, segments } = explained;
  const title = element("h3", { id: "explanation-title", tabIndex: -1 }, element("code", {}, identifier));
  const matched = segments.filter(({ matches }) => matches);
  const others = segments.filter(({ matches }) => !matches);
  return element(
    "article",
    { className: "card", aria: { labelledby: "explanation-title" } },
    element("div", { className: "title" }, title, uuid === null ? badge("plain", "not stored") : null),
    uuid === null ? element("p", {}, "This identity has never been seen. These are the flags that it would get.") : null,
    definitions([
      ["UUID", uuid === null ? null : element("code", {}, uuid)],
      ["Alias", explained.dashboard_alias],
      ["Created", explained.created_date === null ? null : timeAgo(explained.created_date)],
      ["Hashed as", element("code", {}, explained.key)],
    ]),
    element("h4", {}, "Traits"),
    traitsOf(explained.traits),
    element("h4", {}, "Overrides of this identity"),
    overridesOf(flags),
    element("h4", {}, `Flags (${flags.length})`),
    ...flagsOf(flags),
    element("h4", {}, `Segments of this identity (${matched.length})`),
    segmentList(matched, "This identity is in no segment."),
    element("h4", {}, `Other segments (${others.length})`),
    segmentList(others, "There are no other segments."),
  );
}

function traitsOf(traits) {
  if (traits.length === 0) return element("p", { className: "quiet" }, "This identity has no traits.");
  const type = (json) => (typeof json === "string" ? "text" : typeof json.valueOf());
  return table("Traits", ["Trait", "Value", "Type"], traits.map(({ trait_key, trait_value }) => [trait_key, value(trait_value), type(trait_value)]));
}

const MADE = { identity: "here", document: "at the origin" };

function overridesOf(flags) {
  const rows = flags.flatMap(({ feature, candidates }) =>
    candidates
      .filter(({ source }) => source in MADE)
      .map((one) => [feature.name, onOff(one.enabled), valueOf(one), MADE[one.source], one.wins ? "yes" : "no"]),
  );
  if (rows.length === 0) return element("p", { className: "quiet" }, "This identity has no overrides.");
  return table("Overrides of this identity", ["Feature", "Flag", "Value", "Made", "Counts"], rows);
}

/** All flags, with a field that filters them by name. */
function flagsOf(flags) {
  if (flags.length === 0) return [element("p", { className: "quiet" }, "The environment has no features.")];
  const items = flags.map((flag) => element("li", {}, unfolding(flagSummary(flag), () => flagDetails(flag), { className: "flag" })));
  const list = element("ul", { className: "flags" }, ...items);
  const filter = element("input", { type: "search", id: "flag-filter", autocomplete: "off" });
  const count = element("span", { className: "quiet", role: "status" });
  filter.addEventListener("input", () => {
    const text = filter.value.toLowerCase();
    flags.forEach(({ feature }, index) => (items[index].hidden = !feature.name.toLowerCase().includes(text)));
    count.textContent = `${items.filter(({ hidden }) => !hidden).length} shown`;
  });
  const label = element("label", { htmlFor: "flag-filter" }, "Only those named");
  return flags.length > 10 ? [element("p", { className: "filter" }, label, filter, count), list] : [list];
}

function flagSummary(flag) {
  return [
    element("span", { className: "name" }, flag.feature.name),
    onOff(flag.enabled),
    element("span", { className: "value" }, value(flag.feature_state_value)),
    element("span", { className: "why" }, briefly(flag)),
  ];
}

function onOff(enabled) {
  return enabled ? badge("good", "on") : badge("plain", "off");
}

/** The cause of a flag, in a few words. */
function briefly({ reason, candidates, split }) {
  if (reason.startsWith("ERROR")) return "its segments depend on each other in a circle";
  const winner = candidates.find(({ wins }) => wins);
  const from = winner === undefined ? "" : SOURCES[winner.source](winner);
  return split === null ? from : `bucket ${percent(split.percentage)}, ${from}`;
}

const SOURCES = {
  identity: () => "override of this identity, made here",
  document: () => "override of this identity, made at the origin",
  segment: ({ segment }) => `segment ${segment}`,
  environment: () => "environment's default",
};

function flagDetails(flag) {
  const { candidates, split, variant } = flag;
  const audience = flag.shown_to_client_keys
    ? "client and server keys"
    : flag.shown_to_server_keys
      ? "server keys only"
      : "no key: disabled flags are hidden";
  const rows = candidates.map((one) => ({
    className: one.wins ? "wins" : one.applies ? "" : "passed",
    cells: [
      SOURCES[one.source](one),
      one.source === "segment" ? (one.priority === null ? "last" : String(Number(one.priority))) : "",
      one.applies ? "yes" : "no",
      onOff(one.enabled),
      valueOf(one),
      one.wins ? badge("good", "decides") : "",
    ],
  }));
  return [
    definitions([
      ["Reason", element("code", {}, flag.reason)],
      ["Variant", variant === null ? null : element("code", {}, variant)],
      ["Shown to", audience],
    ]),
    table("Candidates in order; the first that applies decides", ["From", "Priority", "Applies", "Flag", "Value", "Decides"], rows),
    ...(split === null ? [] : splitOf(split)),
  ];
}

/** The value of a candidate, if none of its multivariate values applies. */
function valueOf({ feature_state_value: json, multivariate }) {
  return multivariate ? element("span", {}, value(json), element("span", { className: "quiet" }, " as control value")) : value(json);
}

function splitOf({ percentage, hashed, variants }) {
  const rows = variants.map((variant) => ({
    className: variant.hit ? "wins" : "",
    cells: [variant.key ?? "without a key", value(variant.value), rangeOf(variant), variant.hit ? badge("good", "hit") : ""],
  }));
  const rest = variants.some(({ hit }) => hit) ? "" : " It is outside of all ranges, so the control value counts.";
  return [
    element("p", {}, "This identity's bucket is ", element("strong", {}, percent(percentage)), ", hashed from ", element("code", {}, hashed.join(",")), `.${rest}`),
    bar(percentage, variants),
    table("Ranges of the multivariate values", ["Variant", "Value", "Range", "Hit"], rows),
  ];
}

const rangeOf = ({ from, below }) => `${percent(from)} to below ${percent(below)}`;

/** A percentage with up to four digits behind the point. */
function percent(number) {
  return `${Number(number.toFixed(4))} %`;
}

/** The table of ranges as a bar. */
function bar(percentage, variants) {
  const svg = (name, attributes) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, text] of Object.entries(attributes)) made.setAttribute(key, String(text));
    return made;
  };
  const picture = svg("svg", { class: "bar", viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" });
  picture.append(svg("rect", { class: "rest", x: 0, y: 1, width: 100, height: 4 }));
  for (const { from, below, hit } of variants) {
    const width = Math.max(0, Math.min(below, 100) - from);
    picture.append(svg("rect", { class: hit ? "hit" : "range", x: from, y: 1, width, height: 4 }));
  }
  picture.append(svg("rect", { class: "mark", x: Math.min(percentage, 99.6), y: 0, width: 0.4, height: 6 }));
  return picture;
}

function segmentList(segments, none) {
  if (segments.length === 0) return element("p", { className: "quiet" }, none);
  const item = (segment) =>
    element(
      "li",
      {},
      unfolding([element("span", { className: "name" }, segment.name), verdict(segment.matches)], () => [
        segment.exhausted ? element("p", {}, "The conditions of this segment spent the evaluation's budget of steps. Conditions that need further steps do not match.") : null,
        ...segment.rules.map(ruleOf),
      ]),
    );
  return element("ul", { className: "flags" }, ...segments.map(item));
}

const QUANTIFIERS = { ALL: "All of these hold", ANY: "Any of these holds", NONE: "None of these holds" };

function ruleOf({ type, holds, conditions, rules }) {
  const rows = conditions.map((condition) => ({
    className: condition.holds ? "" : "passed",
    cells: [
      condition.property === "" || condition.property === null ? element("span", { className: "quiet" }, "identity's key") : element("code", {}, condition.property),
      element("code", {}, condition.operator),
      Array.isArray(condition.value) ? value(condition.value.join(", ")) : value(condition.value),
      met(condition),
      condition.exhausted ? badge("warning", "out of steps") : verdict(condition.holds),
    ],
  }));
  return element(
    "div",
    { className: "rule" },
    element("p", {}, `${QUANTIFIERS[type]}: `, verdict(holds)),
    rows.length === 0 ? null : table("Conditions", ["Property", "Operator", "Asked", "Met", "Holds"], rows),
    ...rules.map(ruleOf),
  );
}

function met({ met, percentage }) {
  const found = met === null ? element("span", { className: "quiet" }, "not set") : value(met);
  return percentage === null ? found : element("span", {}, found, ` in bucket ${percent(percentage)}`);
}

function verdict(holds) {
  return holds ? badge("good", "yes") : badge("plain", "no");
}
