// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { askClients } from "./ask_clients.ts";
import { request } from "./request.ts";

interface FakeClient {
  readonly id: string;
}

/** The clients of a worker, as `matchAll()` would sort them. */
class FakeClients {
  all: FakeClient[];
  readonly queries: unknown[] = [];

  constructor(...ids: string[]) {
    this.all = ids.map((id) => ({ id }));
  }

  matchAll(query: unknown): Promise<readonly FakeClient[]> {
    this.queries.push(query);
    return Promise.resolve(Object.freeze([...this.all]));
  }

  get(id: string): Promise<FakeClient | undefined> {
    return Promise.resolve(this.all.find((client) => client.id === id));
  }

  close(id: string): void {
    this.all = this.all.filter((client) => client.id !== id);
  }
}

/** Never answers, and remembers the signals it was given. */
function silence() {
  const signals: AbortSignal[] = [];
  const ask = (_client: FakeClient, signal: AbortSignal) => {
    signals.push(signal);
    return new Promise<never>(() => {});
  };
  return { ask, signals };
}

/** Never called: it compiles as long as the platform's own types fit. */
async function _inWorker(self: ServiceWorkerGlobalScope): Promise<boolean> {
  const answers = await askClients(
    self.clients,
    (client, signal) =>
      request<boolean>(client, { type: "unsaved" }, { signal }),
    { filter: ({ visibilityState }) => visibilityState === "visible" },
  );
  for (const answer of answers) {
    if ("error" in answer) answer.client.url.startsWith(String(answer.error));
    // @ts-expect-error The answer of a client that failed has no value.
    else answer.error;
  }
  return answers.some((answer) => "value" in answer && answer.value);
}

Deno.test("askClients() collects the answers in the order of the clients", async () => {
  const clients = new FakeClients("a", "b", "c");
  const slow = Promise.withResolvers<string>();
  const answers = askClients(clients, ({ id }) => {
    if (id === "c") slow.resolve("late");
    return id === "a" ? slow.promise : Promise.resolve(id);
  });
  assertEquals(await answers, [
    { client: { id: "a" }, value: "late" },
    { client: { id: "b" }, value: "b" },
    { client: { id: "c" }, value: "c" },
  ]);
});

Deno.test("askClients() asks the controlled windows", async () => {
  const clients = new FakeClients();
  assertEquals(await askClients(clients, silence().ask), []);
  assertEquals(clients.queries, [
    { includeUncontrolled: false, type: "window" },
  ]);
});

Deno.test("askClients() asks only whom the options pick", async () => {
  const clients = new FakeClients("a", "b");
  const answers = await askClients(clients, ({ id }) => Promise.resolve(id), {
    filter: ({ id }) => id === "b",
    includeUncontrolled: true,
    type: "all",
    signal: undefined,
    deadline: undefined,
  });
  assertEquals(answers, [{ client: { id: "b" }, value: "b" }]);
  assertEquals(clients.queries, [{ includeUncontrolled: true, type: "all" }]);
});

Deno.test("askClients() keeps the answers of others when one client fails", async () => {
  const clients = new FakeClients("throws", "rejects", "answers");
  const error = new Error("No answer");
  const answers = await askClients(clients, ({ id }) => {
    if (id === "throws") throw error;
    return id === "rejects" ? Promise.reject(error) : Promise.resolve(1);
  });
  assertEquals(answers, [
    { client: { id: "throws" }, error },
    { client: { id: "rejects" }, error },
    { client: { id: "answers" }, value: 1 },
  ]);
});

Deno.test("askClients() takes undefined for an answer", async () => {
  const clients = new FakeClients("a");
  const [answer] = await askClients(clients, () => Promise.resolve(undefined));
  assert(answer && "value" in answer);
});

Deno.test("askClients() gives up a client that does not answer by the deadline", async () => {
  const clients = new FakeClients("frozen", "answers");
  const deadline = new AbortController();
  const { ask, signals } = silence();
  const answers = askClients(
    clients,
    (client, signal) => {
      if (client.id === "frozen") return ask(client, signal);
      queueMicrotask(() => deadline.abort());
      return Promise.resolve(1);
    },
    { deadline: deadline.signal },
  );
  const [first, second] = await answers;
  assert(first && "error" in first && second && "value" in second);
  assertEquals((first.error as DOMException).name, "AbortError");
  assert(signals[0]?.aborted);
});

