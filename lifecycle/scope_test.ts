// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertThrows } from "@std/assert";
import {
  createScope,
  type ScopeCondition,
  type ScopePattern,
  type ScopeRule,
} from "./scope.ts";

const BASE = new URL("https://a.test/sw.js");

function prefixOf(...patterns: (string | ScopePattern)[]): string {
  return createScope(BASE, patterns).prefix;
}

function refuses(
  patterns: (string | ScopePattern)[],
  message: string,
  Class: typeof TypeError | typeof DOMException = TypeError,
): void {
  assertThrows(() => createScope(BASE, patterns), Class, message);
}

/** What static routes do with a request, by the text of the specification. */
function routed(
  rules: ScopeRule[],
  request: { url: string; mode: string },
): boolean {
  function holds(condition: ScopeCondition): boolean {
    const { not, or, requestMode, urlPattern } = condition;
    assertEquals(Object.keys(condition).length, 1);
    if (not) return !holds(not);
    if (or) return or.some(holds);
    if (requestMode) return request.mode === requestMode;
    return new URLPattern(urlPattern).test(request.url);
  }
  return rules.some(({ condition }) => holds(condition));
}

const clients = {
  get: (id: string) => Promise.resolve(id === "gone" ? undefined : { url: id }),
};

Deno.test("createScope() has the path itself and what is below it, and no longer word", () => {
  for (const patterns of [["/foo", "/foo/*"], ["/foo{/*}?"], ["/foo/*?"]]) {
    const scope = createScope(BASE, patterns);
    assertEquals(scope.prefix, "/foo");
    const paths = ["/foo", "/foo/", "/foo/x/y?z", "/foo?q", "/foo#h"];
    for (const path of paths) assert(scope.test(path), path);
    for (const path of ["/foobar", "/fo", "/", "/bar/foo", "/Foo"]) {
      assert(!scope.test(path), path);
    }
    assert(!scope.test("https://b.test/foo"));
    assert(!scope.test("http://a.test/foo"));
  }
});

Deno.test("createScope() takes the narrowest prefix", () => {
  assertEquals(prefixOf("/foo/*"), "/foo/");
  assertEquals(prefixOf("/foo/:id/edit"), "/foo/");
  assertEquals(prefixOf("/foo/:id?/edit"), "/foo");
  assertEquals(prefixOf("/foo/:id*"), "/foo");
  assertEquals(prefixOf("/foo/:id+"), "/foo/");
  assertEquals(prefixOf("/foo/**"), "/foo");
  assertEquals(prefixOf("/foo-*"), "/foo-");
  assertEquals(prefixOf("/foo-*?"), "/foo-");
  assertEquals(prefixOf("/foo{-:id}?"), "/foo");
  assertEquals(prefixOf("/foo{bar}/*"), "/foobar/");
  assertEquals(prefixOf("/foo\\*/x"), "/foo*/x");
  assertEquals(prefixOf("/é/*"), "/%C3%A9/");
  assertEquals(prefixOf("/foo/(.*)"), "/foo/");
  assertEquals(prefixOf("/foo/*.html"), "/foo/");
  assertEquals(prefixOf("/blog", "/bookmarks/*"), "/b");
  assertEquals(prefixOf("/foo?tab=1"), "/foo");
  assertEquals(prefixOf({ pathname: "/foo/*" }), "/foo/");
  assertEquals(prefixOf(new URLPattern({ pathname: "/foo/*" })), "/foo/");
  assertEquals(prefixOf("https://a.test/foo/*"), "/foo/");
  assertEquals(prefixOf("https://*.test/foo/*"), "/foo/");
});

Deno.test("createScope() takes no prefix that a URL would change", () => {
  assertEquals(prefixOf("/x/..a", "/x/..b"), "/x/");
  assertEquals(prefixOf("/x/.a", "/x/.b"), "/x/");
});

