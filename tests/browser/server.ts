// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The server of one browser test: a fresh origin on the loopback interface, with
 * the test's page and worker, whose requests can be counted, held and cut, and
 * which can go away and come back.
 *
 * @module
 */

import http from "node:http";
import type { AddressInfo } from "node:net";
import { bundle } from "../../tools/build.ts";
import type { ScriptCoverage } from "./driver.ts";

/** What a test's page and worker are, and how they are served. */
export interface ServerOptions {
  /** The worker's script. */
  worker?: Script | undefined;
  /** The page's script. */
  page?: Script | undefined;
  /** Whether the worker is a module. @default {false} */
  module?: boolean | undefined;
  /** Whether the worker claims its clients when it is activated. @default {true} */
  claim?: boolean | undefined;
  /** Global names that the bundler replaces, each by a JSON value. */
  define?: Record<string, unknown> | undefined;
  /** Whether everything is served with `COOP: same-origin` and `COEP: require-corp`. @default {false} */
  isolated?: boolean | undefined;
  /** Answers what no route answers; `undefined` means 404. */
  handler?: Handler | undefined;
}

/**
 * A file, relative to `tests/browser/` or as a URL; or, if it has a line break,
 * TypeScript text.
 */
export type Script = string | URL;

/** Answers a request. */
export type Handler = (
  request: Request,
) => Response | undefined | Promise<Response | undefined>;

/** A request as it arrived. */
export interface ReceivedRequest {
  readonly method: string;
  /** Path and query. */
  readonly path: string;
  readonly headers: Headers;
  readonly body: Uint8Array<ArrayBuffer>;
}

/** A bundled script, as it was sent to a browser. */
export interface ServedScript {
  readonly code: string;
  readonly map: string;
  /** Where in the answer the code begins. */
  readonly start: number;
}

/** What the worker's script begins with, on its first line. */
function workerPrelude(claim: boolean): string {
  // A worker's own fetch() does not pass through its fetch event.
  return `(() => {
    const send = (text) => fetch("/harness/log", { method: "POST", body: "worker: " + text }).catch(() => {});
    const show = (value) => value instanceof Error ? value.stack || String(value) : typeof value === "string" ? value : JSON.stringify(value);
    for (const level of ["log", "info", "warn", "error"]) {
      const log = console[level];
      console[level] = (...values) => { send(level + " " + values.map(show).join(" ")); log.apply(console, values); };
    }
    addEventListener("error", (event) => { send("error " + (show(event.error) || event.message)); });
    addEventListener("unhandledrejection", (event) => { send("unhandled rejection " + show(event.reason)); });
    ${
    claim
      ? 'addEventListener("activate", (event) => event.waitUntil(clients.claim()));'
      : ""
  }
  })();`.replace(/\s*\n\s*/g, " ");
}

const PAGE_PRELUDE = `
  globalThis.harness = { log: [], page: import("/page.js") };
  harness.page.catch(() => {});
  for (const level of ["log", "info", "warn", "error"]) {
    const log = console[level];
    console[level] = (...values) => { harness.log.push("page: " + level + " " + values.map((value) => value instanceof Error ? value.stack || String(value) : typeof value === "string" ? value : JSON.stringify(value)).join(" ")); log.apply(console, values); };
  }
  addEventListener("error", (event) => { harness.log.push("page: error " + event.message); });
  addEventListener("unhandledrejection", (event) => { harness.log.push("page: unhandled rejection " + event.reason); });
`;

const PAGE = `<!doctype html>
<html lang="en"><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,">
<script>${PAGE_PRELUDE}</script>
<script type="module" src="/page.js"></script>
<body></body></html>`;

const BLANK =
  `<!doctype html><html lang="en"><title>blank</title><link rel="icon" href="data:,"></html>`;

// The system may hand out a port again, and a browser that outlives the test
// remembers the registrations of that origin.
const usedPorts = new Set<number>();

