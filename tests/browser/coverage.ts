// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Turns what Chromium says of bundled scripts into an lcov report of the
 * published modules.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import denoJson from "../../deno.json" with { type: "json" };
import type { ScriptCoverage } from "./driver.ts";
import type { ServedScript } from "./server.ts";

const ROOT = new URL("../../", import.meta.url);
const MODULES: ReadonlySet<string> = new Set(
  Object.values(denoJson.exports).map((path) => path.replace("./", "")),
);
const BASE64 =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/** How often each line of each published module ran. */
export class ModuleCoverage {
  readonly #files = new Map<string, Map<number, number>>();

  /** Adds what ran of a script. */
  add({ functions }: ScriptCoverage, { code, map, start }: ServedScript): void {
    // By offset. An inner range comes after those around it, and overrides them.
    const counts = new Float64Array(code.length);
    for (const { ranges } of functions) {
      for (const { startOffset, endOffset, count } of ranges) {
        counts.fill(
          count,
          Math.max(startOffset - start, 0),
          Math.max(endOffset - start, 0),
        );
      }
    }
    const script = new Map<string, Map<number, number>>();
    for (const { file, line, offset } of mappings(code, map)) {
      if (!MODULES.has(file)) continue;
      const lines = script.get(file) ?? new Map<number, number>();
      script.set(file, lines);
      lines.set(line, Math.max(lines.get(line) ?? 0, counts[offset] ?? 0));
    }
    for (const [file, lines] of script) {
      const sums = this.#files.get(file) ?? new Map<number, number>();
      this.#files.set(file, sums);
      for (const [line, count] of lines) {
        sums.set(line, (sums.get(line) ?? 0) + count);
      }
    }
  }

  /** The report. */
  toLcov(): string {
    return [...this.#files].sort().map(([file, lines]) => {
      const path = fileURLToPath(new URL(file, ROOT));
      const sorted = [...lines].sort(([a], [b]) => a - b);
      const hit = sorted.filter(([, count]) => count > 0).length;
      return [
        `SF:${path}`,
        ...sorted.map(([line, count]) => `DA:${line},${count}`),
        `LF:${sorted.length}`,
        `LH:${hit}`,
        "end_of_record\n",
      ].join("\n");
    }).join("");
  }
}

/** Every mapping of a source map: the offset in `code`, and the file and line it came from. */
function* mappings(
  code: string,
  map: string,
): Generator<{ file: string; line: number; offset: number }> {
  const { sources, mappings }: { sources: string[]; mappings: string } = JSON
    .parse(map);
  let lineStart = 0;
  let source = 0;
  let line = 0;
  for (const group of mappings.split(";")) {
    let column = 0;
    for (const segment of group.split(",")) {
      const [columns, sourceStep, lineStep] = vlq(segment);
      if (columns === undefined) continue;
      column += columns;
      if (sourceStep === undefined || lineStep === undefined) continue;
      source += sourceStep;
      line += lineStep;
      yield {
        file: sources[source] ?? "",
        line: line + 1,
        offset: lineStart + column,
      };
    }
    lineStart = code.indexOf("\n", lineStart) + 1;
  }
}

/** The numbers of a segment of a source map. */
function vlq(segment: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const character of segment) {
    const digit = BASE64.indexOf(character);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit & 32) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    value = 0;
    shift = 0;
  }
  return numbers;
}
