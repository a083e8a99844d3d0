// Copyright 2026 the @serviceworker/std authors. MIT license.

import { AsyncLocalStorage } from "node:async_hooks";
import {
  assert,
  assertEquals,
  assertRejects,
  assertStrictEquals,
} from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { memoryStore } from "../storage/memory_store.ts";
import {
  createHost,
  type Host,
  type HostOptions,
  type HostWindow,
} from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import {
  type BackgroundFetch,
  type BackgroundFetchScope,
  type BackgroundFetchState,
  createBackgroundFetch,
} from "./background_fetch.ts";

const PART = 2 * 1024 * 1024;
const PAGES = ["/", "/other"];
const OPTIONS = { cacheName: "episodes" };

/** A file on a server that knows ranges. */
class FileServer {
  bytes: Uint8Array<ArrayBuffer>;
  headers: Record<string, string> = { etag: '"1"' };
  ranges = true;
  /** Where answers break off, counted in the file, one after the other. */
  cuts: number[] = [];
  status = 200;
  readonly asked: string[] = [];
  sent = 0;

  constructor(size = 10) {
    this.bytes = Uint8Array.from({ length: size }, (_, i) => i * 7 + i / 251);
  }

  answer(request: Request): Response {
    const range = request.headers.get("range");
    this.asked.push(range ?? "whole");
    if (this.status !== 200) return new Response("no", { status: this.status });
    const { bytes, headers } = this;
    const ifRange = request.headers.get("if-range");
    const isRange = range !== null && this.ranges && ifRange === headers.etag;
    const start = isRange ? Number(range.match(/\d+/)?.[0]) : 0;
    const cut = this.cuts.shift() ?? bytes.length;
    const { length } = bytes;
    if (start >= length && isRange) {
      return new Response(null, {
        status: 416,
        headers: { "content-range": `bytes */${length}` },
      });
    }
    let at = start;
    const body = new ReadableStream({
      pull: (controller) => {
        if (at >= cut && cut < length) {
          return controller.error(new TypeError("cut"));
        }
        if (at >= length) return controller.close();
        const piece = bytes.slice(at, Math.min(at + 300_000, cut));
        at += piece.length;
        this.sent += piece.length;
        controller.enqueue(piece);
      },
    }, { highWaterMark: 0 });
    return new Response(body, {
      status: isRange ? 206 : 200,
      headers: {
        "content-length": String(length - start),
        "content-type": "audio/test",
        ...headers,
        ...(isRange &&
          { "content-range": `bytes ${start}-${length - 1}/${length}` }),
      },
    });
  }
}

interface Setting {
  host: Host;
  store: ReturnType<typeof memoryStore>;
  /** What the worker's listeners were told. */
  ended: { type: string; state: BackgroundFetchState | undefined }[];
  page: HostWindow;
  downloads: BackgroundFetch;
  url: (path: string) => string;
}

/** A browser with the worker of an app, and a page of it. */
async function set(
  network: (request: Request) => Response | Promise<Response>,
  options: HostOptions = { without: ["backgroundFetch"] },
): Promise<Setting> {
  const host = createHost({
    ...options,
    network: (request) =>
      PAGES.includes(new URL(request.url).pathname)
        ? new Response()
        : network(request),
  });
  const store = memoryStore();
  const ended: Setting["ended"] = [];
  await host.register((self) => {
    const downloads = createBackgroundFetch(self, store, OPTIONS);
    self.addEventListener("message", downloads.wake);
    for (const end of ["success", "fail", "abort"] as const) {
      const type = `backgroundfetch${end}` as const;
      self.addEventListener(type, (event) => {
        const title = ({ result }: BackgroundFetchState) => `It is ${result}`;
        event.waitUntil(
          downloads.settle(event, { title }).then((state) => {
            ended.push({ type, state });
          }),
        );
      });
    }
  });
  const page = await host.openWindow("/");
  const downloads = createBackgroundFetch(page, store, OPTIONS);
  const url = (path: string) => new URL(path, host.origin).href;
  return { host, store, ended, page, downloads, url };
}

/** A digest of what is in the cache. */
async function stored(
  { host, url }: Setting,
  path: string,
): Promise<string | undefined> {
  const cache = await host.caches.open("episodes");
  const response = await cache.match(url(path));
  return response && await digest(await response.bytes());
}

async function digest(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", bytes);
  return `${bytes.length} ${new Uint8Array(hash)}`;
}

/** Follows a download to its end. */
async function end(
  downloads: BackgroundFetch,
  id: string,
): Promise<BackgroundFetchState> {
  let last: BackgroundFetchState | undefined;
  for await (const state of downloads.watch(id)) last = state;
  assert(last);
  return last;
}

