// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import {
  type ClientDataClient,
  type ClientDataEvent,
  getClientData,
  keepClientData,
  setClientData,
} from "./client_data.ts";
import { respond } from "./respond.ts";

/** A store that outlives the worker, each of whose operations takes a while. */
class FakeStore {
  readonly values = new Map<string, unknown>();
  readonly calls: string[] = [];
  /** What to do before a value is set. */
  before: () => Promise<void> = () => Promise.resolve();

  async set(key: string, value: unknown): Promise<void> {
    this.calls.push("set");
    await this.before();
    this.values.set(key, structuredClone(value));
  }

  async delete(key: string): Promise<void> {
    this.calls.push("delete");
    await Promise.resolve();
    this.values.delete(key);
  }

  async list({ prefix }: { prefix: string }): Promise<[string, unknown][]> {
    this.calls.push("list");
    await Promise.resolve();
    return [...this.values].filter(([key]) => key.startsWith(prefix)).sort();
  }
}

/** A worker of an origin, and the clients that it has. */
class FakeWorker {
  readonly store = new FakeStore();
  readonly queries: unknown[] = [];
  readonly lifetimes: Promise<unknown>[] = [];
  ids: string[] = [];
  #listen!: (event: ClientDataEvent) => void;
  #ports: MessagePort[] = [];

  constructor() {
    this.restart();
  }

  /** Forgets all that is not stored. */
  restart(): void {
    this.#listen = keepClientData(this, this.store);
  }

  matchAll(query: { type: string }): Promise<readonly ClientDataClient[]> {
    this.queries.push(query);
    return Promise.resolve(this.ids.map((id) => ({ id })));
  }

  /** Adds a client; its `navigator.serviceWorker.controller` is returned. */
  open(id: string): MessagePort {
    this.ids.push(id);
    return this.controller({ id });
  }

  /** What `source` posts to. */
  controller(source: object | null): MessagePort {
    const { port1, port2 } = new MessageChannel();
    this.#ports.push(port1, port2);
    port2.onmessage = ({ data, ports }) => this.receive(data, ports, source);
    return port1;
  }

  receive(
    data: unknown,
    ports: readonly MessagePort[] = [],
    source: object | null = { id: "a" },
  ): void {
    this.#listen({
      data,
      ports,
      source,
      waitUntil: (promise) => void this.lifetimes.push(promise),
    });
  }

  close(id: string): void {
    this.ids = this.ids.filter((other) => other !== id);
  }

  [Symbol.dispose](): void {
    for (const port of this.#ports) port.close();
  }
}

/** Never called: it compiles as long as the platform's own types fit. */
async function _inWorker(self: ServiceWorkerGlobalScope): Promise<void> {
  const store = new FakeStore();
  self.addEventListener("message", keepClientData(self.clients, store));
  for (const { client, data } of await getClientData(self.clients, store)) {
    // @ts-expect-error The data is unknown until it is checked.
    client.postMessage(data.typing);
  }
}

/** Never called, likewise. */
async function _inPage(registration: ServiceWorkerRegistration): Promise<void> {
  await setClientData(navigator.serviceWorker, 1);
  await setClientData(registration.active, 1);
}

const rejectsWith = async (promise: Promise<unknown>) =>
  (await assertRejects(() => promise, DOMException)).name;

Deno.test("setClientData() resolves once the data is stored", async () => {
  using worker = new FakeWorker();
  await setClientData(worker.open("a"), { typing: true });
  assertEquals([...worker.store.values], [
    ["client-data/a", { typing: true }],
  ]);
});

Deno.test("setClientData() posts to the controller of a container", async () => {
  using worker = new FakeWorker();
  await setClientData({ controller: worker.open("a") }, 1);
  assertEquals([...worker.store.values], [["client-data/a", 1]]);
});

Deno.test("setClientData() replaces what was set before", async () => {
  using worker = new FakeWorker();
  const controller = worker.open("a");
  await setClientData(controller, 1);
  await setClientData(controller, 2);
  assertEquals([...worker.store.values.values()], [2]);
});

