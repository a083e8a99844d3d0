// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { type Launch, setLaunchConsumer } from "./set_launch_consumer.ts";

const ORIGIN = "https://example.test";
const KEY = "@serviceworker/std";

/** The browser's queue: what comes before a consumer waits. */
class FakeQueue {
  #consumer: ((launch: Launch) => unknown) | undefined;
  readonly #waiting: Launch[] = [];

  setConsumer(consumer: (launch: Launch) => unknown): void {
    this.#consumer = consumer;
    for (const launch of this.#waiting.splice(0)) consumer(launch);
  }

  enqueue(launch: Launch): void {
    if (this.#consumer) this.#consumer(launch);
    else this.#waiting.push(launch);
  }
}

/** A window, with or without the queue. */
function setUp({ launchQueue }: { launchQueue?: FakeQueue } = {}) {
  const serviceWorker = new EventTarget();
  const launches: Launch[] = [];
  return {
    launches,
    window: {
      launchQueue,
      location: { origin: ORIGIN },
      navigator: { serviceWorker: serviceWorker as ServiceWorkerContainer },
    },
    consumer: (launch: Launch) => launches.push(launch),
    /** Posts what a worker does; resolves with whether it was answered. */
    post(data: unknown): Promise<boolean> {
      const { promise, resolve } = Promise.withResolvers<boolean>();
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = ({ data }) => resolve(data !== "unanswered");
      serviceWorker.dispatchEvent(
        new MessageEvent("message", { data, ports: [port2] }),
      );
      // If it was answered, the port is closed already.
      port2.postMessage("unanswered");
      return promise.finally(() => {
        port1.close();
        port2.close();
      });
    },
  };
}

function launchOf(targetURL: unknown, id: unknown = crypto.randomUUID()) {
  return { [KEY]: { launch: { id, targetURL } } };
}

Deno.test("setLaunchConsumer() is given what the browser queued, and what comes", () => {
  const launchQueue = new FakeQueue();
  const { window, consumer, launches } = setUp({ launchQueue });
  const file = { kind: "file" };
  launchQueue.enqueue({ targetURL: `${ORIGIN}/1`, files: [file] });
  setLaunchConsumer(window, consumer);
  launchQueue.enqueue({ targetURL: null, files: [] });
  assertEquals(launches, [
    { targetURL: `${ORIGIN}/1`, files: [file] },
    { targetURL: null, files: [] },
  ]);
});

Deno.test("setLaunchConsumer() is given what a worker launches, and answers", async () => {
  const { window, consumer, launches, post } = setUp();
  setLaunchConsumer(window, consumer);
  assertEquals(await post(launchOf(`${ORIGIN}/1`)), true);
  assertEquals(launches, [{ targetURL: `${ORIGIN}/1`, files: [] }]);
});

Deno.test("setLaunchConsumer() calls once for what a worker repeats", async () => {
  const { window, consumer, launches, post } = setUp();
  setLaunchConsumer(window, consumer);
  assertEquals(await post(launchOf(`${ORIGIN}/1`, "a")), true);
  assertEquals(await post(launchOf(`${ORIGIN}/1`, "a")), true);
  assertEquals(await post(launchOf(`${ORIGIN}/1`, "b")), true);
  assertEquals(launches.length, 2);
});

Deno.test("setLaunchConsumer() ignores other messages, and other origins", async () => {
  const { window, consumer, launches, post } = setUp();
  setLaunchConsumer(window, consumer);
  const messages = [
    null,
    "text",
    { launch: { targetURL: `${ORIGIN}/` } },
    { [KEY]: null },
    { [KEY]: { launch: "now" } },
    launchOf(undefined),
    launchOf({ href: `${ORIGIN}/` }),
    launchOf("/relative"),
    launchOf("https://evil.test/"),
    launchOf(`${ORIGIN}.evil.test/`),
    launchOf(`${ORIGIN}@evil.test/`),
    launchOf(`blob:${ORIGIN}/1`),
    launchOf("javascript:alert(1)"),
  ];
  for (const message of messages) assertEquals(await post(message), false);
  assertEquals(launches, []);
});

Deno.test("setLaunchConsumer() ends with its signal", async () => {
  const launchQueue = new FakeQueue();
  const { window, consumer, launches, post } = setUp({ launchQueue });
  const controller = new AbortController();
  setLaunchConsumer(window, consumer, controller);
  controller.abort();
  launchQueue.enqueue({ targetURL: `${ORIGIN}/1`, files: [] });
  assertEquals(await post(launchOf(`${ORIGIN}/2`)), false);
  assertEquals(launches, []);
});

Deno.test("setLaunchConsumer() leaves the queue to others if it is over already", () => {
  const launchQueue = new FakeQueue();
  const { window, consumer, launches } = setUp({ launchQueue });
  const signal = AbortSignal.abort();
  launchQueue.enqueue({ targetURL: `${ORIGIN}/1`, files: [] });
  setLaunchConsumer(window, consumer, { signal });
  assertEquals(launches, []);
  setLaunchConsumer(window, consumer);
  assertEquals(launches.length, 1);
});

Deno.test("setLaunchConsumer() needs no service workers", () => {
  const { window, consumer, launches } = setUp();
  setLaunchConsumer({ ...window, navigator: {} }, consumer);
  assertEquals(launches, []);
});