for (const path of ["native", "fallback"] as const) {
  const options: HostOptions = path === "native"
    ? {}
    : { without: ["backgroundFetch"] };
  const settings = (network: (request: Request) => Response) =>
    set(network, options);

  Deno.test(`createBackgroundFetch() puts a file into the cache, and says so to page and worker (${path})`, async () => {
    const server = new FileServer(3 * PART + 5);
    const setting = await settings((request) => server.answer(request));
    const { host, downloads, ended, url } = setting;
    const started = await downloads.start("1", url("/1.mp3"), { title: "One" });
    assertEquals(started.path, path);
    assertEquals(started.result, "");
    const state = await end(downloads, "1");
    await host.idle();
    assertEquals(state.result, "success");
    assertEquals(state.downloaded, server.bytes.length);
    assertEquals(await stored(setting, "/1.mp3"), await digest(server.bytes));
    const cache = await host.caches.open("episodes");
    const { headers, status } = await cache.match(url("/1.mp3")) as Response;
    assertEquals(status, 200);
    assertEquals(headers.get("content-type"), "audio/test");
    assertEquals(headers.get("content-length"), String(server.bytes.length));
    assertEquals(ended.map(({ type, state }) => [type, state?.result]), [
      ["backgroundfetchsuccess", "success"],
    ]);
    assertEquals(ended[0]?.state?.path, path);
    assertEquals(server.asked, ["whole"]);
    // No part is left.
    assertEquals(await host.caches.keys(), ["episodes"]);
    host.close();
  });

  Deno.test(`createBackgroundFetch() keeps the good files when one of ten fails, and then asks for that alone (${path})`, async () => {
    const server = new FileServer(20);
    const asked: string[] = [];
    let isBroken = true;
    const setting = await settings((request) => {
      const { pathname } = new URL(request.url);
      asked.push(pathname);
      if (pathname === "/3" && isBroken) {
        return new Response("no", { status: 404 });
      }
      return server.answer(request);
    });
    const { host, downloads, ended, url } = setting;
    const urls = Array.from({ length: 10 }, (_, i) => url(`/${i}`));
    await downloads.start("all", urls);
    const state = await end(downloads, "all");
    await host.idle();
    assertEquals([state.result, state.failureReason], [
      "failure",
      "bad-status",
    ]);
    assertEquals(
      state.files.filter(({ stored }) => !stored).map(({ url }) => url),
      [urls[3]],
    );
    assertEquals(await stored(setting, "/4"), await digest(server.bytes));
    assertEquals(await stored(setting, "/3"), undefined);
    assertEquals(ended.map(({ type }) => type), ["backgroundfetchfail"]);

    isBroken = false;
    asked.length = 0;
    await downloads.start("all", urls);
    const again = await end(downloads, "all");
    await host.idle();
    assertEquals(again.result, "success");
    assertEquals(again.downloaded, 200);
    assertEquals(asked, ["/3"]);
    assertEquals(ended.map(({ type }) => type), [
      "backgroundfetchfail",
      "backgroundfetchsuccess",
    ]);
    host.close();
  });

  Deno.test(`createBackgroundFetch() tells of a 'downloadTotal' that is too small (${path})`, async () => {
    const server = new FileServer(100);
    const setting = await settings((request) => server.answer(request));
    const { host, downloads, ended, url } = setting;
    await downloads.start("1", url("/1"), { downloadTotal: 99 });
    const state = await end(downloads, "1");
    await host.idle();
    assertEquals(state.failureReason, "download-total-exceeded");
    assertEquals(ended.map(({ type }) => type), ["backgroundfetchfail"]);
    assertEquals(await stored(setting, "/1"), undefined);
    assertEquals(
      (await host.caches.keys()).filter((name) => name !== "episodes"),
      [],
    );
    host.close();
  });

  Deno.test(`createBackgroundFetch() ends a download that is aborted (${path})`, async () => {
    const server = new FileServer(3 * PART);
    const setting = await settings((request) => server.answer(request));
    const { host, downloads, ended, url } = setting;
    host.network.bytesPerSecond = PART;
    await downloads.start("1", url("/1"));
    for await (const { downloaded } of downloads.watch("1")) {
      if (downloaded > 0) break;
    }
    const other = createBackgroundFetch(
      await host.openWindow("/other"),
      setting.store,
      OPTIONS,
    );
    assertEquals(await other.abort("1"), true);
    host.network.bytesPerSecond = Infinity;
    const state = await end(downloads, "1");
    await host.idle();
    assertEquals([state.result, state.failureReason], ["failure", "aborted"]);
    assertEquals(await other.abort("1"), false);
    assertEquals(ended.map(({ type }) => type), ["backgroundfetchabort"]);
    assertEquals(await stored(setting, "/1"), undefined);
    assertEquals(
      (await host.caches.keys()).filter((name) => name !== "episodes"),
      [],
    );
    host.close();
  });

  Deno.test(`createBackgroundFetch() joins a download that is running, and refuses another of its identifier (${path})`, async () => {
    const server = new FileServer(PART);
    const setting = await settings((request) => server.answer(request));
    const { host, downloads, url } = setting;
    host.network.bytesPerSecond = PART;
    await downloads.start("1", [url("/1"), url("/2")]);
    const page = await host.openWindow("/other");
    const other = createBackgroundFetch(page, setting.store, OPTIONS);
    const joined = await other.start("1", [url("/2"), url("/1")]);
    assertEquals([joined.result, joined.path], ["", path]);
    const error = await assertRejects(
      () => other.start("1", url("/3")),
      DOMException,
      'Cannot start the download "1": one of other files is running',
    );
    assertEquals(error.name, "InvalidStateError");
    assertEquals((await other.list()).map(({ id }) => id), ["1"]);
    host.network.bytesPerSecond = Infinity;
    assertEquals((await end(other, "1")).result, "success");
    await host.idle();
    assertEquals(server.asked, ["whole", "whole"]);
    host.close();
  });

  Deno.test(`createBackgroundFetch() forgets what is deleted, running or ended (${path})`, async () => {
    const server = new FileServer(PART);
    const setting = await settings((request) => server.answer(request));
    const { host, downloads, url } = setting;
    await downloads.start("1", url("/1"));
    await end(downloads, "1");
    await host.idle();
    host.network.bytesPerSecond = PART;
    await downloads.start("2", url("/2"));
    assertEquals(await downloads.delete("1"), true);
    assertEquals(await downloads.delete("2"), true);
    assertEquals(await downloads.delete("2"), false);
    host.network.bytesPerSecond = Infinity;
    await host.idle();
    assertEquals(await downloads.list(), []);
    assertEquals(await downloads.get("1"), undefined);
    assertEquals(await stored(setting, "/1"), undefined);
    assertEquals(await stored(setting, "/2"), undefined);
    assertEquals(await host.caches.keys(), ["episodes"]);
    assertEquals((await setting.store.list({ prefix: "" })).length, 0);
    host.close();
  });
}

/** Runs what is left in a new page, as after a crash of the one before. */
async function resume(setting: Setting): Promise<BackgroundFetch> {
  const page = await setting.host.openWindow("/other");
  return createBackgroundFetch(page, setting.store, OPTIONS);
}

Deno.test("createBackgroundFetch() resumes what broke off, with the rest alone", async () => {
  const server = new FileServer(3 * PART);
  server.cuts = [PART + 100, 2 * PART + 7];
  const setting = await set((request) => server.answer(request));
  const { host, downloads, url } = setting;
  await downloads.start("1", url("/1"));
  const { next } = await downloads.run();
  assert(next !== undefined && next > Date.now() - 1000);
  const other = await resume(setting);
  await other.run();
  await other.run();
  assertEquals((await downloads.get("1"))?.result, "success");
  assertEquals(await stored(setting, "/1"), await digest(server.bytes));
  // What came of a part counts.
  assertEquals(server.asked, [
    "whole",
    `bytes=${PART + 100}-`,
    `bytes=${2 * PART + 7}-`,
  ]);
  assertEquals(server.sent, server.bytes.length);
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() asks once for what is not there, while it tries others again", async () => {
  const server = new FileServer(10);
  server.cuts = [5];
  let missing = 0;
  const setting = await set((request) => {
    if (!request.url.endsWith("/missing")) return server.answer(request);
    missing++;
    return new Response("no", { status: 404 });
  });
  const { host, downloads, url } = setting;
  await downloads.start("1", [url("/missing"), url("/1")]);
  await downloads.run();
  await downloads.run();
  const state = await downloads.get("1");
  assertEquals(state?.failureReason, "bad-status");
  assertEquals(state?.files.map(({ stored }) => stored), [false, true]);
  assertEquals(missing, 1);
  await host.idle();
  host.close();
});

const changes: Record<string, (server: FileServer) => void> = {
  "has changed": (server) => {
    server.bytes = server.bytes.slice(7);
    server.headers = { etag: '"2"' };
  },
  "has become shorter than what there is": (server) => {
    server.bytes = server.bytes.slice(0, 5);
    server.headers = { etag: '"2"' };
  },
  "cannot be had in ranges": (server) => {
    server.ranges = false;
  },
  "cannot be had in ranges, and has changed": (server) => {
    server.ranges = false;
    server.bytes = server.bytes.slice(9);
  },
};
for (const [what, change] of Object.entries(changes)) {
  Deno.test(`createBackgroundFetch() begins again where the file ${what}`, async () => {
    const server = new FileServer(2 * PART);
    server.cuts = [PART + 5];
    const setting = await set((request) => server.answer(request));
    const { host, downloads, url } = setting;
    await downloads.start("1", url("/1"));
    await downloads.run();
    change(server);
    await downloads.run();
    assertEquals((await downloads.get("1"))?.result, "success");
    assertEquals(await stored(setting, "/1"), await digest(server.bytes));
    await host.idle();
    assertEquals(await host.caches.keys(), ["episodes"]);
    host.close();
  });
}