Deno.test("createScope() takes the whole origin only with the page at its root", () => {
  assertEquals(prefixOf("/"), "/");
  assertEquals(prefixOf("/", "/:lang/about"), "/");
  assert(!createScope(BASE, ["/"]).test("/foo"));
  refuses(["/*"], 'Cannot make a scope of "/*": its prefix is "/"');
  refuses(["/foo", "/:lang/about"], 'of "/:lang/about": its prefix is "/"');
  refuses(["{/foo}?"], "begin it with a name");
  refuses(
    ["/foo", "/bar/*"],
    'Cannot make a scope of "/foo", "/bar/*": the prefix in common is "/"',
  );
});

Deno.test("createScope() says which pattern cannot be part of a scope, and why", () => {
  refuses([], "Cannot make a scope: there are no patterns");
  refuses(["/foo", "/b(ar"], 'of "/b(ar": it is no URL pattern', SyntaxError);
  refuses(
    ["https://b.test/foo"],
    'of "https://b.test/foo": it is of another origin than https://a.test',
  );
  refuses([{ protocol: "http", pathname: "/foo" }], "of another origin");
  refuses([{ port: "8080", pathname: "/foo" }], "of another origin");
  refuses(["/foo#h"], 'of "/foo#h": it has the hash "h"');
  refuses(["/foo/(\\d+)"], 'of "/foo/(\\\\d+)": it has a RegExp group');
  refuses(["/foo?x=(\\d+)"], "it has a RegExp group");
  refuses(["/foo/:id(\\d+)"], "it has a RegExp group");
  refuses(["/foo%2Fx/*"], 'no browser takes the scope "/foo%2Fx/"');
  refuses(
    [{ hostname: "b.test", pathname: "/foo" }],
    'of {"hostname":"b.test","pathname":"/foo"}:',
  );
  refuses(
    Array.from({ length: 1_001 }, (_, index) => `/foo/${index}`),
    "there are 1001 patterns",
    RangeError,
  );
});

Deno.test("createScope() compares a query only if the pattern has one", () => {
  const scope = createScope(BASE, ["/foo?tab=*", "/foo/*"]);
  assertEquals(scope.prefix, "/foo");
  assert(scope.test("/foo?tab=1"));
  assert(!scope.test("/foo"));
  assert(scope.test("/foo/x?any"));
});

Deno.test("createScope() tells the header that the script needs", () => {
  const scope = createScope(BASE, ["/foo", "/foo/*"]);
  assertEquals(scope.serviceWorkerAllowed("/sw.js"), undefined);
  assertEquals(scope.serviceWorkerAllowed("/foo/sw.js"), "/foo");
  assertEquals(scope.serviceWorkerAllowed("/js/sw.js?v=/foo"), "/foo");
  assertEquals(
    createScope(BASE, ["/foo/*"]).serviceWorkerAllowed(
      new URL("https://a.test/foo/sw.js"),
    ),
    undefined,
  );
});

Deno.test("Scope.guard() decides a navigation at once, by its URL", () => {
  const scope = createScope(BASE, ["/foo", "/foo/*"]);
  const go = (url: string) =>
    scope.guard(
      { clientId: "https://a.test/foo", request: { mode: "navigate", url } },
      clients,
    );
  assertEquals(go("https://a.test/foo?q#h"), true);
  assertEquals(go("https://a.test/foobar"), false);
});

Deno.test("Scope.guard() decides everything else by who asks", async () => {
  const scope = createScope(BASE, ["/foo", "/foo/*"]);
  const ask = (clientId: string) =>
    scope.guard({
      clientId,
      request: { mode: "no-cors", url: "https://b.test/image.png" },
    }, clients);
  assert(ask("https://a.test/foo") instanceof Promise);
  assertEquals(await ask("https://a.test/foo"), true);
  assertEquals(await ask("https://a.test/foobar"), false);
  assertEquals(await ask("gone"), false);
  assertEquals(await ask("about:srcdoc"), true);
  assertEquals(await ask("blob:https://a.test/uuid"), true);
  assertEquals(ask(""), false);
});

Deno.test("Scope.addRoutes() resolves with whether the browser has static routes", async () => {
  const scope = createScope(BASE, ["/foo", "/foo/*"]);
  const added: ScopeRule[] = [];
  const addRoutes = (rules: ScopeRule[]) => {
    added.push(...rules);
    return Promise.resolve();
  };
  assertEquals(await scope.addRoutes({ type: "install", addRoutes }), true);
  assertEquals(added, scope.rules);
  assertEquals(await scope.addRoutes({ type: "install" }), false);
});

