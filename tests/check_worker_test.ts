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
  "Workbox, as generateSW() writes it": `
    if (!self.define) {
      let registry = {};
      let nextDefineUri;
      const singleRequire = (uri, parentUri) => {
        uri = new URL(uri + ".js", parentUri).href;
        return registry[uri] || new Promise((resolve) => {
          if ("document" in self) {
            const script = document.createElement("script");
            script.src = uri;
            script.onload = resolve;
            document.head.appendChild(script);
          } else {
            nextDefineUri = uri;
            importScripts(uri);
            resolve();
          }
        }).then(() => registry[uri]);
      };
      self.define = (names, factory) => {
        const uri = nextDefineUri ||
          ("document" in self ? document.currentScript.src : "") ||
          location.href;
        if (registry[uri]) return;
        const exports = {};
        const require = (name) => singleRequire(name, uri);
        const special = { module: { uri }, exports, require };
        registry[uri] = Promise.all(
          names.map((name) => special[name] || require(name)),
        ).then((modules) => {
          factory(...modules);
          return exports;
        });
      };
    }
    define(["./workbox-6bf4cc54"], function (workbox) {
      "use strict";
      self.addEventListener("message", (event) => {
        if (event.data && event.data.type === "SKIP_WAITING") {
          self.skipWaiting();
        }
      });
      workbox.precacheAndRoute([{ url: "index.html", revision: "1" }], {});
      workbox.cleanupOutdatedCaches();
    });
  `,
  "Workbox, as generateSW() minifies it":
    'if(!self.define){let e,s={};const i=(i,n)=>(i=new URL(i+".js",n).href,s[i]||new Promise((s=>{if("document"in self){const e=document.createElement("script");e.src=i,e.onload=s,document.head.appendChild(e)}else e=i,importScripts(i),s()})).then((()=>s[i])));self.define=(n,r)=>{const t=e||("document"in self?document.currentScript.src:"")||location.href;if(s[t])return;let o={};const l=e=>i(e,t),c={module:{uri:t},exports:o,require:l};s[t]=Promise.all(n.map((e=>c[e]||l(e)))).then((e=>(r(...e),o)))}}define(["./workbox-3896e580"],(function(e){"use strict";self.addEventListener("message",(e=>{e.data&&"SKIP_WAITING"===e.data.type&&self.skipWaiting()})),e.precacheAndRoute([{url:"index.html",revision:"1"}],{})}));',
  "sw-precache, in ES5 and minified":
    '"use strict";var precacheConfig=[["/index.html","1"]],cacheName="sw-precache-v3-"+(self.registration?self.registration.scope:""),urlsToCacheKeys=new Map(precacheConfig.map(function(e){return[new URL(e[0],self.location).toString(),e[1]]}));function setOfCachedUrls(e){return e.keys().then(function(e){return new Set(e.map(function(e){return e.url}))})}self.addEventListener("install",function(e){e.waitUntil(caches.open(cacheName).then(function(e){return setOfCachedUrls(e).then(function(n){return Promise.all(Array.from(urlsToCacheKeys.values()).map(function(t){if(!n.has(t))return fetch(t).then(function(n){return e.put(t,n)})}))})}).then(function(){return self.skipWaiting()}))}),self.addEventListener("fetch",function(e){if("GET"===e.request.method){var n=urlsToCacheKeys.has(e.request.url);n&&e.respondWith(caches.open(cacheName).then(function(n){return n.match(urlsToCacheKeys.get(e.request.url))}).catch(function(){return fetch(e.request)}))}});',
  "PWABuilder": `
    importScripts("https://example.com/workbox-sw.js");
    const CACHE = "pwabuilder-page";
    const offlineFallbackPage = "offline.html";
    self.addEventListener("message", (event) => {
      if (event.data && event.data.type === "SKIP_WAITING") self.skipWaiting();
    });
    self.addEventListener("install", async (event) => {
      event.waitUntil(
        caches.open(CACHE).then((cache) => cache.add(offlineFallbackPage)),
      );
    });
    if (workbox.navigationPreload.isSupported()) {
      workbox.navigationPreload.enable();
    }
    self.addEventListener("fetch", (event) => {
      if (event.request.mode === "navigate") {
        event.respondWith((async () => {
          try {
            const preloaded = await event.preloadResponse;
            if (preloaded) return preloaded;
            return await fetch(event.request);
          } catch {
            const cache = await caches.open(CACHE);
            return await cache.match(offlineFallbackPage);
          }
        })());
      }
    });
  `,
  "an injected manifest, with push from elsewhere": `
    import { precacheAndRoute } from "workbox-precaching";
    importScripts("https://example.com/OneSignalSDK.sw.js");
    precacheAndRoute(self.__WB_MANIFEST);
  `,
  "Firebase": `
    importScripts("https://example.com/firebase-app-compat.js");
    importScripts("https://example.com/firebase-messaging-compat.js");
    firebase.initializeApp({ projectId: "app" });
    const messaging = firebase.messaging();
    messaging.onBackgroundMessage((payload) => {
      const { title, body } = payload.notification;
      self.registration.showNotification(title, { body });
    });
  `,
  "Mock Service Worker": `
    const PACKAGE_VERSION = "2.0.0";
    const activeClientIds = new Set();
    addEventListener("install", function () { self.skipWaiting(); });
    addEventListener("activate", function (event) {
      event.waitUntil(self.clients.claim());
    });
    addEventListener("message", async function (event) {
      const clientId = Reflect.get(event.source || {}, "id");
      if (!clientId || !self.clients) return;
      const client = await self.clients.get(clientId);
      if (!client) return;
      const allClients = await self.clients.matchAll({ type: "window" });
      switch (event.data) {
        case "KEEPALIVE_REQUEST": {
          client.postMessage({ type: "KEEPALIVE_RESPONSE" });
          break;
        }
        case "MOCK_ACTIVATE": {
          activeClientIds.add(clientId);
          break;
        }
        case "CLIENT_CLOSED": {
          activeClientIds.delete(clientId);
          if (allClients.length === 1) self.registration.unregister();
          break;
        }
      }
    });
    addEventListener("fetch", function (event) {
      const { request } = event;
      if (request.mode === "navigate") return;
      if (request.cache === "only-if-cached" && request.mode !== "same-origin") {
        return;
      }
      if (activeClientIds.size === 0) return;
      event.respondWith(handleRequest(event, crypto.randomUUID()));
    });
    async function handleRequest(event, requestId) {
      const client = await self.clients.get(event.clientId);
      const response = await fetch(event.request);
      if (client && activeClientIds.has(client.id)) {
        client.postMessage({ requestId, status: response.status });
      }
      return response;
    }
  `,
  "Squoosh, with helpers that answer": `
    declare var self: ServiceWorkerGlobalScope;

    function cacheOrNetwork(event: FetchEvent): void {
      event.respondWith(
        (async function () {
          const cached = await caches.match(event.request, { ignoreSearch: true });
          return cached || fetch(event.request);
        })(),
      );
    }
    function serveShareTarget(event: FetchEvent): void {
      const dataPromise = event.request.formData();
      event.respondWith(Response.redirect("/?share-target"));
      event.waitUntil(
        (async function () {
          await nextMessage("share-ready");
          const client = await self.clients.get(event.resultingClientId);
          client!.postMessage({ file: (await dataPromise).get("file") });
        })(),
      );
    }
    const resolvers = new Map<string, (() => void)[]>();
    function nextMessage(text: string): Promise<void> {
      return new Promise((resolve) => {
        if (!resolvers.has(text)) resolvers.set(text, []);
        resolvers.get(text)!.push(resolve);
      });
    }
    self.addEventListener("message", (event) => {
      const waiting = resolvers.get(event.data);
      if (!waiting) return;
      resolvers.delete(event.data);
      for (const resolve of waiting) resolve();
    });
    self.addEventListener("message", (event) => {
      switch (event.data) {
        case "cache-all":
          event.waitUntil(caches.open("all"));
          break;
        case "skip-waiting":
          self.skipWaiting();
          break;
      }
    });
    self.addEventListener("fetch", (event) => {
      const url = new URL(event.request.url);
      if (url.origin !== location.origin) return;
      if (url.pathname === "/editor") {
        event.respondWith(Response.redirect("/"));
        return;
      }
      if (event.request.method === "POST") {
        serveShareTarget(event);
        return;
      }
      if (event.request.method !== "GET") return;
      cacheOrNetwork(event);
    });
  `,
  "one file for page and worker, as coi-serviceworker is": `
    if (typeof window === "undefined") {
      self.addEventListener("install", () => self.skipWaiting());
      self.addEventListener("message", (event) => {
        if (event.data?.type !== "deregister") return;
        self.registration.unregister()
          .then(() => self.clients.matchAll())
          .then((clients) => {
            clients.forEach((client) => client.navigate(client.url));
          });
      });
      self.addEventListener("fetch", function (event) {
        event.respondWith(
          fetch(event.request).then((response) => {
            const headers = new Headers(response.headers);
            headers.set("Cross-Origin-Opener-Policy", "same-origin");
            return new Response(response.body, { headers });
          }).catch((error) => console.error(error)),
        );
      });
    } else {
      (() => {
        const reloaded = window.sessionStorage.getItem("reloaded");
        const { src } = window.document.currentScript;
        if (!reloaded) navigator.serviceWorker.register(src);
      })();
    }
  `,
  "a bundle of Rolldown, minified":
    "const e=`app-v1`,t=[`/`,`/app.js`];self.addEventListener(`install`,n=>{n.waitUntil(caches.open(e).then(e=>e.addAll(t)))}),self.addEventListener(`activate`,t=>{t.waitUntil((async()=>{for(let t of await caches.keys())t!==e&&await caches.delete(t);await self.clients.claim()})())}),self.addEventListener(`fetch`,t=>{t.request.method===`GET`&&t.respondWith((async()=>{let n=await caches.open(e),r=await n.match(t.request);if(r)return r;let i=await fetch(t.request);return i.ok&&t.waitUntil(n.put(t.request,i.clone())),i})())});",
  "a bundle of webpack": `
    (() => {
      "use strict";
      var modules = {
        913() { try { self["workbox:core:7.0.0"] && _(); } catch (e) {} },
        80(module, exports, require) {
          require.d(exports, { open: () => open });
          let promise;
          const open = () => promise || (promise = caches.open("v1"));
        },
      };
      var cache = {};
      function require(id) {
        var cached = cache[id];
        if (cached !== undefined) return cached.exports;
        var module = cache[id] = { exports: {} };
        modules[id](module, module.exports, require);
        return module.exports;
      }
      require.d = (exports, definition) => {
        for (var key in definition) {
          Object.defineProperty(exports, key, { get: definition[key] });
        }
      };
      require.g = (function () {
        if (typeof globalThis === "object") return globalThis;
        try {
          return this || new Function("return this")();
        } catch (e) {
          if (typeof window === "object") return window;
        }
      })();
      (() => {
        var store = require(80);
        self.addEventListener("fetch", (event) => {
          event.respondWith(
            (0, store.open)().then((cache) => cache.match(event.request)),
          );
        });
      })();
    })();
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

/** Workers in the shape that starters give them, and what is wrong with them. */
const FAULTY = {
  "Docusaurus": [
    `
    (async () => {
      const params = Object.fromEntries(new URLSearchParams(location.search));
      const controller = new PrecacheController();
      if (params.custom) await (await import(params.custom)).default(params);
      self.addEventListener("install", (event) => {
        event.waitUntil(controller.install(event));
      });
      self.addEventListener("fetch", async (event) => {
        if (!params.offlineMode) return;
        const key = controller.getCacheKeyForURL(event.request.url);
        if (key) event.respondWith(caches.match(key));
      });
    })();
  `,
    ["5 dynamic-import", "6 late-listener", "9 late-listener"],
  ],
  "a tutorial of 2016": [
    `
    (function (global) {
      "use strict";
      var log = [];
      var user;
      global.addEventListener("install", function (event) {
        event.waitUntil(function () { return caches.open("v1"); });
      });
      global.addEventListener("fetch", function (event) {
        log.push(event.request.url);
        caches.match(event.request).then(function (response) {
          if (response) event.respondWith(response);
        });
      });
      global.addEventListener("message", function (event) {
        user = event.data;
        localStorage.user = user;
      });
    })(this);
  `,
    [
      "7 function-as-promise",
      "10 unbounded-state",
      "12 late-respond-with",
      "16 module-state",
      "17 page-global",
    ],
  ],
  "TypeScript that casts its listeners": [
    `
    const sw = globalThis.self as unknown as ServiceWorkerGlobalScope;
    let count = 0;
    sw.addEventListener("fetch", (async (event: FetchEvent) => {
      count++;
      const response = await caches.match(event.request);
      if (response) event.respondWith(response);
    }) as unknown as EventListener);
    const onPush = (async (event: PushEvent) => {
      const text = await event.data?.text();
      event.waitUntil(sw.registration.showNotification(String(text)));
    }) as unknown as EventListener;
    sw.addEventListener("push", onPush);
  `,
    ["5 module-state", "7 late-respond-with", "11 late-wait-until"],
  ],
  "webpack's module with top-level await": [
    `
    (() => {
      var modules = {
        1: (module, exports, require) => {
          require.a(module, async (dependencies, done) => {
            var [config] = await dependencies;
            self.addEventListener("fetch", (event) => config.answer(event));
            done();
          });
        },
      };
      modules[1]({}, {}, { a() {} });
    })();
  `,
    ["7 late-listener"],
  ],
} satisfies Record<string, [source: string, places: string[]]>;

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

for (const [name, [source, places]] of Object.entries(FAULTY)) {
  test(`checkWorker() says what is wrong with a worker of ${name}`, async () => {
    assertEquals(
      placesOf(await checkWorker("sw.ts", { source })),
      places.map((place) => `sw.ts:${place}`),
    );
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
