// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { measureSizes } from "../bench/sizes.ts";
import { stop } from "../tools/build.ts";
import { quotedSizes, shortName } from "../tools/readme_sizes.ts";

Deno.test("README.md quotes what each entry adds to a script, to a tenth", async () => {
  const { sizes = [], failures } = await measureSizes();
  await stop();
  assertEquals(failures, []);
  const quoted = await quotedSizes();
  const close = (a: number, b = 0) => Math.abs(a - b) <= a / 10;
  for (const { name, minified, gzip } of sizes) {
    const quote = quoted.get(shortName(name));
    assert(
      close(minified, quote?.minified) && close(gzip, quote?.gzip),
      `${name} has ${minified} and ${gzip} bytes: run deno task bench sizes`,
    );
  }
  assertEquals(quoted.size, sizes.length);
});
