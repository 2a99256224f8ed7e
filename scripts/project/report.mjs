// The report of an import or export in lines.

const MAX_NAMED = 5;
/** Things that a form never has. */
const NEVER_MOVED = "Never moved: users, permissions, roles, change requests, scheduled changes, audit rows, integrations and statistics.";
const HASHED = "Flagsmith hashes ids: with new ids, percentage splits and weights choose other identities than before.";

/** What the form could not take from its source. */
export function describeLeftOut(leftOut) {
  const lines = leftOut.map(({ what, of }) => `- ${what}${of.length === 0 ? "" : `: ${several(of)}`}`);
  return [...(lines.length === 0 ? [] : ["Not in the form:", ...lines]), NEVER_MOVED];
}

/** What an import wrote. `found` are the differences between the form and the target after it. */
export function describeImport({ project, organisation, environments, counts }, form, { different, extra }) {
  const numbers = Object.entries(counts).map(([what, number]) => `- ${what}: ${number}`);
  return [
    `The project ${project.name} has the id ${project.id}, in the organisation ${organisation}.`,
    ...(numbers.length === 0 ? ["Everything was there already."] : numbers),
    ...describeKeys(environments),
    ...(different.length === 0 ? ["The target was read again: it equals the form."] : ["Other at the target than in the form:", ...bullets(different)]),
    ...(extra.length === 0 ? [] : ["At the target only, and kept there:", ...bullets(extra)]),
    ...describeLeftOut(form.left_out ?? []),
    HASHED,
  ];
}

/** A table of the client keys, and the names of new server keys. Server keys themselves are secret. */
function describeKeys(environments) {
  const isKept = ({ key, wantedKey }) => key === wantedKey;
  const hasNew = environments.some((environment) => !isKept(environment) || !environment.serverKeys.every(isKept));
  if (!hasNew) return ["All client keys and server keys were kept."];
  const rows = environments.map((environment) => {
    const names = environment.serverKeys.filter((serverKey) => !isKept(serverKey)).map(({ name }) => name);
    return [environment.name, environment.wantedKey ?? "none", isKept(environment) ? "kept" : environment.key, names.length === 0 ? "kept" : several(names)];
  });
  return [
    "The target made new keys; give them to the SDKs:",
    ...table([["environment", "client key in the form", "client key now", "new server keys"], ...rows]),
    "Read new server keys with `make export-project`, or in the dashboard.",
  ];
}

function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => row[column].length)));
  return rows.map((row) => `  ${row.map((cell, column) => cell.padEnd(widths[column])).join("  ")}`.trimEnd());
}

function bullets(texts) {
  return texts.map((text) => `- ${text}`);
}

function several(names) {
  const others = names.length - MAX_NAMED;
  return names.slice(0, MAX_NAMED).join(", ") + (others > 0 ? ` and ${others} others` : "");
}
