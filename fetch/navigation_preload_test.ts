// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import {
  createHost,
  type Host,
  type HostFetchEvent,
  type HostOptions,
} from "../testing/host.ts";
import {
  drainPreloadResponse,
  enableNavigationPreload,
  type EnableNavigationPreloadOptions,
  usePreloadResponse,
} from "./navigation_preload.ts";

const enabled = {
  calls: [] as string[],
  navigationPreload: {
    enable: () => Promise.resolve(void enabled.calls.push("enable")),
    setHeaderValue: (value: string) =>
      Promise.resolve(void enabled.calls.push(value)),
  },
};

/** A host with a worker that enables navigation preload and listens with `listener`. */
async function hostWith(
  listener: (event: HostFetchEvent) => void,
  options: HostOptions = {},
  preload: EnableNavigationPreloadOptions = {},
): Promise<Host> {
  const host = createHost({
    network: () => new Response("of the network"),
    globals: globalThis,
    context: new AsyncLocalStorage(),
    ...options,
  });
  await host.register((scope) => {
    scope.addEventListener("activate", (event) => {
      event.waitUntil(enableNavigationPreload(scope.registration, preload));
    });
    scope.addEventListener("fetch", listener);
  });
  return host;
}

Deno.test("enableNavigationPreload() has navigations requested with the header", async () => {
  const host = await hostWith(
    (event) => event.respondWith(usePreloadResponse(event)),
    {},
    { headerValue: "partial" },
  );
  const page = await host.openWindow("/");
  assertEquals(await page.response.text(), "of the network");
  assertEquals(
    host.network.requests.map(({ headers, url }) => [
      url,
      headers.get("service-worker-navigation-preload"),
    ]),
    [["https://example.test/", "partial"]],
  );
  host.close();
});

Deno.test("enableNavigationPreload() sets the header before it enables", async () => {
  enabled.calls.length = 0;
  await enableNavigationPreload(enabled, { headerValue: "1" });
  assertEquals(enabled.calls, ["1", "enable"]);
});

Deno.test("enableNavigationPreload() resolves with whether it is enabled", async () => {
  assertEquals(await enableNavigationPreload(enabled), true);
  assertEquals(await enableNavigationPreload({}), false);
  const host = createHost();
  const results: boolean[] = [];
  await host.register((scope) => {
    scope.addEventListener("install", (event) => {
      event.waitUntil(
        enableNavigationPreload(scope.registration)
          .then((result) => results.push(result)),
      );
    });
  });
  assertEquals(results, [false]);
  host.close();
});

Deno.test("enableNavigationPreload() rejects when the value is not that of a header", async () => {
  const navigationPreload = {
    ...enabled.navigationPreload,
    setHeaderValue: () => Promise.reject(new TypeError("It is none")),
  };
  await assertRejects(
    () => enableNavigationPreload({ navigationPreload }, { headerValue: "\n" }),
    TypeError,
  );
});

Deno.test("usePreloadResponse() asks the network when there is no preload", async () => {
  const host = await hostWith(
    (event) => event.respondWith(usePreloadResponse(event)),
    { without: ["navigationPreload"] },
  );
  const page = await host.openWindow("/");
  assertEquals(await page.response.text(), "of the network");
  assertEquals(await (await page.fetch("/data")).text(), "of the network");
  assertEquals(host.network.requests.length, 2);
  host.close();
});

Deno.test("usePreloadResponse() rejects when the preload fails", async () => {
  const host = await hostWith((event) => {
    event.respondWith(
      usePreloadResponse(event).catch(() => new Response("offline")),
    );
  });
  host.network.offline = true;
  const page = await host.openWindow("/");
  assertEquals(await page.response.text(), "offline");
  host.close();
});

Deno.test("usePreloadResponse() rejects when the preload resolves with an error", async () => {
  const event = {
    request: new Request("https://example.test/"),
    preloadResponse: Promise.resolve(Response.error()),
    waitUntil() {},
  };
  await assertRejects(() => usePreloadResponse(event), TypeError);
});

Deno.test("drainPreloadResponse() keeps the worker alive until the preload is read to its end", async () => {
  const { readable, writable } = new TransformStream<Uint8Array<ArrayBuffer>>();
  const lifetimes: Promise<unknown>[] = [];
  let isOver = false;
  drainPreloadResponse({
    preloadResponse: Promise.resolve(new Response(readable)),
    waitUntil: (promise) => lifetimes.push(promise),
  });
  lifetimes[0]?.then(() => isOver = true);
  const writer = writable.getWriter();
  await writer.write(new Uint8Array(9));
  assertEquals(isOver, false);
  await writer.close();
  await lifetimes[0];
});

Deno.test("drainPreloadResponse() is not troubled by a preload that fails", async () => {
  const { promise, reject } = Promise.withResolvers<Response>();
  const lifetimes: Promise<unknown>[] = [];
  drainPreloadResponse({
    preloadResponse: promise,
    waitUntil: (promise) => lifetimes.push(promise),
  });
  assertEquals(lifetimes.length, 1);
  reject(new TypeError("It failed"));
  await lifetimes[0];
});

Deno.test("drainPreloadResponse() has nothing to do without a preload", () => {
  drainPreloadResponse({
    waitUntil() {
      throw new Error("Cannot wait: there is nothing to wait for");
    },
  });
});
