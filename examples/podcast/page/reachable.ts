// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Whether the server can be reached, which `navigator.onLine` does not tell.
 *
 * @module
 */

import { sharedSource } from "@serviceworker/std/channel/shared-source";

const INTERVAL = 4_000;

/**
 * Calls `show` again and again with whether the server answers. One tab asks for
 * all; it gives that up when it is hidden, as the timers of hidden tabs are slow.
 */
export async function followServer(
  show: (reachable: boolean) => void,
): Promise<never> {
  while (true) {
    const hidden = new AbortController();
    const { signal } = hidden;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) hidden.abort();
    }, { signal });
    try {
      const answers = sharedSource("longwave-server", watchServer, { signal });
      for await (const reachable of answers) show(reachable);
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }
}

/** Asks the server again and again, and gives each answer. */
async function* watchServer(
  signal: AbortSignal,
): AsyncGenerator<boolean, void, undefined> {
  while (!signal.aborted) {
    yield await ask(signal);
    await pause(signal);
  }
}

async function ask(signal: AbortSignal): Promise<boolean> {
  try {
    const deadline = AbortSignal.timeout(INTERVAL);
    const response = await fetch("/api/ping", {
      cache: "no-store",
      signal: AbortSignal.any([signal, deadline]),
    });
    return response.ok;
  } catch {
    return false;
  }
}

/** Resolves after a while, or when the network has come or gone. */
function pause(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const ended = new AbortController();
    const end = () => {
      clearTimeout(timer);
      ended.abort();
      resolve();
    };
    const timer = setTimeout(end, INTERVAL);
    const until = { signal: ended.signal };
    addEventListener("online", end, until);
    addEventListener("offline", end, until);
    signal.addEventListener("abort", end, until);
  });
}
