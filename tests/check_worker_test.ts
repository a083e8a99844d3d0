// Copyright 2026 the @serviceworker/std authors. MIT license.

/** What `checkWorker()` says of good workers: nothing. */

import { assert, assertEquals } from "@std/assert";
import { stop } from "esbuild";
import { fileURLToPath } from "node:url";
import denoJson from "../deno.json" with { type: "json" };
import {
  checkWorker,
  type CheckWorkerFinding,
} from "../lifecycle/check_worker.ts";

const ROOT = fileURLToPath(new URL("../", import.meta.url));
const EXTERNAL = ["workbox-*", "serwist", "@serwist/*", "$service-worker"];

/** Workers in the shape that starters give them. */
const STARTERS = {
  "Vite, with an injected manifest": `
    import { clientsClaim } from "workbox-core";
    import {
      cleanupOutdatedCaches,
      createHandlerBoundToURL,
      precacheAndRoute,
    } from "workbox-precaching";
    import { NavigationRoute, registerRoute } from "workbox-routing";

    declare let self: ServiceWorkerGlobalScope & { __WB_MANIFEST: string[] };

    precacheAndRoute(self.__WB_MANIFEST);
    cleanupOutdatedCaches();

    let allowlist: undefined | RegExp[];
    if (import.meta.env?.DEV) allowlist = [/^\\/$/];
    registerRoute(
      new NavigationRoute(createHandlerBoundToURL("index.html"), { allowlist }),
    );

    self.addEventListener("message", (event) => {
      if (event.data?.type === "SKIP_WAITING") self.skipWaiting();
    });
    self.skipWaiting();
    clientsClaim();
  `,
  "Create React App, with Workbox": `
    /* eslint-disable no-restricted-globals */
    import { clientsClaim } from "workbox-core";
    import { ExpirationPlugin } from "workbox-expiration";
    import { createHandlerBoundToURL, precacheAndRoute } from "workbox-precaching";
    import { registerRoute } from "workbox-routing";
    import { StaleWhileRevalidate } from "workbox-strategies";

    clientsClaim();
    precacheAndRoute(self.__WB_MANIFEST);

    const fileExtension = /[^/?]+\\.[^/]+$/;
    registerRoute(
      ({ request, url }) => {
        if (request.mode !== "navigate") return false;
        if (url.pathname.startsWith("/_")) return false;
        return !url.pathname.match(fileExtension);
      },
      createHandlerBoundToURL("/index.html"),
    );
    registerRoute(
      ({ url }) => url.origin === self.location.origin && url.pathname.endsWith(".png"),
      new StaleWhileRevalidate({
        cacheName: "images",
        plugins: [new ExpirationPlugin({ maxEntries: 50 })],
      }),
    );
    self.addEventListener("message", (event) => {
      if (event.data && event.data.type === "SKIP_WAITING") self.skipWaiting();
    });
  `,
  "Next.js, with Serwist": `
    import { defaultCache } from "@serwist/next/worker";
    import type { PrecacheEntry, SerwistGlobalConfig } from "serwist";
    import { Serwist } from "serwist";

    declare global {
      interface WorkerGlobalScope extends SerwistGlobalConfig {
        __SW_MANIFEST: (PrecacheEntry | string)[] | undefined;
      }
    }
    declare const self: ServiceWorkerGlobalScope;

    const serwist = new Serwist({
      precacheEntries: self.__SW_MANIFEST,
      skipWaiting: true,
      clientsClaim: true,
      navigationPreload: true,
      runtimeCaching: defaultCache,
      fallbacks: {
        entries: [{
          url: "/~offline",
          matcher: ({ request }) => request.destination === "document",
        }],
      },
    });
    serwist.addEventListeners();
  `,
  "Angular, by hand: a driver with its queue and state": `
    class Driver {
      state = "normal";
      versions = new Map();
      initialized = null;
      constructor(scope, adapter) {
        this.scope = scope;
        this.adapter = adapter;
        this.scope.addEventListener("install", (event) => {
          event.waitUntil(this.scope.skipWaiting());
        });
        this.scope.addEventListener("activate", (event) => {
          event.waitUntil((async () => {
            await this.scope.clients.claim();
            if (this.scope.registration.active !== null) {
              this.scope.registration.active.postMessage({ action: "INITIALIZE" });
            }
          })());
        });
        this.scope.addEventListener("fetch", (event) => this.onFetch(event));
        this.scope.addEventListener("message", (event) => this.onMessage(event));
        this.scope.addEventListener("push", (event) => this.onPush(event));
      }
      onFetch(event) {
        if (event.request.headers.has("ngsw-bypass")) return;
        event.respondWith(this.handleFetch(event));
      }
      onMessage(event) {
        if (this.state === "broken") return;
        event.waitUntil((async () => {
          await this.ensureInitialized(event);
          this.versions.set(event.data.hash, event.data);
        })());
      }
      onPush(event) {
        if (!event.data) return;
        event.waitUntil(this.handlePush(event.data.json()));
      }
      async ensureInitialized(event) {
        this.initialized ??= this.initialize();
        await this.initialized;
        event.waitUntil(this.adapter.cleanUp());
      }
      async handleFetch(event) {
        try {
          await this.ensureInitialized(event);
        } catch {
          return fetch(event.request);
        }
        const response = await fetch(event.request);
        event.waitUntil(this.adapter.store(response.clone()));
        return response;
      }
      async handlePush({ notification }) {
        const { title, ...options } = notification;
        await this.scope.registration.showNotification(title, options);
      }
      async initialize() {
        const names = await caches.keys();
        for (const name of names) this.versions.set(name, await caches.open(name));
      }
    }
    new Driver(self, { cleanUp() {}, store() {} });
  `,
  "SvelteKit": `
    /// <reference types="@sveltejs/kit" />
    import { build, files, version } from "$service-worker";

    const sw = globalThis.self as unknown as ServiceWorkerGlobalScope;
    const CACHE = \`cache-\${version}\`;
    const ASSETS = [...build, ...files];

    sw.addEventListener("install", (event) => {
      async function addFilesToCache() {
        const cache = await caches.open(CACHE);
        await cache.addAll(ASSETS);
      }
      event.waitUntil(addFilesToCache());
    });
    sw.addEventListener("activate", (event) => {
      async function deleteOldCaches() {
        for (const key of await caches.keys()) {
          if (key !== CACHE) await caches.delete(key);
        }
      }
      event.waitUntil(deleteOldCaches());
    });
    sw.addEventListener("fetch", (event) => {
      if (event.request.method !== "GET") return;
      async function respond() {
        const url = new URL(event.request.url);
        const cache = await caches.open(CACHE);
        if (ASSETS.includes(url.pathname)) {
          const response = await cache.match(url.pathname);
          if (response) return response;
        }
        try {
          const response = await fetch(event.request);
          if (response.status === 200) cache.put(event.request, response.clone());
          return response;
        } catch (error) {
          const response = await cache.match(event.request);
          if (response) return response;
          throw error;
        }
      }
      event.respondWith(respond());
    });
  `,
  "Nuxt, with push": `
    import { createHandlerBoundToURL, precacheAndRoute } from "workbox-precaching";
    import { NavigationRoute, registerRoute } from "workbox-routing";

    declare const self: ServiceWorkerGlobalScope;

    const entries = self.__WB_MANIFEST;
    if (import.meta.dev) entries.push({ url: "/", revision: "1" });
    precacheAndRoute(entries);
    const denylist = [/^\\/api\\//, /^\\/login\\//];
    registerRoute(new NavigationRoute(createHandlerBoundToURL("/"), { denylist }));

    function onPush(event: PushEvent) {
      const promise = isClientFocused().then((isFocused) => {
        if (isFocused) return Promise.resolve();
        const { title, body } = event.data!.json();
        return self.registration.showNotification(title, { body });
      });
      event.waitUntil(promise);
    }
    async function isClientFocused() {
      const windows = await self.clients.matchAll({ type: "window" });
      return windows.some((client) => client.focused);
    }
    function onNotificationClick(event: NotificationEvent) {
      event.notification.close();
      const opened = (async () => {
        const [client] = await self.clients.matchAll({ type: "window" });
        if (client) await client.focus();
        else await self.clients.openWindow("/");
      })();
      event.waitUntil(opened);
    }
    self.addEventListener("push", onPush);
    self.addEventListener("notificationclick", onNotificationClick);
  `,
  "a classic script with Workbox from elsewhere": `
    importScripts("https://example.com/workbox-sw.js");
    workbox.routing.registerRoute(
      ({ request }) => request.destination === "image",
      new workbox.strategies.CacheFirst(),
    );
    let database;
    function openDatabase() {
      return database ??= new Promise((resolve, reject) => {
        const opening = indexedDB.open("app");
        opening.onsuccess = () => resolve(opening.result);
        opening.onerror = () => { database = undefined; reject(opening.error); };
      });
    }
    self.addEventListener("sync", (event) => {
      event.waitUntil(openDatabase().then((database) => database.close()));
    });
    self.addEventListener("fetch", (event) => {
      event.respondWith(
        caches.match(event.request).then((found) =>
          found || fetch(event.request).then((response) => {
            const copy = response.clone();
            event.waitUntil(
              caches.open("v1").then((cache) => cache.put(event.request, copy)),
            );
            return response;
          })
        ),
      );
    });
  `,
};