/** The server of one test. */
export class TestServer {
  /** What arrived, in order. */
  readonly requests: ReceivedRequest[] = [];
  /** What the worker logged. */
  readonly log: string[] = [];
  /** `http://127.0.0.1:<port>`. */
  origin = "";

  #options: ServerOptions;
  #server: http.Server;
  #port = 0;
  #routes = new Map<string, Handler>();
  #held = new Map<string, Promise<void>>();
  #cuts = new Map<string, number>();
  /** Every version of each script that was sent, by its path. */
  #scripts = new Map<string, ServedScript[]>();

  /** Starts a server on a port of its own. */
  static async start(options: ServerOptions): Promise<TestServer> {
    const server = new TestServer(options);
    do {
      await server.stop();
      server.#port = 0;
      await server.restart();
    } while (usedPorts.has(server.#port));
    usedPorts.add(server.#port);
    server.origin = `http://127.0.0.1:${server.#port}`;
    return server;
  }

  private constructor(options: ServerOptions) {
    this.#options = options;
    this.#server = http.createServer((incoming, outgoing) => {
      this.#respond(incoming, outgoing).catch(() => outgoing.destroy());
    });
  }

  /** The URL of a path. */
  url(path: string): string {
    return new URL(path, this.origin).href;
  }

  /** Another origin of this server: `http://<name>.localhost:<port>`. */
  otherOrigin(name: string): string {
    return `http://${name}.localhost:${this.#port}`;
  }

  /** Answers a path (without query; `*` at its end stands for anything) from now on. */
  route(path: string, handler: Handler): void {
    this.#routes.set(path, handler);
  }

  /** How many requests arrived for a path, compared without query unless it has one. */
  count(path: string): number {
    return this.requests.filter((request) =>
      (path.includes("?") ? request.path : request.path.split("?")[0]) === path
    ).length;
  }

  /** Holds requests for a path, after they were counted, until the returned function is called. */
  hold(path: string): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#held.set(path, promise);
    return () => {
      this.#held.delete(path);
      resolve();
    };
  }

  /**
   * Destroys the connection of every request for a path after so many bytes of
   * the body, or with none before any answer, until the returned function is called.
   */
  cut(path: string, bytes = -1): () => void {
    this.#cuts.set(path, bytes);
    return () => this.#cuts.delete(path);
  }

  /** The script which a measurement is about. */
  served({ url, functions }: ScriptCoverage): ServedScript | undefined {
    if (!url.startsWith(`${this.origin}/`)) return;
    const versions = this.#scripts.get(new URL(url).pathname) ?? [];
    const end = Math.max(
      ...functions.flatMap(({ ranges }) => ranges.map((r) => r.endOffset)),
    );
    return versions.find(({ code, start }) => start + code.length === end);
  }

