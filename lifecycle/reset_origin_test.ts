// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { IDBFactory } from "fake-indexeddb";
import { createHost } from "../testing/host.ts";
import { resetOrigin, type ResetOriginScope } from "./reset_origin.ts";

/** A page's window, with two of each kind. */
async function start() {
  const host = createHost();
  await host.register(() => {});
  await host.register(() => {}, { scope: "/other/" });
  const page = await host.openWindow("/");
  const indexedDB = new IDBFactory();
  for (const name of ["one", "two"]) {
    await page.caches.open(name);
    (await open(indexedDB, name)).close();
  }
  const stored = new Map<string, string>();
  let reloads = 0;
  const window = {
    caches: page.caches,
    indexedDB,
    navigator: page.navigator,
    location: { reload: () => void reloads++ },
    sessionStorage: {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
    },
  };
  /** What is left, by name. */
  const left = async () => [
    ...(await page.navigator.serviceWorker.getRegistrations())
      .map(({ scope }) => new URL(scope).pathname),
    ...await host.caches.keys(),
    ...(await indexedDB.databases()).map(({ name }) => name),
  ];
  return { host, window, left, reloads: () => reloads };
}

/** Opens a database, which is made if it is not there. */
function open(factory: IDBFactory, name: string): Promise<{ close(): void }> {
  return new Promise((resolve, reject) => {
    const opening = factory.open(name);
    opening.onsuccess = () => resolve(opening.result);
    opening.onerror = () => reject(opening.error);
  });
}

/** A window with nothing in it. */
function emptyWindow(scope: Partial<ResetOriginScope> = {}) {
  return {
    location: { reload() {} },
    navigator: {},
    sessionStorage: { getItem: () => null, setItem() {} },
    ...scope,
  };
}

/** A window that never says which caches there are, and whether it was asked. */
function silentWindow() {
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  const keys = () => {
    resolve();
    return new Promise<string[]>(() => {});
  };
  const caches = { keys, delete: () => Promise.resolve(true) };
  return { window: emptyWindow({ caches }), asked };
}

Deno.test("resetOrigin() deletes everything and reloads", async () => {
  const { host, window, left, reloads } = await start();
  assertEquals((await left()).length, 6);
  assertEquals(await resetOrigin(window), { failed: [], reloading: true });
  assertEquals(await left(), []);
  assertEquals(reloads(), 1);
  host.close();
});

Deno.test("resetOrigin() keeps what it is told to", async () => {
  const { host, window, left } = await start();
  const asked: string[] = [];
  await resetOrigin(window, {
    keep(kind, name) {
      asked.push(`${kind} ${name.replace(host.origin, "")}`);
      return kind === "cache" && name === "one" ||
        kind === "database" && name === "two" || name.endsWith("/other/");
    },
  });
  assertEquals(await left(), ["/other/", "one", "two"]);
  assertEquals(asked, [
    "registration /",
    "registration /other/",
    "cache one",
    "cache two",
    "database one",
    "database two",
  ]);
  host.close();
});

Deno.test("resetOrigin() does not reload if it is not to", async () => {
  const { host, window, reloads } = await start();
  assertEquals(await resetOrigin(window, { reload: false }), {
    failed: [],
    reloading: false,
  });
  assertEquals(reloads(), 0);
  host.close();
});

Deno.test("resetOrigin() reloads once a minute at most", async () => {
  const { host, window, reloads } = await start();
  using time = new FakeTime();
  await resetOrigin(window);
  assertEquals((await resetOrigin(window)).reloading, false);
  time.tick(59_999);
  assertEquals((await resetOrigin(window)).reloading, false);
  time.tick(1);
  assertEquals((await resetOrigin(window)).reloading, true);
  assertEquals(reloads(), 2);
  host.close();
});

Deno.test("resetOrigin() does not reload if it cannot note that", async () => {
  const window = emptyWindow({
    sessionStorage: {
      getItem() {
        throw new DOMException("Blocked", "SecurityError");
      },
      setItem() {},
    },
  });
  assertEquals((await resetOrigin(window)).reloading, false);
});

