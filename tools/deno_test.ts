// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { fileURLToPath } from "node:url";
import { tempFolder } from "./temp_folder.ts";

const TOOL = fileURLToPath(new URL("deno.ts", import.meta.url));
const FROM_JSR = "@std/*: from JSR\n";
const STAND_INS =
  "@std/*: JSR is not used; the stand-ins in tools/closed/ take its place\n";

/** What the tool says on stderr, and what it runs prints, in an environment. */
async function run(
  env: Record<string, string>,
  ...args: string[]
): Promise<{ stderr: string; stdout: string; code: number }> {
  const { stderr, stdout, code } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", TOOL, ...args],
    env: { SW_STD: "", NO_COLOR: "1", ...env },
  }).output();
  const decoder = new TextDecoder();
  return {
    stderr: decoder.decode(stderr),
    stdout: decoder.decode(stdout),
    code,
  };
}

Deno.test("tools/deno.ts uses JSR where it answers", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("{}"),
  );
  const JSR_URL = `http://127.0.0.1:${server.addr.port}/`;
  const { stderr } = await run({ JSR_URL }, "eval", "");
  assertEquals(stderr, FROM_JSR);
});

Deno.test("tools/deno.ts uses the stand-ins where JSR does not answer", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("", { status: 503 }),
  );
  const JSR_URL = `http://127.0.0.1:${server.addr.port}/`;
  await using folder = await tempFolder({
    "main.ts":
      'import { assert } from "@std/assert";\nassert(1);\nconsole.log("ran");\n',
  });
  const { stderr, stdout } = await run(
    { JSR_URL },
    "run",
    `${folder.path}/main.ts`,
  );
  assertStringIncludes(stderr, STAND_INS);
  assertEquals(stdout, "ran\n");
});

Deno.test("tools/deno.ts obeys SW_STD, and ends as what it runs", async () => {
  const jsr = await run({ SW_STD: "jsr" }, "eval", "Deno.exit(3)");
  assertEquals([jsr.stderr, jsr.code], [FROM_JSR, 3]);
  const local = await run({ SW_STD: "local" }, "eval", "");
  assertEquals([local.stderr, local.code], [STAND_INS, 0]);
});
