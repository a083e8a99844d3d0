// Copyright 2026 the @serviceworker/std authors. MIT license.

import { createRouter } from "@serviceworker/std/fetch/router";
import { RegExpRoute, Route, Router } from "npm:workbox-routing@7.4.1";

/** The part of a `fetch` event that routers look at. */
export interface Asked {
  readonly request: Request;
  readonly preloadResponse: Promise<undefined>;
  respondWith(response: unknown): void;
  waitUntil(promise: Promise<unknown>): void;
}

/** Builds the routes of `patternOf(0)` to `patternOf(count - 1)`. */
export type Contender = (count: number) => (event: Asked) => void;

const RESPONSE = Promise.resolve(new Response());
const handler = () => RESPONSE;

/** Three of four end with a name. */
export function patternOf(index: number): string {
  const path = `/section-${index % 97}/item-${index}`;
  return index % 4 === 0 ? `${path}/detail` : `${path}/:id`;
}

/** A URL for the route of this index. */
export function urlOf(index: number): string {
  return new URL(patternOf(index).replace(":id", "detail"), location.origin)
    .href;
}

/** The least that a router would do: keep the routes, and take the URL apart. */
function parseOnly(count: number): (event: Asked) => void {
  const patterns = new Map(
    Array.from({ length: count }, (_, index) => [patternOf(index), handler]),
  );
  return ({ request }) => {
    patterns.get(new URL(request.url).pathname);
  };
}

function build(count: number): (event: Asked) => void {
  return createRouter(Array.from(
    { length: count },
    (_, index) => ({ pattern: patternOf(index), handler }),
  ));
}

export const CONTENDERS: Record<string, Contender> = {
  "new URL()": parseOnly,
  "new URL() again": parseOnly,

  createRouter: build,
  "createRouter, 10 routes": () => build(10),

  "URLPattern, one after the other": (count) => {
    const patterns = Array.from(
      { length: count },
      (_, index) => new URLPattern(patternOf(index), location.href),
    );
    return (event) => {
      const { url } = event.request;
      const found = patterns.find((pattern) => pattern.test(url));
      if (found) event.respondWith(handler());
    };
  },

  "workbox-routing": (count) => {
    const router = new Router();
    for (let index = 0; index < count; index++) {
      const href = new URL(patternOf(index), location.origin).href;
      const source = href.replaceAll(".", "\\.").replace(":id", "([^/]+)");
      router.registerRoute(
        href.includes("/:id")
          ? new RegExpRoute(new RegExp(`^${source}$`), handler)
          // As it does with a text.
          : new Route(({ url }) => url.href === href, handler),
      );
    }
    return (event) => {
      const { request } = event;
      const answer = router.handleRequest({
        request,
        event: event as unknown as ExtendableEvent,
      });
      if (answer) event.respondWith(answer);
    };
  },
};
