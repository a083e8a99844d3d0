// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { checkPublish } from "./check_publish.ts";
import { tempFolder } from "./temp_folder.ts";

const GOOD = {
  "deno.json": JSON.stringify({
    name: "@serviceworker/std",
    version: "0.1.0",
    license: "MIT",
    exports: { ".": "./mod.ts" },
    publish: { exclude: ["tools"] },
    lock: false,
  }),
  "LICENSE": "MIT",
  "README.md": "# Example\n",
  "mod.ts": "export const A = 1;\n",
  "mod/part.ts": "",
  "tools/ok.ts": "",
};

Deno.test("checkPublish() accepts a package of what is exported", async () => {
  await using folder = await tempFolder(GOOD);
  assertEquals(await checkPublish(folder.path), []);
});

Deno.test("checkPublish() reports a file too many, and one that is missing", async () => {
  await using folder = await tempFolder({ ...GOOD, "mod_test.ts": "" });
  await Deno.remove(`${folder.path}/README.md`);
  assertEquals(await checkPublish(folder.path), [
    "mod_test.ts would be published",
    "README.md would not be published",
  ]);
});

Deno.test("checkPublish() reports what JSR refuses", async () => {
  await using folder = await tempFolder({
    ...GOOD,
    "mod.ts": "export function f() { return Math.random(); }\n",
  });
  const problems = await checkPublish(folder.path);
  assertStringIncludes(problems.join("\n"), "missing explicit return type");
});

Deno.test("checkPublish() needs no JSR if there are stand-ins", async () => {
  await using folder = await tempFolder({
    ...GOOD,
    "mod.ts":
      'import { join } from "jsr:@std/path@^1";\nexport const A: string = join("a", "b");\n',
  });
  assertEquals(await checkPublish(folder.path, { standIns: true }), []);
});
