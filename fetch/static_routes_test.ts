// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createRouter, type RouterRoute } from "./router.ts";
import {
  addStaticRoutes,
  staticRoutes,
  type StaticRoutesCondition,
  type StaticRoutesRoute,
  type StaticRoutesSource,
} from "./static_routes.ts";
import {
  BASE,
  drawLots,
  routable,
} from "../tests/browser/fixtures/fetch_router_property.ts";

const baseURL = "https://a.test/sw.js";
const handler = () => new Response();

/** Conditions with their sources, those of a rule apart. */
function brief(routes: readonly StaticRoutesRoute[], options = {}) {
  return staticRoutes(routes, { baseURL, ...options }).rules.flatMap(
    ({ condition, source }) =>
      (condition.or ?? [condition]).map(({ urlPattern, ...rest }) => [
        urlPattern?.pathname,
        source,
        ...Object.values(rest),
      ]),
  );
}

function holds(
  condition: StaticRoutesCondition,
  url: string,
  request: { method: string; mode: string; destination: string },
): boolean {
  const { not, or, urlPattern, requestMethod, requestMode } = condition;
  const { requestDestination } = condition;
  if (not) return !holds(not, url, request);
  if (or) return or.some((one) => holds(one, url, request));
  return (!urlPattern || (urlPattern as URLPattern).test(url)) &&
    (requestMethod ?? request.method) === request.method &&
    (requestMode ?? request.mode) === request.mode &&
    (requestDestination ?? request.destination) === request.destination;
}

Deno.test("staticRoutes() makes a rule for each method, mode and destination", () => {
  assertEquals(
    brief([{
      pattern: "/a",
      method: ["GET", "HEAD"],
      mode: "cors",
      destination: ["image", "font"],
      source: "network",
    }]),
    [
      ["/a", "network", "GET", "cors", "image"],
      ["/a", "network", "GET", "cors", "font"],
      ["/a", "network", "HEAD", "cors", "image"],
      ["/a", "network", "HEAD", "cors", "font"],
    ],
  );
});

Deno.test("staticRoutes() binds a text to its own origin", () => {
  const { rules: [rule] } = staticRoutes(
    [{ pattern: "/a", source: "network" }],
    { baseURL },
  );
  const { protocol, hostname, port } = rule!.condition.urlPattern!;
  assertEquals([protocol, hostname, port], ["https", "a.test", ""]);
});

Deno.test("staticRoutes() keeps rules from taking the requests of earlier handlers", () => {
  assertEquals(
    brief([
      { pattern: "/a/b" },
      { pattern: "/a/*", source: { cacheName: "a" } },
      { pattern: "/b" },
    ]),
    [["/a/b", "fetch-event", "GET"], ["/a/*", { cacheName: "a" }, "GET"]],
  );
});

Deno.test("staticRoutes() makes no rules where none would keep the worker asleep", () => {
  assertEquals(brief([{ pattern: "/a" }, { pattern: "/b" }]), []);
});

Deno.test("staticRoutes() widens what a rule cannot say, and leaves it to the router", () => {
  const routes = [
    { pattern: "/a/:id(\\d+)?/x", source: "network" },
    { pattern: "/b/c#h", source: "network" },
    { pattern: "/*", source: "network" },
  ] as const;
  const { left } = staticRoutes(routes, { baseURL });
  assertEquals(left, [
    { route: routes[0], reason: "regexp-group" },
    { route: routes[1], reason: "hash" },
  ]);
  assertEquals(brief(routes), [
    ["/a*", "fetch-event", "GET"],
    ["/b/c", "fetch-event", "GET"],
    ["/*", "network", "GET"],
  ]);
});

Deno.test("staticRoutes() has the router tell what a RegExp group includes", () => {
  const routes = [{ pattern: "/a/*", source: { cacheName: "a" } }];
  assertEquals(brief(routes, { includes: ["/a/(\\d+)"] }).slice(1), [
    ["/a*", "fetch-event"],
    ["/a/*", { cacheName: "a" }, "GET"],
  ]);
});

