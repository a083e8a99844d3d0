// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Whether the server can be reached, which `navigator.onLine` does not tell.
 *
 * @module
 */

const INTERVAL = 4_000;

/** Asks the server again and again, and gives each answer. */
export async function* watchServer(
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