Deno.test("askClients() has a default deadline", async () => {
  const { timeout } = AbortSignal;
  let asked: number | undefined;
  AbortSignal.timeout = (ms) => {
    asked = ms;
    return AbortSignal.abort(new DOMException("Too late", "TimeoutError"));
  };
  try {
    const [answer] = await askClients(new FakeClients("a"), silence().ask);
    assert(answer && "error" in answer);
    assertEquals((answer.error as DOMException).name, "TimeoutError");
    assertEquals(asked, 5_000);
  } finally {
    AbortSignal.timeout = timeout;
  }
});

Deno.test("askClients() gives up a client that was closed", async () => {
  const clients = new FakeClients("closed");
  const { ask, signals } = silence();
  const answers = askClients(clients, (client, signal) => {
    clients.close(client.id);
    return ask(client, signal);
  });
  const [answer] = await answers;
  assert(answer && "error" in answer && answer.error instanceof DOMException);
  assertEquals(answer.error.name, "DisconnectedError");
  assertEquals(
    answer.error.message,
    'Cannot get an answer: client "closed" is gone',
  );
  assert(signals[0]?.aborted);
});

Deno.test("askClients() ends a client with the error of clients.get()", async () => {
  const clients = new FakeClients("a");
  const error = new TypeError("No clients");
  clients.get = () => Promise.reject(error);
  const answers = await askClients(clients, silence().ask);
  assertEquals(answers, [{ client: { id: "a" }, error }]);
});

Deno.test("askClients() asks with request()", async () => {
  const { port1, port2 } = new MessageChannel();
  port2.onmessage = ({ data, ports: [reply] }) => {
    reply?.postMessage(`${data} yes`);
    reply?.close();
  };
  const clients = new FakeClients("a");
  const answers = await askClients(
    clients,
    (_client, signal) => request<string>(port1, "typing?", { signal }),
  );
  assertEquals(answers, [{ client: { id: "a" }, value: "typing? yes" }]);
  port1.close();
  port2.close();
});

Deno.test("askClients() rejects with the error of matchAll()", async () => {
  const clients = new FakeClients();
  clients.matchAll = () => Promise.reject(new TypeError("No clients"));
  await assertRejects(
    () => askClients(clients, silence().ask),
    TypeError,
    "No clients",
  );
});

Deno.test("askClients() rejects with the reason of an already aborted signal", async () => {
  const clients = new FakeClients("a");
  const reason = new TypeError("enough");
  const { ask, signals } = silence();
  await assertRejects(
    () => askClients(clients, ask, { signal: AbortSignal.abort(reason) }),
    TypeError,
    "enough",
  );
  assertEquals([clients.queries, signals], [[], []]);
});

Deno.test("askClients() rejects with the reason of a signal aborted later", async () => {
  const controller = new AbortController();
  const { ask, signals } = silence();
  const answers = askClients(
    new FakeClients("a", "b"),
    (client, signal) => {
      if (client.id === "b") controller.abort(new TypeError("enough"));
      return ask(client, signal);
    },
    { signal: controller.signal },
  );
  await assertRejects(() => answers, TypeError, "enough");
  assert(signals[0]?.aborted);
});

Deno.test("askClients() rejects and asks nobody when aborted before the clients are known", async () => {
  const controller = new AbortController();
  const { ask, signals } = silence();
  const { signal } = controller;
  const answers = askClients(new FakeClients("a"), ask, { signal });
  controller.abort(new TypeError("enough"));
  await assertRejects(() => answers, TypeError, "enough");
  assertEquals(signals, []);
});

Deno.test("askClients() removes its abort listener when it settles", async () => {
  const asked: AbortSignal[] = [];
  await askClients(new FakeClients("a"), (_client, signal) => {
    asked.push(signal);
    return Promise.resolve(1);
  });
  // Without a listener, a signal of AbortSignal.any() can be collected.
  assertEquals(asked.map(({ onabort }) => onabort), [null]);
});

Deno.test("askClients() releases its timers when aborted", async () => {
  // A timer that is left fails the sanitizers.
  const controller = new AbortController();
  await assertRejects(() =>
    askClients(
      new FakeClients("a", "b"),
      (client, signal) => {
        controller.abort();
        return silence().ask(client, signal);
      },
      { signal: controller.signal },
    ), DOMException);
});

Deno.test("askClients() rejects only the call whose signal is aborted", async () => {
  const controller = new AbortController();
  const clients = new FakeClients("a");
  const answer = Promise.withResolvers<number>();
  const { signal } = controller;
  const aborted = askClients(clients, () => answer.promise, { signal });
  const kept = askClients(clients, () => answer.promise);
  controller.abort();
  await assertRejects(() => aborted, DOMException);
  answer.resolve(1);
  assertEquals(await kept, [{ client: { id: "a" }, value: 1 }]);
});
