// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Reads and compares coverage in the lcov format: what the unit tests reach,
 * and what they reach together with the browser tests.
 *
 * @module
 */

/** How often each line of each file ran. */
export type Coverage = Map<string, Map<number, number>>;

/** The lines of an lcov text, by the paths in it. */
export function parseLcov(text: string): Coverage {
  const coverage: Coverage = new Map();
  let lines = new Map<number, number>();
  for (const record of text.split("\n")) {
    const [, kind, value = ""] = record.match(/^(SF|DA):(.*)$/) ?? [];
    if (kind === "SF") {
      lines = coverage.get(value) ?? new Map<number, number>();
      coverage.set(value, lines);
    } else if (kind === "DA") {
      const [line = 0, count = 0] = value.split(",").map(Number);
      lines.set(line, (lines.get(line) ?? 0) + count);
    }
  }
  return coverage;
}

/** What a {@linkcode report} says. */
export interface CoverageReport {
  table: string;
  /** Percent of all lines that the unit tests reach. */
  unit: number;
  /** The modules that no unit test loads. */
  missing: string[];
}

/**
 * Compares, for `modules`, the coverage of the unit tests alone with that of the
 * unit and browser tests together, over the lines that the unit tests know.
 */
export function report(
  modules: string[],
  unit: Coverage,
  browser?: Coverage,
): CoverageReport {
  const missing = modules.filter((path) => !unit.has(path));
  const rows: [name: string, ...percents: number[]][] = [];
  const total = { lines: 0, unit: 0, both: 0 };
  for (const path of modules) {
    const lines = [...unit.get(path) ?? []];
    const reached = lines.filter(([, count]) => count > 0).length;
    const both = lines.filter(([line, count]) =>
      count > 0 || (browser?.get(path)?.get(line) ?? 0) > 0
    ).length;
    rows.push([
      path,
      percent(reached, lines.length),
      percent(both, lines.length),
    ]);
    total.lines += lines.length;
    total.unit += reached;
    total.both += both;
  }
  rows.push([
    "all",
    percent(total.unit, total.lines),
    percent(total.both, total.lines),
  ]);
  const width =
    Math.max(...["module", ...modules].map(({ length }) => length)) + 2;
  const columns = browser ? ["unit %", "with browser %"] : ["unit %"];
  const table = [
    "module".padEnd(width) + columns.join("  "),
    ...rows.map(([name, ...percents]) =>
      name.padEnd(width) +
      columns.map((column, index) =>
        percents[index]!.toFixed(1).padStart(column.length)
      ).join("  ")
    ),
  ].join("\n");
  return { table, unit: percent(total.unit, total.lines), missing };
}

function percent(part: number, whole: number): number {
  return whole === 0 ? 0 : 100 * part / whole;
}
