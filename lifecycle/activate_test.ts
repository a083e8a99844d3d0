// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import {
  createHost,
  type Host,
  type HostRegistration,
  type HostScope,
} from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import {
  activate,
  type ActivateOptions,
  type ActivateScope,
  cacheName,
  deleteOutdatedCaches,
  matchGenerations,
} from "./activate.ts";

const ORIGIN = "https://example.test";

/** A worker that skips waiting and keeps one file, named by its version. */
function workerOf(version: string, options: Partial<ActivateOptions> = {}) {
  return (self: HostScope) => {
    const files = { name: "app", version };
    const install = async () => {
      const cache = await self.caches.open(cacheName(self.registration, files));
      const url = `${self.registration.scope}chunk.${version}.js`;
      await cache.put(url, new Response(`of ${version}`));
      await self.skipWaiting();
    };
    const respond = async (request: Request) =>
      await matchGenerations(self, request, files) ?? self.fetch(request);
    self.addEventListener("install", (event) => event.waitUntil(install()));
    self.addEventListener("activate", (event) => {
      event.waitUntil(activate(self, { ...files, ...options }));
    });
    self.addEventListener("fetch", (event) => {
      if (event.request.mode === "navigate") {
        event.waitUntil(deleteOutdatedCaches(self, files));
      } else event.respondWith(respond(event.request));
    });
  };
}

/** A browser with the first version, and a page that it controls. */
async function start(options: Parameters<typeof createHost>[0] = {}) {
  const host = createHost({ network: () => new Response("page"), ...options });
  const registration = await host.register(workerOf("1"));
  const page = await host.openWindow("/");
  return { host, registration, page };
}

/** Brings another version, and resolves when it is active. */
async function update(
  host: Host,
  registration: HostRegistration,
  version: string,
  options?: Partial<ActivateOptions>,
): Promise<void> {
  host.deploy("/sw.js", workerOf(version, options));
  await registration.update();
  await host.idle();
}

/** The caches of files, without their common prefix. */
async function stored(host: Host): Promise<string[]> {
  return (await host.caches.keys())
    .filter((name) => !name.endsWith("/"))
    .map((name) => name.replace(`app ${ORIGIN}/ `, ""))
    .sort();
}

Deno.test("cacheName() holds the name, the scope and the version", () => {
  const registration = { scope: `${ORIGIN}/a/` };
  assertEquals(
    cacheName(registration, { name: "app", version: "1" }),
    `app ${ORIGIN}/a/ 1`,
  );
});

Deno.test("cacheName() refuses a name that could be mistaken", () => {
  for (const name of ["", "my app"]) {
    assertThrows(
      () => cacheName({ scope: `${ORIGIN}/` }, { name, version: "1" }),
      TypeError,
      `the name "${name}" is empty or has a space in it`,
    );
  }
});

Deno.test("activate() claims the pages", async () => {
  const host = createHost();
  const page = await host.openWindow("/");
  await host.register(workerOf("1"));
  assertEquals(page.serviceWorker.controller?.state, "activated");
  host.close();
});

Deno.test("activate() does not claim if it is not to", async () => {
  const host = createHost();
  const page = await host.openWindow("/");
  await host.register(workerOf("1", { claim: false }));
  assertEquals(page.serviceWorker.controller, null);
  host.close();
});

Deno.test("activate() does not mind that it is too late to claim", async () => {
  const host = createHost();
  let claimed: Promise<void> | undefined;
  await host.register((self) => {
    self.addEventListener("install", (event) => {
      claimed = activate(self, { name: "app", version: "1" });
      event.waitUntil(claimed);
    });
  });
  await claimed;
  host.close();
});

Deno.test("activate() sets navigation preload, or leaves it", async () => {
  const { host, registration } = await start();
  const state = async () =>
    (await registration.navigationPreload.getState()).enabled;
  await update(host, registration, "2", { navigationPreload: true });
  assertEquals(await state(), true);
  await update(host, registration, "3");
  assertEquals(await state(), true);
  await update(host, registration, "4", { navigationPreload: false });
  assertEquals(await state(), false);
  host.close();
});