Deno.test("staticRoutes() widens a pattern that ignores case to any case", () => {
  const pattern = new URLPattern("/A/(\\d+)", baseURL, { ignoreCase: true });
  const { rules: [rule] } = staticRoutes(
    [{ pattern }, { pattern: "/*", source: "network" }],
    { baseURL },
  );
  const { urlPattern } = rule!.condition;
  assert((urlPattern as URLPattern).test("https://a.test/a/1"));
});

Deno.test("staticRoutes() ends where the browser takes no more conditions", () => {
  const routes = Array.from({ length: 1_030 }, (_, i) => (
    { pattern: `/${i}`, source: "network" as const }
  ));
  const { rules, left } = staticRoutes(routes, { baseURL });
  // One of 1,024 says that any of the others is enough.
  assertEquals(rules.length, 1);
  assertEquals(rules[0]?.condition.or?.length, 1_023);
  assertEquals(left.map(({ route }) => route), routes.slice(1_023));
  assert(left.every(({ reason }) => reason === "limit"));

  const includes = routes.map(({ pattern }) => pattern);
  assertEquals(brief(routes, { includes }), []);
  assertEquals(
    brief(routes, { includes: includes.slice(0, 21) }).length,
    1_001,
  );
});

Deno.test("staticRoutes() makes one rule of routes in a row that have the same source", () => {
  const routes = Array.from({ length: 600 }, (_, i) => (
    {
      pattern: `/${i}`,
      source: i % 4 < 2 ? "network" as const : { cacheName: "a" },
    }
  ));
  const { rules, left } = staticRoutes(routes, { baseURL });
  assertEquals(rules.length, 255);
  assert(rules.every(({ condition }) => condition.or?.length === 2));
  // Chromium takes no more.
  assertEquals(left.length, 600 - 2 * 255);
});

Deno.test("staticRoutes() leaves a route's requests to the worker, if one of its rules is too many", () => {
  const routes = [
    ...Array.from({ length: 1_022 }, (_, i) => (
      { pattern: `/${i}`, source: "network" as const }
    )),
    { pattern: "/a", method: ["GET", "HEAD"], source: "network" as const },
    { pattern: "/b", source: "network" as const },
  ];
  const { left } = staticRoutes(routes, { baseURL });
  assertEquals(brief(routes).length, 1_022);
  assertEquals(left.length, 2);
});

Deno.test("staticRoutes() has includes and excludes decided before the routes", () => {
  const { rules: [rule, ...others] } = staticRoutes([{ pattern: "/a/*" }], {
    baseURL,
    includes: ["/a/*"],
    excludes: ["/a/b"],
  });
  assertEquals([rule?.source, others], ["network", []]);
  const [included, excluded] = rule?.condition.or ?? [];
  const [pattern] = included?.not?.or ?? [];
  assertEquals(pattern?.urlPattern?.pathname, "/a/*");
  assertEquals(excluded?.urlPattern?.pathname, "/a/b");
});

Deno.test("staticRoutes() makes no rules without URLPattern", () => {
  const global = globalThis as { URLPattern?: unknown };
  const { URLPattern } = global;
  delete global.URLPattern;
  try {
    assertEquals(brief([{ source: "network" }]), []);
  } finally {
    global.URLPattern = URLPattern;
  }
  assertEquals(brief([{ source: "network" }]), [["*", "network", "GET"]]);
});

Deno.test("staticRoutes() throws what the platform says of a pattern", () => {
  assertThrows(() => brief([{ pattern: "/(" }]), TypeError);
});

Deno.test("addStaticRoutes() tells what the browser has", async () => {
  const routes = [{ pattern: "/a", source: "network" }] as const;
  const given: unknown[] = [];
  const event = {
    type: "install",
    addRoutes: (rules: unknown) => Promise.resolve(void given.push(rules)),
  };
  const result = await addStaticRoutes(event, routes, { baseURL });
  assertEquals([result.added, result.left], [true, []]);
  assertEquals(result.rules.length, 1);
  assert(given[0] === result.rules);
});