const wrong: Record<string, (server: FileServer) => Response> = {
  "another range": (server) =>
    new Response("x", {
      status: 206,
      headers: { ...server.headers, "content-range": "bytes 0-0/4194304" },
    }),
  "another size": (server) =>
    new Response("x", {
      status: 206,
      headers: {
        ...server.headers,
        "content-range": `bytes ${PART + 5}-${PART + 5}/7`,
      },
    }),
  "another version": () =>
    new Response("x", {
      status: 206,
      headers: {
        etag: '"9"',
        "content-range": `bytes ${PART + 5}-${2 * PART - 1}/${2 * PART}`,
      },
    }),
  "an encoded range": (server) =>
    new Response("x", {
      status: 206,
      headers: {
        ...server.headers,
        "content-encoding": "gzip",
        "content-range": `bytes ${PART + 5}-${2 * PART - 1}/${2 * PART}`,
      },
    }),
  "no range": () => new Response(null, { status: 416 }),
};
for (const [what, answer] of Object.entries(wrong)) {
  Deno.test(`createBackgroundFetch() trusts no answer of ${what}`, async () => {
    const server = new FileServer(2 * PART);
    server.cuts = [PART + 5];
    const setting = await set((request) =>
      request.headers.has("range") ? answer(server) : server.answer(request)
    );
    const { host, downloads, url } = setting;
    await downloads.start("1", url("/1"));
    await downloads.run();
    await downloads.run();
    assertEquals((await downloads.get("1"))?.result, "success");
    assertEquals(await stored(setting, "/1"), await digest(server.bytes));
    await host.idle();
    host.close();
  });
}

const validators: Record<string, Record<string, string>> = {
  "a weak ETag": { etag: 'W/"1"' },
  "no validator": {},
  "a date as new as the answer": {
    "last-modified": "Wed, 21 Oct 2015 07:28:00 GMT",
    date: "Wed, 21 Oct 2015 07:28:00 GMT",
  },
  "an encoding": { etag: '"1"', "content-encoding": "identity, x" },
};
for (const [what, headers] of Object.entries(validators)) {
  Deno.test(`createBackgroundFetch() asks for the whole again where there is ${what}`, async () => {
    const server = new FileServer(PART + 10);
    server.headers = headers;
    server.cuts = [PART + 5];
    const setting = await set((request) => server.answer(request));
    const { host, downloads, url } = setting;
    await downloads.start("1", url("/1"));
    await downloads.run();
    await downloads.run();
    assertEquals(server.asked, ["whole", "whole"]);
    assertEquals(await stored(setting, "/1"), await digest(server.bytes));
    await host.idle();
    host.close();
  });
}

Deno.test("createBackgroundFetch() resumes by a date that is old enough", async () => {
  const server = new FileServer(PART + 10);
  const modified = "Wed, 21 Oct 2015 07:28:00 GMT";
  server.cuts = [PART + 5];
  const ifRanges: (string | null)[] = [];
  const setting = await set((request) => {
    ifRanges.push(request.headers.get("if-range"));
    server.headers = {
      "last-modified": modified,
      date: new Date().toUTCString(),
    };
    return server.answer(request);
  });
  const { host, downloads, url } = setting;
  await downloads.start("1", url("/1"));
  await downloads.run();
  await downloads.run();
  assertEquals(ifRanges, [null, modified]);
  assertEquals(await stored(setting, "/1"), await digest(server.bytes));
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() stores an encoded file as what it says", async () => {
  const setting = await set(() =>
    new Response("Hello", {
      headers: { "content-encoding": "gzip", "content-length": "3", vary: "*" },
    })
  );
  const { host, downloads, url } = setting;
  await downloads.start("1", url("/1"));
  assertEquals((await end(downloads, "1")).result, "success");
  const cache = await host.caches.open("episodes");
  const { headers } = await cache.match(url("/1")) as Response;
  assertEquals([...headers.keys()], ["content-length", "content-type"]);
  assertEquals(headers.get("content-length"), "5");
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() stores a file of no bytes", async () => {
  const setting = await set(() => new Response(null, { status: 200 }));
  const { host, downloads } = setting;
  await downloads.start("1", setting.url("/1"));
  assertEquals((await end(downloads, "1")).result, "success");
  assertEquals(await stored(setting, "/1"), await digest(new Uint8Array()));
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() says that the disk is full, and leaves nothing", async () => {
  const server = new FileServer(2 * PART);
  const setting = await set((request) => server.answer(request));
  const { host, downloads, ended, url } = setting;
  // The parts fit, the whole does not.
  host.caches.quota = host.caches.usage + 3 * PART;
  await downloads.start("known", url("/1"));
  assertEquals((await end(downloads, "known")).failureReason, "quota-exceeded");
  assertEquals(server.sent <= 600_000, true);

  server.headers = { etag: '"1"', "content-encoding": "x" }; // Of no known size.
  await downloads.start("unknown", url("/1"));
  const state = await end(downloads, "unknown");
  assertEquals(state.failureReason, "quota-exceeded");
  await host.idle();
  assertEquals(ended.map(({ type }) => type), [
    "backgroundfetchfail",
    "backgroundfetchfail",
  ]);
  assertEquals(await stored(setting, "/1"), undefined);
  assertEquals(await host.caches.keys(), ["episodes"]);
  host.close();
});

for (
  const [reason, status] of [["bad-status", 503], ["fetch-error", 0]] as const
) {
  Deno.test(`createBackgroundFetch() gives up after minutes without a byte (${reason})`, async () => {
    const server = new FileServer(2 * PART);
    server.cuts = [PART];
    const setting = await set((request) => {
      if (server.status === 0) throw new TypeError("unreachable");
      return server.answer(request);
    });
    const { host, downloads, url } = setting;
    await downloads.start("1", url("/1"));
    await downloads.run();
    server.status = status;
    {
      using time = new FakeTime(Date.now());
      for (let tries = 0;; tries++) {
        const { next } = await downloads.run();
        if (next === undefined) {
          assert(tries >= 5);
          break;
        }
        assert(next - Date.now() <= 60_000);
        await time.tickAsync(next - Date.now());
      }
    }
    const state = await downloads.get("1");
    assertEquals([state?.result, state?.failureReason], ["failure", reason]);
    await host.idle();

    // What has come before the network went is there still.
    server.status = 200;
    server.asked.length = 0;
    await downloads.start("1", url("/1"));
    assertEquals((await end(downloads, "1")).result, "success");
    assertEquals(server.asked, [
      reason === "fetch-error" ? `bytes=${PART}-` : "whole",
    ]);
    assertEquals(await stored(setting, "/1"), await digest(server.bytes));
    await host.idle();
    host.close();
  });
}

