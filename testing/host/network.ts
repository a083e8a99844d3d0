// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Clock } from "./clock.ts";
import {
  dressRequest,
  dressResponse,
  isNullBodyStatus,
  LOCATION,
  streamOf,
  withBody,
} from "./http.ts";

/** Answers what arrives. */
export type NetworkHandler = (request: Request) => Response | Promise<Response>;

const MAX_REDIRECTS = 20;

/** The network between the browser and all servers. */
export class Network {
  latency = 0;
  bytesPerSecond = Infinity;
  cutAfter = Infinity;
  readonly requests: Request[] = [];
  readonly #handler: NetworkHandler;
  readonly #clock: Clock;
  readonly #origin: string;
  readonly #onChange: () => void;
  #offline = false;

  constructor(
    handler: NetworkHandler,
    { clock, origin, onChange }: {
      clock: Clock;
      origin: string;
      /** Called when it goes offline or comes back. */
      onChange: () => void;
    },
  ) {
    this.#handler = handler;
    this.#clock = clock;
    this.#origin = origin;
    this.#onChange = onChange;
  }

  get offline(): boolean {
    return this.#offline;
  }

  set offline(value: boolean) {
    if (this.#offline === value) return;
    this.#offline = value;
    this.#onChange();
  }

  /** https://fetch.spec.whatwg.org/#http-fetch, without a service worker. */
  async fetch(request: Request, stopped?: AbortSignal): Promise<Response> {
    const signal = stopped
      ? AbortSignal.any([request.signal, stopped])
      : request.signal;
    const { mode, destination, redirect } = request;
    const facts = { mode, destination };
    // No server ever sees what follows a hash.
    let [url = ""] = request.url.split("#");
    let method = request.method;
    let body = request.body ? await request.arrayBuffer() : null;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const sent = new Request(url, {
        method,
        headers: request.headers,
        body,
        signal,
      });
      const response = await this.#exchange(dressRequest(sent, facts));
      const { status } = response;
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(status) || location === null) {
        return this.#filter(response, url, request, redirects > 0, signal);
      }
      await response.body?.cancel();
      if (redirect === "error") {
        throw failed(url, "it is redirected");
      }
      if (redirect === "manual") {
        return dressResponse(new Response(), {
          url,
          type: "opaqueredirect",
          redirected: false,
          [LOCATION]: location,
        });
      }
      [url = ""] = new URL(location, url).href.split("#");
      if (status === 303 || (status < 303 && method === "POST")) {
        method = "GET";
        body = null;
      }
    }
    throw failed(request.url, `it is redirected ${MAX_REDIRECTS} times`);
  }

  /** One request and its answer. */
  async #exchange(request: Request): Promise<Response> {
    const { url, signal } = request;
    signal.throwIfAborted();
    this.assertOnline(url);
    if (this.latency > 0) {
      await this.#clock.sleep(this.latency, signal);
      this.assertOnline(url);
    }
    this.requests.push(request.clone());
    let answer: Response;
    try {
      answer = await abortable(
        new Promise<Response>((resolve) => resolve(this.#handler(request))),
        signal,
      );
    } catch (error) {
      signal.throwIfAborted();
      throw failed(url, "the server failed", error);
    }
    if (!(answer instanceof Response)) {
      throw failed(url, `the server returned ${answer}, which is no Response`);
    }
    if (answer.type === "error") throw failed(url, "the server hung up");
    return answer;
  }

  /** What a page or worker may see of an answer. */
  #filter(
    answer: Response,
    url: string,
    request: Request,
    redirected: boolean,
    signal: AbortSignal,
  ): Response {
    const crossOrigin = request.mode !== "navigate" &&
      new URL(url).origin !== this.#origin;
    if (crossOrigin && request.mode === "no-cors") {
      return dressResponse(new Response(), {
        url: "",
        type: "opaque",
        redirected: false,
      });
    }
    if (crossOrigin) {
      const allowed = answer.headers.get("access-control-allow-origin");
      if (
        request.mode !== "cors" || (allowed !== "*" && allowed !== this.#origin)
      ) {
        throw failed(
          url,
          `its Access-Control-Allow-Origin is ${allowed}, the origin ${this.#origin}, the mode ${request.mode}`,
        );
      }
    }
    const seen = withBody(
      answer,
      isNullBodyStatus(answer.status)
        ? null
        : this.#bodyOf(answer, url, signal),
    );
    seen.headers.delete("set-cookie");
    return dressResponse(seen, {
      url,
      type: crossOrigin ? "cors" : "basic",
      redirected,
    });
  }

  /** The body as it arrives: in its time, and perhaps not to its end. */
  #bodyOf(
    answer: Response,
    url: string,
    signal: AbortSignal,
  ): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    const reader = answer.body?.getReader();
    if (!reader) return null;
    let arrived = 0;
    let cut = false;
    return streamOf(async () => {
      if (cut) throw failed(url, `the body broke off after ${arrived} bytes`);
      const { done, value } = await abortable(reader.read(), signal)
        .catch((error) => {
          reader.cancel(error).catch(() => {});
          signal.throwIfAborted();
          throw failed(url, "the body broke off", error);
        });
      if (done) return undefined;
      if (this.bytesPerSecond < Infinity) {
        const delay = value.length / this.bytesPerSecond * 1000;
        await this.#clock.sleep(delay, signal);
      }
      const left = this.#offline ? 0 : Math.max(0, this.cutAfter - arrived);
      cut = value.length > left;
      if (cut) await reader.cancel();
      arrived += Math.min(value.length, left);
      // An empty chunk asks for nothing more.
      return value.slice(0, left);
    }, (reason) => reader.cancel(reason));
  }

  /** Fails as a request does that is made offline. */
  assertOnline(url: string): void {
    if (this.#offline) throw failed(url, "the network is offline");
  }
}

/** A network error. */
export function failed(
  url: string,
  why: string,
  cause?: unknown,
): TypeError {
  return new TypeError(
    `Cannot fetch ${url}: ${why}`,
    cause === undefined ? {} : { cause },
  );
}

/** Settles like `promise`, unless `signal` aborts before. */
export function abortable<T>(
  promise: Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort, { once: true });
  return Promise.race([promise, aborted])
    .finally(() => signal.removeEventListener("abort", abort));
}