Deno.test("activate() does without navigation preload", async () => {
  const host = createHost({ without: ["navigationPreload"] });
  const page = await host.openWindow("/");
  await host.register(workerOf("1", { navigationPreload: true }));
  assert(page.serviceWorker.controller);
  host.close();
});

Deno.test("activate() keeps what the tabs of each older version need", async () => {
  const { host, registration, page } = await start();
  await update(host, registration, "2");
  const second = await host.openWindow("/");
  await update(host, registration, "3");
  assertEquals(await stored(host), ["1", "2", "3"]);
  for (const version of ["1", "2", "3"]) {
    const response = await page.fetch(`/chunk.${version}.js`);
    assertEquals(await response.text(), `of ${version}`);
  }

  page.close();
  const third = await host.openWindow("/");
  await host.idle();
  assertEquals(await stored(host), ["2", "3"]);

  second.freeze();
  await third.reload();
  await host.idle();
  assertEquals(await stored(host), ["2", "3"]);

  second.close();
  await third.reload();
  await host.idle();
  assertEquals(await stored(host), ["3"]);
  const noted = await host.caches.match(
    `${ORIGIN}/@serviceworker/std/generations`,
    { cacheName: `app ${ORIGIN}/` },
  );
  assertEquals(await noted?.json(), { current: "3", older: [] });
  host.close();
});

Deno.test("activate() deletes at once what no tab needs", async () => {
  const { host, registration, page } = await start();
  page.close();
  await update(host, registration, "2");
  assertEquals(await stored(host), ["2"]);
  host.close();
});

Deno.test("activate() takes an older version back", async () => {
  const { host, registration, page } = await start();
  await update(host, registration, "2");
  await update(host, registration, "1");
  assertEquals(await stored(host), ["1"]);
  assertEquals(await (await page.fetch("/chunk.1.js")).text(), "of 1");
  host.close();
});

Deno.test("activate() deletes what a failed installation left", async () => {
  const { host, registration, page } = await start();
  host.deploy("/sw.js", (self) => {
    self.addEventListener("install", (event) => {
      event.waitUntil(
        self.caches.open(`app ${ORIGIN}/ broken`).then(() => {
          throw new Error("broken");
        }),
      );
    });
  });
  await registration.update();
  await host.idle();
  assertEquals(await stored(host), ["1", "broken"]);
  page.close();
  await update(host, registration, "2");
  assertEquals(await stored(host), ["2"]);
  host.close();
});

Deno.test("activate() touches no cache of another name or scope", async () => {
  const host = createHost();
  const foreign = [
    "1",
    "app",
    "application https://example.test/ 1",
    `app ${ORIGIN}/a/ 1`,
    `other ${ORIGIN}/ 1`,
  ];
  for (const name of foreign) await host.caches.open(name);
  await host.caches.open(`app ${ORIGIN}/ 0`);
  await host.register(workerOf("1"));
  assertEquals(
    (await host.caches.keys()).toSorted(),
    [...foreign, `app ${ORIGIN}/`, `app ${ORIGIN}/ 1`].toSorted(),
  );
  host.close();
});

Deno.test("activate() notes nothing before there is a second generation", async () => {
  const host = createHost();
  const foreign = [`other ${ORIGIN}/ 0`, `app ${ORIGIN}/a/ 0`];
  for (const name of foreign) await host.caches.open(name);
  await host.register(workerOf("1"));
  assertEquals(
    (await host.caches.keys()).toSorted(),
    [...foreign, `app ${ORIGIN}/ 1`].toSorted(),
  );
  host.close();
});

