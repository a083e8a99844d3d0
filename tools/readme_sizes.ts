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

/** Where Firefox and WebKitGTK lack what a module is about, what is there instead. */
const INSTEAD: Record<string, string | [firefox: string, webkit: string]> = {
  "fetch/background-fetch": "its own",
  "fetch/content-index": "says so",
  "fetch/static-routes": "the router",
  "push/badge": "counts",
  "push/subscribe": ["✓", "says so"],
  "sync/background-sync": "other triggers",
  "sync/periodic-sync": "catches up",
};

/** What runs on servers, or in Deno. */
const NO_BROWSER_REGEXP = /^(push\/(fan-out|send|vapid)|testing.*)$/;

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
    const ours = entry !== name && !NO_BROWSER_REGEXP.test(entry);
    const native = ours ? "✓" : "";
    const others = ours ? INSTEAD[entry] ?? "✓" : "";
    const [firefox, webkit = firefox] = [others].flat();
    const bytes = [minified, gzip].map((n) => n.toLocaleString("en-US"));
    return `| \`${entry}\` | ${
      bytes.join(" | ")
    } | ${native} | ${firefox} | ${webkit} |`;
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
