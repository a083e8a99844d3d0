// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertRejects, assertStrictEquals } from "@std/assert";
import { createHost } from "../testing/host.ts";
import { type PageState, pageState } from "./page_state.ts";

/** A window that does to its listeners what engines do, and counts them. */
class FakeWindow extends EventTarget {
  listeners = 0;
  readonly document = {
    visibilityState: "visible",
    wasDiscarded: undefined as boolean | undefined,
    focused: true,
    hasFocus() {
      return this.focused;
    },
  };

  override addEventListener(
    type: string,
    listener: EventListener,
    options: AddEventListenerOptions = {},
  ): void {
    super.addEventListener(type, listener, options);
    this.listeners++;
    options.signal?.addEventListener("abort", () => this.listeners--);
  }

  fire(type: string, persisted?: boolean): void {
    const event = new Event(type);
    this.dispatchEvent(
      persisted === undefined ? event : Object.assign(event, { persisted }),
    );
  }

  focus(focused: boolean): void {
    this.document.focused = focused;
    this.fire(focused ? "focus" : "blur");
  }

  show(visible: boolean): void {
    this.document.visibilityState = visible ? "visible" : "hidden";
    this.fire("visibilitychange");
  }
}

/** Reads exactly `count` states, and leaves the loop. */
async function read(
  states: AsyncIterable<PageState>,
  count: number,
): Promise<PageState[]> {
  const found: PageState[] = [];
  for await (const state of states) {
    if (found.push(state) === count) break;
  }
  return found;
}

Deno.test("pageState() begins with the state at that moment", async () => {
  const page = new FakeWindow();
  const states = pageState(page);
  assertEquals(await read(states, 1), ["active"]);
  page.focus(false);
  assertEquals(await read(states, 1), ["passive"]);
  page.show(false);
  assertEquals(await read(states, 1), ["hidden"]);
});

Deno.test("pageState() gives every state once, to a busy consumer too", async () => {
  const page = new FakeWindow();
  const states = pageState(page)[Symbol.asyncIterator]();
  page.focus(false);
  page.fire("blur"); // Of an element.
  page.show(false);
  page.fire("freeze");
  page.fire("resume");
  page.show(true);
  page.focus(true);
  page.fire("focus"); // Of an element.
  const found = [];
  for (let count = 0; count < 7; count++) {
    found.push((await states.next()).value);
  }
  assertEquals(found, [
    "active",
    "passive",
    "hidden",
    "frozen",
    "hidden",
    "passive",
    "active",
  ]);
  // Nothing more is there.
  page.show(false);
  assertEquals((await states.next()).value, "hidden");
  await states.return?.();
});

Deno.test("pageState() gives a state before the event is over", async () => {
  const page = new FakeWindow();
  const states = pageState(page)[Symbol.asyncIterator]();
  await states.next();
  const next = states.next();
  let state: unknown;
  next.then(({ value }) => state = value);
  page.fire("freeze");
  // A browser runs the microtasks only, and then freezes the page.
  for (let count = 0; count < 5; count++) await Promise.resolve();
  assertEquals(state, "frozen");
  await states.return?.();
});

// Engines do not agree on the order, nor on what they fire at all.
for (
  const [leaving, coming] of [
    ["pagehide hide freeze", "show resume pageshow"],
    ["pagehide hide freeze", "pageshow resume show"],
    ["pagehide hide", "pageshow show"],
    ["hide pagehide", "show pageshow"],
  ] as const
) {
  Deno.test(`pageState() is bfcached from ${leaving} to ${coming}`, async () => {
    const page = new FakeWindow();
    const states = pageState(page)[Symbol.asyncIterator]();
    for (const type of `${leaving} ${coming}`.split(" ")) {
      if (type === "hide" || type === "show") page.show(type === "show");
      else page.fire(type, type.startsWith("page") ? true : undefined);
    }
    page.focus(false);
    const found = [];
    while (found.at(-1) !== "passive") {
      found.push((await states.next()).value);
    }
    assertEquals(found, [
      "active",
      ...leaving.startsWith("hide") ? ["hidden"] : [],
      "bfcached",
      ...coming.startsWith("pageshow") ? ["hidden"] : [],
      "active",
      "passive",
    ]);
    await states.return?.();
  });
}

Deno.test("pageState() is not bfcached if the page is not kept", async () => {
  const page = new FakeWindow();
  const states = pageState(page);
  const reading = read(states, 2);
  page.fire("pagehide", false);
  page.show(false);
  assertEquals(await reading, ["active", "hidden"]);
});

Deno.test("pageState() begins with discarded in a page that was", async () => {
  const page = new FakeWindow();
  page.document.wasDiscarded = true;
  assertEquals(await read(pageState(page), 2), ["discarded", "active"]);
});

Deno.test("pageState() listens for as long as the loop runs", async () => {
  const page = new FakeWindow();
  const states = pageState(page)[Symbol.asyncIterator]();
  await states.next();
  assertEquals(page.listeners > 0, true);
  await states.return?.();
  assertEquals(page.listeners, 0);
});

Deno.test("pageState() rejects with the reason of an already aborted signal", async () => {
  const page = new FakeWindow();
  const reason = new Error("over");
  const states = pageState(page, { signal: AbortSignal.abort(reason) });
  assertStrictEquals(await assertRejects(() => read(states, 1)), reason);
  assertEquals(page.listeners, 0);
});

Deno.test("pageState() rejects with the reason of a signal aborted later", async () => {
  const page = new FakeWindow();
  const controller = new AbortController();
  const reason = new Error("over");
  const reading = read(pageState(page, controller), 2);
  controller.abort(reason);
  assertStrictEquals(await assertRejects(() => reading), reason);
  assertEquals(page.listeners, 0);
});

Deno.test("pageState() ends the iterators of its signal only", async () => {
  const page = new FakeWindow();
  const controller = new AbortController();
  const mine = pageState(page, controller)[Symbol.asyncIterator]();
  const other = pageState(page)[Symbol.asyncIterator]();
  controller.abort();
  await assertRejects(() => mine.next());
  assertEquals((await other.next()).value, "active");
  page.focus(false);
  assertEquals((await other.next()).value, "passive");
  await other.return?.();
});

Deno.test("pageState() follows a page of the host", async () => {
  const host = createHost({ network: () => new Response() });
  const page = await host.openWindow("/");
  const states = pageState({
    document: {
      get visibilityState() {
        return page.visibilityState;
      },
      hasFocus: () => page.focused,
    },
    addEventListener: (...args) => page.addEventListener(...args),
  });
  const reading = read(states, 7);
  page.freeze();
  page.resume();
  page.focus();
  assertEquals(await reading, [
    "active",
    "passive",
    "hidden",
    "frozen",
    "hidden",
    "passive",
    "active",
  ]);
  host.close();
});
