// Copyright 2026 the @serviceworker/std authors. MIT license.

import { gzipSync } from "node:zlib";
import denoJson from "../../deno.json" with { type: "json" };
import { bundle } from "../../tools/build.ts";
import type { Results, Size } from "../report.ts";

const PEERS = [
  ["comlink, all", "comlink.ts"],
  ["workbox-window, all", "workbox_window.ts"],
  ["workbox-window, { messageSW }", "message_sw.ts"],
] as const;

/** Measures what each entry of the package, and its peers, add to a script. */
export async function measureSizes(): Promise<Results> {
  const sizes: Size[] = [];
  for (const [key, path] of Object.entries(denoJson.exports)) {
    const name = key === "." ? "all" : key.slice(2);
    sizes.push(await measure(name, new URL(`../../${path}`, import.meta.url)));
  }
  for (const [name, path] of PEERS) {
    sizes.push(await measure(name, new URL(path, import.meta.url)));
  }
  return {
    scenario: "sizes",
    title: "Bytes of each entry alone, with all it exports",
    conditions: { minifier: "esbuild", compression: "gzip -9" },
    sizes,
    failures: [],
  };
}

async function measure(name: string, entry: URL): Promise<Size> {
  const { code } = await bundle(entry, {
    minify: true,
    define: { "process.env.NODE_ENV": '"production"' },
  });
  const bytes = new TextEncoder().encode(code);
  return {
    name,
    minified: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
  };
}