Deno.test("activate() counts the windows that no worker controls", async () => {
  const host = createHost({ network: () => new Response("page") });
  const page = await host.openWindow("/");
  const registration = await host.register(workerOf("1", { claim: false }));
  await update(host, registration, "2", { claim: false });
  assertEquals(page.serviceWorker.controller, null);
  assertEquals(await stored(host), ["1", "2"]);
  await update(host, registration, "3");
  assertEquals(await stored(host), ["1", "3"]);
  assertEquals(await (await page.fetch("/chunk.1.js")).text(), "of 1");
  host.close();
});

Deno.test("activate() does not count the windows of another app", async () => {
  const host = createHost({ network: () => new Response("page") });
  host.deploy("/sw.js", workerOf("1"));
  const registration = await host.register("/sw.js", { scope: "/a/" });
  await host.openWindow("/b/");
  await update(host, registration, "2");
  assertEquals((await host.caches.keys()).toSorted(), [
    `app ${ORIGIN}/a/`,
    `app ${ORIGIN}/a/ 2`,
  ]);
  host.close();
});

Deno.test("activate() claims even if storage is blocked, and rejects", async () => {
  const scope: ActivateScope = {
    registration: { scope: `${ORIGIN}/`, installing: null, waiting: null },
    clients: {
      matchAll: () => Promise.resolve([]),
      claim: () => Promise.resolve(void claims++),
    },
    caches: {
      match: () => Promise.reject(new DOMException("No", "SecurityError")),
      open: () => Promise.reject(new DOMException("No", "SecurityError")),
      keys: () => Promise.reject(new DOMException("No", "SecurityError")),
      delete: () => Promise.reject(new DOMException("No", "SecurityError")),
    },
  };
  let claims = 0;
  const options = { name: "app", version: "1" };
  const error = await assertRejects(() => activate(scope, options));
  assertEquals((error as DOMException).name, "SecurityError");
  assertEquals(claims, 1);
  assertEquals(await matchGenerations(scope, "/", options), undefined);
});

Deno.test("activate() rejects with why it could not claim", async () => {
  const failure = new TypeError("No");
  const scope: ActivateScope = {
    registration: { scope: `${ORIGIN}/`, installing: {}, waiting: null },
    clients: {
      matchAll: () => Promise.resolve([]),
      claim: () => Promise.reject(failure),
    },
    caches: createHost().caches,
  };
  const error = await assertRejects(() =>
    activate(scope, { name: "app", version: "1" })
  );
  assertEquals(error, failure);
});

Deno.test("deleteOutdatedCaches() deletes nothing while a newer worker waits", async () => {
  const { host, registration, page } = await start();
  await update(host, registration, "2");
  host.deploy("/sw.js", (self) => {
    const install = () => self.caches.open(`app ${ORIGIN}/ 3`);
    self.addEventListener("install", (event) => event.waitUntil(install()));
  });
  await registration.update();
  await host.idle();
  assert(registration.waiting);
  const second = await host.openWindow("/");
  page.close();
  await second.reload();
  await host.idle();
  assertEquals(await stored(host), ["1", "2", "3"]);
  host.close();
});

Deno.test("deleteOutdatedCaches() counts the frames that have the controller of their page", async () => {
  const { caches } = createHost();
  const frames = [{ id: "frame", url: "about:srcdoc" }];
  const scope = {
    registration: { scope: `${ORIGIN}/`, installing: null, waiting: null },
    clients: { matchAll: () => Promise.resolve(frames) },
    caches,
  };
  const first = `app ${ORIGIN}/ 1`;
  for (const name of [first, `app ${ORIGIN}/ 2`]) await caches.open(name);
  const files = { name: "app", version: "2" };
  await deleteOutdatedCaches(scope, files);
  assert(await caches.has(first));
  frames.pop();
  await deleteOutdatedCaches(scope, files);
  assertEquals(await caches.has(first), false);
});

