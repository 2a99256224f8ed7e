// The report of an import or export in lines.

const MAX_NAMED = 5;
/** Things that an export never has. */
const NEVER_MOVED = "Never moved: users, permissions, roles, change requests, scheduled changes, audit rows, integrations and statistics.";
const HASHED = "Flagsmith hashes ids: with new ids, percentage splits and percentage allocations choose other identities than before.";

/** Lines about the objects that the export lacks. */
export function describeLeftOut(leftOut) {
  const lines = leftOut.map(({ what, objects }) => `- ${what}${objects.length === 0 ? "" : `: ${several(objects)}`}`);
  return [...(lines.length === 0 ? [] : ["Not in the export:", ...lines]), NEVER_MOVED];
}

/** The report of an import. The last argument has the differences between the export and the target after the import. */
export function describeImport({ project, organisation, environments, counts }, exported, { different, extra }) {
  const numbers = Object.entries(counts).map(([what, number]) => `- ${what}: ${number}`);
  return [
    `The project ${project.name} has the id ${project.id}, in the organisation ${organisation}.`,
    ...(numbers.length === 0 ? ["Everything was there already."] : numbers),
    ...describeKeys(environments),
    ...(different.length === 0 ? ["The target was read again: it equals the export."] : ["Different at the target:", ...bullets(different)]),
    ...(extra.length === 0 ? [] : ["At the target only, and kept there:", ...bullets(extra)]),
    ...describeLeftOut(exported.left_out ?? []),
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
    ...table([["environment", "client key in the export", "client key now", "new server keys"], ...rows]),
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
  return names.slice(0, MAX_NAMED).join(", ") + (others > 0 ? ` and ${others} more` : "");
}
