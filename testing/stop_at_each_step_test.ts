// Copyright 2026 the @serviceworker/std authors. MIT license.

import {
  assertEquals,
  assertRejects,
  assertStrictEquals,
  assertStringIncludes,
} from "@std/assert";
import { createHost } from "./host.ts";
import { stopAtEachStep } from "./stop_at_each_step.ts";

/** A target that makes `steps` steps when it runs. */
function fakeHost(steps: number) {
  let stop = Infinity;
  return {
    stoppedAt: undefined as string | undefined,
    stopAtStep(step: number) {
      stop = step;
    },
    run() {
      if (stop <= steps) this.stoppedAt = `step ${stop}`;
      return this.stoppedAt;
    },
  };
}

Deno.test("stopAtEachStep() runs once without, and once for every step", async () => {
  const stops: (string | undefined)[] = [];
  const count = await stopAtEachStep((arm) => {
    const host = fakeHost(3);
    arm(host);
    stops.push(host.run());
    return Promise.resolve();
  });
  assertEquals(count, 3);
  assertEquals(stops, [undefined, "step 1", "step 2", "step 3", undefined]);
});

Deno.test("stopAtEachStep() can leave steps out", async () => {
  const stops: (string | undefined)[] = [];
  const count = await stopAtEachStep((arm) => {
    const host = fakeHost(6);
    arm(host);
    stops.push(host.run());
    return Promise.resolve();
  }, { every: 2 });
  assertEquals(count, 3);
  assertEquals(stops.slice(1, -1), ["step 1", "step 3", "step 5"]);
});

Deno.test("stopAtEachStep() says where the scenario fails, and why", async () => {
  const cause = new Error("lost an entry");
  const error = await assertRejects(
    () =>
      stopAtEachStep((arm) => {
        const host = fakeHost(3);
        arm(host);
        if (host.run() === "step 2") throw cause;
        return Promise.resolve();
      }),
    Error,
    "step 2",
  );
  assertStringIncludes(error.message, "lost an entry");
  assertStrictEquals(error.cause, cause);
});

Deno.test("stopAtEachStep() says that a scenario fails anyway", async () => {
  await assertRejects(
    () => stopAtEachStep(() => Promise.reject(new Error("broken"))),
    Error,
    "the worker was not stopped, Error: broken",
  );
});

Deno.test("stopAtEachStep() rejects when nothing is armed", async () => {
  await assertRejects(
    () => stopAtEachStep(() => Promise.resolve()),
    TypeError,
    "arm()",
  );
});

/** Sends what is in the outbox, in an order that `lose`s an entry when it is stopped. */
function flushing(lose: boolean) {
  return stopAtEachStep(async (arm) => {
    const received: string[] = [];
    const host = createHost({
      network: async (request) => {
        received.push(await request.text());
        return new Response();
      },
    });
    await host.register((scope) => {
      const flush = async () => {
        const cache = await scope.caches.open("outbox");
        for (const request of await cache.keys()) {
          const body = await (await cache.match(request))?.text() ?? "";
          if (lose) await cache.delete(request);
          await scope.fetch("/send", { method: "POST", body });
          if (!lose) await cache.delete(request);
        }
      };
      scope.addEventListener("sync", (event) => event.waitUntil(flush()));
    });
    const outbox = await host.caches.open("outbox");
    for (const name of ["1", "2", "3"]) {
      await outbox.put(`/${name}`, new Response(name));
    }
    arm(host);
    while (!await host.dispatchSyncEvent("outbox"));
    host.close();
    assertEquals([...new Set(received)], ["1", "2", "3"]);
  });
}

Deno.test("stopAtEachStep() passes a worker that loses nothing", async () => {
  // Dispatch, open, keys; match, fetch and delete of three; end.
  assertEquals(await flushing(false), 13);
});

Deno.test("stopAtEachStep() finds the step at which a worker loses", async () => {
  const error = await assertRejects(
    () => flushing(true),
    Error,
    "step 6, fetch",
  );
  assertStringIncludes(error.message, "POST https://example.test/send");
});
