// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Clock } from "./clock.ts";
import {
  checkIntegrity,
  dressRequest,
  dressResponse,
  LOCATION,
  streamOf,
  withBody,
} from "./http.ts";

/** Answers what arrives. */
export type NetworkHandler = (request: Request) => Response | Promise<Response>;

const MAX_REDIRECTS = 20;
/** What a request says of its body. */
const BODY_HEADERS = [
  "content-encoding",
  "content-language",
  "content-location",
  "content-type",
];

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
  #line = new AbortController();

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
    if (value) {
      this.#line.abort();
      this.#line = new AbortController();
    }
    this.#onChange();
  }

  /** Aborts when what is on its way is lost, because the network goes offline. */
  get line(): AbortSignal {
    return this.#line.signal;
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
    const headers = new Headers(request.headers);
    let body = request.body ? await request.arrayBuffer() : null;
    for (let redirects = 0; redirects <= MAX_REDIRECTS; redirects++) {
      const { line } = this;
      const init = { method, headers, body, signal };
      const make = () => dressRequest(new Request(url, init), facts);
      const response = await this.#exchange(make, signal, line);
      const { status } = response;
      const location = response.headers.get("location");
      if (![301, 302, 303, 307, 308].includes(status) || location === null) {
        const arriving = this.#bodyOf(response, url, signal, line);
        if (method === "HEAD") arriving?.cancel();
        const shown = this.#filter(
          response,
          method === "HEAD" ? null : arriving,
          {
            url,
            request,
            redirected: redirects > 0,
          },
        );
        return await checkIntegrity(shown, request);
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
      if (
        status === 303 && method !== "HEAD" || status < 303 && method === "POST"
      ) {
        method = "GET";
        body = null;
        for (const name of BODY_HEADERS) headers.delete(name);
      }
    }
    throw failed(request.url, `it is redirected ${MAX_REDIRECTS} times`);
  }

  /** One request and its answer. */
  async #exchange(
    make: () => Request,
    signal: AbortSignal,
    line: AbortSignal,
  ): Promise<Response> {
    // Not a clone of the other, whose body would wait for it.
    const [sent, noted] = [make(), make()];
    const { url } = sent;
    signal.throwIfAborted();
    this.assertOnline(url);
    const either = AbortSignal.any([signal, line]);
    let answer: Response;
    try {
      if (this.latency > 0) await this.#clock.sleep(this.latency, either);
      this.requests.push(noted);
      answer = await abortable(
        new Promise<Response>((resolve) => resolve(this.#handler(sent))),
        either,
      );
    } catch (error) {
      signal.throwIfAborted();
      throw line.aborted
        ? failed(url, "the network went offline")
        : failed(url, "the server failed", error);
    }
    if (!(answer instanceof Response)) {
      throw failed(url, `the server returned ${answer}, which is no Response`);
    }
    if (answer.type === "error") throw failed(url, "the server hung up");
    return answer;
  }

  /** What a page or worker may see of an answer, whose body arrives. */
  #filter(
    answer: Response,
    arriving: ReadableStream<Uint8Array<ArrayBuffer>> | null,
    { url, request, redirected }: {
      readonly url: string;
      readonly request: Request;
      readonly redirected: boolean;
    },
  ): Response {
    const { mode } = request;
    const crossOrigin = mode !== "navigate" &&
      new URL(url).origin !== this.#origin;
    if (crossOrigin && mode === "no-cors") {
      arriving?.cancel();
      return dressResponse(new Response(), {
        url: "",
        type: "opaque",
        redirected: false,
      });
    }
    if (crossOrigin) {
      const allowed = answer.headers.get("access-control-allow-origin");
      if (mode !== "cors" || (allowed !== "*" && allowed !== this.#origin)) {
        arriving?.cancel();
        throw failed(
          url,
          `its Access-Control-Allow-Origin is ${allowed}, the origin ${this.#origin}, the mode ${mode}`,
        );
      }
    }
    const seen = withBody(answer, arriving);
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
    line: AbortSignal,
  ): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    const reader = answer.body?.getReader();
    if (!reader) return null;
    const either = AbortSignal.any([signal, line]);
    let arrived = 0;
    let cut = false;
    const read = async () => {
      either.throwIfAborted();
      const { done, value } = await abortable(reader.read(), either);
      if (done) return undefined;
      if (this.bytesPerSecond < Infinity) {
        const delay = value.length / this.bytesPerSecond * 1000;
        await this.#clock.sleep(delay, either);
      }
      const left = Math.max(0, this.cutAfter - arrived);
      cut = value.length > left;
      if (cut) await reader.cancel();
      arrived += Math.min(value.length, left);
      // An empty chunk asks for nothing more.
      return value.slice(0, left);
    };
    return streamOf(async () => {
      const brokeOff = `the body broke off after ${arrived} bytes`;
      if (cut) throw failed(url, brokeOff);
      try {
        return await read();
      } catch (error) {
        reader.cancel(error).catch(() => {});
        signal.throwIfAborted();
        throw failed(url, brokeOff, line.aborted ? undefined : error);
      }
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
