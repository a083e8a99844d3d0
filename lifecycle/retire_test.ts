// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { createHost, type HostScope } from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import { retire, type RetireOptions, type RetireScope } from "./retire.ts";

const ORIGIN = "https://example.test";

/** A worker that answers everything. */
function oldWorker(self: HostScope): void {
  self.addEventListener("fetch", (event) => {
    event.respondWith(new Response("old"));
  });
}

/** The worker that the module's doc shows. */
function killSwitch(options: RetireOptions = {}) {
  return (self: HostScope) => {
    self.addEventListener("install", (event) => {
      event.waitUntil(self.skipWaiting());
    });
    self.addEventListener("activate", (event) => {
      event.waitUntil(retire(self, options));
    });
    self.addEventListener("fetch", (event) => {
      event.waitUntil(retire(self, { ...options, reload: false }));
    });
  };
}

/** A browser with a page that a worker answers for. */
async function start() {
  const host = createHost({ network: () => new Response("new") });
  const registration = await host.register(oldWorker);
  const page = await host.openWindow("/#section");
  await page.serviceWorker.ready;
  return { host, registration, page };
}

/** How often a page was navigated to by way of the network. */
function navigations(requests: readonly Request[]): number {
  return requests.filter(({ method, url }) =>
    method === "GET" && !url.endsWith("/sw.js")
  ).length;
}

Deno.test("retire() reloads each page once, and is gone", async () => {
  const { host, registration, page } = await start();
  const other = await host.openWindow("/other");
  host.deploy("/sw.js", killSwitch());
  await registration.update();
  await host.idle();
  for (const { response, serviceWorker } of [page, other]) {
    assertEquals(await response.text(), "new");
    assertEquals(serviceWorker.controller, null);
    assertEquals(await serviceWorker.getRegistrations(), []);
  }
  assertEquals(navigations(host.network.requests), 2);
  host.close();
});

Deno.test("retire() does not reload a page that registers it again", async () => {
  const { host, registration, page } = await start();
  host.deploy("/sw.js", killSwitch());
  await registration.update();
  await host.idle();
  for (let visit = 0; visit < 3; visit++) {
    await page.serviceWorker.register("/sw.js");
    await host.idle();
  }
  assertEquals(navigations(host.network.requests), 1);
  assertEquals(await page.serviceWorker.getRegistrations(), []);
  host.close();
});

Deno.test("retire() deletes what is named for its scope", async () => {
  const { host, registration } = await start();
  const own = [
    `app ${ORIGIN}/ 7f3a`,
    `app ${ORIGIN}/`,
    `workbox-precache-v2-${ORIGIN}/`,
    `workbox-runtime-${ORIGIN}/`,
  ];
  const foreign = [
    "images",
    `app ${ORIGIN}/a/ 1`,
    `workbox-precache-v2-${ORIGIN}/a/`,
    `https://example.com?${ORIGIN}/`,
  ];
  for (const name of [...own, ...foreign]) await host.caches.open(name);
  host.deploy("/sw.js", killSwitch());
  await registration.update();
  await host.idle();
  assertEquals(await host.caches.keys(), foreign);
  host.close();
});

Deno.test("retire() deletes the caches that it is told to", async () => {
  const { host, registration } = await start();
  for (const name of ["images", "drafts"]) await host.caches.open(name);
  const options = { caches: (name: string) => name !== "drafts" };
  host.deploy("/sw.js", killSwitch(options));
  await registration.update();
  await host.idle();
  assertEquals(await host.caches.keys(), ["drafts"]);
  host.close();
});

Deno.test("retire() leaves pages that are offline as they are", async () => {
  const { host, registration, page } = await start();
  await host.caches.open(`app ${ORIGIN}/ 1`);
  const { id } = page;
  host.deploy("/sw.js", (self) => {
    self.addEventListener("message", () => void self.skipWaiting());
    self.addEventListener("activate", (event) => {
      event.waitUntil(retire(self));
    });
  });
  await registration.update();
  await host.idle();
  host.network.offline = true;
  registration.waiting?.postMessage("go on");
  await host.idle();
  assertEquals(page.id, id);
  assertEquals(await page.serviceWorker.getRegistrations(), []);
  assertEquals(await host.caches.keys(), []);
  host.close();
});

Deno.test("retire() leaves pages as they are if it is to", async () => {
  const { host, registration, page } = await start();
  const { id } = page;
  host.deploy("/sw.js", killSwitch({ reload: false }));
  await registration.update();
  await host.idle();
  assertEquals(page.id, id);
  assertEquals(navigations(host.network.requests), 0);
  host.close();
});

/** A worker's scope that counts what is done to it. */
function fakeScope(scope: Partial<RetireScope> = {}) {
  const done: string[] = [];
  const fake: RetireScope = {
    caches: {
      keys: () => Promise.resolve([`app ${ORIGIN}/ 1`]),
      delete: (name) => Promise.resolve(done.push(`delete ${name}`) > 0),
    },
    clients: {
      matchAll: () =>
        Promise.resolve([{
          url: `${ORIGIN}/page?a#b`,
          navigate(url: string) {
            done.push(`navigate ${url}`);
            return Promise.reject(new TypeError("It is gone"));
          },
        }]),
    },
    registration: {
      scope: `${ORIGIN}/`,
      unregister: () => Promise.resolve(done.push("unregister") > 0),
    },
    fetch: () => Promise.resolve(),
    ...scope,
  };
  return { fake, done };
}

Deno.test("retire() goes on if caches cannot be deleted, and rejects", async () => {
  const blocked = new DOMException("Blocked", "SecurityError");
  const { fake, done } = fakeScope({
    caches: {
      keys: () => Promise.reject(blocked),
      delete: () => Promise.reject(blocked),
    },
  });
  assertEquals(await assertRejects(() => retire(fake)), blocked);
  assertEquals(done, ["unregister", `navigate ${ORIGIN}/page?a`]);
});

Deno.test("retire() does not reload if it cannot unregister, and rejects", async () => {
  const failure = new TypeError("No");
  const { fake, done } = fakeScope({
    registration: {
      scope: `${ORIGIN}/`,
      unregister: () => Promise.reject(failure),
    },
  });
  assertEquals(await assertRejects(() => retire(fake)), failure);
  assertEquals(done, [`delete app ${ORIGIN}/ 1`]);
});

Deno.test("retire() does not wait for the server for ever", async () => {
  const { fake, done } = fakeScope({
    fetch: (_url, { signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener("abort", () => reject(signal.reason));
        controller.abort();
      }),
  });
  const controller = new AbortController();
  await retire(fake, { signal: controller.signal });
  assertEquals(done, [`delete app ${ORIGIN}/ 1`, "unregister"]);
});

Deno.test("retire() is done in the end, wherever it is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    const { host, registration, page } = await start();
    await host.caches.open(`app ${ORIGIN}/ 1`);
    await host.caches.open(`workbox-precache-v2-${ORIGIN}/`);
    host.deploy("/sw.js", killSwitch());
    arm(host);
    await registration.update().catch(() => {});
    await host.idle();
    for (let visit = 0; visit < 3; visit++) {
      // The next check for an update, after an installation that was stopped.
      await registration.update().catch(() => {});
      await page.reload().catch(() => {});
      await host.idle();
    }
    assertEquals(await host.caches.keys(), []);
    assertEquals(await page.serviceWorker.getRegistrations(), []);
    assertEquals(page.serviceWorker.controller, null);
    assert(navigations(host.network.requests) <= 5);
    host.close();
  });
  assert(stops > 8, String(stops));
});