Deno.test.afterAll(stop);

/** Declares a test which the bundler's process outlives. */
function test(name: string, fn: () => Promise<void>): void {
  Deno.test({ name, fn, sanitizeOps: false, sanitizeResources: false });
}

function placesOf(findings: CheckWorkerFinding[]): string[] {
  return findings.map(({ file, line, rule }) => `${file}:${line} ${rule}`);
}

/** What is found in a file of ours, and what it imports. */
async function findIn(path: string): Promise<string[]> {
  const build = { absWorkingDir: ROOT };
  return placesOf(await checkWorker(`${ROOT}${path}`, { build }));
}

for (const [name, source] of Object.entries(STARTERS)) {
  test(`checkWorker() accepts a worker for ${name}`, async () => {
    const build = { external: EXTERNAL };
    assertEquals(placesOf(await checkWorker("sw.ts", { source, build })), []);
  });
}

test("checkWorker() accepts the modules that workers import", async () => {
  const modules = Object.values(denoJson.exports).filter((path) =>
    /^\.\/(channel|lifecycle|storage|sync)\//.test(path) &&
    !path.endsWith("check_worker.ts")
  );
  assert(modules.length > 10);
  for (const path of modules) {
    assertEquals(await findIn(path.slice("./".length)), [], path);
  }
});

test("checkWorker() accepts the podcast's worker", async () => {
  assertEquals(await findIn("examples/podcast/sw.ts"), []);
});

test("checkWorker() accepts workers with Workbox, Serwist and Comlink", async () => {
  for (const name of ["broadcast", "outbox", "roundtrip"]) {
    assertEquals(await findIn(`bench/${name}/worker.ts`), []);
  }
});

test("checkWorker() finds no error in the workers of the browser tests", async () => {
  const folder = `${ROOT}tests/browser/fixtures`;
  for await (const { name } of Deno.readDir(folder)) {
    // One is about waitUntil() that is given a function.
    if (!name.endsWith("_worker.ts") || name === "host_worker.ts") continue;
    const findings = await checkWorker(`${folder}/${name}`);
    const errors = findings.filter(({ severity }) => severity === "error");
    assertEquals(placesOf(errors), []);
  }
});
