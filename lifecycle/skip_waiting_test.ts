// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { createHost, type HostScope } from "../testing/host.ts";
import { skipWaiting } from "./skip_waiting.ts";

const KEY = "@serviceworker/std";

/** A page of one worker, and a waiting one that listens. */
async function waiting() {
  const host = createHost();
  await host.register(() => {});
  const page = await host.openWindow("/");
  await host.register((scope: HostScope) => {
    scope.addEventListener("message", skipWaiting(scope));
  });
  const registration = (await page.serviceWorker.getRegistration())!;
  return {
    host,
    page,
    registration,
    [Symbol.dispose]: () => host.close(),
  };
}

Deno.test("skipWaiting() has the waiting worker take over, and answers", async () => {
  using test = await waiting();
  const { registration, host, page } = test;
  const worker = registration.waiting!;
  const { port1, port2 } = new MessageChannel();
  const answer = new Promise((resolve) => {
    port1.onmessage = ({ data }) => resolve(data);
  });
  const message = { type: "SKIP_WAITING", [KEY]: { skipWaiting: {} } };
  worker.postMessage(message, [port2]);
  assertEquals(await answer, { [KEY]: { skippingWaiting: true } });
  await host.idle();
  port1.close();
  assertEquals(worker.state, "activated");
  assertEquals(page.serviceWorker.controller === worker, true);
});

Deno.test("skipWaiting() understands workbox-window, which waits for no answer", async () => {
  using test = await waiting();
  const { registration, host } = test;
  const worker = registration.waiting!;
  worker.postMessage({ type: "SKIP_WAITING" });
  await host.idle();
  assertEquals(worker.state, "activated");
});

Deno.test("skipWaiting() answers no port but that of applyUpdate()", () => {
  const done: string[] = [];
  const port = {
    postMessage: () => void done.push("answered"),
    close: () => void done.push("closed"),
  } as unknown as MessagePort;
  const listen = skipWaiting({ skipWaiting: () => Promise.resolve() });
  const event = { ports: [port], waitUntil() {} };
  listen({ ...event, data: { type: "SKIP_WAITING" } });
  assertEquals(done, []);
  listen({ ...event, data: { type: "SKIP_WAITING", [KEY]: {} } });
  assertEquals(done, ["answered", "closed"]);
});

Deno.test("skipWaiting() changes nothing in an active worker", async () => {
  using test = await waiting();
  const { registration, host } = test;
  const worker = registration.waiting!;
  for (let i = 0; i < 2; i++) {
    worker.postMessage({ type: "SKIP_WAITING" });
    await host.idle();
    assertEquals(worker.state, "activated");
  }
});

Deno.test("skipWaiting() leaves other messages to other listeners", async () => {
  using test = await waiting();
  const { registration, host } = test;
  const worker = registration.waiting!;
  const messages = [
    null,
    undefined,
    "SKIP_WAITING",
    ["SKIP_WAITING"],
    {},
    { type: "skip_waiting" },
    { [KEY]: { skipWaiting: {} } },
    { type: "other", [KEY]: { skipWaiting: {} } },
  ];
  for (const message of messages) worker.postMessage(message);
  await host.idle();
  assertEquals(worker.state, "installed");
});

Deno.test("skipWaiting() keeps the worker alive until it skips", () => {
  const skipped = Promise.resolve();
  const held: Promise<unknown>[] = [];
  const listen = skipWaiting({ skipWaiting: () => skipped });
  const waitUntil = (promise: Promise<unknown>) => void held.push(promise);
  listen({ data: { type: "SKIP_WAITING" }, ports: [], waitUntil });
  listen({ data: { type: "other" }, ports: [], waitUntil });
  assertEquals(held.length, 1);
  assertEquals(held[0] === skipped, true);
});
