// Copyright 2026 the @serviceworker/std authors. MIT license.

import { FetchEvent, type FetchEventInit } from "./events.ts";
import {
  checkIntegrity,
  dressRequest,
  dressResponse,
  factsOf,
  redirectOf,
  streamOf,
  withBody,
} from "./http.ts";
import type { Life } from "./life.ts";
import { abortable, failed } from "./network.ts";
import type { Window } from "./window.ts";
import type { Worker } from "./worker.ts";

const MAX_REDIRECTS = 20;

/** A page that arrived. */
export interface Arrival {
  readonly id: string;
  readonly url: string;
  readonly response: Response;
  readonly controller: Worker | null;
}

/**
 * Fetches a resource for a page, until it has `left`.
 *
 * @see https://w3c.github.io/ServiceWorker/#handle-fetch
 */
export async function fetchFrom(
  page: Window,
  request: Request,
  left: AbortSignal,
): Promise<Response> {
  const { controller, core } = page;
  const done = core.begin(`${request.method} ${request.url}`);
  try {
    if (controller && /^https?:/.test(request.url)) {
      const answer = await ask(controller, request, left, {
        clientId: page.id,
      });
      if (answer) return await checkIntegrity(answer, request);
    }
    return await core.fetchPast(request, left);
  } finally {
    done();
  }
}

/**
 * Loads a page into a window, which takes it with `arrive`, if not `givenUp`.
 *
 * @see https://w3c.github.io/ServiceWorker/#handle-fetch
 */
export async function navigate(
  page: Window,
  href: string,
  { isReload, givenUp, arrive }: {
    readonly isReload: boolean;
    readonly givenUp: AbortSignal;
    readonly arrive: (arrival: Arrival) => void;
  },
): Promise<void> {
  const { core } = page;
  const done = core.begin(`navigate to ${href}`);
  const arrived = Promise.withResolvers<void>();
  const ids: string[] = [];
  try {
    let url = href;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const id = crypto.randomUUID();
      ids.push(id);
      core.arrivals.set(id, arrived.promise);
      const registration = core.match(url);
      const worker = registration?.active ?? null;
      const request = navigationTo(url);
      const preloadResponse = worker && preload(worker, url, givenUp);
      const response = worker && await ask(worker, request, givenUp, {
            resultingClientId: id,
            replacesClientId: page.id,
            isReload,
            ...(preloadResponse && { preloadResponse }),
          }) || await core.fetchPast(navigationTo(url), givenUp);
      givenUp.throwIfAborted();
      const redirect = redirectOf(response);
      if (redirect === undefined) {
        return arrive({
          id,
          url: new URL(new URL(url).hash, response.url || url).href,
          response,
          controller: worker && (registration?.active ?? null),
        });
      }
      const { hash } = new URL(url);
      const next = new URL(redirect, url);
      next.hash ||= hash;
      url = next.href;
    }
    throw failed(href, `it is redirected ${MAX_REDIRECTS} times`);
  } finally {
    arrived.resolve();
    for (const id of ids) core.arrivals.delete(id);
    done();
  }
}

/** Sends the request of a navigation while the worker starts. */
function preload(
  worker: Worker,
  url: string,
  givenUp: AbortSignal,
): Promise<Response | undefined> | undefined {
  const { core, registration } = worker;
  const { enabled, headerValue } = registration.navigationPreload;
  if (!enabled || !worker.handles("fetch")) return undefined;
  const request = navigationTo(url);
  request.headers.set("service-worker-navigation-preload", headerValue);
  const response = core.fetchPast(request, givenUp);
  // A worker need not look at it.
  response.catch(() => {});
  return response;
}

