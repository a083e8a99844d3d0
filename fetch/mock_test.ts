// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { createHost } from "../testing/host.ts";
import { createMock, type MockRoutes } from "./mock.ts";

const ORIGIN = "https://example.com";

async function get(
  routes: MockRoutes,
  path: string,
  init?: RequestInit,
): Promise<unknown> {
  const response = await createMock(routes).fetch(`${ORIGIN}${path}`, init);
  return await response.json();
}

Deno.test("createMock() answers by method and path", async () => {
  const routes = {
    "GET /a": "got",
    "POST /a": "posted",
    "* /b": "any",
  };
  assertEquals(await get(routes, "/a"), "got");
  assertEquals(await get(routes, "/a?query"), "got");
  assertEquals(await get(routes, "/a", { method: "POST" }), "posted");
  assertEquals(await get(routes, "/b", { method: "DELETE" }), "any");
});

Deno.test("createMock() answers by query and by URL", async () => {
  const routes = {
    "GET /a?page=:page": (_: Request, { page }: Record<string, unknown>) =>
      page,
    "GET /a": 1,
    "GET /c/:id?": (_: Request, { id }: Record<string, unknown>) => id ?? "all",
    "GET https://example.com/b": "ours",
    "GET https://other.com/b": "theirs",
  };
  assertEquals(await get(routes, "/a?page=2"), "2");
  assertEquals(await get(routes, "/a"), 1);
  assertEquals(await get(routes, "/b"), "ours");
  assertEquals(await get(routes, "/c"), "all");
  assertEquals(await get(routes, "/c/1"), "1");
});

Deno.test("createMock() takes the first route that fits", async () => {
  const routes = { "GET /a/new": "new", "GET /a/:id": "id", "GET /*": "all" };
  assertEquals(await get(routes, "/a/new"), "new");
  assertEquals(await get(routes, "/a/1"), "id");
  assertEquals(await get(routes, "/b"), "all");
});

Deno.test("createMock() gives a function the request and the groups", async () => {
  const routes = {
    "PUT /users/:user/files/*": async (
      request: Request,
      params: Record<string, unknown>,
    ) => [await request.text(), params.user, params[0]],
  };
  assertEquals(
    await get(routes, "/users/7/files/a/b", { method: "PUT", body: "hi" }),
    ["hi", "7", "a/b"],
  );
});

Deno.test("createMock() answers with the same response again", async () => {
  const mock = createMock({ "GET /a": new Response("a", { status: 418 }) });
  for (let time = 0; time < 2; time++) {
    const response = await mock.fetch(`${ORIGIN}/a`);
    assertEquals([response.status, await response.text()], [418, "a"]);
  }
});

Deno.test("createMock() fails as the network does", async () => {
  const thrown = () => {
    throw new TypeError("down");
  };
  const routes = {
    "GET /a": new TypeError("down"),
    "GET /b": () => Promise.resolve(new TypeError("down")),
    "GET /c": thrown,
  };
  for (const path of ["/a", "/b", "/c"]) {
    await assertRejects(() => get(routes, path), TypeError, "down");
  }
});

Deno.test("createMock() passes on what has no route", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen() {} },
    () => new Response("real"),
  );
  const { fetch } = createMock({ "POST /": "mocked" });
  const response = await fetch(`http://127.0.0.1:${server.addr.port}/`);
  assertEquals(await response.text(), "real");
});

Deno.test("createMock() delays an answer, until the request is aborted", async () => {
  const { fetch } = createMock({ "GET /a": "a" }, { delay: 10 });
  assertEquals(await (await fetch(`${ORIGIN}/a`)).json(), "a");
  const slow = createMock({ "GET /a": "a" }, { delay: 1e9 });
  const controller = new AbortController();
  const { signal } = controller;
  const answer = slow.fetch(`${ORIGIN}/a`, { signal });
  controller.abort("enough");
  assertEquals(await answer.catch((reason) => reason), "enough");
  const aborted = slow.fetch(`${ORIGIN}/a`, { signal });
  assertEquals(await aborted.catch((reason) => reason), "enough");
});

Deno.test("createMock() removes its abort listener when it answers", async () => {
  const { fetch } = createMock({ "GET /a": "a" }, { delay: 1 });
  const request = new Request(`${ORIGIN}/a`);
  const { prototype } = AbortSignal;
  const { addEventListener, removeEventListener } = prototype;
  let listeners = 0;
  using stack = new DisposableStack();
  stack.defer(() => {
    Object.assign(prototype, { addEventListener, removeEventListener });
  });
  Object.assign(prototype, {
    addEventListener(this: AbortSignal, ...args: [string, () => void]) {
      listeners++;
      addEventListener.apply(this, args);
    },
    removeEventListener(this: AbortSignal, ...args: [string, () => void]) {
      listeners--;
      removeEventListener.apply(this, args);
    },
  });
  await fetch(request);
  assertEquals(listeners, 0);
});

Deno.test("createMock() leaves no rejection behind where the network fails", async () => {
  let answer: Promise<Response> | undefined;
  createMock({ "GET /a": new Error("down") })({
    request: new Request(`${ORIGIN}/a`),
    respondWith: (response) => answer = response,
    handled: Promise.reject(new DOMException("", "NetworkError")),
  });
  assertEquals((await answer)?.type, "error");
});

Deno.test("createMock() refuses what names no route", () => {
  for (const name of ["/a", "GET", "get /a", "GET  /a", "GET /a /b", ""]) {
    assertThrows(
      () => createMock({ [name]: null }),
      TypeError,
      `Cannot mock a route: its name is "${name}"`,
    );
  }
  assertThrows(() => createMock({ "GET a": null }), TypeError);
});

Deno.test("createMock() is a fetch listener of a worker", async () => {
  using host = createHost({ network: () => new Response("real") });
  await host.register((scope) => {
    scope.addEventListener(
      "fetch",
      createMock({ "GET /a": { mocked: true }, "GET /b": new Error("down") }),
    );
  });
  const page = await host.openWindow("/");
  assertEquals(await page.response.text(), "real");
  assertEquals(await (await page.fetch("/a")).json(), { mocked: true });
  const error = await page.fetch("/b").catch((error) => error);
  assert(error instanceof TypeError);
});

Deno.test("createMock() says what an old browser lacks", () => {
  const { URLPattern } = globalThis;
  Object.assign(globalThis, { URLPattern: undefined });
  try {
    const error = assertThrows(() => createMock({ "GET /": 1 }), DOMException);
    assertEquals(error.name, "NotSupportedError");
  } finally {
    Object.assign(globalThis, { URLPattern });
  }
});
