// Copyright 2026 the @serviceworker/std authors. MIT license.

/** An outbox in a worker that is stopped at each of its steps in turn. */

import { assert, assertEquals } from "@std/assert";
import { IDBFactory, IDBKeyRange } from "fake-indexeddb";
import { AsyncLocalStorage } from "node:async_hooks";
import { memoryStore } from "../storage/memory_store.ts";
import { openStore, type Store } from "../storage/open_store.ts";
import { handleSync } from "../sync/background_sync.ts";
import { createOutbox } from "../sync/outbox.ts";
import { createHost, type Host } from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";

const ENTRIES = [...Array(20).keys()];
/** Every fourth entry has none. */
const KEYS = 3;
/** What an outbox keeps when it is empty. */
const SHARED = ["outbox/default/state", "outbox/default/ends"];

/** A server that does what it is asked once for each idempotency key. */
class Server {
  /** What was done, in order. */
  readonly done: number[] = [];
  readonly #keys = new Set<string | null>();
  readonly #failed = new Set<number>();

  async handle(request: Request): Promise<Response> {
    const entry = Number(await request.text());
    // The first three of five fail, each in its way, until they are repeated.
    const fate = this.#failed.has(entry) ? -1 : entry % 5;
    if (fate < 3) this.#failed.add(entry);
    if (fate === 0) throw new TypeError("The line was cut");
    if (fate === 1) return new Response("busy", { status: 503 });
    const key = request.headers.get("idempotency-key");
    if (!this.#keys.has(key)) this.done.push(entry);
    this.#keys.add(key);
    // It was done, and the sender does not hear of it.
    if (fate === 2) return new Response("lost", { status: 502 });
    return new Response("done", { status: 201 });
  }
}

/** A store that outlives the worker. */
interface Kept {
  /** What the host provides for it. */
  readonly provide: object;
  /** Opens it, in a worker if there is a scope. */
  open(scope?: object): Store;
}

const STORES: Record<string, () => Kept> = {
  memoryStore() {
    const provide = { store: memoryStore() };
    return {
      provide,
      open: (scope) =>
        scope ? (scope as typeof provide).store : provide.store.reopen(),
    };
  },
  openStore() {
    const provide = { indexedDB: new IDBFactory(), IDBKeyRange };
    return {
      provide,
      open: (scope = provide) => openStore("outbox", { scope }),
    };
  },
};

for (const [name, keep] of Object.entries(STORES)) {
  Deno.test(`an outbox in ${name}() loses, repeats and reorders nothing wherever its worker is stopped`, async () => {
    const stops = await stopAtEachStep(async (arm) => {
      const server = new Server();
      const { provide, open } = keep();
      const host = createHost({
        globals: globalThis,
        context: new AsyncLocalStorage(),
        provide,
        time: Date.UTC(2026, 0, 1),
        network: (request) => server.handle(request),
      });
      await host.register((scope) => {
        const outbox = createOutbox(open(scope));
        scope.addEventListener("sync", (event) => {
          handleSync(event, outbox.flush);
        });
      });
      const store = open();
      const outbox = createOutbox(store, { locks: null });
      for (const entry of ENTRIES) {
        const lane = entry % (KEYS + 1);
        await outbox.add(
          post(`${entry}`),
          lane < KEYS ? { key: `${lane}` } : {},
        );
      }

      arm(host);
      await succeed(host);
      assertEquals(await outbox.list(), []);
      assertEquals(server.done.toSorted((a, b) => a - b), ENTRIES);
      for (let key = 0; key < KEYS; key++) {
        const own = (entry: number) => entry % (KEYS + 1) === key;
        assertEquals(server.done.filter(own), ENTRIES.filter(own));
      }
      store.close();
      host.close();
    });
    assert(stops > 200, `it was stopped ${stops} times`);
  });

  Deno.test(`add() and addAll() in ${name}() save all or nothing wherever their worker is stopped`, async () => {
    const stops = await stopAtEachStep(async (arm) => {
      const { provide, open } = keep();
      const host = createHost({
        globals: globalThis,
        context: new AsyncLocalStorage(),
        provide,
      });
      await host.register((scope) => {
        const outbox = createOutbox(open(scope));
        scope.addEventListener("fetch", (event) => {
          const { request } = event;
          if (request.method !== "POST") return;
          event.respondWith((async () => {
            if (request.url.endsWith("/all")) {
              const bodies = (await request.text()).split(" ");
              await outbox.addAll(bodies.map(post), { key: "all" });
            } else await outbox.add(request, { key: "one" });
            return new Response("queued", { status: 202 });
          })());
        });
      });
      const page = await host.openWindow("/");

      arm(host);
      const promised: string[] = [];
      const large = "large".repeat(20_000);
      for (const body of ["small", large, "a b c"]) {
        const path = body.includes(" ") ? "/all" : "/one";
        const answer = page.fetch(path, { method: "POST", body });
        const { status } = await answer.catch(() => ({ status: 0 }));
        if (status === 202) promised.push(...body.split(" "));
      }
      const sent: string[] = [];
      const store = open();
      const outbox = createOutbox(store, {
        locks: null,
        send: async (request) => void sent.push(await request.text()),
      });
      await outbox.flush();
      for (const body of promised) assert(sent.includes(body), body);
      assertEquals(new Set(sent).size, sent.length);
      const all = sent.filter((body) => body.length === 1).join(" ");
      assert(all === "a b c" || all === "", all);
      // Nothing of an entry is left, neither of those that were not promised.
      const paths = (await store.list()).map(([path]) => path);
      assertEquals(paths.filter((path) => !SHARED.includes(path)), []);
      store.close();
      host.close();
    });
    assert(stops > 20, `it was stopped ${stops} times`);
  });
}

function post(body: string): Request {
  return new Request("https://example.test/", { method: "POST", body });
}

/** Fires a sync, again and again, until the worker has succeeded. */
async function succeed(host: Host): Promise<void> {
  for (let succeeded = false; !succeeded;) {
    let ended = false;
    const sync = host.dispatchSyncEvent("outbox");
    sync.finally(() => ended = true);
    while (!ended) await host.clock.advance(500);
    succeeded = await sync;
  }
}
