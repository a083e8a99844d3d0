// Copyright 2026 the @serviceworker/std authors. MIT license.

/** The modules of the collection, in a worker on the host. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import { accept } from "../channel/accept.ts";
import { connect } from "../channel/connect.ts";
import { request, type RequestTarget } from "../channel/request.ts";
import { respond } from "../channel/respond.ts";
import { createHost } from "../testing/host.ts";

interface Counter {
  next(): number;
  count(input: { to: number }): AsyncIterable<number>;
}

Deno.test("request() and respond() talk on the host", async () => {
  const host = createHost();
  await host.register((scope) => {
    let next = 0;
    scope.addEventListener(
      "message",
      respond<Pick<Counter, "next">>({ next: () => ++next }),
    );
  });
  const page = await host.openWindow("/");
  const worker: RequestTarget<Counter> | null = page.serviceWorker.controller;
  assert(worker);
  assertEquals(await request(worker, { type: "next" }), 1);
  assertEquals(await request(page.serviceWorker, { type: "next" }), 2);
  host.stopWorker();
  assertEquals(await request(worker, { type: "next" }), 1);
  await assertRejects(
    () => request(page.serviceWorker, { type: "none" }),
    DOMException,
  );
  host.close();
});

Deno.test("connect() survives a stop on the host", async () => {
  const host = createHost({
    globals: globalThis,
    context: new AsyncLocalStorage(),
  });
  await host.register((scope) => {
    let next = 0;
    const counter = accept<Counter>(scope.clients, {
      next: () => ++next,
      async *count({ to }) {
        for (let number = 1; number <= to; number++) yield await number;
      },
    }, { locks: scope.navigator.locks });
    scope.addEventListener("message", counter);
  });
  const page = await host.openWindow("/");
  const channel = connect<Counter>(page.serviceWorker, {
    locks: page.navigator.locks,
  });
  assertEquals(await channel.call("next"), 1);
  assertEquals(await Array.fromAsync(channel.stream("count", { to: 3 })), [
    1,
    2,
    3,
  ]);
  host.stopWorker();
  assertEquals(await channel.call("next"), 1);
  channel.close();
  await host.idle();
  host.close();
});
