// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What the tests rely on in `@std/*`: passes with the packages from JSR and with
 * the stand-ins in `tools/closed/`, so that neither drifts from the other.
 */

import {
  assert,
  assertEquals,
  assertFalse,
  assertInstanceOf,
  AssertionError,
  assertNotEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { globToRegExp, join, resolve } from "@std/path";
import { FakeTime } from "@std/testing/time";

/** Checks that an assertion fails. */
function fails(fn: () => void) {
  const error = assertThrows(fn, AssertionError);
  assertStrictEquals(error.name, "AssertionError");
}

Deno.test("assert() and its kin tell truth from falsehood", () => {
  assert(1);
  fails(() => assert(0));
  assertFalse(0);
  fails(() => assertFalse(1));
});

const EQUAL: [unknown, unknown][] = [
  [1, 1],
  [NaN, NaN],
  [0, -0],
  ["a", "a"],
  [undefined, undefined],
  [[1, [2]], [1, [2]]],
  [{ a: { b: 1 }, c: [] }, { c: [], a: { b: 1 } }],
  [new Date(1), new Date(1)],
  [/a/g, /a/g],
  [new URL("http://a/"), new URL("http://a/")],
  [new Map([[1, { a: 1 }]]), new Map([[1, { a: 1 }]])],
  [new Set(["a", "b"]), new Set(["b", "a"])],
  [new Uint8Array([1, 2]), new Uint8Array([1, 2])],
];

const DIFFERENT: [unknown, unknown][] = [
  [1, 2],
  [1, "1"],
  [null, undefined],
  [[1, 2], [2, 1]],
  [[1], { 0: 1 }],
  [{ a: 1 }, { a: 1, b: 1 }],
  [{ a: undefined }, {}],
  [{ a: { b: 1 } }, { a: { b: 2 } }],
  [new Date(1), new Date(2)],
  [/a/g, /a/],
  [new URL("http://a/"), new URL("http://b/")],
  [new Map([[1, 2]]), new Map([[1, 3]])],
  [new Map([[1, 2]]), new Map([[2, 2]])],
  [new Set(["a"]), new Set(["a", "b"])],
  [new Uint8Array([1]), new Uint8Array([2])],
  [new Uint8Array([1]), new Int8Array([1])],
  [new Error("a"), new Error("b")],
];

Deno.test("assertEquals() compares by value", () => {
  for (const [a, b] of EQUAL) {
    assertEquals(a, b);
    fails(() => assertNotEquals(a, b));
  }
  for (const [a, b] of DIFFERENT) {
    assertThrows(() => assertEquals(a, b));
  }
  assertNotEquals({ a: 1 }, { a: 2 });
});

Deno.test("assertEquals() follows a circle", () => {
  const circle = () => {
    const value: { self?: unknown; a: number } = { a: 1 };
    value.self = value;
    return value;
  };
  assertEquals(circle(), circle());
});

Deno.test("assertStrictEquals() compares by identity", () => {
  const value = {};
  assertStrictEquals(value, value);
  assertStrictEquals(NaN, NaN);
  fails(() => assertStrictEquals({}, {}));
});

Deno.test("assertInstanceOf() and assertStringIncludes() look closer", () => {
  assertInstanceOf(new TypeError(), Error);
  fails(() => assertInstanceOf({}, Error));
  assertStringIncludes("abc", "b");
  fails(() => assertStringIncludes("abc", "d"));
});

Deno.test("assertThrows() returns what is thrown", () => {
  const thrown = new RangeError("far out");
  const failing = () => {
    throw thrown;
  };
  assertStrictEquals(assertThrows(failing), thrown);
  const error: RangeError = assertThrows(failing, RangeError, "out");
  assertStrictEquals(error, thrown);
  fails(() => assertThrows(failing, TypeError));
  fails(() => assertThrows(failing, RangeError, "near"));
  fails(() => assertThrows(() => {}));
  const string = () => {
    throw "text";
  };
  assertStrictEquals(assertThrows(string), "text");
  fails(() => assertThrows(string, Error));
});

Deno.test("assertRejects() returns what is rejected with", async () => {
  const gone = new DOMException("gone", "AbortError");
  const failing = () => Promise.reject(gone);
  assertStrictEquals(await assertRejects(failing), gone);
  const error: DOMException = await assertRejects(
    failing,
    DOMException,
    "gone",
  );
  assertStrictEquals(error, gone);
  for (
    const attempt of [
      () => assertRejects(failing, TypeError),
      () => assertRejects(failing, DOMException, "here"),
      () => assertRejects(() => Promise.resolve()),
      () =>
        assertRejects(() => {
          throw gone;
        }),
    ]
  ) await assertRejects(attempt, AssertionError);
});

Deno.test("FakeTime runs timers when it is told to", async () => {
  using time = new FakeTime(1000);
  const seen: unknown[] = [];
  const interval = setInterval(() => seen.push(Date.now()), 100);
  setTimeout((value: string) => seen.push(value), 150, "timeout");
  clearTimeout(setTimeout(() => seen.push("never")));
  assertEquals(time.now, 1000);

  await time.tickAsync(99);
  assertEquals(seen, []);
  time.tick(101);
  assertEquals(seen, [1100, "timeout", 1200]);
  assertEquals(new Date().getTime(), 1200);
  clearInterval(interval);
  await time.tickAsync(1000);
  assertEquals(seen.length, 3);
});

Deno.test("FakeTime goes from timer to timer", async () => {
  using time = new FakeTime(0);
  const seen: number[] = [];
  setTimeout(() => {
    seen.push(Date.now());
    setTimeout(() => seen.push(Date.now()), 5);
  }, 10);
  assert(time.next());
  assertEquals([time.now, ...seen], [10, 10]);
  await time.runAllAsync();
  assertEquals(seen, [10, 15]);
});

Deno.test("FakeTime lets microtasks run before it ticks, not between timers", async () => {
  using time = new FakeTime();
  const seen: string[] = [];
  Promise.resolve().then(() => setTimeout(() => seen.push("first"), 5));
  setTimeout(() => {
    Promise.resolve().then(() => seen.push("microtask"));
  }, 10);
  setTimeout(() => seen.push("second"), 20);
  await time.tickAsync(20);
  assertEquals(seen, ["first", "second", "microtask"]);
});

Deno.test("FakeTime fires AbortSignal.timeout(), and leaves performance.now()", async () => {
  const before = performance.now();
  using time = new FakeTime();
  const signal = AbortSignal.timeout(60_000);
  await time.tickAsync(59_999);
  assertFalse(signal.aborted);
  await time.tickAsync(1);
  assertEquals(signal.reason.name, "TimeoutError");
  assert(performance.now() - before < 60_000);
});

Deno.test("FakeTime gives real time back", async () => {
  const real = { Date, setTimeout, clearTimeout, setInterval, clearInterval };
  const { timeout } = AbortSignal;
  {
    using _time = new FakeTime();
    assert(setTimeout !== real.setTimeout);
    assertInstanceOf(new Date(), Date);
  }
  assertStrictEquals(setTimeout, real.setTimeout);
  assertStrictEquals(clearTimeout, real.clearTimeout);
  assertStrictEquals(setInterval, real.setInterval);
  assertStrictEquals(clearInterval, real.clearInterval);
  assertStrictEquals(Date, real.Date);
  assertStrictEquals(AbortSignal.timeout, timeout);
  await new Promise((resolve) => setTimeout(resolve, 1));
});

const GLOBS: [glob: string, fits: string[], others: string[]][] = [
  ["**", ["a", "a.js", "a/b", "a/.b/c"], []],
  ["*.js", ["a.js", ".js"], ["a.jsx", "a/b.js", "xjs"]],
  ["**/*.js", ["a.js", "a/b.js", "a/b/c.js"], ["a.ts"]],
  ["a/**", ["a/b", "a/b/c"], ["b/a"]],
  ["**/.*", [".a", "a/.b"], ["a.b", "a/b.c"]],
  ["a-??.js", ["a-12.js"], ["a-1.js", "a-123.js"]],
  ["a.{js,css}", ["a.js", "a.css"], ["a.html", "a.{js,css}"]],
  ["[!a].js", ["b.js"], ["a.js"]],
  ["a[0-9].js", ["a1.js"], ["ab.js"]],
];

Deno.test("globToRegExp() understands globs", () => {
  for (const [glob, fits, others] of GLOBS) {
    const pattern = globToRegExp(glob);
    for (const path of fits) assert(pattern.test(path), `${glob} ${path}`);
    for (const path of others) {
      assertFalse(pattern.test(path), `${glob} ${path}`);
    }
  }
});

Deno.test("join() and resolve() put paths together", () => {
  assertEquals(join("a", "b", "../c"), join("a", "c"));
  assertEquals(resolve("a"), join(Deno.cwd(), "a"));
  assertEquals(resolve("a", resolve("b")), resolve("b"));
});