Deno.test("deleteOutdatedCaches() stops when a newer worker is being installed", async () => {
  const { caches } = createHost();
  let newer: object | null = {};
  let installing: object | null = null;
  const scope = {
    registration: {
      scope: `${ORIGIN}/`,
      waiting: null,
      get installing() {
        return installing;
      },
    },
    clients: { matchAll: () => Promise.resolve([]) },
    caches: {
      keys: () => caches.keys(),
      open: (name: string) => caches.open(name),
      match: caches.match.bind(caches),
      delete: (name: string) => {
        installing = newer;
        return caches.delete(name);
      },
    },
  };
  const nameOf = (version: string) => `app ${ORIGIN}/ ${version}`;
  for (const version of ["1", "2", "3"]) await caches.open(nameOf(version));
  const files = { name: "app", version: "3" };
  await deleteOutdatedCaches(scope, files);
  assert(await caches.has(nameOf("1")));
  assertEquals(await caches.has(nameOf("2")), false);

  installing = newer = null;
  await deleteOutdatedCaches(scope, files);
  assertEquals(await caches.has(nameOf("1")), false);
  assert(await caches.has(nameOf("3")));
});

Deno.test("deleteOutdatedCaches() takes nothing for outdated that a newer worker stores meanwhile", async () => {
  const { caches } = createHost();
  const nameOf = (version: string) => `app ${ORIGIN}/ ${version}`;
  for (const version of ["0", "1"]) await caches.open(nameOf(version));
  const registration = {
    scope: `${ORIGIN}/`,
    installing: null as object | null,
    waiting: null,
  };
  let lists = 0;
  const clients = {
    async matchAll() {
      if (++lists === 2) {
        registration.installing = {};
        await caches.open(nameOf("2"));
      }
      return [{ id: "of version 1", url: `${ORIGIN}/` }];
    },
  };
  const scope = { caches, clients, registration };
  await deleteOutdatedCaches(scope, { name: "app", version: "1" });
  registration.installing = null;
  await deleteOutdatedCaches(scope, { name: "app", version: "2" });
  assert(await caches.has(nameOf("1")));
});

Deno.test("deleteOutdatedCaches() does what a failed activation did not", async () => {
  const { host, registration, page } = await start();
  host.deploy("/sw.js", (self) => {
    workerOf("2")({
      ...self,
      registration: self.registration,
      clients: self.clients,
      caches: self.caches,
      skipWaiting: () => self.skipWaiting(),
      addEventListener(type: "fetch", listener: () => void) {
        if (String(type) === "activate") return;
        self.addEventListener(type, listener);
      },
    } as unknown as HostScope);
  });
  await registration.update();
  await host.idle();
  assertEquals(await stored(host), ["1", "2"]);
  assertEquals(await (await page.fetch("/chunk.1.js")).text(), "of 1");
  await page.reload();
  await host.idle();
  await page.reload();
  await host.idle();
  assertEquals(await stored(host), ["2"]);
  host.close();
});

Deno.test("matchGenerations() prefers the newest", async () => {
  const { host, registration, page } = await start();
  await update(host, registration, "2");
  await host.openWindow("/");
  await update(host, registration, "3");
  for (const version of ["1", "2"]) {
    const cache = await host.caches.open(`app ${ORIGIN}/ ${version}`);
    await cache.put("/same", new Response(version));
  }
  assertEquals(await (await page.fetch("/same")).text(), "2");
  const current = await host.caches.open(`app ${ORIGIN}/ 3`);
  await current.put("/same", new Response("3"));
  assertEquals(await (await page.fetch("/same")).text(), "3");
  assertEquals(await (await page.fetch("/none")).text(), "page");
  host.close();
});