/** What a worker answers, or `undefined` if it leaves the request alone. */
async function ask(
  worker: Worker,
  request: Request,
  left: AbortSignal,
  init: Omit<FetchEventInit, "request" | "handled">,
): Promise<Response | undefined> {
  if (!worker.handles("fetch")) return undefined;
  const { url, method } = request;
  const signal = AbortSignal.any([request.signal, left]);
  const handled = Promise.withResolvers<undefined>();
  handled.promise.catch(() => {});
  const { promise, resolve, reject } = Promise.withResolvers<
    Response | undefined
  >();
  promise.then(
    () => handled.resolve(undefined),
    () =>
      handled.reject(
        new DOMException(`Cannot fetch ${url}: it failed`, "NetworkError"),
      ),
  );
  worker.fire(
    `fetch ${method} ${url}`,
    () =>
      new FetchEvent("fetch", {
        ...init,
        request: unaborted(request),
        handled: handled.promise,
        cancelable: true,
      }),
    (event, life) => {
      const answer = FetchEvent.responseOf(event);
      if (answer) {
        answer.then(
          (response) => accept(response, request, { life, signal }),
          (cause) => {
            throw failed(url, "the worker's response was rejected", cause);
          },
        ).then(resolve, reject);
      } else if (event.defaultPrevented) {
        reject(failed(url, "the worker prevented it"));
      } else {
        resolve(undefined);
      }
    },
  ).then((outcome) => {
    // Too late to matter if the worker has answered.
    if (outcome.status === "stopped") {
      reject(failed(url, "the worker was stopped"));
    }
    if (outcome.status === "rejected") {
      reject(failed(url, "the worker failed", outcome.reason));
    }
  });
  return await abortable(promise, signal);
}

/** What a page gets of what a worker answered: https://fetch.spec.whatwg.org/#http-fetch */
function accept(
  value: unknown,
  request: Request,
  { life, signal }: { readonly life: Life; readonly signal: AbortSignal },
): Response {
  const { url, mode, redirect } = request;
  if (!(value instanceof Response)) {
    throw failed(
      url,
      `the worker responded with ${value}, which is no Response`,
    );
  }
  const { type, redirected, bodyUsed, body } = value;
  const refused = type === "error"
    ? "with an error"
    : type === "opaque" && mode !== "no-cors"
    ? `with an opaque response to a request of mode ${mode}`
    : type === "opaqueredirect" && redirect !== "manual"
    ? `with an opaque redirect to a request that is to ${redirect}`
    : type === "cors" && mode === "same-origin"
    ? "with a response of another origin to a request of mode same-origin"
    : redirected && redirect !== "follow"
    ? `with a redirected response to a request whose redirects are ${redirect}`
    : bodyUsed || body?.locked
    ? "with a response whose body is in use"
    : undefined;
  if (refused) throw failed(url, `the worker responded ${refused}`);

  const reader = body?.getReader();
  const stopped = life.stopped.then(() => {
    throw failed(url, "the worker was stopped");
  });
  stopped.catch(() => {});
  const cancel = (reason: unknown) => reader?.cancel(reason).catch(() => {});
  signal.addEventListener("abort", () => cancel(signal.reason), { once: true });
  const seen = reader && request.method !== "HEAD"
    ? streamOf(async () => {
      const read = Promise.race([reader.read(), stopped]);
      const { done, value } = await abortable(read, signal);
      return done ? undefined : value as Uint8Array<ArrayBuffer>;
    }, cancel)
    : null;
  const facts = factsOf(value);
  return dressResponse(withBody(value, seen), {
    ...facts,
    // Made by the worker, it is of the page's own origin.
    type: type === "default" ? "basic" : type,
    url: facts.url || url,
  });
}

/** A copy of a request that its page cannot abort, as no engine lets it. */
function unaborted(request: Request): Request {
  const { mode, destination } = request;
  const { signal } = new AbortController();
  const copy = request.clone();
  const reader = copy.body?.getReader();
  // To cancel one half of a clone would wait for the other.
  const body = reader &&
    streamOf(
      async () => (await reader.read()).value as Uint8Array<ArrayBuffer>,
      (reason) => reader.cancel(reason),
    );
  const init = body ? { signal, body, duplex: "half" } : { signal };
  return dressRequest(new Request(copy, init), { mode, destination });
}

/** The request of a navigation. */
function navigationTo(url: string): Request {
  return dressRequest(
    new Request(url, {
      mode: "same-origin",
      credentials: "include",
      redirect: "manual",
      headers: { accept: "text/html,*/*;q=0.8" },
    }),
    { mode: "navigate", destination: "document" },
  );
}
