// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import {
  createRouter,
  type RouterEvent,
  type RouterOptions,
  type RouterRoute,
  type RouterURLPatternConstructor,
} from "./router.ts";
import { disagreementsOfForms } from "../tests/browser/fixtures/fetch_router_forms.ts";
import { disagreements } from "../tests/browser/fixtures/fetch_router_property.ts";

const baseURL = "https://a.test/app/sw.js";

/** A fetch event that keeps what it is given. */
class Event implements RouterEvent {
  response: Promise<Response> | undefined;
  readonly waits: Promise<unknown>[] = [];
  readonly request: Request;
  readonly preloadResponse: Promise<Response | undefined>;

  constructor(
    path: string,
    request: Partial<Request> = {},
    preload: Promise<Response | undefined> = Promise.resolve(undefined),
  ) {
    const url = new URL(path, baseURL).href;
    const defaults = { method: "GET", mode: "cors", destination: "" };
    this.request = { url, ...defaults, ...request } as Request;
    this.preloadResponse = preload;
  }

  respondWith(response: Promise<Response>): void {
    if (this.response) throw new DOMException("answered", "InvalidStateError");
    this.response = response;
  }

  waitUntil(promise: Promise<unknown>): void {
    this.waits.push(promise);
  }
}

/** The text that a request is answered with, if it is. */
async function ask(
  routes: RouterRoute<Event>[],
  path: string,
  request: Partial<Request> = {},
  options: RouterOptions<Event> = {},
): Promise<string | undefined> {
  const event = new Event(path, request);
  createRouter(routes, { baseURL, ...options })(event);
  return (await event.response)?.text();
}

/** Routes that answer with their pattern and groups. */
function echo(...patterns: RouterRoute["pattern"][]): RouterRoute<Event>[] {
  return patterns.map((pattern, order) => ({
    pattern,
    handler: (_event, { groups }) =>
      new Response(`${order} ${JSON.stringify(groups)}`),
  }));
}

Deno.test("createRouter() has the first route that fits answer", async () => {
  const routes = echo("/a/:id", "/a/b", "/*");
  assertEquals(await ask(routes, "/a/b"), '0 {"id":"b"}');
  assertEquals(await ask(routes, "/a/b/c"), '2 {"0":"a/b/c"}');
  assertEquals(await ask(routes.toReversed(), "/a/b"), '2 {"0":"a/b"}');
});

Deno.test("createRouter() chooses what testing every pattern in order would", () => {
  const { compared, missed, found } = disagreements(1, 600);
  assertEquals(found, []);
  assert(missed > compared / 4 && missed < compared * 3 / 4);
});

Deno.test("createRouter() is of the opinion of URLPattern in each form of a pattern", () => {
  const { compared, fitted, found } = disagreementsOfForms(11);
  assertEquals(found, []);
  assert(compared > 20_000 && fitted > compared / 20, `${compared} ${fitted}`);
});

Deno.test("createRouter() answers requests that have the method, mode and destination", async () => {
  const route = (conditions: Partial<RouterRoute>): RouterRoute<Event>[] =>
    [
      { pattern: "/a", handler: () => new Response("yes"), ...conditions },
    ] as RouterRoute<Event>[];
  assertEquals(await ask(route({}), "/a", { method: "POST" }), undefined);
  assertEquals(
    await ask(route({ method: "*" }), "/a", { method: "POST" }),
    "yes",
  );
  const both = route({ method: ["POST", "PUT"] });
  assertEquals(await ask(both, "/a"), undefined);
  assertEquals(await ask(both, "/a", { method: "PUT" }), "yes");
  const mode = route({ mode: "navigate" });
  assertEquals(await ask(mode, "/a"), undefined);
  assertEquals(await ask(mode, "/a", { mode: "navigate" }), "yes");
  const destination = route({ destination: ["image", ""] });
  assertEquals(await ask(destination, "/a"), "yes");
  assertEquals(
    await ask(destination, "/a", { destination: "font" }),
    undefined,
  );
});

