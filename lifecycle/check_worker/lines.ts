// Copyright 2026 the @serviceworker/std authors. MIT license.

/** Which lines of the sources are in a bundle, by its source map. */

const DIGITS =
  "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

interface SourceMap {
  sources: string[];
  mappings: string;
}

/** The lines, from 1, of each source of a map. */
export function linesIn(text: string): Map<string, Set<number>> {
  const { sources, mappings }: SourceMap = JSON.parse(text);
  const lines = sources.map(() => new Set<number>());
  let source = 0;
  let line = 1;
  for (const segment of mappings.match(/[^,;]+/g) ?? []) {
    const [, toSource = 0, toLine = 0] = numbersIn(segment);
    source += toSource;
    line += toLine;
    lines[source]?.add(line);
  }
  return new Map(sources.map((name, i) => [name, lines[i] ?? new Set()]));
}

/** The numbers of a segment: in base 64, the lowest digits and the sign first. */
function numbersIn(segment: string): number[] {
  const numbers: number[] = [];
  let value = 0;
  let shift = 0;
  for (const char of segment) {
    const digit = DIGITS.indexOf(char);
    value += (digit & 31) << shift;
    shift += 5;
    if (digit > 31) continue;
    numbers.push(value & 1 ? -(value >> 1) : value >> 1);
    value = shift = 0;
  }
  return numbers;
}
