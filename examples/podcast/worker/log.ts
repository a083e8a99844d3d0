// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What the worker did in this life, for the page "Behind the scenes". It is not
 * needed for anything else, and so it may die with the worker.
 *
 * @module
 */

import type { RouterHandlerRoute } from "@serviceworker/std/fetch/router";
import type { Answered } from "../protocol.ts";

/** What the worker did in this life. */
export interface Log {
  /**
   * The same route, whose answers are noted.
   *
   * @param strategy How it answers.
   */
  route(
    strategy: string,
    route: RouterHandlerRoute<FetchEvent>,
  ): RouterHandlerRoute<FetchEvent>;
  /** `fetch`, for a strategy: what it answers came from the network. */
  fetchFor(event: FetchEvent): (request: Request) => Promise<Response>;
  /** The same handlers of a channel, whose messages are counted. */
  handlers<H extends object>(handlers: H): H;
  /** Counts messages. */
  count(messages?: number): void;
  /** Counts events of these types. */
  listen(target: EventTarget, types: readonly string[]): void;
  /** What there is. */
  read(): {
    started: number;
    messages: number[];
    events: [type: string, count: number][];
    requests: Answered[];
  };
}

const MINUTE = 60;
const KEPT = 24;

/** Begins a log. */
export function createLog(): Log {
  const started = Math.round(performance.timeOrigin);
  /** By the second. */
  const messages = new Map<number, number>();
  const events = new Map<string, number>();
  const fetched = new WeakSet<FetchEvent>();
  let requests: Answered[] = [];
  let last = 0;

  function count(add = 1): void {
    const second = Math.floor(Date.now() / 1000);
    messages.set(second, (messages.get(second) ?? 0) + add);
    for (const old of messages.keys()) {
      if (old < second - MINUTE) messages.delete(old);
    }
  }

  async function* counted<T>(items: AsyncIterable<T>): AsyncGenerator<T> {
    for await (const item of items) {
      count();
      yield item;
    }
  }

  async function note(
    event: FetchEvent,
    by: Pick<Answered, "route" | "strategy">,
    answer: () => Response | Promise<Response>,
  ): Promise<Response> {
    const entry: Answered = {
      id: ++last,
      at: Date.now(),
      path: new URL(event.request.url).pathname,
      ...by,
      from: undefined,
      took: undefined,
    };
    requests = [entry, ...requests].slice(0, KEPT);
    const start = performance.now();
    try {
      const response = await answer();
      entry.from = fetched.has(event) ? "network" : "device";
      return response;
    } catch (error) {
      entry.from = "nowhere";
      throw error;
    } finally {
      entry.took = performance.now() - start;
    }
  }

  return {
    count,
    route(strategy, route) {
      const { handler, pattern } = route;
      return {
        ...route,
        handler(event, match) {
          const answer = () => handler(event, match);
          return note(event, { route: String(pattern), strategy }, answer);
        },
      };
    },
    fetchFor: (event) => async (request) => {
      const response = await fetch(request);
      fetched.add(event);
      return response;
    },
    handlers<H extends object>(handlers: H): H {
      const all = Object.entries(handlers).map(([name, handler]) => [
        name,
        (...input: unknown[]) => {
          count();
          const output = handler(...input);
          if (Symbol.asyncIterator in Object(output)) return counted(output);
          // The answer.
          count();
          return output;
        },
      ]);
      return Object.fromEntries(all);
    },
    listen(target, types) {
      for (const type of types) {
        target.addEventListener(type, () => {
          events.set(type, (events.get(type) ?? 0) + 1);
          if (type === "message") count();
        });
      }
    },
    read() {
      const now = Math.floor(Date.now() / 1000);
      return {
        started,
        // The present second is not over.
        messages: Array.from(
          { length: MINUTE },
          (_, index) => messages.get(now - MINUTE + index) ?? 0,
        ),
        events: [...events],
        requests,
      };
    },
  };
}
