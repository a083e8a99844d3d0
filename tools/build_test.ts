// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import type { ChildProcess } from "node:child_process";
import { subscribe, unsubscribe } from "node:diagnostics_channel";
import { bundle, type BundleOptions, stop } from "./build.ts";

const ENTRY = new URL("entry.ts", import.meta.url);

Deno.test.afterAll(stop);

/** Declares a test which the bundler's process outlives. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

/** Bundles a text, runs it as a classic script, and resolves with what it passes to `result()`. */
async function run(
  source: string,
  options: BundleOptions = {},
): Promise<unknown> {
  const { code } = await bundle(ENTRY, { source, format: "iife", ...options });
  let value: unknown;
  new Function("result", code)((given: unknown) => value = given);
  return value;
}

test("bundle() resolves the package's own names to the working tree", async () => {
  const value = await run(`
    import { request } from "@serviceworker/std/channel/request";
    import { request as same } from "jsr:@serviceworker/std@^0.1/channel/request";
    declare function result(value: unknown): void;
    result([typeof request, request === same]);
  `);
  assertEquals(value, ["function", true]);
});

test("bundle() resolves packages of npm, named in deno.json or in place", async () => {
  const value = await run(`
    import { IDBFactory } from "fake-indexeddb";
    import { IDBFactory as same } from "npm:fake-indexeddb@^6";
    declare function result(value: unknown): void;
    result([typeof IDBFactory, IDBFactory === same]);
  `);
  assertEquals(value, ["function", true]);
});

test("bundle() leaves out what is not used", async () => {
  const { code } = await bundle(ENTRY, {
    source: `import "@serviceworker/std"; console.log("alone");`,
    minify: true,
  });
  assertEquals(code, 'console.log("alone");\n');
});

test("bundle() replaces what is defined", async () => {
  const source = `
    declare const VERSION: string;
    declare function result(value: unknown): void;
    result(VERSION);
  `;
  assertEquals(await run(source, { define: { VERSION: '"2"' } }), "2");
});

test("bundle() checks what is a service worker", async () => {
  const source = 'setTimeout(() => addEventListener("fetch", () => {}));';
  await bundle(ENTRY, { source });
  await assertRejects(
    () => bundle(ENTRY, { source, worker: true }),
    Error,
    "late-listener",
  );
});

test("bundle() names the sources relative to the root", async () => {
  const { map = "" } = await bundle(ENTRY, {
    source: `
      import { broadcast } from "@serviceworker/std/channel/broadcast";
      console.log(broadcast);
    `,
    sourcemap: true,
  });
  assertEquals(JSON.parse(map).sources, [
    "channel/broadcast.ts",
    "tools/entry.ts",
  ]);
});

test("bundle() answers from memory if asked to", async () => {
  const once = (cache: boolean) => bundle(ENTRY, { source: "1;", cache });
  assert(await once(true) === await once(true));
  assert(await once(false) !== await once(false));
});

Deno.test("stop() resolves when the bundler's process has ended", async () => {
  await stop();
  const ended: boolean[] = [];
  const watch = (message: unknown) => {
    const { process } = message as { process: ChildProcess };
    const index = ended.push(false) - 1;
    process.once("close", () => ended[index] = true);
  };
  subscribe("child_process", watch);
  for (let i = 0; i < 2; i++) {
    await bundle(ENTRY, { source: "1;", cache: true });
    await stop();
  }
  unsubscribe("child_process", watch);
  assertEquals(ended, [true, true]);
});

test("bundle() rejects what does not resolve", async () => {
  await assertRejects(
    () => run('import "@serviceworker/std/nothing";'),
    Error,
    '@serviceworker/std exports no "./nothing"',
  );
  await assertRejects(
    () => run('import "not-in-deno-json";'),
    Error,
    'Could not resolve "not-in-deno-json"',
  );
});