Deno.test("matchGenerations() prefers the newest before it is noted which there are", async () => {
  const { caches } = createHost();
  for (const version of ["1", "2", "3"]) {
    const cache = await caches.open(`app ${ORIGIN}/ ${version}`);
    if (version === "3") continue;
    await cache.put(`${ORIGIN}/same`, new Response(version));
  }
  const registration = {
    scope: `${ORIGIN}/`,
    installing: null,
    waiting: null,
  };
  const files = { name: "app", version: "3" };
  const scope = { caches, registration };
  const response = await matchGenerations(scope, `${ORIGIN}/same`, files);
  assertEquals(await response?.text(), "2");
});

Deno.test("matchGenerations() finds nothing of a worker that waits", async () => {
  const { host, registration, page } = await start();
  host.deploy("/sw.js", (self) => {
    workerOf("2")({
      ...self,
      registration: self.registration,
      caches: self.caches,
      skipWaiting: () => Promise.resolve(),
      addEventListener: self.addEventListener.bind(self),
    } as unknown as HostScope);
  });
  await registration.update();
  await host.idle();
  assertEquals(await stored(host), ["1", "2"]);
  assertEquals(await (await page.fetch("/chunk.2.js")).text(), "page");
  // Nor is it taken for one that is outdated.
  await page.reload();
  await host.idle();
  assert(registration.waiting);
  assertEquals(await (await page.fetch("/chunk.2.js")).text(), "page");
  host.close();
});

Deno.test("matchGenerations() can ignore the query", async () => {
  const { host, registration } = await start();
  const scope = { caches: host.caches, registration };
  const match = (ignoreSearch?: boolean) =>
    matchGenerations(scope, `${ORIGIN}/chunk.1.js?a`, {
      name: "app",
      version: "1",
      ignoreSearch,
    });
  assertEquals(await match(), undefined);
  assertEquals(await (await match(true))?.text(), "of 1");
  host.close();
});

Deno.test("matchGenerations() can ignore the Vary header", async () => {
  const { host, registration } = await start();
  const cache = await host.caches.open(`app ${ORIGIN}/ 1`);
  await cache.put("/page", new Response("de", { headers: { vary: "accept" } }));
  const scope = { caches: host.caches, registration };
  const request = new Request(`${ORIGIN}/page`, {
    headers: { accept: "text/html" },
  });
  const match = (ignoreVary?: boolean) =>
    matchGenerations(scope, request, {
      name: "app",
      version: "1",
      ignoreVary,
    });
  assertEquals(await match(), undefined);
  assertEquals(await (await match(true))?.text(), "de");
  host.close();
});

Deno.test("matchGenerations() refuses a name that could be mistaken", async () => {
  const { host, registration } = await start();
  const scope = { caches: host.caches, registration };
  await assertRejects(
    () => matchGenerations(scope, "/", { name: "my app", version: "1" }),
    TypeError,
    'the name "my app" is empty or has a space in it',
  );
  host.close();
});

Deno.test("activate() loses nothing and keeps nothing, wherever it is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    const { host, registration, page } = await start();
    await update(host, registration, "2");
    const second = await host.openWindow("/");
    /** Does it again if the worker was stopped as it answered. */
    const again = async <T>(work: () => Promise<T>): Promise<T> => {
      try {
        return await work();
      } catch {
        return await work();
      }
    };
    const get = (from: typeof page, version: string) =>
      again(async () =>
        await (await from.fetch(`/chunk.${version}.js`)).text()
      );
    const visit = async () => {
      const visitor = await again(() => host.openWindow("/"));
      await host.idle();
      visitor.close();
    };

    arm(host);
    host.deploy("/sw.js", workerOf("3"));
    while (await get(second, "3") !== "of 3") {
      await registration.update().catch(() => {});
      await host.idle();
    }
    await visit();
    assertEquals(await get(page, "1"), "of 1");
    assertEquals(await get(second, "2"), "of 2");
    page.close();
    await visit();
    await visit();
    assertEquals(await stored(host), ["2", "3"]);
    second.close();
    await visit();
    await visit();
    assertEquals(await stored(host), ["3"]);
    host.close();
  });
  assert(stops > 20, String(stops));
});