Deno.test("setClientData() removes the data when it sets undefined", async () => {
  using worker = new FakeWorker();
  const controller = worker.open("a");
  await setClientData(controller, 1);
  await setClientData(controller, undefined);
  assertEquals(worker.store.values.size, 0);
});

Deno.test("setClientData() lets the last of several sets win", async () => {
  using worker = new FakeWorker();
  const controller = worker.open("a");
  const first = Promise.withResolvers<void>();
  // The store is slow with the first value only.
  worker.store.before = () => {
    worker.store.before = () => Promise.resolve();
    return first.promise;
  };
  const sets = [1, 2, 3].map((data) => setClientData(controller, data));
  while (worker.lifetimes.length < 3) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  first.resolve();
  await Promise.all(sets);
  assertEquals([...worker.store.values.values()], [3]);
});

Deno.test("setClientData() rejects where there are no service workers", async () => {
  assertEquals(
    await rejectsWith(setClientData(undefined, 1)),
    "NotSupportedError",
  );
});

Deno.test("setClientData() rejects when no worker controls the page", async () => {
  assertEquals(
    await rejectsWith(setClientData({ controller: null }, 1)),
    "NoWorkerError",
  );
  assertEquals(await rejectsWith(setClientData(null, 1)), "NoWorkerError");
});

Deno.test("setClientData() rejects when the data cannot be cloned", async () => {
  using worker = new FakeWorker();
  const controller = worker.open("a");
  const error = await rejectsWith(setClientData(controller, () => {}));
  assertEquals(error, "DataCloneError");
});

Deno.test("setClientData() rejects with what the store said", async () => {
  using worker = new FakeWorker();
  const controller = worker.open("a");
  worker.store.before = () =>
    Promise.reject(new DOMException("No room", "QuotaExceededError"));
  const error = await assertRejects(
    () => setClientData(controller, 1),
    DOMException,
    "Cannot set the client data: not saved, QuotaExceededError: No room",
  );
  assertEquals(error.name, "NotSavedError");
  worker.store.before = () => Promise.resolve();
  await setClientData(controller, 2);
  assertEquals([...worker.store.values.values()], [2]);
});

Deno.test("setClientData() rejects when the store throws nonsense", async () => {
  using worker = new FakeWorker();
  const controller = worker.open("a");
  worker.store.set = () => {
    throw null;
  };
  const error = await rejectsWith(setClientData(controller, 1));
  assertEquals(error, "NotSavedError");
});

Deno.test("setClientData() rejects when the sender is no client", async () => {
  using worker = new FakeWorker();
  for (const source of [null, { scriptURL: "/sw.js" }]) {
    const controller = worker.controller(source);
    const error = await rejectsWith(setClientData(controller, 1));
    assertEquals(error, "NotSavedError");
  }
  assertEquals(worker.store.values.size, 0);
});

Deno.test("setClientData() waits past replies that are not its own", async () => {
  const { port1, port2 } = new MessageChannel();
  port2.onmessage = ({ ports: [reply] }) => {
    reply?.postMessage("pong");
    reply?.postMessage({ type: "pong" });
    reply?.postMessage({ "@serviceworker/std": { error: "late" } });
    reply?.close();
  };
  await assertRejects(() => setClientData(port1, 1), DOMException, "late");
  port1.close();
  port2.close();
});

Deno.test("setClientData() has a default deadline, which a signal replaces", async () => {
  using time = new FakeTime();
  const silent = { postMessage() {} };
  const ends: string[] = [];
  const controller = new AbortController();
  const { signal } = controller;
  const kept = setClientData(silent, 1, { signal });
  kept.catch(() => ends.push("aborted"));
  const set = setClientData(silent, 1);
  set.catch(({ name }) => ends.push(name));
  time.tick(29_999);
  await time.runMicrotasks();
  assertEquals(ends, []);
  time.tick(1);
  await time.runMicrotasks();
  assertEquals(ends, ["TimeoutError"]);
  controller.abort();
  await assertRejects(() => kept, DOMException);
});

