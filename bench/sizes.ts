// Copyright 2026 the @serviceworker/std authors. MIT license.

import { gzipSync } from "node:zlib";
import denoJson from "../deno.json" with { type: "json" };
import { bundle } from "../tools/build.ts";
import { BUILD_TIME } from "../tools/build_time.ts";
import type { Results, Size } from "./report.ts";

const PEERS = {
  "comlink": 'export * from "npm:comlink@4.4.2"',
  "workbox-window": 'export * from "npm:workbox-window@7.4.1"',
  "workbox-window, messageSW() alone":
    'export { messageSW } from "npm:workbox-window@7.4.1"',
};

/** Measures what each entry of the package, and its peers, add to a script. */
export async function measureSizes(): Promise<Results> {
  const { name, exports } = denoJson;
  const sources = {
    ...Object.fromEntries(
      Object.entries(exports)
        .filter(([, path]) => !BUILD_TIME.includes(path.slice("./".length)))
        .map(([key]) => {
          const entry = name + key.slice(1);
          return [entry, `export * from "${entry}"`];
        }),
    ),
    ...PEERS,
  };
  const sizes: Size[] = [];
  const failures: string[] = [];
  for (const [name, source] of Object.entries(sources)) {
    try {
      sizes.push({ name, ...await measure(source) });
    } catch (error) {
      failures.push(`${name}: ${error}`);
    }
  }
  return {
    scenario: "sizes",
    title: "What each entry alone adds to a script, with all it exports",
    conditions: { minifier: "esbuild", compression: "gzip -9" },
    sizes,
    failures,
  };
}

async function measure(source: string): Promise<Omit<Size, "name">> {
  const { code } = await bundle(new URL("size.ts", import.meta.url), {
    source,
    minify: true,
    define: { "process.env.NODE_ENV": '"production"' },
  });
  return sizeOf(code);
}

/** How many bytes a script has, and has after gzip. */
export function sizeOf(code: string): Omit<Size, "name"> {
  const bytes = new TextEncoder().encode(code);
  return {
    minified: bytes.length,
    gzip: gzipSync(bytes, { level: 9 }).length,
  };
}
