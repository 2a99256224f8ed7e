// The result as a Markdown table, one line for each route and baseline.

/** The maximum p99 as a multiple of the baseline's. */
const P99_LIMIT = 3;
/** The maximum CPU time of compiling and the first request together, in milliseconds. */
const START_LIMIT_MS = 50;

const HEADINGS = ["route", "baseline", "ours, 1/s", "baseline, 1/s", "ratio", "target", "", "p99, ms", `ratio (≤ ${P99_LIMIT})`, "", "CPU, µs"];

export function table({ machine, seconds, rounds, rows, starts }) {
  const lines = rows.flatMap(rowLines);
  return [
    `Medians of ${rounds} rounds of ${seconds} s, 16 connections. ${machine}.`,
    "",
    line(HEADINGS),
    line(HEADINGS.map(() => "---")),
    ...lines.map(line),
    ...starts.map(startLine),
  ].join("\n");
}

function rowLines({ title, baselines, measured }) {
  return Object.entries(baselines).map(([name, target]) => {
    const aim = target === null ? "–" : `≥ ${target.toFixed(2)}`;
    if (measured === null) return [title, name, "not answered with 304", "", "", aim, "not met", "", "", "", ""];
    const [ours, theirs] = [medians(measured.ours), medians(measured[name])];
    const [ratio, p99Ratio] = [ours.perSecond / theirs.perSecond, ours.p99 / theirs.p99];
    return [
      title,
      name,
      Math.round(ours.perSecond),
      Math.round(theirs.perSecond),
      ratio.toFixed(2),
      aim,
      target === null ? "–" : said(ratio >= target),
      `${ours.p99.toFixed(1)} / ${theirs.p99.toFixed(1)}`,
      p99Ratio.toFixed(2),
      target === null ? "–" : said(p99Ratio <= P99_LIMIT),
      ours.cpu === null ? "" : `${Math.round(ours.cpu)} / ${Math.round(theirs.cpu)}`,
    ];
  });
}

function startLine({ profile, measured }) {
  const name = `Compile, and answer the first request, ${profile}`;
  if (measured === null) return `\n${name}: no figures without /proc`;
  const { compile, first, parse } = measured;
  const sum = `${compile.toFixed(0)} + ${first.toFixed(0)} ms of CPU`;
  const met = said(compile + first <= START_LIMIT_MS);
  return `\n${name}: ${sum} (≤ ${START_LIMIT_MS}), ${met}; the first request of P, ${parse.toFixed(0)} ms`;
}

function said(met) {
  return met ? "met" : "not met";
}

function medians(rounds) {
  const of = (name) => median(rounds.map((round) => round[name]));
  return { perSecond: of("perSecond"), p99: of("p99"), cpu: rounds[0].cpu === null ? null : of("cpu") };
}

export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function line(cells) {
  return `| ${cells.join(" | ")} |`;
}
