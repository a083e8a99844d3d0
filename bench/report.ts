// Copyright 2026 the @serviceworker/std authors. MIT license.

/** From samples to medians, ratios, verdicts and tables. */

import type { PageResult, Scenario, Target } from "./types.ts";

/** What one page of a scenario found. */
export interface Page {
  /** The situation in which it measured. */
  case: string;
  /** What it found. */
  result: PageResult;
}

/** A quotient, with the interval that holds its true value 19 times of 20. */
export interface Ratio {
  /** The median of the ratios taken within each turn. */
  ratio: number;
  /** The interval's lower end. */
  low: number;
  /** The interval's upper end. */
  high: number;
}

/** One cell of the table. */
export interface Measurement extends Partial<Ratio> {
  case: string;
  column: string;
  contender: string;
  /** The median of all turns, in the column's unit. */
  median: number;
  /** How many turns there were. */
  turns: number;
}

/** A target, and what became of it. */
export interface Outcome extends Target, Ratio {
  case: string;
  column: string;
  /** "even" is a miss by less than can be told apart from reaching it. */
  verdict: "pass" | "even" | "miss";
}

/** The size of what a page or worker has to load. */
export interface Size {
  /** What is loaded. */
  name: string;
  /** Bytes of the minified script. */
  minified: number;
  /** Bytes of it after gzip. */
  gzip: number;
}

/** What is written to `results/<scenario>.json`. */
export interface Results {
  scenario: string;
  title: string;
  /** When, where and how often. */
  conditions: Record<string, string | number>;
  floor?: string;
  measurements?: Measurement[];
  outcomes?: Outcome[];
  sizes?: Size[];
  failures: string[];
}

/** Takes all pages of a run together. */
export function summarize(
  name: string,
  { title, floor, targets }: Scenario,
  conditions: Record<string, string | number>,
  pages: Page[],
): Results {
  const measurements: Measurement[] = [];
  const outcomes: Outcome[] = [];
  for (const current of unique(pages.map((page) => page.case))) {
    const results = pages.filter((page) => page.case === current)
      .map(({ result }) => result);
    for (
      const column of unique(results.flatMap((r) => Object.keys(r.samples)))
    ) {
      const tables = results.map((result) => result.samples[column] ?? {});
      for (const contender of unique(tables.flatMap(Object.keys))) {
        const samples = tables.flatMap((table) => table[contender] ?? []);
        measurements.push({
          case: current,
          column,
          contender,
          median: round(median(samples)),
          turns: samples.length,
          ...ratioOf(tables, contender, floor),
        });
      }
      for (const target of targets) {
        if ((target.case ?? current) !== current) continue;
        if ((target.column ?? column) !== column) continue;
        const ratio = ratioOf(tables, target.of, target.by);
        if (ratio === undefined) continue;
        const verdict = judge(target, ratio);
        outcomes.push({ ...target, case: current, column, ...ratio, verdict });
      }
    }
  }
  const failures = pages.flatMap((page) =>
    page.result.failures.map((failure) => `${page.case}: ${failure}`)
  );
  return {
    scenario: name,
    title,
    conditions,
    floor,
    measurements,
    outcomes,
    failures,
  };
}

/** The ratio of two contenders, turn by turn; none where the divisor is 0. */
function ratioOf(
  tables: Record<string, number[]>[],
  of: string,
  by: string,
): Ratio | undefined {
  const ratios = tables.flatMap((table) => {
    const divisors = table[by] ?? [];
    return (table[of] ?? []).slice(0, divisors.length)
      .map((sample, turn) => sample / divisors[turn]!);
  }).filter(Number.isFinite).sort((a, b) => a - b);
  if (ratios.length === 0) return undefined;
  const reach = 0.98 * Math.sqrt(ratios.length);
  const last = ratios.length - 1;
  return {
    ratio: round(median(ratios)),
    low: round(ratios[Math.max(0, Math.floor(last / 2 - reach))]!),
    high: round(ratios[Math.min(last, Math.ceil(last / 2 + reach))]!),
  };
}

