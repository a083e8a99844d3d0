// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { createHost } from "../testing/host.ts";
import { checkForUpdate } from "./check_for_update.ts";

/** A browser with a controlled page, and what its server has. */
async function openPage() {
  const server = { script: "// 1", status: 200 };
  const host = createHost({
    network: () =>
      new Response(server.script, {
        status: server.status,
        headers: { "content-type": "text/javascript" },
      }),
  });
  await host.register("/sw.js");
  const page = await host.openWindow("/");
  await host.idle();
  const registration = await page.serviceWorker.ready;
  return { host, page, registration, server };
}

/** A registration whose check goes as it is told. */
class FakeRegistration extends EventTarget {
  installing: { state: string } | null = null;
  waiting: { state: string } | null = null;

  constructor(readonly update: () => Promise<unknown>) {
    super();
  }

  find(state: string): void {
    this.installing = { state };
    this.dispatchEvent(new Event("updatefound"));
  }
}

Deno.test('checkForUpdate() resolves with "none" when the worker is the newest', async () => {
  const { host, registration } = await openPage();
  assertEquals(await checkForUpdate(registration), "none");
  host.close();
});

Deno.test('checkForUpdate() resolves with "installing" when it finds a new version', async () => {
  const { host, registration, server } = await openPage();
  server.script = "// 2";
  assertEquals(await checkForUpdate(registration), "installing");
  await host.idle();
  host.close();
});

Deno.test('checkForUpdate() resolves with "waiting" when one was found before', async () => {
  const { host, registration, server } = await openPage();
  server.script = "// 2";
  await checkForUpdate(registration);
  await host.idle();
  assertEquals(await checkForUpdate(registration), "waiting");
  server.script = "// 3";
  assertEquals(await checkForUpdate(registration), "installing");
  await host.idle();
  host.close();
});

Deno.test('checkForUpdate() resolves with "failed" when there is no answer', async () => {
  const { host, registration, server } = await openPage();
  host.network.offline = true;
  assertEquals(await checkForUpdate(registration), "failed");
  host.network.offline = false;
  server.status = 500;
  assertEquals(await checkForUpdate(registration), "failed");
  server.status = 200;
  server.script = "throw 1";
  assertEquals(await checkForUpdate(registration), "failed");
  server.script = "// 1";
  assertEquals(await checkForUpdate(registration), "none");
  host.close();
});

Deno.test('checkForUpdate() resolves with "failed" when it is unregistered', async () => {
  const { host, registration } = await openPage();
  await registration.unregister();
  assertEquals(await checkForUpdate(registration), "failed");
  host.close();
});

Deno.test("checkForUpdate() knows what has gone on when the check ends", async () => {
  for (
    const [state, outcome] of [
      ["installing", "installing"],
      ["installed", "waiting"],
      ["activated", "installing"],
      ["redundant", "failed"],
    ] as const
  ) {
    const registration = new FakeRegistration(() => {
      registration.find(state);
      const worker = registration.installing;
      if (state !== "installing") registration.installing = null;
      if (state === "installed") registration.waiting = worker;
      return Promise.resolve();
    });
    assertEquals(await checkForUpdate(registration), outcome, state);
  }
});

Deno.test("checkForUpdate() answers calls at the same time", async () => {
  const { host, registration, server } = await openPage();
  server.script = "// 2";
  const outcomes = await Promise.all([
    checkForUpdate(registration),
    checkForUpdate(registration),
  ]);
  // The second check runs when the first has ended.
  assertEquals(outcomes[0], "installing");
  assertEquals(outcomes.includes("none"), false);
  await host.idle();
  host.close();
});

Deno.test("checkForUpdate() rejects with the reason of an already aborted signal", async () => {
  let checks = 0;
  const registration = new FakeRegistration(() => Promise.resolve(checks++));
  const signal = AbortSignal.abort("over");
  const reason = await checkForUpdate(registration, { signal })
    .catch((reason) => reason);
  assertEquals([reason, checks], ["over", 0]);
});

Deno.test("checkForUpdate() rejects only the call whose signal is aborted", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const registration = new FakeRegistration(() => promise);
  const abort = new AbortController();
  const one = checkForUpdate(registration, { signal: abort.signal });
  const other = checkForUpdate(registration);
  abort.abort("over");
  assertEquals(await one.catch((reason) => reason), "over");
  resolve();
  assertEquals(await other, "none");
});

Deno.test("checkForUpdate() removes its listeners when it settles", async () => {
  const signals: AbortSignal[] = [];
  const registration = {
    installing: null,
    waiting: null,
    update: () => Promise.reject(new TypeError("gone")),
    addEventListener: (
      _type: string,
      _listener: unknown,
      { signal }: { signal: AbortSignal },
    ) => void signals.push(signal),
  };
  const { signal } = new AbortController();
  assertEquals(await checkForUpdate(registration, { signal }), "failed");
  assertEquals(signals.map(({ aborted }) => aborted), [true]);
});

Deno.test("checkForUpdate() does not wait for longer than a minute", async () => {
  using time = new FakeTime();
  const registration = new FakeRegistration(() => new Promise(() => {}));
  const outcome = checkForUpdate(registration);
  await time.tickAsync(60_000);
  assertEquals(await outcome, "failed");
});