Deno.test("createScope() does without URLPattern for a path and what is below it", () => {
  const options = { URLPattern: undefined };
  const { URLPattern } = globalThis;
  Reflect.deleteProperty(globalThis, "URLPattern");
  try {
    const scope = createScope(BASE, ["/foo", "/foo/*", "/f%C3%B6ö"], options);
    assertEquals(scope.prefix, "/f");
    for (const path of ["/foo?q", "/foo/", "/foo/x/y", "/föö"]) {
      assert(scope.test(path), path);
    }
    for (const path of ["/foobar", "/", "/foo.x"]) {
      assert(!scope.test(path), path);
    }
    for (const pattern of ["/foo/:id", "foo", "/a*b", { pathname: "/foo" }]) {
      const error = assertThrows(
        () => createScope(BASE, [pattern], options),
        DOMException,
        "this browser has no URLPattern",
      );
      assertEquals(error.name, "NotSupportedError");
    }
  } finally {
    globalThis.URLPattern = URLPattern;
  }
});

Deno.test("createScope() means what URLPattern means, and its prefix begins every URL that fits", () => {
  const random = randomFrom(1);
  const pick = <T>(values: readonly T[]): T =>
    values[Math.floor(random() * values.length)] as T;
  const PIECES = [
    "/foo",
    "/",
    "a",
    "%2e",
    "é",
    ".",
    "-",
    "/:x",
    "/:y?",
    "/:z*",
    "/:w+",
    "*",
    "/*",
    "{/b}?",
    "{c}*",
    "{-:v}?",
    "{d}",
    "{/e/*}?",
    "\\*",
    "/(.*)",
    "**",
    "*?",
    "/..",
    "/x.",
  ];
  const PARTS = [
    "/foo",
    "/",
    "a",
    "é",
    ".",
    "-",
    "/x",
    "b",
    "/b",
    "c",
    "d",
    "/e/",
    "*",
    "/..",
    "?a",
    "/foo/x",
  ];
  const join = (list: readonly string[], count: number) =>
    Array.from({ length: count }, () => pick(list)).join("");
  const fits = { all: 0, in: 0 };
  for (let round = 0; round < 300; round++) {
    const texts = Array.from(
      { length: 1 + Math.floor(random() * 3) },
      () => `/f${join(PIECES, Math.floor(random() * 4))}`,
    ).filter((text) => {
      try {
        return new URLPattern(text, BASE.href);
      } catch {
        // A name comes twice, say.
        return false;
      }
    });
    if (texts.length === 0) continue;
    let scope;
    try {
      scope = createScope(BASE, texts);
    } catch (error) {
      assert(/"\/"|no browser takes/.test(String(error)), `${error}`);
      continue;
    }
    const native = texts.map((text) => new URLPattern(text, BASE.href));
    for (let index = 0; index < 8; index++) {
      const url = new URL(`/f${join(PARTS, Math.floor(random() * 5))}`, BASE);
      const { href, pathname } = url;
      const expected = native.some((pattern) => pattern.test(href));
      const what = `${JSON.stringify(texts)} ${href}`;
      assertEquals(scope.test(url), expected, what);
      if (expected) assert(pathname.startsWith(scope.prefix), what);
      const mode = pick(["navigate", "cors"]);
      const route = routed(scope.rules, { url: href, mode });
      assertEquals(route, mode === "navigate" && !expected, what);
      const event = { clientId: href, request: { mode, url: href } };
      if (mode === "navigate") {
        assertEquals(scope.guard(event, clients), expected, what);
      }
      fits.all++;
      if (expected) fits.in++;
    }
  }
  // The patterns and URLs are such that both happen.
  assert(fits.in > 200 && fits.all - fits.in > 200, JSON.stringify(fits));
});

/** The same numbers each time. */
function randomFrom(seed: number): () => number {
  return () => {
    seed = Math.imul(seed, 1_664_525) + 1_013_904_223 >>> 0;
    return seed / 2 ** 32;
  };
}