Deno.test("createBackgroundFetch() takes no body for whole that is too short", async () => {
  const server = new FileServer(10);
  let isShort = true;
  const setting = await set((request) => {
    if (!isShort) return server.answer(request);
    const headers = { etag: '"1"', "content-length": "10" };
    return new Response(server.bytes.slice(0, 4), { headers });
  });
  const { host, downloads, url } = setting;
  await downloads.start("1", url("/1"));
  await downloads.run();
  assertEquals((await downloads.get("1"))?.result, "");
  isShort = false;
  await downloads.run();
  assertEquals(server.asked, ["bytes=4-"]);
  assertEquals(await stored(setting, "/1"), await digest(server.bytes));
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() waits for as long as there is no network", async () => {
  const server = new FileServer(PART);
  const setting = await set((request) => server.answer(request));
  const { host, downloads, url } = setting;
  host.network.offline = true;
  await downloads.start("1", url("/1"));
  await host.idle();
  {
    using time = new FakeTime();
    for (let tries = 0; tries < 20; tries++) {
      const { next = 0 } = await downloads.run();
      await time.tickAsync(next - Date.now());
    }
  }
  assertEquals((await downloads.get("1"))?.result, "");
  host.network.offline = false;
  assertEquals((await downloads.run()).next, undefined);
  assertEquals((await downloads.get("1"))?.result, "success");
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() hands over to the worker when the page is closed", async () => {
  const server = new FileServer(3 * PART);
  const setting = await set((request) => server.answer(request));
  const { host, page, downloads, ended, url } = setting;
  host.network.bytesPerSecond = 4 * PART;
  await downloads.start("1", url("/1"));
  for await (const { downloaded } of downloads.watch("1")) {
    if (downloaded > PART) break;
  }
  page.close();
  await host.idle();
  assertEquals(ended.map(({ type }) => type), ["backgroundfetchsuccess"]);
  assertEquals(await stored(setting, "/1"), await digest(server.bytes));
  assertEquals(server.asked.length, 2);
  host.close();
});

Deno.test("createBackgroundFetch() loses nothing wherever the worker is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    const server = new FileServer(10);
    server.cuts = [5];
    const setting = await set((request) => server.answer(request), {
      without: ["backgroundFetch"],
      globals: globalThis,
      context: new AsyncLocalStorage(),
    });
    const { host, store, ended, url } = setting;
    // The page begins it, and leaves it to the worker.
    const page = Object.assign(Object.create(setting.page), {
      caches: { open: () => new Promise(() => {}) },
    });
    const scope: BackgroundFetchScope = {
      caches: setting.page.caches,
      navigator: {
        locks: {
          request: (name, options, work) =>
            name.endsWith("download")
              ? Promise.reject(new Error("left to the worker"))
              : setting.page.navigator.locks.request(name, options, work),
        },
        onLine: true,
        serviceWorker: setting.page.serviceWorker,
      },
      BroadcastChannel: setting.page.BroadcastChannel,
      fetch: page.fetch,
      dispatchEvent: () => false,
    };
    const downloads = createBackgroundFetch(scope, store, OPTIONS);
    arm(host);
    await downloads.start("1", url("/1"));
    await host.idle();
    const wake = {
      "@serviceworker/std": { backgroundFetch: { name: "default" } },
    };
    for (let tries = 0; tries < 3; tries++) {
      setting.page.serviceWorker.controller?.postMessage(wake);
      await host.idle();
    }
    assertEquals((await downloads.get("1"))?.result, "success");
    assertEquals(await stored(setting, "/1"), await digest(server.bytes));
    assertEquals(ended.length >= 1, true);
    assertEquals(await host.caches.keys(), ["episodes"]);
    host.close();
  });
  assert(stops > 10);
});

Deno.test("createBackgroundFetch() refuses what cannot be downloaded, and has no effect", async () => {
  const setting = await set(() => new Response("x"), {});
  const { host, downloads, store, url } = setting;
  const refused: [requests: (string | Request)[], fact: string][] = [
    [[], "there are no files"],
    [[new Request(url("/1"), { mode: "no-cors" })], 'is "no-cors"'],
    [[new Request(url("/1"), { method: "POST" })], 'is "POST"'],
    [[new Request(url("/1"), { integrity: "sha256-x" })], "integrity"],
    [["data:,x"], "not to be had from http(s)"],
    [[url("/1"), url("/1")], "is there twice"],
  ];
  for (const [requests, fact] of refused) {
    await assertRejects(
      () => downloads.start("1", requests),
      TypeError,
      fact,
    );
  }
  assertEquals(host.backgroundFetches, []);
  assertEquals(await store.list({ prefix: "" }), []);
  host.close();
});

Deno.test("createBackgroundFetch() downloads by itself where permission is denied", async () => {
  const setting = await set(() => new Response("x"), {});
  const { host, downloads, ended, url } = setting;
  host.permissions.set("background-fetch", "denied");
  const { path } = await downloads.start("1", url("/1"));
  assertEquals(path, "fallback");
  assertEquals((await end(downloads, "1")).result, "success");
  await host.idle();
  assertEquals(ended.map(({ state }) => state?.path), ["fallback"]);
  host.close();
});

Deno.test("createBackgroundFetch() downloads by itself where the browser wants a gesture", async () => {
  const setting = await set(() => new Response("x"), {});
  const { host, downloads, page, url } = setting;
  const { backgroundFetch } = await page.navigator.serviceWorker.ready;
  Object.assign(backgroundFetch, {
    fetch: () => Promise.reject(new TypeError("It has no permission")),
  });
  assertEquals((await downloads.start("1", url("/1"))).path, "fallback");
  assertEquals((await end(downloads, "1")).result, "success");
  host.close();
});

Deno.test("createBackgroundFetch() passes on that there is no room, and leaves nothing", async () => {
  const setting = await set(() => new Response("x"), {});
  const { host, downloads, store, url } = setting;
  host.caches.quota = host.caches.usage + 100;
  const downloadTotal = 101;
  const error = await assertRejects(() =>
    downloads.start("1", url("/1"), { downloadTotal })
  );
  assertEquals((error as Error).name, "QuotaExceededError");
  assertEquals(await store.list({ prefix: "" }), []);
  assertEquals(await downloads.list(), []);
  host.close();
});

Deno.test("createBackgroundFetch() waits for an active worker, but not for ever", async () => {
  using time = new FakeTime();
  const host = createHost();
  const page = await host.openWindow("/");
  const downloads = createBackgroundFetch(page, memoryStore(), OPTIONS);
  const tested = assertRejects(
    () => downloads.start("1", `${host.origin}/1`),
    DOMException,
    "no worker is active after 30 seconds",
  );
  await time.tickAsync(30_000);
  assertEquals((await tested).name, "NoWorkerError");
  host.close();
});

Deno.test("createBackgroundFetch() rejects where there are no service workers", async () => {
  const scope = { navigator: {} } as BackgroundFetchScope;
  const downloads = createBackgroundFetch(scope, memoryStore(), OPTIONS);
  const error = await assertRejects(
    () => downloads.start("1", "https://a.test/"),
    DOMException,
  );
  assertEquals(error.name, "NotSupportedError");
});

