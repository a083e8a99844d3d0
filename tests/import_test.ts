// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import denoJson from "../deno.json" with { type: "json" };
import { bundle, stop } from "../tools/build.ts";
import { BUILD_TIME } from "../tools/build_time.ts";

/** A call, or an assignment to what is not the module's own. */
const EFFECT_REGEXP = /\(|\bnew\b|[.\]]\w*=[^=]/;

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
