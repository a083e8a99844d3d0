// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Whether the server can be reached, which `navigator.onLine` does not tell.
 *
 * @module
 */

import { sharedSource } from "@serviceworker/std/channel/shared-source";

const RETRY = 2_000;

/**
 * Calls `show` with whether the server can be reached, and whenever that changes.
 * One tab keeps a connection for all; it gives that up when it is hidden, as the
 * timers of hidden tabs are slow.
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

/**
 * Keeps a connection open, and tells when it is there and when it breaks. To ask
 * again and again would wake the worker every time.
 */
async function* watchServer(
  signal: AbortSignal,
): AsyncGenerator<boolean, void, undefined> {
  while (!signal.aborted) {
    const source = new EventSource("/api/presence");
    const opened = await first(source, ["open", "error"], signal) === "open";
    yield opened;
    if (opened) {
      await first(source, ["error"], signal);
      yield false;
    }
    source.close();
    const later = AbortSignal.timeout(RETRY);
    await first(globalThis, ["online"], AbortSignal.any([signal, later]));
  }
}

/** Resolves with the type of the first of these events, or when aborted. */
function first(
  target: EventTarget,
  types: string[],
  signal: AbortSignal,
): Promise<string> {
  return new Promise((resolve) => {
    const ended = new AbortController();
    const end = ({ type }: Event) => {
      ended.abort();
      resolve(type);
    };
    for (const type of types) {
      target.addEventListener(type, end, { signal: ended.signal });
    }
    signal.addEventListener("abort", end, { signal: ended.signal });
    if (signal.aborted) end(new Event("abort"));
  });
}