Deno.test("createRouter() looks further where a condition does not hold", async () => {
  const routes: RouterRoute<Event>[] = [
    { pattern: "/a", method: "POST", source: "network" },
    { handler: () => new Response("any") },
  ];
  assertEquals(await ask(routes, "/a"), "any");
  assertEquals(await ask(routes, "https://b.test/x?y#z"), "any");
  assertEquals(await ask(routes, "/a", { method: "POST" }), undefined);
});

Deno.test("createRouter() binds a text to its own origin, and parts to none", async () => {
  const far = "https://b.test/a";
  assertEquals(await ask(echo("/a", "/:x", "/a*"), far), undefined);
  assertEquals(await ask(echo({ pathname: "/a" }), far), "0 {}");
  assertEquals(await ask(echo("https://b.test/*"), far), '0 {"0":"a"}');
  assertEquals(await ask(echo("/a"), "http://a.test/a"), undefined);
  assertEquals(await ask(echo("/a"), "https://a.test:8443/a"), undefined);
  assertEquals(await ask(echo("b"), "/app/b"), "0 {}");
});

Deno.test("createRouter() hands over the groups of all parts", async () => {
  const pattern = {
    hostname: ":sub.a.test",
    pathname: "/:id/*",
    search: "*q=:q",
  };
  assertEquals(
    await ask(echo(pattern), "https://x.a.test/%C3%BC/y/z?p&q=1#h"),
    '0 {"0":"y/z","sub":"x","q":"1","id":"%C3%BC"}',
  );
});

Deno.test("createRouter() hands over the event and its URL", async () => {
  let given: unknown[] = [];
  const event = new Event("/a?b#c");
  createRouter<Event>([{
    pattern: "/a",
    handler: (event, { url }) => {
      given = [event, url.href];
      return new Response();
    },
  }], { baseURL })(event);
  await event.response;
  assertEquals(given[1], "https://a.test/a?b#c");
  assertStrictEquals(given[0], event);
});

Deno.test("createRouter() tests what cannot be looked up", async () => {
  const routes = echo(
    "*.png",
    "/:id.json",
    new URLPattern("/A", baseURL, {
      ignoreCase: true,
    }),
  );
  assertEquals(await ask(routes, "/x/y.png"), undefined);
  assertEquals(await ask(routes, "/app/y.png"), '0 {"0":"y"}');
  assertEquals(await ask(routes, "/x.json"), '1 {"id":"x"}');
  assertEquals(await ask(routes, "/a"), "2 {}");
});

Deno.test("createRouter() finds a pattern whose slash may be missing", async () => {
  const routes = echo({ pathname: "/foo/:id?bar" }, { pathname: "/./../***" });
  assertEquals(await ask(routes, "/foobar"), "0 {}");
  assertEquals(await ask(routes, "/a/b"), '1 {"1":"a/b"}');
});

Deno.test("createRouter() leaves alone what its includes and excludes say", async () => {
  const options = { includes: ["/a/*", "/b"], excludes: ["/a/b"] };
  const routes = echo("/*");
  assertEquals(await ask(routes, "/a/c", {}, options), '0 {"0":"a/c"}');
  assertEquals(await ask(routes, "/a/b", {}, options), undefined);
  assertEquals(await ask(routes, "/c", {}, options), undefined);
  assertEquals(await ask(routes, "/c", {}, { includes: [] }), undefined);
});

Deno.test("createRouter() leaves alone what a secure page shows of an insecure server", async () => {
  const routes: RouterRoute<Event>[] = [{ handler: () => new Response("yes") }];
  const image = { mode: "no-cors", destination: "image" } as const;
  const insecure = "http://b.test/a.png";
  assertEquals(await ask(routes, insecure, image), undefined);
  assertEquals(await ask(routes, "https://b.test/a.png", image), "yes");
  // As of a server on the same machine, which is asked by a script.
  assertEquals(await ask(routes, "http://localhost/a"), "yes");
  const options = { baseURL: "http://localhost/sw.js" };
  assertEquals(await ask(routes, insecure, image, options), "yes");
});