  /** Serves another worker from now on, or the same one with other `define`s. */
  replaceWorker(
    worker: Script | undefined,
    define?: Record<string, unknown>,
  ): void {
    this.#options = {
      ...this.#options,
      worker: worker ?? this.#options.worker,
      define: define ?? this.#options.define,
    };
  }

  /** Goes away: open connections are destroyed, new ones refused. */
  async stop(): Promise<void> {
    if (!this.#server.listening) return;
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  /** Comes back on the same port. */
  async restart(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(this.#port, "127.0.0.1", () => {
        this.#server.off("error", reject);
        resolve();
      });
    });
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async #respond(
    incoming: http.IncomingMessage,
    outgoing: http.ServerResponse,
  ): Promise<void> {
    const chunks: Uint8Array[] = [];
    for await (const chunk of incoming) chunks.push(chunk);
    const body = new Uint8Array(await new Blob(chunks as BlobPart[]).bytes());
    const { method = "GET", url: path = "/" } = incoming;
    const url = new URL(`http://${incoming.headers.host}${path}`);
    const headers = new Headers();
    for (const [name, value] of Object.entries(incoming.headers)) {
      headers.set(name, String(value));
    }
    if (url.pathname === "/harness/log") {
      this.log.push(new TextDecoder().decode(body));
      outgoing.writeHead(204).end();
      return;
    }

    this.requests.push({ method, path, headers, body });
    await this.#held.get(url.pathname);
    const limit = this.#cuts.get(url.pathname) ?? Infinity;
    if (limit < 0) {
      incoming.socket.destroy();
      return;
    }
    const request = new Request(url, {
      method,
      headers,
      ...(body.length > 0 && { body }),
    });
    let response: Response;
    try {
      response = await this.#answer(request, url.pathname) ??
        new Response(`No route: ${path}`, { status: 404 });
    } catch (error) {
      this.log.push(`server: ${error instanceof Error ? error.stack : error}`);
      response = new Response(String(error), { status: 500 });
    }
    await send(response, outgoing, limit, {
      // Not "no-store", which keeps a page out of the back/forward cache.
      "cache-control": "no-cache",
      "service-worker-allowed": "/",
      ...(this.#options.isolated && {
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-embedder-policy": "require-corp",
        "cross-origin-resource-policy": "cross-origin",
      }),
    });
  }

  async #answer(
    request: Request,
    path: string,
  ): Promise<Response | undefined> {
    for (const [pattern, handler] of this.#routes) {
      const fits = pattern.endsWith("*")
        ? path.startsWith(pattern.slice(0, -1))
        : path === pattern;
      if (fits) return await handler(request);
    }
    const { worker, page, module = false, claim = true, handler } =
      this.#options;
    switch (path) {
      case "/sw.js":
        if (worker === undefined) break;
        return await this.#script(
          path,
          worker,
          module ? "esm" : "iife",
          workerPrelude(claim),
        );
      case "/page.js":
        return await this.#script(path, page ?? "\n", "esm", "");
      case "/":
        if (handler && page === undefined) break;
        return html(PAGE);
      case "/blank.html":
        return html(BLANK);
    }
    return await handler?.(request);
  }

  async #script(
    path: string,
    script: Script,
    format: "esm" | "iife",
    prelude: string,
  ): Promise<Response> {
    const source = typeof script === "string" && script.includes("\n")
      ? script
      : undefined;
    const define = Object.fromEntries(
      Object.entries(this.#options.define ?? {}).map(([name, value]) =>
        [name, JSON.stringify(value)] as const
      ),
    );
    const { code, map = "" } = await bundle(
      source === undefined
        ? new URL(script, import.meta.url)
        : new URL(`inline${path.replace(/\.js$/, ".ts")}`, import.meta.url),
      {
        format,
        define,
        sourcemap: true,
        cache: true,
        ...(source !== undefined && { source }),
      },
    );
    const served = { code, map, start: prelude.length };
    this.#scripts.set(path, [...this.#scripts.get(path) ?? [], served]);
    return new Response(prelude + code, {
      headers: { "content-type": "text/javascript" },
    });
  }
}

function html(text: string): Response {
  return new Response(text, {
    headers: { "content-type": "text/html; charset=utf-8" },
  });
}

async function send(
  response: Response,
  outgoing: http.ServerResponse,
  limit: number,
  defaults: Record<string, string>,
): Promise<void> {
  outgoing.writeHead(response.status, {
    ...defaults,
    ...Object.fromEntries(response.headers),
  });
  const reader = response.body?.getReader();
  const closed = new Promise((resolve) => outgoing.once("close", resolve));
  closed.then(() => reader?.cancel().catch(() => {}));
  let sent = 0;
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    const chunk = value.subarray(0, limit - sent);
    sent += chunk.length;
    if (!outgoing.write(chunk)) {
      const drained = new Promise((resolve) => outgoing.once("drain", resolve));
      await Promise.race([drained, closed]);
    }
    if (sent >= limit) {
      // What was written has to leave first.
      await new Promise((resolve) => setTimeout(resolve, 20));
      outgoing.destroy();
      return;
    }
  }
  outgoing.end();
}
