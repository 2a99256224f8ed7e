// The result as a Markdown table, one line for each route and baseline.

import { START_LIMIT_MS } from "./rows.mjs";

/** The maximum p99 as a multiple of the baseline's. */
const P99_LIMIT = 3;
const HEADINGS = ["route", "baseline", "ours, 1/s", "baseline, 1/s", "ratio", "target", "", "p99, ms", `ratio (≤ ${P99_LIMIT})`, "", "CPU, µs"];
const START_HEADINGS = ["start, ms of CPU", "without warm-up", "with", "target", "", "P"];

export function table({ machine, seconds, rounds, startRounds, rows, starts }) {
  const parts = [];
  if (rows.length > 0) {
    parts.push(`Medians of ${rounds} rounds of ${seconds} s, 16 connections. ${machine}.`, lines(HEADINGS, rows.flatMap(rowLines)));
  }
  if (starts.length > 0) {
    parts.push(`Medians of ${startRounds} starts. ${machine}.`, lines(START_HEADINGS, starts.flatMap(startLines)));
  }
  return parts.join("\n\n");
}

function lines(headings, rows) {
  return [headings, headings.map(() => "---"), ...rows].map(line).join("\n");
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

function startLines({ profile, measured }) {
  if (measured === null) return [[profile, "no figures without /proc", "", "", "", ""]];
  const cells = (name, { cold, warm, parse }, limit) => {
    const figures = [cold, warm].map((time) => time.toFixed(1));
    return [name, ...figures, `≤ ${limit}`, said(warm <= limit), parse === undefined ? "" : parse.toFixed(1)];
  };
  return [
    cells(`an isolate, before any request (${profile})`, measured.start, START_LIMIT_MS),
    ...measured.requests.map((request) => cells(`first request: ${request.kind}, ${profile}`, request, request.limitMs)),
  ];
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
