// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects } from "@std/assert";
import { postToClients, type PostToClientsOptions } from "./post_to_clients.ts";

/** A client at the near end of a real channel. */
class FakeClient {
  readonly url: string;
  readonly focused: boolean;
  readonly posted: unknown[] = [];

  constructor(url: string, focused = false) {
    this.url = url;
    this.focused = focused;
  }

  postMessage(message: unknown, transfer: Transferable[]): void {
    this.posted.push(structuredClone(message, { transfer }));
  }
}

/** The clients of a worker, as `matchAll()` would sort them. */
class FakeClients {
  readonly all: FakeClient[];
  readonly queries: unknown[] = [];

  constructor(...all: FakeClient[]) {
    this.all = all;
  }

  matchAll(query: unknown): Promise<readonly FakeClient[]> {
    this.queries.push(query);
    return Promise.resolve(Object.freeze([...this.all]));
  }

  get posted(): unknown[][] {
    return this.all.map(({ posted }) => posted);
  }
}

/** Never called: it compiles as long as the platform's own types fit. */
function _inWorker(self: ServiceWorkerGlobalScope): Promise<Client[]> {
  return postToClients(self.clients, "hello", {
    filter: (client) => client.focused === true && client.type === "window",
  });
}

Deno.test("postToClients() posts to every window, in the order of matchAll()", async () => {
  const clients = new FakeClients(new FakeClient("/b"), new FakeClient("/a"));
  const order: string[] = [];
  for (const client of clients.all) {
    client.postMessage = () => order.push(client.url);
  }
  const told = await postToClients(clients, { type: "hello" });
  assertEquals(order, ["/b", "/a"]);
  assertEquals(told, clients.all);
});

Deno.test("postToClients() asks for the controlled windows", async () => {
  const clients = new FakeClients();
  assertEquals(await postToClients(clients, 1), []);
  assertEquals(clients.queries, [
    { includeUncontrolled: false, type: "window" },
  ]);
});

Deno.test("postToClients() passes the query on", async () => {
  const clients = new FakeClients();
  await postToClients(clients, 1, { includeUncontrolled: true, type: "all" });
  assertEquals(clients.queries, [{ includeUncontrolled: true, type: "all" }]);
});

Deno.test("postToClients() takes undefined for each option", async () => {
  const clients = new FakeClients(new FakeClient("/"));
  const options: PostToClientsOptions<FakeClient> = {
    filter: undefined,
    includeUncontrolled: undefined,
    type: undefined,
    transfer: undefined,
  };
  await postToClients(clients, 1, options);
  assertEquals(clients.posted, [[1]]);
});

Deno.test("postToClients() posts only to what the filter picks", async () => {
  const clients = new FakeClients(
    new FakeClient("/a", true),
    new FakeClient("/b"),
  );
  const told = await postToClients(clients, 1, {
    filter: ({ focused }) => !focused,
  });
  assertEquals(clients.posted, [[], [1]]);
  assertEquals(told.map(({ url }) => url), ["/b"]);
});

Deno.test("postToClients() moves objects to the only client", async () => {
  const clients = new FakeClients(new FakeClient("/a"), new FakeClient("/b"));
  const bytes = Uint8Array.of(1, 2, 3);
  await postToClients(clients, bytes, {
    filter: ({ url }) => url === "/b",
    transfer: [bytes.buffer],
  });
  assertEquals(bytes.byteLength, 0);
  assertEquals(clients.posted, [[], [Uint8Array.of(1, 2, 3)]]);
});

Deno.test("postToClients() rejects when objects would move to several clients", async () => {
  const clients = new FakeClients(new FakeClient("/a"), new FakeClient("/b"));
  const buffer = new ArrayBuffer(8);
  await assertRejects(
    () => postToClients(clients, buffer, { transfer: [buffer] }),
    TypeError,
    "Cannot transfer objects: they can move to one client, not to 2",
  );
  assertEquals(buffer.byteLength, 8);
  assertEquals(clients.posted, [[], []]);
});

Deno.test("postToClients() keeps what it would transfer when there is no client", async () => {
  const buffer = new ArrayBuffer(8);
  await postToClients(new FakeClients(), buffer, { transfer: [buffer] });
  assertEquals(buffer.byteLength, 8);
});

Deno.test("postToClients() rejects once when the message cannot be cloned", async () => {
  const clients = new FakeClients(new FakeClient("/a"), new FakeClient("/b"));
  const error = await assertRejects(
    () => postToClients(clients, () => {}),
    DOMException,
  );
  assertEquals(error.name, "DataCloneError");
  assertEquals(clients.posted, [[], []]);
});

Deno.test("postToClients() rejects with the error of matchAll()", async () => {
  const clients = {
    matchAll: () => Promise.reject<FakeClient[]>(new TypeError("No clients")),
  };
  await assertRejects(() => postToClients(clients, 1), TypeError, "No clients");
});