Deno.test("setClientData() rejects with the reason of an already aborted signal", async () => {
  const signal = AbortSignal.abort(new TypeError("enough"));
  let posted = 0;
  const worker = { postMessage: () => void posted++ };
  await assertRejects(
    () => setClientData(worker, 1, { signal }),
    TypeError,
    "enough",
  );
  assertEquals(posted, 0);
});

Deno.test("setClientData() rejects with the reason of a signal aborted later", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  const set = setClientData({ postMessage() {} }, 1, { signal });
  controller.abort(new TypeError("enough"));
  await assertRejects(() => set, TypeError, "enough");
});

Deno.test("setClientData() removes its abort listener when it settles", async () => {
  using worker = new FakeWorker();
  const { signal } = new AbortController();
  const listeners = new Set<unknown>();
  signal.addEventListener = (_type: string, listener: unknown) =>
    listeners.add(listener);
  signal.removeEventListener = (_type: string, listener: unknown) =>
    listeners.delete(listener);
  const set = setClientData(worker.open("a"), 1, { signal });
  assertEquals(listeners.size, 1);
  await set;
  assertEquals(listeners.size, 0);
});

Deno.test("setClientData() releases its ports when aborted", async () => {
  // A port that is left open fails the sanitizers.
  const { port1, port2 } = new MessageChannel();
  const controller = new AbortController();
  const arrived = new Promise<MessagePort | undefined>((resolve) => {
    port2.onmessage = ({ ports }) => resolve(ports[0]);
  });
  const { signal } = controller;
  const set = setClientData(port1, 1, { signal });
  const reply = await arrived;
  controller.abort();
  await assertRejects(() => set, DOMException);
  reply?.close();
  port1.close();
  port2.close();
});

Deno.test("setClientData() rejects only the call whose signal is aborted", async () => {
  using worker = new FakeWorker();
  const controller = new AbortController();
  const { signal } = controller;
  const aborted = setClientData({ postMessage() {} }, 1, { signal });
  const kept = setClientData(worker.open("a"), 2);
  controller.abort();
  await assertRejects(() => aborted, DOMException);
  await kept;
  assertEquals([...worker.store.values.values()], [2]);
});

Deno.test("setClientData() leaves no port after 10000 calls", async () => {
  using worker = new FakeWorker();
  const controller = worker.open("a");
  for (let i = 0; i < 100; i++) {
    const sets = Array.from(
      { length: 100 },
      () => setClientData(controller, i),
    );
    await Promise.all(sets);
  }
  assertEquals(worker.lifetimes.length, 10_000);
  await Promise.all(worker.lifetimes);
});

Deno.test("keepClientData() keeps data under the sender's identifier only", async () => {
  using worker = new FakeWorker();
  await setClientData(worker.open("a"), { id: "b", clientId: "b" });
  assertEquals([...worker.store.values.keys()], ["client-data/a"]);
});

Deno.test("keepClientData() leaves every other message alone", async () => {
  using worker = new FakeWorker();
  for (
    const data of [
      undefined,
      null,
      "clientData",
      { clientData: 1 },
      { "@serviceworker/std": null },
      { "@serviceworker/std": "clientData" },
      { "@serviceworker/std": { request: "1" }, type: "clientData" },
      [],
    ]
  ) worker.receive(data);
  await Promise.all(worker.lifetimes);
  assertEquals([worker.lifetimes, worker.store.calls], [[], []]);
});

Deno.test("keepClientData() keeps data that comes without a port", async () => {
  using worker = new FakeWorker();
  worker.ids = ["a"];
  worker.receive({ "@serviceworker/std": { clientData: 1 } });
  await Promise.all(worker.lifetimes);
  assertEquals([...worker.store.values], [["client-data/a", 1]]);
});

