// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Writes the README's table of modules: what each adds to a script, measured
 * now, and how it does in the three engines, as the browser tests show it.
 *
 * Run using: deno task bench sizes
 *
 * @module
 */

import type { Size } from "../bench/report.ts";

const README = new URL("../README.md", import.meta.url);
const TABLE_REGEXP = /(<!-- sizes -->)[\s\S]*(<!-- \/sizes -->)/;

/** Where an engine lacks what a module is about, what is there instead. */
const INSTEAD: Record<string, string> = {
  "fetch/content-index": "says so",
  "fetch/static-routes": "the router",
  "sync/background-sync": "other triggers",
  "sync/periodic-sync": "catches up",
};

/** The sizes that the README quotes, by entry. */
export async function quotedSizes(): Promise<Map<string, Omit<Size, "name">>> {
  const [table = ""] = (await Deno.readTextFile(README)).match(TABLE_REGEXP) ??
    [];
  const rows = table.matchAll(/^\| `([^`]+)` +\| +([\d,]+) \| +([\d,]+) /gm);
  const number = (text = "") => Number(text.replaceAll(",", ""));
  return new Map(
    [...rows].map(([, name = "", minified, gzip]) => [name, {
      minified: number(minified),
      gzip: number(gzip),
    }]),
  );
}

/** The name by which the README calls an entry, or a peer. */
export function shortName(name: string): string {
  return name.replace(/^@serviceworker\/std\//, "");
}

/** Writes the table. */
export async function writeSizes(sizes: Size[]): Promise<void> {
  const head =
    "| module | minified, B | gzip, B | Chromium | Firefox | WebKitGTK |";
  const rows = sizes.map(({ name, minified, gzip }) => {
    const entry = shortName(name);
    // What is for tests runs in Deno.
    const ours = entry !== name && !entry.startsWith("testing");
    const native = ours ? "✓" : "";
    const other = ours ? INSTEAD[entry] ?? "✓" : "";
    const bytes = [minified, gzip].map((n) => n.toLocaleString("en-US"));
    return `| \`${entry}\` | ${
      bytes.join(" | ")
    } | ${native} | ${other} | ${other} |`;
  });
  const table = [head, "| --- | --: | --: | --- | --- | --- |", ...rows];
  const readme = await Deno.readTextFile(README);
  await Deno.writeTextFile(
    README,
    readme.replace(TABLE_REGEXP, `$1\n\n${table.join("\n")}\n\n$2`),
  );
  const fmt = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--quiet", README.pathname],
  });
  await fmt.output();
}
