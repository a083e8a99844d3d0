// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import plugin from "./lint_plugin.ts";

const HEADER =
  "// Copyright 2026 the @serviceworker/std authors. MIT license.\n";

/** The rules that `source` breaks, in the order of its lines. */
function broken(source: string, filename = "channel/x.ts"): string[] {
  return Deno.lint.runPlugin(plugin, filename, HEADER + source)
    .map(({ id }) => id.replace("house/", ""));
}

/** Checks that `bad` breaks `rule`, and neither does `good` nor `bad` in a test. */
function testRule(rule: string, bad: string[], good: string[]) {
  Deno.test(`${rule} reports what is wrong, in modules only`, () => {
    for (const source of bad) {
      assertEquals(new Set(broken(source)), new Set([rule]), source);
      for (const path of ["channel/x_test.ts", "tools/x.ts", "bench/x.ts"]) {
        assertEquals(broken(source, path), [], source);
      }
    }
  });
  Deno.test(`${rule} accepts what is right`, () => {
    for (const source of good) assertEquals(broken(source), [], source);
  });
}

Deno.test("header wants the licence on the first line of every file", () => {
  for (const path of ["channel/x.ts", "channel/x_test.ts", "tools/x.ts"]) {
    for (const source of ["", "// Copyright 2026\n", "\n" + HEADER]) {
      const [problem] = Deno.lint.runPlugin(plugin, path, source);
      assertEquals(problem?.id, "house/header", source);
    }
    assertEquals(broken("", path), []);
  }
});

testRule("no-import", [
  'import { a } from "./a.ts";',
  'import type { A } from "./a.ts";',
  'export { a } from "./a.ts";',
  'export * from "./a.ts";',
  'export type A = import("./a.ts").A;',
  'export function f() { return import("./a.ts"); }',
], ["export const A = 1;", "export function f() {}"]);

Deno.test("no-import lets the host have parts", () => {
  assertEquals(broken('import { A } from "./a.ts";', "testing/host.ts"), []);
});

Deno.test("no-import lets what builds scripts have a parser", () => {
  const source = 'import { parse } from "@babel/parser";';
  assertEquals(broken(source, "lifecycle/check_worker.ts"), []);
  assertEquals(broken(source, "lifecycle/check_worker/rules.ts"), []);
  assertEquals(broken(source, "lifecycle/check_update.ts"), ["no-import"]);
});

Deno.test("no-import lets a mod.ts re-export, and nothing else", () => {
  assertEquals(broken('export * from "./a.ts";', "channel/mod.ts"), []);
  assertEquals(broken("export const A = 1;", "channel/mod.ts"), ["no-import"]);
});

testRule("no-top-level-arrow", [
  "export const f = () => 1;",
  "const f = function () {};",
], ["export function f() { return () => 1; }"]);

testRule("no-module-state", [
  "let id = 0;",
  "export var id = 0;",
  "const pending = new Map();",
  "const encoder = new TextEncoder();",
  "const pending = {};",
  "const PENDING = new Set();",
  "const pending: string[] = [];",
  "const config = await f();",
  "f();",
], [
  "const LIMIT = 3;",
  "const NONE: Transferable[] = [];",
  'const NAMES = ["a", "b"];',
  "const KIND_REGEXP = /a/;",
  "export function f() { let a = new Map(); return a; }",
]);

testRule("no-global-reach", [
  "export function f() { return self.registration; }",
  "export function f() { return globalThis.caches; }",
  'export function f() { return "locks" in navigator; }',
  'export function f() { addEventListener("message", f); }',
], [
  "export interface Target { readonly self: string }",
  "export function f(target: { self: string }) { return target.self; }",
  'export function f(target: EventTarget) { target.addEventListener("a", f); }',
]);

testRule("no-console", [
  "export function f() { console.log(1); }",
], ["export function f(log: { log(): void }) { log.log(); }"]);

testRule("no-suppression", [
  "export function f(a?: string) { return a!; }",
  "// deno-lint-ignore no-explicit-any\nexport type A = any;",
  "// @ts-expect-error\nexport const A: string = 1;",
], ["// Ignores what is late.\nexport const A = 1;"]);

testRule("error-message", [
  'export function f() { throw new TypeError("cannot ask: no port"); }',
  'export function f() { throw new Error("Not asked"); }',
  'export function f() { throw new RangeError("Cannot ask x: it is late."); }',
  'export function f() { throw new Error("Cannot ask x: it isn\'t there"); }',
  "export function f(a: string) { throw new Error(`Cannot ask: ${a}.`); }",
  'export function f(a: string) { throw new Error("Cannot ask " + a); }',
  'export function f() { return new DOMException("Gone", "AbortError"); }',
  'export function f() { return new AggregateError([], "Gone"); }',
], [
  "export function f(a: string) { throw new Error(`Cannot ask x: got ${a}`); }",
  "export function f(a: string) { throw new Error(a); }",
  'export function f() { return new DOMException("Cannot ask x: it is gone", "AbortError"); }',
]);