Deno.test("keepClientData() shares the event with respond()", async () => {
  const worker = new FakeWorker();
  worker.ids = ["a"];
  const keep = keepClientData(worker, worker.store);
  const answer = respond({ version: () => "1" });
  const { port1, port2 } = new MessageChannel();
  port2.onmessage = ({ data, ports }) => {
    const waitUntil = () => {};
    const event = { data, ports, source: { id: "a" }, waitUntil };
    answer(event);
    keep(event);
  };
  await setClientData(port1, 1);
  assertEquals(worker.store.values.get("client-data/a"), 1);
  port1.close();
  port2.close();
});

Deno.test("keepClientData() removes what clients left that are gone", async () => {
  using worker = new FakeWorker();
  const [a, b] = [worker.open("a"), worker.open("b")];
  await setClientData(a, 1);
  worker.close("a");
  worker.store.values.set("another module's key", 1);
  await setClientData(b, 2);
  await Promise.all(worker.lifetimes);
  assertEquals([...worker.store.values.keys()].sort(), [
    "another module's key",
    "client-data/b",
  ]);
});

Deno.test("keepClientData() goes on after it could not remove something", async () => {
  using worker = new FakeWorker();
  const controller = worker.open("a");
  const { list } = worker.store;
  worker.store.list = () => Promise.reject(new TypeError("No list"));
  await setClientData(controller, 1);
  await assertRejects(() => Promise.all(worker.lifetimes), TypeError);
  worker.store.list = list;
  await setClientData(controller, 2);
  assertEquals([...worker.store.values.values()], [2]);
});

Deno.test("getClientData() reads every client in the order of matchAll()", async () => {
  using worker = new FakeWorker();
  await setClientData(worker.open("b"), { typing: true });
  await setClientData(worker.open("a"), "é");
  worker.open("c");
  assertEquals(await getClientData(worker, worker.store), [
    { client: { id: "b" }, data: { typing: true } },
    { client: { id: "a" }, data: "é" },
    { client: { id: "c" }, data: undefined },
  ]);
});

Deno.test("getClientData() asks for the controlled windows", async () => {
  using worker = new FakeWorker();
  await getClientData(worker, worker.store);
  assertEquals(worker.queries.at(-1), {
    includeUncontrolled: false,
    type: "window",
  });
  const options = { includeUncontrolled: true, type: "all" } as const;
  await getClientData(worker, worker.store, options);
  assertEquals(worker.queries.at(-1), options);
});

Deno.test("getClientData() reads what was set before the worker was stopped", async () => {
  using worker = new FakeWorker();
  await setClientData(worker.open("a"), 1);
  worker.restart();
  assertEquals(await getClientData(worker, worker.store), [
    { client: { id: "a" }, data: 1 },
  ]);
});

Deno.test("getClientData() removes what clients left that are gone", async () => {
  using worker = new FakeWorker();
  await setClientData(worker.open("a"), 1);
  await setClientData(worker.open("b"), 2);
  await Promise.all(worker.lifetimes);
  worker.close("a");
  assertEquals(await getClientData(worker, worker.store), [
    { client: { id: "b" }, data: 2 },
  ]);
  assertEquals([...worker.store.values.keys()], ["client-data/b"]);
});

Deno.test("getClientData() keeps the data of clients it was not asked for", async () => {
  using worker = new FakeWorker();
  await setClientData(worker.open("uncontrolled"), 1);
  const { matchAll } = worker;
  worker.matchAll = (query) =>
    query.type === "all" ? matchAll.call(worker, query) : Promise.resolve([]);
  assertEquals(await getClientData(worker, worker.store), []);
  assert(worker.store.values.has("client-data/uncontrolled"));
});

Deno.test("getClientData() keeps what a client sets that comes meanwhile", async () => {
  using worker = new FakeWorker();
  const { list } = worker.store;
  worker.store.list = async (options) => {
    const entries = await list.call(worker.store, options);
    worker.store.values.set("client-data/new", 1);
    return entries;
  };
  await getClientData(worker, worker.store);
  assert(worker.store.values.has("client-data/new"));
});
