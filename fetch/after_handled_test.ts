// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import { createHost } from "../testing/host.ts";
import { afterHandled } from "./after_handled.ts";

/** An event whose lifetime can be looked at. */
class FakeEvent {
  readonly lifetimes: Promise<unknown>[] = [];

  constructor(readonly handled?: Promise<unknown>) {}

  waitUntil(promise: Promise<unknown>): void {
    this.lifetimes.push(promise);
  }
}

Deno.test("afterHandled() begins when the event has been handled", async () => {
  const order: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const event = new FakeEvent(promise);
  const done = afterHandled(event, () => order.push("work"));
  await new Promise((resolve) => setTimeout(resolve));
  order.push("handled");
  resolve();
  await done;
  assertEquals(order, ["handled", "work"]);
});

Deno.test("afterHandled() begins when the event has failed", async () => {
  const failed = new DOMException("It failed", "NetworkError");
  const event = new FakeEvent(Promise.reject(failed));
  assertEquals(await afterHandled(event, () => "done"), "done");
});

Deno.test("afterHandled() begins a task later without event.handled", async () => {
  const order: string[] = [];
  const done = afterHandled(new FakeEvent(), () => order.push("work"));
  await Promise.resolve();
  order.push("same task");
  await done;
  assertEquals(order, ["same task", "work"]);
});

Deno.test("afterHandled() keeps the worker alive until the work is done", async () => {
  const event = new FakeEvent(Promise.resolve());
  const { promise, resolve } = Promise.withResolvers<string>();
  afterHandled(event, () => promise);
  assertEquals(event.lifetimes.length, 1);
  resolve("done");
  assertEquals(await event.lifetimes[0], "done");
});

Deno.test("afterHandled() rejects with what the work throws, which need not be caught", async () => {
  const host = createHost();
  await host.register((scope) => {
    scope.addEventListener("fetch", (event) => {
      event.respondWith(new Response("Hello"));
      afterHandled(event, () => {
        throw new RangeError("It failed");
      });
    });
  });
  const page = await host.openWindow("/");
  assertEquals(await page.response.text(), "Hello");
  await host.idle();
  assertEquals(host.log.some((line) => line.includes("RangeError")), true);
  host.close();
});

Deno.test("afterHandled() begins after a request that was left to the browser", async () => {
  const urls: string[] = [];
  const host = createHost();
  await host.register((scope) => {
    scope.addEventListener("fetch", (event) => {
      afterHandled(event, () => urls.push(event.request.url));
    });
  });
  await host.openWindow("/");
  await host.idle();
  assertEquals(urls, ["https://example.test/"]);
  host.close();
});

Deno.test("afterHandled() rejects when the event is over, and does nothing", async () => {
  let worked = false;
  const event = {
    waitUntil() {
      throw new DOMException("It is over", "InvalidStateError");
    },
  };
  const error = await assertRejects(
    () => afterHandled(event, () => worked = true),
    DOMException,
  );
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals([error.name, worked], ["InvalidStateError", false]);
});