Deno.test("start() rejects with the reason of an aborted signal", async () => {
  const host = createHost();
  const page = await host.openWindow("/");
  const store = memoryStore();
  const downloads = createBackgroundFetch(page, store, OPTIONS);
  const reason = new Error("enough");
  const url = `${host.origin}/1`;
  assertStrictEquals(
    await assertRejects(() =>
      downloads.start("1", url, { signal: AbortSignal.abort(reason) })
    ),
    reason,
  );
  const controller = new AbortController();
  const starting = downloads.start("1", url, { signal: controller.signal });
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => starting), reason);
  assertEquals(await store.list({ prefix: "" }), []);
  host.close();
});

Deno.test("watch() rejects with the reason of its signal, or if there is none to watch", async () => {
  const server = new FileServer(PART);
  const setting = await set((request) => server.answer(request));
  const { host, downloads, url } = setting;
  const error = await assertRejects(
    () => downloads.watch("1").next(),
    DOMException,
  );
  assertEquals(error.name, "NotFoundError");
  host.network.offline = true;
  await downloads.start("1", url("/1"));
  const reason = new Error("enough");
  const controller = new AbortController();
  {
    // At once, not when it looks again.
    using _time = new FakeTime();
    const watching = downloads.watch("1", { signal: controller.signal });
    await watching.next();
    const next = watching.next();
    controller.abort(reason);
    assertStrictEquals(await assertRejects(() => next), reason);
  }
  await downloads.delete("1");
  await host.idle();
  host.close();
});

Deno.test("run() rejects with the reason of its signal, and goes on later", async () => {
  const server = new FileServer(2 * PART);
  const setting = await set((request) => server.answer(request));
  const { host, downloads, url } = setting;
  const reason = new Error("enough");
  await assertRejects(() =>
    downloads.run({ signal: AbortSignal.abort(reason) })
  );
  host.network.offline = true;
  await downloads.start("1", url("/1"));
  await downloads.run();
  host.network.offline = false;
  host.network.bytesPerSecond = PART;
  const controller = new AbortController();
  const running = downloads.run({ signal: controller.signal });
  for await (const { downloaded } of downloads.watch("1")) {
    if (downloaded > 0) break;
  }
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => running), reason);
  host.network.bytesPerSecond = Infinity;
  await downloads.run();
  assertEquals(await stored(setting, "/1"), await digest(server.bytes));
  assertEquals(server.asked.length, 2);
  assert(server.asked[1]?.startsWith("bytes="));
  await host.idle();
  host.close();
});

Deno.test("settle() rejects where the records are not available any more", async () => {
  const setting = await set(() => new Response("x"), {});
  const { host, downloads, url } = setting;
  host.network.offline = true;
  await downloads.start("1", url("/1"));
  const registration = {
    id: "1",
    downloaded: 0,
    result: "success",
    failureReason: "",
    recordsAvailable: false,
    abort: () => Promise.resolve(false),
    matchAll: () => Promise.resolve([]),
    addEventListener() {},
  };
  const error = await assertRejects(
    () => downloads.settle({ registration }),
    DOMException,
  );
  assertEquals(error.name, "InvalidStateError");
  // One that it does not know is left to others.
  const other = { registration: { ...registration, id: "2" } };
  assertEquals(await downloads.settle(other), undefined);
  await downloads.delete("1");
  host.network.offline = false;
  await host.idle();
  host.close();
});

Deno.test("settle() changes what the browser shows", async () => {
  const setting = await set(() => new Response("x"), {});
  const { host, downloads, url } = setting;
  await downloads.start("1", url("/1"), { title: "Episode 1" });
  const [shown] = host.backgroundFetches;
  assertEquals(shown?.title, "Episode 1");
  const titles: string[] = [];
  const registration = {
    id: "1",
    downloaded: 0,
    result: "success",
    failureReason: "",
    recordsAvailable: true,
    abort: () => Promise.resolve(false),
    matchAll: () => Promise.resolve([]),
    addEventListener() {},
  };
  await end(downloads, "1");
  await downloads.settle({
    registration,
    updateUI: ({ title }) => Promise.resolve(void titles.push(title)),
  }, { title: ({ result }) => `It is ${result}` });
  assertEquals(titles, ["It is success"]);
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() finishes by itself what the browser has lost", async () => {
  const setting = await set(() => new Response("x"), {});
  const { host, store, downloads, url } = setting;
  host.network.offline = true;
  await downloads.start("1", url("/1"));
  host.network.offline = false;
  await host.idle();
  // As if the worker had been stopped in its event.
  const [[key, job] = ["", {}]] = await store.list({ prefix: "" });
  const lost = { ...job as object, result: "", failureReason: "" };
  await store.set(key, lost);
  assertEquals((await downloads.get("1"))?.result, "");
  const { next } = await downloads.run();
  assert(next);
  {
    using _time = new FakeTime(next);
    while ((await downloads.run()).next !== undefined);
  }
  assertEquals((await downloads.get("1"))?.result, "success");
  await host.idle();
  host.close();
});

/** A page, with something of its own. */
function scopeOf(
  page: HostWindow,
  own: Partial<BackgroundFetchScope>,
): BackgroundFetchScope {
  const { caches, navigator, BroadcastChannel } = page;
  return {
    caches,
    navigator,
    BroadcastChannel,
    fetch: page.fetch.bind(page),
    dispatchEvent: () => false,
    ...own,
  };
}

/** A channel that nobody hears. */
class Mute {
  onmessage = null;
  postMessage() {}
  close() {}
}

Deno.test("createBackgroundFetch() takes no file of a deleted download for one of the next", async () => {
  const server = new FileServer(3 * PART);
  const setting = await set((request) => server.answer(request));
  const { host, store, page, downloads, url } = setting;
  host.network.bytesPerSecond = 4 * PART;
  await downloads.start("1", url("/1"));
  for await (const { downloaded } of downloads.watch("1")) {
    if (downloaded > 0) break;
  }
  // By one that the others do not hear of.
  const scope = scopeOf(page, { BroadcastChannel: Mute });
  const other = createBackgroundFetch(scope, store, OPTIONS);
  await other.delete("1");
  await other.start("1", url("/2"));
  host.network.bytesPerSecond = Infinity;
  const state = await end(downloads, "1");
  await host.idle();
  assertEquals(state.result, "success");
  assertEquals(await stored(setting, "/1"), undefined);
  assertEquals(await stored(setting, "/2"), await digest(server.bytes));
  host.close();
});