Deno.test("addStaticRoutes() leaves all to the router where there are no static routes", async () => {
  const routes = [{ pattern: "/a", source: "network" }] as const;
  const { added } = await addStaticRoutes(new Event("install"), routes, {
    baseURL,
  });
  assertEquals(added, false);
});

Deno.test("addStaticRoutes() adds nothing where there are no rules", async () => {
  const event = {
    type: "install",
    addRoutes: () => Promise.reject(new Error("was called")),
  };
  const { added } = await addStaticRoutes(event, [{ pattern: "/a" }], {
    baseURL,
  });
  assertEquals(added, false);
});

Deno.test("addStaticRoutes() tells why the browser refused the rules", async () => {
  const error = new TypeError("no such source");
  const event = {
    type: "install",
    addRoutes: () => Promise.reject(error),
  };
  const routes = [{ source: "race-network-and-fetch-handler" }] as const;
  const result = await addStaticRoutes(event, routes, { baseURL });
  assertEquals([result.added, result.error], [false, error]);
});

Deno.test("addStaticRoutes() rejects when a pattern cannot be parsed", async () => {
  const event = new Event("install");
  const routes = [{ pattern: "/(" }];
  await assertRejects(
    () => addStaticRoutes(event, routes, { baseURL }),
    TypeError,
  );
});

Deno.test("staticRoutes() has each request end as with the router alone", () => {
  const lots = drawLots(5);
  const methods = ["GET", "POST", "HEAD"];
  const modes = ["navigate", "cors", "no-cors"];
  const destinations = ["", "document", "image"];
  const some = (list: string[]) =>
    lots.number() < 0.7
      ? undefined
      : lots.number() < 0.5
      ? lots.one(list)
      : [lots.one(list), lots.one(list)];
  const counts = { static: 0, worker: 0 };
  for (let i = 0; i < 120; i++) {
    const sources = new Map<RouterRoute, StaticRoutesSource>();
    const routes = lots.table().map((made): RouterRoute => {
      const source = lots.one(["network", "cache", "race", "handler"]);
      const conditions = {
        pattern: lots.number() < 0.05 ? undefined : routable(made),
        method: lots.number() < 0.2 ? "*" : some(methods),
        mode: some(modes),
        destination: some(destinations),
      };
      if (source === "network") return { ...conditions, source };
      if (source === "cache") {
        return { ...conditions, source: { cacheName: String(i) } };
      }
      return source === "race"
        ? { ...conditions, handler, source: "race-network-and-fetch-handler" }
        : { ...conditions, handler };
    });
    for (const route of routes) {
      sources.set(route, route.source ?? "fetch-event");
    }
    const options = {
      baseURL: BASE,
      includes: lots.number() < 0.2 ? lots.table().map(routable) : undefined,
      excludes: lots.number() < 0.2 ? [routable(lots.table()[0]!)] : undefined,
    };
    const { rules } = staticRoutes(routes, options);
    let winner: StaticRoutesSource = "network";
    const router = createRouter(
      routes.map((route): RouterRoute => ({
        ...route,
        source: undefined,
        handler: () => {
          winner = sources.get(route)!;
          return new Response();
        },
      })),
      options,
    );
    for (let j = 0; j < 20; j++) {
      const url = lots.url();
      const request = {
        url,
        method: lots.one(methods),
        mode: lots.one(modes),
        destination: lots.one(destinations),
      };
      winner = "network";
      router({
        request: request as Request,
        respondWith() {},
        waitUntil() {},
      });
      const rule = rules.find(({ condition }) =>
        holds(condition, url, request)
      );
      const source = rule?.source ?? "fetch-event";
      // Of what the router leaves alone there, a worker cannot store anything.
      if (request.mode === "no-cors" && url.startsWith("http:")) continue;
      counts[source === "fetch-event" ? "worker" : "static"]++;
      if (source === "fetch-event") continue;
      assertEquals(source, winner, `${JSON.stringify(request)}, ${i}`);
    }
  }
  // Neither is out of the question.
  assert(
    counts.static > 200 && counts.worker > 200,
    JSON.stringify(counts),
  );
});