Deno.test("createRouter() leaves alone what no worker can answer", async () => {
  const routes: RouterRoute<Event>[] = [{ handler: () => new Response("yes") }];
  const cache = "only-if-cached";
  assertEquals(await ask(routes, "/a", { cache }), undefined);
  assertEquals(await ask(routes, "/a", { cache, mode: "same-origin" }), "yes");
  assertEquals(await ask(routes, "data:text/plain,a"), undefined);
  assertEquals(await ask(routes, "blob:https://a.test/a"), undefined);
});

Deno.test("createRouter() reads the preload of a navigation that is left to the browser", async () => {
  const routes: RouterRoute<Event>[] = [
    { pattern: "/network", source: "network" },
    { pattern: "/only", handler: () => new Response() },
  ];
  for (const path of ["/network", "/only", "/none", "/excluded"]) {
    const preload = new Response("page");
    const request = { mode: "navigate", cache: "only-if-cached" } as const;
    const event = new Event(path, request, Promise.resolve(preload));
    createRouter(routes, { baseURL, excludes: ["/excluded"] })(event);
    assertEquals(event.response, undefined);
    await Promise.all(event.waits);
    assert(preload.bodyUsed, path);
  }
});

Deno.test("createRouter() waits for the preload that a handler is given", async () => {
  const preload = new Response("page");
  const { promise, resolve } = Promise.withResolvers<Response>();
  const event = new Event("/a", { mode: "navigate" }, promise);
  createRouter<Event>([{
    pattern: "/a",
    handler: async ({ preloadResponse }) => {
      await Promise.all(event.waits);
      return await preloadResponse ?? new Response();
    },
  }], { baseURL })(event);
  assertEquals(event.waits.length, 1);
  resolve(preload);
  assertEquals(await (await event.response)?.text(), "page");
});

Deno.test("createRouter() does not mind a preload that fails, or is none", async () => {
  for (const path of ["/a", "/none"]) {
    for (
      const preload of [
        Promise.resolve(undefined),
        Promise.resolve(new Response(null)),
        Promise.reject(new Error()),
      ]
    ) {
      const event = new Event(path, { mode: "navigate" }, preload);
      createRouter(echo("/a"), { baseURL })(event);
      assertEquals(event.waits.length, 1);
      await Promise.all(event.waits);
      await event.response;
    }
  }
  const event = new Event("/none");
  createRouter(echo("/a"), { baseURL })(event);
  assertEquals(event.waits, []);
});

Deno.test("createRouter() makes a network error of what a handler throws", async () => {
  const error = new Error("broken");
  for (
    const handler of [() => Promise.reject(error), () => {
      throw error;
    }]
  ) {
    const caught = await assertRejects(() => ask([{ handler }], "/a"), Error);
    assertStrictEquals(caught, error);
    const answer = ask([{ handler }], "/a", {}, {
      fallback: ({ request }, error) =>
        new Response(`${request.url}: ${(error as Error).message}`),
    });
    assertEquals(await answer, "https://a.test/a: broken");
  }
});

Deno.test("createRouter() answers from a cache, or else from the network", async () => {
  const cached = { "https://a.test/a": new Response("cache") };
  const match = matching(cached);
  // It opens none, which would make it.
  const caches = { match };
  using _ = replaceGlobals({
    caches,
    fetch: ({ url }: Request) => Promise.resolve(new Response(url)),
  });
  const routes: RouterRoute<Event>[] = [{ source: { cacheName: "b" } }];
  assertEquals(await ask(routes, "/a"), "cache");
  assertEquals(await ask(routes, "/b"), "https://a.test/b");
  const answer = async (path: string) => {
    const preload = new Response("preload");
    const event = new Event(
      path,
      { mode: "navigate" },
      Promise.resolve(preload),
    );
    createRouter(routes, { baseURL })(event);
    const text = await (await event.response)?.text();
    await Promise.all(event.waits);
    assert(preload.bodyUsed);
    return text;
  };
  assertEquals(await answer("/a"), "cache");
  assertEquals(await answer("/b"), "preload");
  caches.match = () => Promise.reject(new Error("broken"));
  assertEquals(await ask(routes, "/a"), "https://a.test/a");
  await cached["https://a.test/a"].body?.cancel();
});