Deno.test("resetOrigin() reports what another page has open", async () => {
  const { host, window, left, reloads } = await start();
  const { indexedDB } = window;
  const database = await open(indexedDB, "one");
  const { promise: blocked, resolve } = Promise.withResolvers<void>();
  const deleteDatabase = indexedDB.deleteDatabase.bind(indexedDB);
  indexedDB.deleteDatabase = (name) => {
    const request = deleteDatabase(name);
    request.addEventListener("blocked", () => resolve());
    return request;
  };
  using time = new FakeTime();
  const reset = resetOrigin(window);
  await blocked;
  await time.tickAsync(5_000);
  const { failed, reloading } = await reset;
  assertEquals(
    failed.map(({ kind, name, error }) => [kind, name, String(error)]),
    [[
      "database",
      "one",
      'TimeoutError: Cannot delete the database "one": another page has it open',
    ]],
  );
  assertEquals(reloading, false);
  assertEquals(reloads(), 0);
  assertEquals(await left(), ["one"]);
  database.close();
  host.close();
});

Deno.test("resetOrigin() goes on if something cannot be deleted", async () => {
  const { host, window, left } = await start();
  const failure = new DOMException("Blocked", "SecurityError");
  const { failed, reloading } = await resetOrigin({
    ...window,
    caches: {
      keys: () => Promise.resolve(["one", "two"]),
      delete: () => Promise.reject(failure),
    },
  });
  assertEquals(failed, [
    { kind: "cache", name: "one", error: failure },
    { kind: "cache", name: "two", error: failure },
  ]);
  assertEquals(reloading, false);
  assertEquals(await left(), ["one", "two"]);
  host.close();
});

Deno.test("resetOrigin() reports what it could not list", async () => {
  const failure = new DOMException("Blocked", "SecurityError");
  const { failed } = await resetOrigin(emptyWindow({
    caches: {
      keys: () => Promise.reject(failure),
      delete: () => Promise.resolve(true),
    },
  }));
  assertEquals(failed, [{ kind: "cache", name: undefined, error: failure }]);
});

Deno.test("resetOrigin() deletes databases by their names where it must", async () => {
  const { host, window, left } = await start();
  const { indexedDB } = window;
  const scope = {
    ...window,
    indexedDB: {
      deleteDatabase: (name: string) => indexedDB.deleteDatabase(name),
    },
  };
  const { failed: [unknown], reloading } = await resetOrigin(scope);
  assertEquals([unknown?.kind, unknown?.name], ["database", undefined]);
  assertEquals((unknown?.error as Error).name, "NotSupportedError");
  assertEquals(reloading, false);
  assertEquals(
    await resetOrigin(scope, { databases: ["one"] }),
    { failed: [], reloading: true },
  );
  assertEquals(await left(), ["two"]);
  host.close();
});

Deno.test("resetOrigin() reports why a database could not be deleted", async () => {
  const error = new DOMException("Broken", "UnknownError");
  const { failed } = await resetOrigin(
    emptyWindow({
      indexedDB: {
        deleteDatabase: () => ({
          error,
          addEventListener(type: string, listener: () => void) {
            if (type === "error") listener();
          },
        }),
      },
    }),
    { databases: ["one"] },
  );
  assertEquals(failed, [{ kind: "database", name: "one", error }]);
});

Deno.test("resetOrigin() rejects with the reason of an already aborted signal", async () => {
  const { host, window, left } = await start();
  const reason = new Error("stop");
  const signal = AbortSignal.abort(reason);
  assertStrictEquals(
    await assertRejects(() => resetOrigin(window, { signal })),
    reason,
  );
  assertEquals((await left()).length, 6);
  host.close();
});

Deno.test("resetOrigin() rejects with the reason of a signal aborted later", async () => {
  const reason = new Error("stop");
  const controller = new AbortController();
  const { signal } = controller;
  const { window, asked } = silentWindow();
  const reset = resetOrigin(window, { signal });
  await asked;
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => reset), reason);
});

Deno.test("resetOrigin() reports what has not answered within five seconds", async () => {
  using time = new FakeTime();
  const { window, asked } = silentWindow();
  const reset = resetOrigin(window);
  await asked;
  await time.tickAsync(5_000);
  const { failed, reloading } = await reset;
  assertEquals(
    failed.map(({ kind, name, error }) => [kind, name, String(error)]),
    [[
      "cache",
      undefined,
      "TimeoutError: Cannot reset the origin: 5 seconds have passed",
    ]],
  );
  assertEquals(reloading, false);
});

Deno.test("resetOrigin() removes its abort listeners when it settles", async () => {
  const { host, window } = await start();
  const { signal } = new AbortController();
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  signal.addEventListener = (
    type: string,
    listener: EventListenerOrEventListenerObject,
    options: AddEventListenerOptions = {},
  ) => {
    listeners++;
    options.signal?.addEventListener("abort", () => listeners--);
    add(type, listener, options);
  };
  await resetOrigin(window, { signal });
  assertEquals(listeners, 0);
  host.close();
});
