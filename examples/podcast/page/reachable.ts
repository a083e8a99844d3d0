// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Whether the server can be reached, which `navigator.onLine` does not tell.
 *
 * @module
 */

import { sharedSource } from "@serviceworker/std/channel/shared-source";

/** What is known of the server. */
interface Presence {
  reachable: boolean;
  /** How often it has said that there is something new. */
  news: number;
}

const RETRY = 2_000;

/**
 * Calls `show` with whether the server can be reached, and whenever that changes;
 * and `refresh` whenever it has something new. One tab keeps a connection for
 * all; it gives that up when it is hidden, as the timers of hidden tabs are slow.
 */
export async function followServer(
  show: (reachable: boolean) => void,
  refresh: () => void,
): Promise<never> {
  let last: number | undefined;
  while (true) {
    const hidden = new AbortController();
    const { signal } = hidden;
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) hidden.abort();
    }, { signal });
    try {
      const answers = sharedSource("longwave-server", watchServer, { signal });
      for await (const { reachable, news } of answers) {
        show(reachable);
        if (news > (last ?? news)) refresh();
        last = news;
      }
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
): AsyncGenerator<Presence, void, undefined> {
  let news = 0;
  while (!signal.aborted) {
    const source = new EventSource("/api/presence");
    let heard = await first(source, ["open", "error"], signal);
    while (heard === "open" || heard === "message") {
      if (heard === "message") news++;
      yield { reachable: true, news };
      heard = await first(source, ["message", "error"], signal);
    }
    yield { reachable: false, news };
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
