// Copyright 2026 the @serviceworker/std authors. MIT license.

import { createRouter } from "@serviceworker/std/fetch/router";
import { cacheFirst } from "@serviceworker/std/fetch/strategies";
import { CacheFirst as SerwistCacheFirst, Serwist } from "npm:serwist@9.5.12";
import {
  RegExpRoute as WorkboxRoute,
  Router as WorkboxRouter,
} from "npm:workbox-routing@7.4.1";
import { CacheFirst as WorkboxCacheFirst } from "npm:workbox-strategies@7.4.1";

/** The part of a `fetch` event that contenders use. */
export type Asked = Pick<
  FetchEvent,
  "request" | "preloadResponse" | "handled" | "respondWith" | "waitUntil"
>;

/** Makes the listener of a worker with so many routes. */
export type Contender = (routes: number) => (event: Asked) => void;

/** The cache that all answer from. */
export const CACHE = "files";

// As the documentation of the strategies says: opened once.
const opened = caches.open(CACHE);

/** The path of a file, which is the business of the route of that number. */
export function pathOf(route: number): string {
  return `/section-${route}/file.json`;
}

/** What fits the files of a route. */
function regExpOf(route: number): RegExp {
  return new RegExp(`^${location.origin}/section-${route}/[^/]+$`);
}

function forEachRoute<T>(routes: number, make: (route: number) => T): T[] {
  return Array.from({ length: routes }, (_, route) => make(route));
}

/** What is written by hand for one kind of request. */
function matchByHand(): (event: Asked) => void {
  const answer = async (request: Request) =>
    await (await opened).match(request) ?? await fetch(request);
  return (event) => {
    if (!event.request.url.includes("/section-")) return;
    event.respondWith(answer(event.request));
  };
}

function routed(
  cache: string | Promise<Cache>,
): Contender {
  return (routes) =>
    createRouter<Asked & FetchEvent>(forEachRoute(routes, (route) => ({
      pattern: `/section-${route}/:name`,
      handler: (event) => cacheFirst(event, { cache }),
    }))) as (event: Asked) => void;
}

export const CONTENDERS: Record<string, Contender> = {
  "raw-match": matchByHand,
  "raw-match again": matchByHand,
  "raw-match, opened each time": () => (event) => {
    const answer = async (request: Request) =>
      await (await caches.open(CACHE)).match(request) ?? await fetch(request);
    if (!event.request.url.includes("/section-")) return;
    event.respondWith(answer(event.request));
  },

  "returns at once": () => () => {},
  "returns at once, again": () => () => {},

  "router + cacheFirst": routed(opened),
  "router + cacheFirst, by name": routed(CACHE),

  workbox: (routes) => {
    const router = new WorkboxRouter();
    const strategy = new WorkboxCacheFirst({ cacheName: CACHE });
    for (const route of forEachRoute(routes, regExpOf)) {
      router.registerRoute(new WorkboxRoute(route, strategy));
    }
    return (asked) => {
      const event = asked as FetchEvent;
      const answer = router.handleRequest({ request: event.request, event });
      if (answer) event.respondWith(answer);
    };
  },

  serwist: (routes) => {
    const serwist = new Serwist();
    const strategy = new SerwistCacheFirst({ cacheName: CACHE });
    for (const route of forEachRoute(routes, regExpOf)) {
      serwist.registerCapture(route, strategy);
    }
    return (asked) => serwist.handleFetch(asked as FetchEvent);
  },
};
