// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals } from "@std/assert";
import { bundle, stop } from "../tools/build.ts";
import { parseLcov } from "../tools/coverage.ts";
import { ModuleCoverage } from "./browser/coverage.ts";

const MODULE = "channel/broadcast.ts";
const PRELUDE = "/* what the server puts before */";

Deno.test("ModuleCoverage tells how often each line of a module ran", async () => {
  const { code, map = "" } = await bundle(
    new URL("page.ts", import.meta.url),
    {
      source: `
        import { broadcast } from "@serviceworker/std/channel/broadcast";
        console.log(broadcast);
      `,
      sourcemap: true,
    },
  );
  await stop();
  const start = PRELUDE.length;
  const range = (from: number, to: number, count: number) => ({
    ranges: [{ startOffset: from, endOffset: to, count }],
  });
  const whole = range(0, start + code.length, 1);
  const from = start + code.indexOf("function broadcast(");
  const inner = range(from, start + code.length, 0);

  const coverage = new ModuleCoverage();
  for (const functions of [[whole], [whole, inner], [whole]]) {
    coverage.add({ url: "", functions }, { code, map, start });
  }
  const files = [...parseLcov(coverage.toLcov())];
  assertEquals(files.length, 1);
  const [[path, lines] = ["", new Map<number, number>()]] = files;
  assert(path.endsWith(`/${MODULE}`), path);
  const source = (await Deno.readTextFile(
    new URL(`../${MODULE}`, import.meta.url),
  )).split("\n");
  const line =
    source.findIndex((text) => text.startsWith("export function broadcast")) +
    1;
  const counts = [...lines].filter(([number]) => number >= line);
  assert(counts.length > 10);
  assertEquals(new Set(counts.map(([, count]) => count)), new Set([2]));
});