Deno.test("createRouter() answers a navigation from a cache with no redirected response", async () => {
  const redirected = new Response("page");
  Object.defineProperty(redirected, "redirected", { value: true });
  const match = () => Promise.resolve(redirected);
  using _ = replaceGlobals({ caches: { match } });
  const answer = async (redirect: RequestRedirect) => {
    const event = new Event("/a", { redirect });
    createRouter([{ source: { cacheName: "b" } }], { baseURL })(event);
    return await event.response;
  };
  assertStrictEquals(await answer("follow"), redirected);
  const rebuilt = await answer("manual");
  assertEquals([rebuilt?.redirected, await rebuilt?.text()], [false, "page"]);
});

/** `caches.match()`, where the cache "b" has these. */
function matching(cached: Record<string, Response>) {
  return (
    { url }: Request,
    { cacheName }: { cacheName: string },
  ): Promise<Response | undefined> =>
    Promise.resolve(cacheName === "b" ? cached[url]?.clone() : undefined);
}

/** Replaces globals until it is disposed of. */
function replaceGlobals(globals: object): Disposable {
  const before = Object.fromEntries(
    Object.keys(globals).map((name) => [name, Reflect.get(globalThis, name)]),
  );
  const define = (globals: object) => {
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, {
        value,
        configurable: true,
        writable: true,
      });
    }
  };
  define(globals);
  return { [Symbol.dispose]: () => define(before) };
}

Deno.test("createRouter() has the handler of a race answer", async () => {
  const routes: RouterRoute<Event>[] = [{
    source: "race-network-and-fetch-handler",
    handler: () => new Response("handler"),
  }];
  assertEquals(await ask(routes, "/a"), "handler");
});

Deno.test("createRouter() throws when a pattern cannot be parsed", () => {
  for (
    const pattern of ["/(", "/:id/:id", { pathname: "/:" }, "https://[/"]
  ) {
    assertThrows(
      () => createRouter(echo(pattern), { baseURL }),
      SyntaxError,
      `Cannot route ${JSON.stringify(pattern)}: it is no URL pattern`,
    );
  }
});

Deno.test("createRouter() takes simple texts without URLPattern", async () => {
  const global = globalThis as { URLPattern?: unknown };
  const { URLPattern } = global;
  delete global.URLPattern;
  try {
    const routes = echo("/a.js", "/:id/b", "/c/*");
    assertEquals(await ask(routes, "/a.js?q"), "0 {}");
    assertEquals(await ask(routes, "/x/b"), '1 {"id":"x"}');
    assertEquals(await ask(routes, "/c/"), '2 {"0":""}');
    assertEquals(await ask(routes, "/c"), undefined);
    const error = assertThrows(
      () => createRouter(echo("/a?b"), { baseURL }),
      DOMException,
    );
    assertEquals(error.name, "NotSupportedError");
  } finally {
    global.URLPattern = URLPattern;
  }
});

Deno.test("createRouter() routes ten thousand patterns without testing each", () => {
  let tested = 0;
  class Counting extends URLPattern {
    override exec(input?: URLPatternInput, base?: string) {
      tested++;
      return super.exec(input, base);
    }
  }
  const patterns = Array.from({ length: 10_000 }, (_, i) =>
    [
      `/literal-${i}`,
      `/:a/param-${i}`,
      { pathname: `/part-${i}*` },
      { pathname: `/optional-${i}/:id?` },
      { pathname: `/:a/json-${i}/:id.json` },
      { hostname: `host-${i}.test`, pathname: "/*" },
    ][i % 6]);
  const router = createRouter(
    patterns.map((pattern) => ({ pattern, handler: () => new Response() })),
    { baseURL, URLPattern: Counting as RouterURLPatternConstructor },
  );
  for (
    const [path, exec] of [
      ["/literal-6000", 0],
      ["/x/param-6001", 0],
      ["/part-6002x", 4],
      ["/optional-6003/x", 1],
      ["/x/json-6004/y.json", 1],
      ["https://host-6005.test/x", 1],
      ["/nothing", 0],
    ] as const
  ) {
    tested = 0;
    const event = new Event(path);
    router(event);
    assertEquals(event.response !== undefined, path !== "/nothing", path);
    assert(tested <= exec, `${path}: ${tested}`);
  }
});