Deno.test("createBackgroundFetch() looks through no parts while an answer waits to be read", async () => {
  const server = new FileServer(3 * PART);
  server.cuts = Array(5).fill(PART + 100);
  const setting = await set((request) => server.answer(request));
  const { host, store, page, downloads, url } = setting;
  await downloads.start("1", url("/1"));
  await downloads.run();
  await host.idle();
  server.cuts = [];
  const steps: string[] = [];
  const caches = {
    has: (name: string) => page.caches.has(name),
    delete: (name: string) => page.caches.delete(name),
    async open(name: string) {
      const cache = await page.caches.open(name);
      return {
        match: (url: string) => cache.match(url),
        delete: (url: string) => cache.delete(url),
        keys() {
          steps.push("look");
          return cache.keys();
        },
        put(url: string, response: Response) {
          if (name !== OPTIONS.cacheName) steps.push("store");
          return cache.put(url, response);
        },
      };
    },
  };
  const fetch: BackgroundFetchScope["fetch"] = (request, init) => {
    steps.push("ask");
    return page.fetch(request, init);
  };
  const scope = scopeOf(page, { caches, fetch });
  await createBackgroundFetch(scope, store, OPTIONS).run();
  assertEquals(steps, ["look", "ask", "store", "look"]);
  assertEquals(await stored(setting, "/1"), await digest(server.bytes));
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() leaves no file of a download that is deleted while it is stored", async () => {
  const setting = await set(() => new Response("x"));
  const { host, store, page, downloads, url } = setting;
  const putting = Promise.withResolvers<void>();
  const deleted = Promise.withResolvers<void>();
  const caches = {
    has: (name: string) => page.caches.has(name),
    delete: (name: string) => page.caches.delete(name),
    async open(name: string) {
      const cache = await page.caches.open(name);
      if (name !== OPTIONS.cacheName) return cache;
      const put = async (url: string, response: Response) => {
        putting.resolve();
        await deleted.promise;
        await cache.put(url, response);
      };
      return Object.assign(Object.create(cache), {
        put,
        match: (url: string) => cache.match(url),
        delete: (url: string) => cache.delete(url),
      });
    },
  };
  const slow = createBackgroundFetch(
    scopeOf(page, { caches }),
    store,
    OPTIONS,
  );
  await slow.start("1", url("/1"));
  await putting.promise;
  assertEquals(await downloads.delete("1"), true);
  deleted.resolve();
  await slow.run();
  await host.idle();
  assertEquals(await stored(setting, "/1"), undefined);
  assertEquals(await host.caches.keys(), ["episodes"]);
  host.close();
});

Deno.test("createBackgroundFetch() goes on where the clock was put back", async () => {
  const setting = await set(() => new Response("x"));
  const { host, downloads, url } = setting;
  host.network.offline = true;
  {
    using _ahead = new FakeTime(Date.now() + 1e9);
    await downloads.start("1", url("/1"));
    await downloads.run();
  }
  host.network.offline = false;
  await downloads.run();
  assertEquals((await downloads.get("1"))?.result, "success");
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() tells the worker what is aborted while nobody downloads it", async () => {
  const setting = await set(() => new Response("no", { status: 503 }));
  const { host, downloads, ended, url } = setting;
  await downloads.start("1", url("/1"));
  await downloads.run();
  await host.idle();
  assertEquals(await downloads.abort("1"), true);
  await host.idle();
  assertEquals(
    ended.map(({ type, state }) => [type, state?.failureReason]),
    [["backgroundfetchabort", "aborted"]],
  );
  host.close();
});

Deno.test("createBackgroundFetch() goes on where what it is told of cannot be read", async () => {
  const server = new FileServer(PART);
  const setting = await set((request) => server.answer(request));
  const { host, page, downloads, url } = setting;
  host.network.bytesPerSecond = 4 * PART;
  let isAway = false;
  const store = Object.assign(Object.create(setting.store), {
    async get(key: string) {
      if (isAway) throw new Error("away");
      return await setting.store.get(key);
    },
  });
  const one = createBackgroundFetch(page, store, OPTIONS);
  await one.start("1", url("/1"));
  for await (const { downloaded } of downloads.watch("1")) {
    if (downloaded > 0) break;
  }
  isAway = true;
  const channel = new page.BroadcastChannel(
    "@serviceworker/std background-fetch/default/",
  );
  channel.postMessage({
    "@serviceworker/std": { backgroundFetch: { id: "1" } },
  });
  channel.close();
  await new Promise((resolve) => setTimeout(resolve));
  isAway = false;
  host.network.bytesPerSecond = Infinity;
  assertEquals((await end(downloads, "1")).result, "success");
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() stores what is longer than it was said to be", async () => {
  // An encoded file of another origin that does not expose its encoding.
  const setting = await set(() =>
    new Response("0123456789", {
      headers: { etag: '"1"', "content-length": "4" },
    })
  );
  const { host, downloads, url } = setting;
  await downloads.start("1", url("/1"));
  await downloads.run();
  const state = await downloads.get("1");
  assertEquals([state?.result, state?.downloaded], ["success", 10]);
  const cache = await host.caches.open("episodes");
  const response = await cache.match(url("/1"));
  assertEquals(response?.headers.get("content-length"), "10");
  assertEquals(await response?.text(), "0123456789");
  await host.idle();
  host.close();
});

for (const path of ["native", "fallback"] as const) {
  Deno.test(`createBackgroundFetch() stores a file without the fragment of its URL (${path})`, async () => {
    const setting = await set(
      () => new Response("x"),
      path === "native" ? {} : { without: ["backgroundFetch"] },
    );
    const { host, downloads, url } = setting;
    const request = new Request(url("/2#t=20"), { headers: { a: "b" } });
    await downloads.start("1", [url("/1#t=10"), request]);
    assertEquals((await end(downloads, "1")).files.map(({ url }) => url), [
      url("/1"),
      url("/2"),
    ]);
    await host.idle();
    assertEquals(
      await stored(setting, "/1"),
      await digest(Uint8Array.of(0x78)),
    );
    await assertRejects(
      () => downloads.start("2", [url("/1#a"), url("/1#b")]),
      TypeError,
      "is there twice",
    );
    host.close();
  });
}

Deno.test("settle() counts as failed what the browser has no record of", async () => {
  const setting = await set(() => new Response("x"), {});
  const { host, downloads, url } = setting;
  host.network.offline = true;
  await downloads.start("1", [url("/1"), url("/2")]);
  const registration = {
    id: "1",
    downloaded: 1,
    result: "success",
    failureReason: "",
    recordsAvailable: true,
    abort: () => Promise.resolve(false),
    matchAll: () =>
      Promise.resolve([{
        request: { url: url("/1") },
        responseReady: Promise.resolve(new Response("x")),
      }]),
    addEventListener() {},
  };
  const state = await downloads.settle({ registration });
  assertEquals(state?.result, "failure");
  assertEquals(state?.files.map(({ stored }) => stored), [true, false]);
  assertEquals(state?.files[1]?.failureReason, "fetch-error");
  await downloads.delete("1");
  host.network.offline = false;
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() does not begin again what was aborted, if its event is lost", async () => {
  let asked = 0;
  const setting = await set(() => {
    asked++;
    return new Response("x");
  }, {});
  const { host, page, store, ended, url } = setting;
  const { backgroundFetch } = await page.navigator.serviceWorker.ready;
  // It is gone, and no event comes.
  let known = false;
  Object.assign(backgroundFetch ?? {}, {
    fetch: () => Promise.resolve(),
    get: () =>
      Promise.resolve(
        known ? { abort: () => Promise.resolve(true) } : undefined,
      ),
  });
  const downloads = createBackgroundFetch(page, store, OPTIONS);
  await downloads.start("1", url("/1"));
  known = true;
  assertEquals(await downloads.abort("1"), true);
  known = false;
  const { next = 0 } = await downloads.run();
  {
    using _later = new FakeTime(next);
    await downloads.run();
    await downloads.run();
  }
  const state = await downloads.get("1");
  assertEquals([state?.result, state?.failureReason], ["failure", "aborted"]);
  assertEquals(asked, 0);
  await host.idle();
  assertEquals(ended.map(({ type }) => type).slice(0, 1), []);
  host.close();
});

