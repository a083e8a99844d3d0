// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Answer the requests of an app in development and in tests without the server
 * that it is made for. What no route is for goes to the network.
 *
 * Keep mocks in a worker, or a bundle, of their own, which is not deployed.
 *
 * It costs one `exec()` for each route of the method before the first that fits.
 *
 * @module
 */

/** The part of a `fetch` event that a mock uses. */
export interface MockEvent {
  /** The request. */
  readonly request: Request;
  /** Answers it. */
  respondWith(response: Promise<Response>): void;
  /** Rejects if the answer is a failure. */
  readonly handled?: Promise<unknown> | undefined;
}

/** What a route answers with: see {@linkcode MockRoutes}. */
export type MockAnswer =
  | ((request: Request, params: MockParams) => unknown)
  | string
  | number
  | boolean
  | object
  | null;

/** What the groups of a route's pattern matched, by name, in path and query. */
export type MockParams = Readonly<Record<string, string | undefined>>;

/**
 * What is answered, by method and address: `"GET /users/:id"`. The address is a
 * path for any origin, with a query if it matters, or a URL, in the syntax of
 * `URLPattern`. The method may be `*`. The first route that fits answers.
 *
 * A `Response` is answered with as it is, an `Error` means that the network
 * fails, and anything else is sent as JSON. A function is given the request and
 * returns, or promises, one of these; if it throws, the network fails.
 */
export type MockRoutes = Readonly<Record<string, MockAnswer>>;

/** Options for {@linkcode createMock}. */
export interface MockOptions {
  /**
   * Milliseconds before a route answers.
   *
   * @default {0}
   */
  delay?: number | undefined;
}

/** A mock: a `fetch` listener, and a function like `fetch()`. */
export interface Mock {
  /** Answers an event, if there is a route for it. */
  (event: MockEvent): void;
  /** Answers a request, by the network if there is no route for it. */
  fetch(input: Request | URL | string, init?: RequestInit): Promise<Response>;
}

/** What not every library of TypeScript knows, and not every browser has. */
interface Globals {
  readonly URLPattern?: new (text: string) => {
    exec(url: string): Record<"pathname" | "search", Groups> | null;
  };
}

interface Groups {
  readonly groups: MockParams;
}

const ROUTE_REGEXP = /^(\*|[A-Z]+) (\S+)$/;

/**
 * Makes a mock of what a server answers.
 *
 * @param routes What is answered.
 * @param options Additional options.
 * @returns The mock: for `addEventListener("fetch", mock)`, and its `fetch()`
 * for what takes such a function.
 * @throws {TypeError} If the name of a route has no method or address, or the
 * address is no pattern.
 * @throws {DOMException} Named "NotSupportedError" if the browser has no
 * `URLPattern`.
 *
 * @example In a test, and in a worker for development
 * ```ts
 * import { createMock } from "@serviceworker/std/fetch/mock";
 * import { assertEquals } from "@std/assert";
 *
 * const mock = createMock({
 *   "GET /users/:id": (_request, { id }) => ({ id, name: "Ada" }),
 *   "POST /comments": () => new Response(null, { status: 201 }),
 *   "* /account": new Error("The network fails"),
 * });
 *
 * const response = await mock.fetch("https://example.com/users/7");
 * assertEquals(await response.json(), { id: "7", name: "Ada" });
 *
 * const sw = self as unknown as ServiceWorkerGlobalScope;
 * sw.addEventListener("fetch", mock);
 * ```
 */
export function createMock(
  routes: MockRoutes,
  options: MockOptions = {},
): Mock {
  const { delay = 0 } = options;
  const { URLPattern } = globalThis as Globals;
  if (!URLPattern) {
    throw new DOMException(
      "Cannot mock routes: this browser has no URLPattern",
      "NotSupportedError",
    );
  }
  const table = Object.entries(routes).map(([name, answer]) => {
    const [, method, address] = name.match(ROUTE_REGEXP) ?? [];
    if (method === undefined || address === undefined) {
      throw new TypeError(
        `Cannot mock a route: its name is "${name}", not a method and an address`,
      );
    }
    const anywhere = address.startsWith("/") ? "http{s}?://*:*" : "";
    return { method, pattern: new URLPattern(anywhere + address), answer };
  });

  /** The answer, if there is a route. */
  function answer(request: Request): Promise<Response> | undefined {
    for (const { method, pattern, answer } of table) {
      if (method !== "*" && method !== request.method) continue;
      const match = pattern.exec(request.url);
      if (!match) continue;
      const params = { ...match.search.groups, ...match.pathname.groups };
      return respond(answer, request, params);
    }
    return undefined;
  }

  async function respond(
    answer: MockAnswer,
    request: Request,
    params: MockParams,
  ): Promise<Response> {
    if (delay > 0) await wait(delay, request.signal);
    const value = typeof answer === "function"
      ? await answer(request, params)
      : answer;
    if (value instanceof Error) throw value;
    // The same one may be the answer again.
    return value instanceof Response ? value.clone() : Response.json(value);
  }

  const listener = (event: MockEvent) => {
    const response = answer(event.request);
    if (!response) return;
    // The failure is the page's, as one of the network is; to Firefox and WebKit
    // it is also an unhandled rejection.
    event.respondWith(response.catch(() => Response.error()));
    event.handled?.catch(() => {});
  };
  return Object.assign(listener, {
    async fetch(
      input: Request | URL | string,
      init?: RequestInit,
    ): Promise<Response> {
      const request = new Request(input, init);
      request.signal.throwIfAborted();
      return await (answer(request) ?? fetch(request));
    },
  });
}

function wait(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", abort);
      resolve();
    }, ms);
    signal.addEventListener("abort", abort, { once: true });
  });
}
