// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { join } from "node:path";
import { BUILD_TIME } from "./build_time.ts";
import { checkStandalone, standaloneModules } from "./check_standalone.ts";
import { tempFolder } from "./temp_folder.ts";

async function problemsOf(source: string): Promise<string[]> {
  await using folder = await tempFolder({
    "b.ts": source,
    "a.ts": "export type A = string;\n",
  });
  return await checkStandalone([
    join(folder.path, "a.ts"),
    join(folder.path, "b.ts"),
  ]);
}

Deno.test("checkStandalone() accepts modules that need nothing", async () => {
  const source = "export const B: MessageChannel = new MessageChannel();\n";
  assertEquals(await problemsOf(source), []);
});

Deno.test("checkStandalone() reports an import of a sibling", async () => {
  const problems = await problemsOf(
    'import type { A } from "./a.ts";\nexport type B = A;\n',
  );
  assertEquals(problems.length, 3);
  for (const problem of problems) assertStringIncludes(problem, "a.ts");
});

Deno.test("standaloneModules() leaves out what builds scripts", () => {
  const modules = standaloneModules();
  assertEquals(modules.includes("./channel/request.ts"), true);
  for (const path of BUILD_TIME) {
    assertEquals(modules.includes(`./${path}`), false);
  }
});

Deno.test("checkStandalone() copies the parts of a module with it", async () => {
  await using folder = await tempFolder({
    "a.ts": 'export { B } from "./a/b.ts";\n',
    "a/b.ts": 'export { C as B } from "../c.ts";\n',
    "c.ts": "export const C = 1;\n",
  });
  assertEquals(await checkStandalone([join(folder.path, "a.ts")]), []);
});

Deno.test("checkStandalone() reports what only some libraries have", async () => {
  const reports = async (type: string) =>
    (await problemsOf(`export type B = ${type};\n`))
      .map((problem) => problem.split(":")[0]);
  assertEquals(await reports("Document"), [
    "In Deno",
    "In a worker",
  ]);
  assertEquals(await reports("ExtendableEvent"), [
    "In Deno",
    "In a page",
  ]);
});

Deno.test("checkStandalone() reports what a stricter compiler refuses", async () => {
  const problems = await problemsOf(
    "export const b = (a: Record<string, string>): string | undefined => a.b;\n",
  );
  assertEquals(problems.length, 3);
  for (const problem of problems) assertStringIncludes(problem, "TS4111");
});
