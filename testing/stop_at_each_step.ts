// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Find out whether a worker can be stopped at any moment without losing anything:
 * run a scenario again and again, and stop the worker one step later each time.
 *
 * @module
 */

/** The part of a host that {@linkcode stopAtEachStep} uses. */
export interface StopTarget {
  /** Has the worker be stopped at the n-th step from now. */
  stopAtStep(step: number): void;
  /** The step at which it was stopped. */
  readonly stoppedAt: string | undefined;
}

/** Which steps {@linkcode stopAtEachStep} tries. */
export interface StopAtEachStepOptions {
  /**
   * Tries every so many steps: a shorter cut of a long scenario.
   *
   * @default {1}
   */
  readonly every?: number | undefined;
}

/**
 * Runs a scenario until the worker has been stopped once at every step that it
 * makes in it.
 *
 * The scenario creates a host, does what must not fail, calls `arm(host)`, and
 * does what may be interrupted. When the worker was stopped, events that were
 * being handled have failed, and the next event starts a new life from the same
 * storage: the scenario goes on until everything should be well, and asserts that
 * it is. It runs once without being stopped before all others.
 *
 * @param scenario What is run; it closes the host that it creates.
 * @param options Which steps are tried.
 * @returns How many times the worker was stopped.
 * @throws {Error} If the scenario fails, with the step in the message and its error as the cause.
 * @throws {TypeError} If the scenario does not call `arm()`.
 *
 * @example Lose no message, wherever the worker is stopped
 * ```ts
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { stopAtEachStep } from "@serviceworker/std/testing/stop-at-each-step";
 * import { assertEquals, assertNotEquals } from "@std/assert";
 *
 * const stops = await stopAtEachStep(async (arm) => {
 *   const sent = new Set<string>();
 *   const host = createHost({
 *     network: async (request) => {
 *       sent.add(await request.text());
 *       return new Response();
 *     },
 *   });
 *   await host.register((scope) => {
 *     const send = async () => {
 *       const cache = await scope.caches.open("outbox");
 *       for (const request of await cache.keys()) {
 *         const body = await (await cache.match(request))?.text();
 *         await scope.fetch("/", { method: "POST", body: body ?? "" });
 *         await cache.delete(request); // Only now.
 *       }
 *     };
 *     scope.addEventListener("sync", (event) => event.waitUntil(send()));
 *   });
 *   const outbox = await host.caches.open("outbox");
 *   await outbox.put("/1", new Response("one"));
 *   await outbox.put("/2", new Response("two"));
 *
 *   arm(host);
 *   while (!await host.dispatchSyncEvent("outbox"));
 *   assertEquals(sent, new Set(["one", "two"]));
 *   host.close();
 * });
 * assertNotEquals(stops, 0);
 * ```
 */
export async function stopAtEachStep(
  scenario: (arm: (host: StopTarget) => void) => Promise<void>,
  options: StopAtEachStepOptions = {},
): Promise<number> {
  const { every = 1 } = options;
  await run(scenario, Infinity);
  let stops = 0;
  while (await run(scenario, 1 + stops * every) !== undefined) stops++;
  return stops;
}

/** Runs the scenario once, and resolves with where the worker was stopped. */
async function run(
  scenario: (arm: (host: StopTarget) => void) => Promise<void>,
  step: number,
): Promise<string | undefined> {
  let armed: StopTarget | undefined;
  try {
    await scenario((host) => {
      armed = host;
      host.stopAtStep(step);
    });
  } catch (cause) {
    const when = armed?.stoppedAt === undefined
      ? "the worker was not stopped"
      : `the worker was stopped at step ${step}, ${armed.stoppedAt}`;
    throw new Error(`Cannot pass the scenario: when ${when}, ${cause}`, {
      cause,
    });
  }
  if (!armed) {
    throw new TypeError(
      "Cannot stop the worker at a step: the scenario does not call arm()",
    );
  }
  return armed.stoppedAt;
}
