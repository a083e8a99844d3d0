// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import denoJson from "../deno.json" with { type: "json" };
import { bundle, stop } from "../tools/build.ts";
import { BUILD_TIME } from "../tools/build_time.ts";

/** A call, or an assignment to what is not the module's own. */
const EFFECT_REGEXP = /\(|\bnew\b|[.\]]\w*=[^=]/;
/** A function at the top level of a script. */
const FUNCTION_REGEXP = /^(?:async )?function\*? (\w+)/gm;
/** What a service worker has, and Deno has not. */
const WORKERS_OWN = ["importScripts", "postMessage", "skipWaiting"];

Deno.test("a module that is imported, and not used, does nothing", async () => {
  const left: Record<string, string> = {};
  for (const path of Object.values(denoJson.exports)) {
    if (BUILD_TIME.includes(path.slice("./".length))) continue;
    // By its path: a bundler is told that what has our name has no effect.
    const { code } = await bundle(new URL("import.ts", import.meta.url), {
      source: `import ".${path}";`,
      minify: true,
    });
    // Constants that a bundler does not see through may stay.
    if (EFFECT_REGEXP.test(code)) left[path] = code;
  }
  await stop();
  assertEquals(left, {});
});

Deno.test("a module whose functions are globals takes none from the platform", async () => {
  const taken: Record<string, string[]> = {};
  for (const path of Object.values(denoJson.exports)) {
    if (BUILD_TIME.includes(path.slice("./".length))) continue;
    const source = `import * as all from ".${path}"; console.log(all);`;
    const entry = new URL("import.ts", import.meta.url);
    const { code } = await bundle(entry, { source });
    const names = Array.from(code.matchAll(FUNCTION_REGEXP), ([, name]) => name)
      .filter((name = "") => name in globalThis || WORKERS_OWN.includes(name));
    if (names.length > 0) taken[path] = names as string[];
  }
  await stop();
  assertEquals(taken, {});
});
