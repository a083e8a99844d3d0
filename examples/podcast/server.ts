// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Serves the podcast app.
 *
 * `deno task start [--watch] [--throttle=<bytes per second>]`; the environment
 * variable `PORT` is the port to try first.
 *
 * @module
 */

import { fileURLToPath } from "node:url";
import { type Asset, buildAssets } from "./server/assets.ts";
import { answerEvents } from "./server/events.ts";
import { createHandler } from "./server/handler.ts";
import { openNews } from "./server/news.ts";

/** How to serve. */
export interface PodcastOptions {
  /** The port to listen on; 0 for any that is free. @default {0} */
  port?: number | undefined;
  /** Bytes per second for each response of audio; 0 for no limit. @default {0} */
  throttle?: number | undefined;
  /** Seconds that every episode lasts, instead of its own. */
  duration?: number | undefined;
  /** Whether to build again, and have open pages look for that, when a file changes. @default {false} */
  watch?: boolean | undefined;
  /** The file of what is to be remembered. Without it, nothing is after the end. */
  data?: string | undefined;
  /** Called with every request, before it is answered. */
  onRequest?: ((request: Request) => void) | undefined;
}

/** A server that runs. */
export interface PodcastServer {
  port: number;
  /** Where the app is. */
  url: string;
  /** Stops at once, cutting what is being sent. */
  close(): Promise<void>;
}

const HOSTNAME = "127.0.0.1";
const WATCHED = [
  ".",
  "../../channel",
  "../../fetch",
  "../../lifecycle",
  "../../push",
  "../../storage",
  "../../sync",
];
const DATA = new URL(".data/", import.meta.url);
const SETTLE = 100;
const DEFAULT_PORT = 8000;
/** Slow enough to see a download, and to have a hand in it. */
const DEFAULT_THROTTLE = 3_000_000;

/** Builds and serves the app. */
export async function startPodcast(
  options: PodcastOptions = {},
): Promise<PodcastServer> {
  const { port = 0, throttle, duration, watch = false, data, onRequest } =
    options;
  const assets = await buildAssets({ watch });
  const news = await openNews({ path: data, duration });
  const handle = createHandler({ assets, throttle, duration, news });
  const stopped = new AbortController();

  const server = Deno.serve({
    hostname: HOSTNAME,
    port,
    signal: stopped.signal,
    onListen: () => {},
  }, (request) => {
    onRequest?.(request);
    const { pathname } = new URL(request.url);
    if (built && pathname === "/built") return answerEvents(built, "built");
    return handle(request);
  });
  const built = watch ? watchFiles(assets, stopped.signal) : undefined;
  return {
    port: server.addr.port,
    url: `http://${HOSTNAME}:${server.addr.port}/`,
    async close() {
      stopped.abort();
      await server.finished;
      await news[Symbol.asyncDispose]();
    },
  };
}

/** Builds the files again when one changes, and says so. */
function watchFiles(
  assets: Map<string, Asset>,
  signal: AbortSignal,
): EventTarget {
  const target = new EventTarget();
  const paths = WATCHED.map((path) => new URL(path, import.meta.url).pathname);
  const watcher = Deno.watchFs(paths);
  signal.addEventListener("abort", () => watcher.close());

  let timer: ReturnType<typeof setTimeout> | undefined;
  async function rebuild() {
    try {
      const built = await buildAssets({ watch: true });
      for (const [path, asset] of built) assets.set(path, asset);
      target.dispatchEvent(new Event("built"));
    } catch (error) {
      console.error(error instanceof Error ? error.message : error);
    }
  }
  (async () => {
    for await (const { kind } of watcher) {
      if (kind === "access") continue;
      // Editors write a file in several steps.
      clearTimeout(timer);
      timer = setTimeout(rebuild, SETTLE);
    }
    clearTimeout(timer);
  })();
  return target;
}

async function main(args: string[]): Promise<void> {
  const wanted = Number(Deno.env.get("PORT") ?? DEFAULT_PORT);
  const rate = args.find((arg) => arg.startsWith("--throttle="))?.slice(11);
  await Deno.mkdir(DATA, { recursive: true });
  const options = {
    data: fileURLToPath(new URL("longwave.sqlite", DATA)),
    throttle: rate === undefined ? DEFAULT_THROTTLE : Number(rate),
    watch: args.includes("--watch"),
  };
  let server: PodcastServer;
  try {
    server = await startPodcast({ ...options, port: wanted });
  } catch (error) {
    if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    server = await startPodcast(options);
    console.log(`Port ${wanted} is taken, so this is another one.`);
  }
  console.log(`Longwave is at ${server.url}`);
  if (options.throttle > 0) {
    console.log(
      `Audio is sent at ${
        options.throttle / 1e6
      } MB/s, so that downloads can be seen; --throttle=0 lifts that.`,
    );
  }
  if (options.watch) {
    console.log("Open pages offer an update when a file changes.");
  }
}

if (import.meta.main) await main(Deno.args);