function judge(
  { atMost = Infinity, atLeast = 0 }: Target,
  { ratio, low, high }: Ratio,
): Outcome["verdict"] {
  if (ratio <= atMost && ratio >= atLeast) return "pass";
  return low <= atMost && high >= atLeast ? "even" : "miss";
}

function median(values: number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = (sorted.length - 1) / 2;
  return (sorted[Math.floor(middle)]! + sorted[Math.ceil(middle)]!) / 2;
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function unique<T>(values: T[]): T[] {
  return [...new Set(values)];
}

/** A section of `RESULTS.md`. */
export function render(results: Results): string {
  const { scenario, title, conditions, failures } = results;
  const parts = [
    `## ${scenario}`,
    `${title}.`,
    Object.entries(conditions).map(([key, value]) => `${key}: ${value}`)
      .join(" · "),
  ];
  if (results.sizes) {
    parts.push(table(
      ["what is loaded", "minified, B", "gzip, B"],
      results.sizes.map(({ name, minified, gzip }) => [
        name,
        format(minified),
        format(gzip),
      ]),
    ));
  }
  const { measurements = [], outcomes = [], floor } = results;
  for (const current of unique(measurements.map((m) => m.case))) {
    const cells = measurements.filter((m) => m.case === current);
    const columns = unique(cells.map((cell) => cell.column));
    const rows = unique(cells.map((cell) => cell.contender)).map(
      (contender) => [
        contender === floor ? `${contender} (floor)` : contender,
        ...columns.map((column) => {
          const cell = cells.find((cell) =>
            cell.column === column && cell.contender === contender
          );
          if (cell === undefined) {
            const name = `: ${contender}, `;
            return failures.some((text) => text.includes(name))
              ? "failed"
              : "–";
          }
          const ratio = contender !== floor && cell.ratio !== undefined
            ? ` ×${cell.ratio.toFixed(2)}`
            : "";
          return format(cell.median) + ratio;
        }),
      ],
    );
    parts.push(`### ${current}`, table(["", ...columns], rows));
  }
  if (outcomes.length > 0) {
    const rows = outcomes.map((outcome) => [
      `${outcome.of} ÷ ${outcome.by}`,
      outcome.case,
      outcome.column,
      outcome.atMost === undefined
        ? `≥ ${outcome.atLeast}`
        : `≤ ${outcome.atMost}`,
      `${outcome.ratio.toFixed(2)} [${outcome.low.toFixed(2)}–${
        outcome.high.toFixed(2)
      }]`,
      outcome.verdict === "miss" ? "**miss**" : outcome.verdict,
    ]);
    parts.push(
      "### Targets",
      table(["ratio", "case", "column", "target", "measured", ""], rows),
    );
  }
  if (failures.length > 0) {
    parts.push(
      "### Failures",
      failures.map((failure) => `- ${failure.split("\n")[0]}`).join("\n"),
    );
  }
  return parts.join("\n\n") + "\n";
}

function table(head: string[], rows: string[][]): string {
  const line = (cells: string[]) => `| ${cells.join(" | ")} |`;
  const rule = head.map((_, i) => i === 0 ? "---" : "--:");
  return [head, rule, ...rows].map(line).join("\n");
}

function format(value: number): string {
  return value >= 100
    ? Math.round(value).toLocaleString("en-US")
    : value.toPrecision(2);
}

/** Writes `RESULTS.md` from the results that are there. */
export async function writeReport(scenarios: string[]): Promise<void> {
  const sections = [
    "# Results\n\nGenerated by `deno task bench`; how to read it is in [README.md](README.md).\n",
  ];
  for (const name of scenarios) {
    const file = new URL(`results/${name}.json`, import.meta.url);
    try {
      sections.push(render(JSON.parse(await Deno.readTextFile(file))));
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  await Deno.writeTextFile(
    new URL("RESULTS.md", import.meta.url),
    sections.join("\n"),
  );
}