Deno.test("run() goes on with others where a download cannot be looked for", async () => {
  const setting = await set(() => new Response("x"), {});
  const { host, page, store, downloads, url } = setting;
  host.network.offline = true;
  await downloads.start("native", url("/1"));
  const { active } = await page.navigator.serviceWorker.ready;
  const fail = () => Promise.reject(new Error("no database"));
  const backgroundFetch = { get: fail, fetch: fail };
  const ready = Promise.resolve({ active, backgroundFetch });
  const scope = scopeOf(page, {
    navigator: {
      onLine: true,
      locks: page.navigator.locks,
      serviceWorker: { controller: null, ready },
    },
  });
  const all = await store.list({ prefix: "" });
  const [[key, job] = ["", {}]] = all;
  await store.set(`${key}2`, {
    ...job as object,
    id: "native2",
    path: "fallback",
  });
  host.network.offline = false;
  await createBackgroundFetch(scope, store, OPTIONS).run();
  assertEquals(
    (await store.get(`${key}2`) as { result: string }).result,
    "success",
  );
  await host.idle();
  host.close();
});

Deno.test("watch() does not go back to what is stored while more is on its way", async () => {
  const setting = await set(() => new Response("x"));
  const { host, page, downloads, url } = setting;
  host.network.offline = true;
  await downloads.start("1", url("/1"));
  await host.idle();
  {
    using time = new FakeTime();
    const states = downloads.watch("1");
    assertEquals((await states.next()).value?.downloaded, 0);
    const channel = new page.BroadcastChannel(
      "@serviceworker/std background-fetch/default/",
    );
    const next = states.next();
    channel.postMessage({
      "@serviceworker/std": {
        backgroundFetch: { id: "1", downloaded: 7, total: 9 },
      },
    });
    channel.close();
    await time.tickAsync(10);
    assertEquals((await next).value?.downloaded, 7);
    const later = states.next();
    await time.tickAsync(5_000);
    assertEquals((await later).value?.downloaded, 7);
    await states.return();
  }
  await downloads.delete("1");
  await host.idle();
  host.close();
});

Deno.test("run() waits for a worker's listeners, but not beyond its signal", async () => {
  const setting = await set(() => new Response("x"));
  const { host, page, downloads, store, url } = setting;
  await downloads.start("1", url("/1"));
  await end(downloads, "1");
  await host.idle();
  const [[key, job] = ["", {}]] = await store.list({ prefix: "" });
  await store.set(key, { ...job as object, told: false });
  const added = Promise.withResolvers<void>();
  const never = Promise.withResolvers<void>();
  const scope = scopeOf(page, {
    registration: await page.navigator.serviceWorker.ready,
    dispatchEvent(event) {
      const told = event as ExtendableEvent;
      const work = Promise.resolve().then(() => {
        // One after the other, as a listener may.
        told.waitUntil(never.promise);
        added.resolve();
      });
      told.waitUntil(work);
      return true;
    },
  });
  const controller = new AbortController();
  const { signal } = controller;
  const running = createBackgroundFetch(scope, store, OPTIONS).run({ signal });
  await added.promise;
  await host.idle();
  const reason = new Error("enough");
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => running), reason);
  assertEquals((await store.get(key) as { told: boolean }).told, false);
  host.close();
});

Deno.test("createBackgroundFetch() tries again what may go away by itself, and nothing else", async () => {
  let status = 0;
  const setting = await set(() => new Response("no", { status }));
  const { host, downloads, url } = setting;
  for (status of [408, 425, 429, 500, 503, 400, 403, 404]) {
    const id = String(status);
    await downloads.start(id, url("/1"));
    await downloads.run();
    const isBusy = status === 408 || status === 425 || status === 429 ||
      status >= 500;
    assertEquals((await downloads.get(id))?.result, isBusy ? "" : "failure");
    await downloads.delete(id);
  }
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() waits for a server a minute after each byte", async () => {
  let chunks = 0;
  const setting = await set(() => {
    const body = new ReadableStream({
      async pull(controller) {
        // The fourth never comes.
        await new Promise((resolve) => {
          if (++chunks < 4) setTimeout(resolve, 50_000);
        });
        controller.enqueue(Uint8Array.of(chunks));
      },
    }, { highWaterMark: 0 });
    return new Response(body, { headers: { "content-length": "9" } });
  });
  const { host, downloads, url } = setting;
  {
    using time = new FakeTime();
    const begin = Date.now();
    await downloads.start("1", url("/1"));
    let isOver = false;
    const running = downloads.run().then(() => void (isOver = true));
    while (!isOver) {
      await time.tickAsync(1_000);
      assert(Date.now() < begin + 300_000);
    }
    await running;
    assert(Date.now() >= begin + 210_000, String(Date.now() - begin));
  }
  assertEquals(
    (await downloads.get("1"))?.files[0]?.message,
    `Cannot download ${url("/1")}: the server has sent nothing for 60 seconds`,
  );
  await downloads.delete("1");
  host.close();
});

Deno.test("createBackgroundFetch() leaves alone what another version of it has stored", async () => {
  const setting = await set(() => new Response("x"));
  const { host, store, downloads } = setting;
  await store.set("background-fetch/default/1", { format: 2, id: "1" });
  assertEquals(await downloads.get("1"), undefined);
  assertEquals(await downloads.list(), []);
  assertEquals(await downloads.run(), { next: undefined });
  assertEquals((await store.list({ prefix: "" })).length, 1);
  host.close();
});

Deno.test("createBackgroundFetch() lists in the order of the starts, and leaves no cache by looking", async () => {
  const setting = await set(() => new Response("x"));
  const { host, downloads, url } = setting;
  {
    using time = new FakeTime();
    for (const id of ["b", "c", "a"]) {
      await downloads.start(id, url(`/${id}`));
      time.tick(10);
    }
  }
  await downloads.run();
  await host.idle();
  const ids = (await downloads.list()).map(({ id }) => id);
  assertEquals(ids, ["b", "c", "a"]);
  assertEquals(await host.caches.keys(), ["episodes"]);
  host.close();
});

Deno.test("start() asks only for what is not in the cache, and with Background Fetch for as many bytes fewer", async () => {
  const setting = await set(
    (request) =>
      request.url.endsWith("/2")
        ? new Response("no", { status: 404 })
        : new Response("0123456789"),
    {},
  );
  const { host, page, downloads, url } = setting;
  const urls = [url("/1"), url("/2"), url("/3")];
  await downloads.start("1", urls, { downloadTotal: 30 });
  await end(downloads, "1");
  await host.idle();
  await (await host.caches.open("episodes")).delete(url("/3"));
  const asked: unknown[] = [];
  const { backgroundFetch } = await page.navigator.serviceWorker.ready;
  Object.assign(backgroundFetch ?? {}, {
    fetch(_id: string, requests: Request[], options: unknown) {
      asked.push(requests.map(({ url }) => url), options);
      return Promise.resolve();
    },
  });
  const { files } = await downloads.start("1", urls, { downloadTotal: 30 });
  assertEquals(files.map(({ stored }) => stored), [true, false, false]);
  const options = { title: "", icons: [], downloadTotal: 20 };
  assertEquals(asked, [urls.slice(1), options]);
  host.close();
});

