// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { accept, type AcceptHandlers } from "./accept.ts";
import { connect } from "./connect.ts";
import { FakePage, type Script } from "../tests/fake_worker.ts";

interface Podcast {
  version(): string;
  add(input: { by: number }): number;
  slow(input: { ms: number }): string;
  forever(): void;
  count(input: { to: number; from?: number }): AsyncIterable<number>;
  playing: { id: string };
}

/** A worker that answers by `handlers`, and what it ran. */
function worker(handlers: Partial<AcceptHandlers<Podcast>> = {}): Script {
  return ({ clients, locks }) => {
    let sum = 0;
    const listener = accept<Podcast>(clients, {
      version: () => "1",
      add: ({ by }) => sum += by,
      slow: ({ ms }) =>
        new Promise((resolve) => setTimeout(() => resolve("done"), ms)),
      forever: () => new Promise<void>(() => {}),
      async *count({ to, from = 0 }) {
        for (let i = from; i < to; i++) yield await Promise.resolve(i);
      },
      ...handlers,
    }, { locks });
    return listener;
  };
}

/** A page connected to a worker; both end with the test. */
function connected(script = worker()) {
  const page = new FakePage(script);
  const channel = connect<Podcast>(page.container, { page });
  return {
    page,
    channel,
    [Symbol.dispose]() {
      channel.close();
      page[Symbol.dispose]();
    },
  };
}

async function named(promise: Promise<unknown>, name: string): Promise<Error> {
  const error = await assertRejects(() => promise, Error);
  assertEquals(error.name, name, error.message);
  return error;
}

Deno.test("connect() carries calls and their replies", async () => {
  using bed = connected();
  assertEquals(await bed.channel.call("version"), "1");
  assertEquals(
    await Promise.all([1, 2, 3].map((by) => bed.channel.call("add", { by }))),
    [1, 3, 6],
  );
});

Deno.test("connect() streams replies", async () => {
  using bed = connected();
  const seen = [];
  for await (const n of bed.channel.stream("count", { to: 100 })) seen.push(n);
  assertEquals(seen, Array.from({ length: 100 }, (_, i) => i));
});

Deno.test("connect() notices at once that the worker was stopped", async () => {
  using bed = connected();
  const pending = bed.channel.call("forever");
  await bed.channel.call("version");
  bed.page.worker.stop();
  await named(pending, "DisconnectedError");
});

Deno.test("connect() asks an idempotent call again", async () => {
  using bed = connected();
  await bed.channel.call("version");
  const pending = bed.channel.call("slow", { ms: 20 }, { idempotent: true });
  bed.page.worker.stop();
  assertEquals(await pending, "done");
  assertEquals(bed.page.worker.lives, 2);
  assert(true);
});
