// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * An outbox whose worker, and whose browser, ends at any moment, against a server
 * that fails in many ways: `SW_SOAK=1` makes it long.
 */

import { assert, assertEquals } from "@std/assert";
import { browserTest, type BrowserTestContext, pause } from "./harness.ts";

type Page = typeof import("./fixtures/sync_page.ts");

const SOAK = Deno.env.get("SW_SOAK") === "1";
const KEYS = 7;

/** A server that does what it is asked once for each idempotency key. */
class Server {
  readonly done: number[] = [];
  readonly refused = new Set<number>();
  arrived = 0;
  readonly #keys = new Set<string | null>();

  async handle(request: Request): Promise<Response> {
    this.arrived++;
    const entry = Number(await request.text());
    const fate = Math.random();
    if (fate < 0.05) return new Response("busy", { status: 503 });
    if (fate < 0.08) return new Response("slow down", { status: 429 });
    if (entry % 50 === 49) {
      this.refused.add(entry);
      return new Response("never", { status: 422 });
    }
    const key = request.headers.get("idempotency-key");
    if (!this.#keys.has(key)) this.done.push(entry);
    this.#keys.add(key);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 40));
    // It was done, and the sender does not hear of it.
    if (fate > 0.95) return new Response("lost", { status: 502 });
    return new Response("done", { status: 201 });
  }
}

function soakTest(
  name: string,
  entries: number,
  run: (context: BrowserTestContext<Page>, server: Server) => Promise<void>,
  options: { profile?: boolean } = {},
): void {
  browserTest<Page>(name, {
    worker: "./fixtures/sync_worker.ts",
    page: "./fixtures/sync_page.ts",
    timeout: SOAK ? 900_000 : 120_000,
    ...options,
  }, async (context) => {
    const { page } = context;
    const server = new Server();
    context.server.route("/send", (request) => server.handle(request));
    await page.register();
    await page.call("addNumbers", entries, KEYS, 4);
    await run(context, server);
    const wanted = [...Array(entries).keys()];
    const bad = wanted.filter((entry) => entry % 50 === 49);
    const byNumber = (a: number, b: number) => a - b;
    assertEquals([...server.refused].toSorted(byNumber), bad);
    assertEquals(
      server.done.toSorted(byNumber),
      wanted.filter((entry) => !bad.includes(entry)),
    );
    for (let key = 0; key < 4; key++) {
      const own = server.done.filter((entry) => entry % KEYS === key);
      assertEquals(own, own.toSorted(byNumber), `key ${key}`);
    }
    console.log(
      `${context.engine.name}: ${entries} entries, ${server.arrived} requests, ${server.done.length} done, ${bad.length} refused`,
    );
  });
}

/** Resolves when nothing but dead letters is left. */
async function drained(context: BrowserTestContext<Page>): Promise<void> {
  while (true) {
    const left = await context.page.call("countLeft");
    if (left === 0) return;
    await context.page.call("poke");
    await pause(100);
  }
}

soakTest(
  "createOutbox() loses and repeats nothing while its worker is stopped",
  SOAK ? 2_000 : 200,
  async (context, { done }) => {
    let stops = 0;
    let over = false;
    const sending = drained(context).finally(() => over = true);
    while (!over) {
      await pause(Math.random() * 100);
      const before = done.length;
      await context.stopWorkers();
      stops++;
      // A worker that is stopped too often gets nothing done.
      for (let i = 0; i < 20 && done.length === before && !over; i++) {
        await pause(50);
      }
    }
    await sending;
    console.log(
      `${context.engine.name}: the worker was stopped ${stops} times`,
    );
    assert(stops >= (SOAK ? 200 : 5), `${stops} stops`);
  },
);

soakTest(
  "createOutbox() loses and repeats nothing while its browser is killed",
  SOAK ? 2_000 : 100,
  async (context, { done }) => {
    const kills = SOAK ? 20 : 2;
    let { page } = context;
    for (let kill = 0; kill < kills; kill++) {
      const before = done.length;
      await page.call("start");
      await page.call("poke");
      // Some of what is left is sent before the next one.
      while (
        done.length - before < 20 && await page.call("countLeft") > 0
      ) await pause(20);
      page = await context.restartBrowser({ kill: true });
    }
    await drained({ ...context, page });
  },
  { profile: true },
);