Deno.test("createBackgroundFetch() limits the bytes of all files together", async () => {
  const setting = await set(() => new Response("0123456789"));
  const { host, downloads, url } = setting;
  const urls = [url("/1"), url("/2")];
  await downloads.start("1", urls, { downloadTotal: 19 });
  const { failureReason, files } = await end(downloads, "1");
  assertEquals(failureReason, "download-total-exceeded");
  assertEquals(files.map(({ stored }) => stored), [true, false]);
  await host.idle();
  host.close();
});

Deno.test("delete() leaves in the cache what the download has not put there", async () => {
  const setting = await set(() => new Response("no", { status: 404 }));
  const { host, downloads, url } = setting;
  const cache = await host.caches.open("episodes");
  await cache.put(url("/1"), new Response("by others"));
  await downloads.start("1", url("/1"));
  await end(downloads, "1");
  await downloads.delete("1");
  assertEquals(await (await cache.match(url("/1")))?.text(), "by others");
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() begins again where the browser has lost a part", async () => {
  const server = new FileServer(2 * PART);
  server.cuts = [PART + 5];
  const setting = await set((request) => server.answer(request));
  const { host, downloads, url } = setting;
  await downloads.start("1", url("/1"));
  await downloads.run();
  const parts = await host.caches.open("background-fetch/default/1");
  const [first] = await parts.keys();
  await parts.put(first?.url ?? "", new Response("less"));
  await downloads.run();
  const { files } = await downloads.get("1") ?? {};
  assertEquals(
    files?.[0]?.message,
    `Cannot download ${url("/1")}: the browser has lost a part of it`,
  );
  await downloads.run();
  assertEquals(await stored(setting, "/1"), await digest(server.bytes));
  assertEquals(server.asked.at(-1), "whole");
  await host.idle();
  host.close();
});

Deno.test("createBackgroundFetch() keeps no parts of a file that is whole", async () => {
  const server = new FileServer(PART + 5);
  const setting = await set((request) =>
    request.url.endsWith("/1")
      ? server.answer(request)
      : new Response("no", { status: 503 })
  );
  const { host, downloads, url } = setting;
  await downloads.start("1", [url("/1"), url("/2")]);
  await downloads.run();
  const { files, downloaded } = await downloads.get("1") ?? {};
  assertEquals(files?.map(({ stored }) => stored), [true, false]);
  assertEquals(downloaded, server.bytes.length);
  const parts = await host.caches.open("background-fetch/default/1");
  assertEquals(await parts.keys(), []);
  await downloads.delete("1");
  await host.idle();
  host.close();
});

Deno.test("start() leaves what there was if the browser refuses another", async () => {
  const setting = await set(
    (request) =>
      request.url.endsWith("/1")
        ? new Response("x")
        : new Response("no", { status: 404 }),
    {},
  );
  const { host, downloads, url } = setting;
  const urls = [url("/1"), url("/2")];
  await downloads.start("1", urls);
  const before = await end(downloads, "1");
  await host.idle();
  host.caches.quota = host.caches.usage + 100;
  const error = await assertRejects(() =>
    downloads.start("1", urls, { downloadTotal: 1_000 })
  );
  assertEquals((error as Error).name, "QuotaExceededError");
  const { rate: _, ...state } = before as BackgroundFetchState & {
    rate?: number;
  };
  assertEquals(await downloads.get("1"), state);
  host.close();
});

Deno.test("wake() takes part for four minutes, and in no other downloads", async () => {
  const setting = await set(() => new Response("x"));
  const { page, store, downloads, url, host } = setting;
  host.network.offline = true;
  await downloads.start("1", url("/1"));
  await host.idle();
  // Its turn never comes.
  const held = Promise.withResolvers<void>();
  const lock = "@serviceworker/std background-fetch/default/download";
  const holding = page.navigator.locks.request(lock, {}, () => held.promise);
  const works: Promise<unknown>[] = [];
  const wake = (name: string) =>
    createBackgroundFetch(scopeOf(page, {}), store, OPTIONS).wake({
      data: { "@serviceworker/std": { backgroundFetch: { name } } },
      waitUntil: (work) => works.push(work),
    });
  wake("other");
  assertEquals(works.length, 0);
  {
    using time = new FakeTime();
    wake("default");
    let isOver = false;
    works[0]?.then(() => void (isOver = true));
    await time.tickAsync(239_999);
    await time.runMicrotasks();
    assertEquals(isOver, false);
    await time.tickAsync(1);
    await works[0];
  }
  held.resolve();
  await holding;
  await downloads.delete("1");
  await host.idle();
  host.close();
});

Deno.test("settle() has an event come late that was taken for lost", async () => {
  const setting = await set(() => new Response("x"), {});
  const { host, store, downloads, ended, url } = setting;
  host.network.offline = true;
  await downloads.start("1", url("/1"));
  const [[key, job] = ["", {}]] = await store.list({ prefix: "" });
  await store.set(key, { ...job as object, path: "fallback" });
  host.network.offline = false;
  await host.idle();
  const state = await downloads.get("1");
  assertEquals([state?.result, state?.path], ["success", "native"]);
  await downloads.run();
  await host.idle();
  assertEquals(ended.length, 1);
  host.close();
});

Deno.test("watch() tells the rate of the last five seconds, and of what began again", async () => {
  const setting = await set(() => new Response("x"));
  const { host, page, downloads, url } = setting;
  host.network.offline = true;
  await downloads.start("1", url("/1"));
  await host.idle();
  const { now } = performance;
  let seconds = 0;
  performance.now = () => seconds * 1_000;
  const states = downloads.watch("1");
  try {
    assertEquals((await states.next()).value?.rate, 0);
    const told = [[1, 1_000, 1_000], [2, 3_000, 1_500], [10, 3_000, 0]]
      .concat([[11, 500, 0], [12, 1_500, 1_000]]);
    for (const [second = 0, downloaded, rate] of told) {
      seconds = second;
      const next = states.next();
      const channel = new page.BroadcastChannel(
        "@serviceworker/std background-fetch/default/",
      );
      channel.postMessage({
        "@serviceworker/std": {
          backgroundFetch: { id: "1", downloaded, total: 9_000 },
        },
      });
      channel.close();
      assertEquals((await next).value?.rate, rate);
    }
  } finally {
    performance.now = now;
    await states.return();
  }
  await downloads.delete("1");
  await host.idle();
  host.close();
});

Deno.test("settle() stores a file whatever it varies with", async () => {
  const setting = await set(
    () => new Response("Hello", { headers: { vary: "*", a: "b" } }),
    {},
  );
  const { host, downloads, url } = setting;
  await downloads.start("1", url("/1"));
  assertEquals((await end(downloads, "1")).result, "success");
  const cache = await host.caches.open("episodes");
  const response = await cache.match(url("/1"));
  assertEquals(response?.headers.get("a"), "b");
  assertEquals(response?.headers.has("vary"), false);
  assertEquals(await response?.text(), "Hello");
  await host.idle();
  host.close();
});
