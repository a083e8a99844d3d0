// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { checkExports } from "./check_exports.ts";
import { tempFolder } from "./temp_folder.ts";

const EXPORTS = {
  ".": "./mod.ts",
  "./channel": "./channel/mod.ts",
  "./channel/ask-clients": "./channel/ask_clients.ts",
};
const GOOD = {
  "deno.json": JSON.stringify({ exports: EXPORTS }),
  "mod.ts": 'export * from "./channel/mod.ts";\n',
  "channel/mod.ts": 'export * from "./ask_clients.ts";\n',
  "channel/ask_clients.ts": "",
  "channel/ask_clients_test.ts": "",
  "tools/ok.ts": "",
};

/** The problems of the good collection with some `files` replaced. */
async function problemsWith(files: Record<string, string>): Promise<string[]> {
  await using folder = await tempFolder({ ...GOOD, ...files });
  return await checkExports(folder.path);
}

Deno.test("checkExports() accepts a collection that agrees", async () => {
  assertEquals(await problemsWith({}), []);
});

Deno.test("checkExports() reports a module that nothing exports", async () => {
  assertEquals(
    await problemsWith({ "channel/ask.ts": "", "channel/ask_test.ts": "" }),
    [
      "channel/mod.ts does not export ask.ts",
      'deno.json exports "./channel/ask" as undefined, not ./channel/ask.ts',
    ],
  );
});

Deno.test("checkExports() reports a folder that nothing exports", async () => {
  assertEquals(await problemsWith({ "push/mod.ts": "" }), [
    "mod.ts does not export push/mod.ts",
    'deno.json exports "./push" as undefined, not ./push/mod.ts',
  ]);
});

Deno.test("checkExports() wants testing/ outside of the root", async () => {
  const exports = { ...EXPORTS, "./testing": "./testing/mod.ts" };
  const files = {
    "deno.json": JSON.stringify({ exports }),
    "testing/mod.ts": "",
  };
  assertEquals(await problemsWith(files), []);
  const root = GOOD["mod.ts"] + 'export * from "./testing/mod.ts";\n';
  assertEquals(await problemsWith({ ...files, "mod.ts": root }), [
    "mod.ts exports testing/mod.ts, which is missing",
  ]);
});

Deno.test("checkExports() wants what builds scripts outside of mod.ts", async () => {
  const exports = {
    ...EXPORTS,
    "./lifecycle": "./lifecycle/mod.ts",
    "./lifecycle/check-worker": "./lifecycle/check_worker.ts",
  };
  const files = {
    "deno.json": JSON.stringify({ exports }),
    "mod.ts": GOOD["mod.ts"] + 'export * from "./lifecycle/mod.ts";\n',
    "lifecycle/mod.ts": "",
    "lifecycle/check_worker.ts": "",
    "lifecycle/check_worker_test.ts": "",
  };
  assertEquals(await problemsWith(files), []);
  const barrel = 'export * from "./check_worker.ts";\n';
  assertEquals(await problemsWith({ ...files, "lifecycle/mod.ts": barrel }), [
    "lifecycle/mod.ts exports check_worker.ts, which is missing",
  ]);
});

Deno.test("checkExports() reports exports without a file", async () => {
  const exports = { ...EXPORTS, "./channel/gone": "./channel/gone.ts" };
  assertEquals(
    await problemsWith({
      "deno.json": JSON.stringify({ exports }),
      "channel/mod.ts":
        'export * from "./ask_clients.ts";\nexport * from "./gone.ts";\n',
    }),
    [
      "channel/mod.ts exports gone.ts, which is missing",
      'deno.json exports no file: "./channel/gone"',
    ],
  );
});

Deno.test("checkExports() reports an export under another name", async () => {
  const exports = {
    ".": "./mod.ts",
    "./channel": "./channel/mod.ts",
    "./channel/ask_clients": "./channel/ask_clients.ts",
  };
  assertEquals(
    await problemsWith({ "deno.json": JSON.stringify({ exports }) }),
    [
      'deno.json exports "./channel/ask-clients" as undefined, not ./channel/ask_clients.ts',
      'deno.json exports no file: "./channel/ask_clients"',
    ],
  );
});

Deno.test("checkExports() reports a module without a test", async () => {
  await using folder = await tempFolder(GOOD);
  await Deno.remove(`${folder.path}/channel/ask_clients_test.ts`);
  assertEquals(await checkExports(folder.path), [
    "channel/ask_clients.ts has no test beside it",
  ]);
});

Deno.test("checkExports() reports a file that is not in snake case", async () => {
  const problems = await problemsWith({
    "channel/askAll.ts": "",
    "channel/askAll_test.ts": "",
  });
  assertEquals(problems[0], "channel/askAll.ts is not in snake case");
});
