// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { reloadOnUpdate } from "./reload_on_update.ts";

/** What stands for `navigator.serviceWorker`. */
class Container extends EventTarget {
  controller: object | null;
  reloads = 0;
  reload = () => void this.reloads++;

  constructor(controller: object | null = {}) {
    super();
    this.controller = controller;
  }

  getRegistration() {
    return Promise.resolve({ active: this.controller });
  }

  change(controller: object | null = {}): void {
    this.controller = controller;
    this.dispatchEvent(new Event("controllerchange"));
  }
}

Deno.test("reloadOnUpdate() reloads when the controller was replaced", () => {
  const container = new Container();
  reloadOnUpdate(container, container);
  assertEquals(container.reloads, 0);
  container.change();
  assertEquals(container.reloads, 1);
});

Deno.test("reloadOnUpdate() reloads once", () => {
  const container = new Container();
  reloadOnUpdate(container, container);
  container.change();
  container.change();
  container.dispatchEvent(new Event("@serviceworker/std:release"));
  assertEquals(container.reloads, 1);
});

Deno.test("reloadOnUpdate() does not reload a page that is claimed", () => {
  const container = new Container(null);
  reloadOnUpdate(container, container);
  container.change();
  assertEquals(container.reloads, 0);
  container.change();
  assertEquals(container.reloads, 1);
});

Deno.test("reloadOnUpdate() does not reload a page whose worker went away", () => {
  const container = new Container();
  reloadOnUpdate(container, container);
  container.change(null);
  container.change();
  assertEquals(container.reloads, 0);
});

Deno.test("reloadOnUpdate() reloads a page that is back and finds another worker", async () => {
  const container = new Container();
  const { reload } = container;
  const page = new EventTarget();
  const show = async (persisted: boolean) => {
    page.dispatchEvent(Object.assign(new Event("pageshow"), { persisted }));
    await new Promise((resolve) => setTimeout(resolve));
    return container.reloads;
  };
  reloadOnUpdate(container, { reload, page });
  assertEquals(await show(true), 0);
  container.controller = {};
  assertEquals(await show(false), 0);
  assertEquals(await show(true), 1);
});

Deno.test("reloadOnUpdate() leaves a page alone that is back and is not told its worker", async () => {
  const container = new Container();
  const { reload } = container;
  const page = new EventTarget();
  container.getRegistration = () =>
    Promise.reject(new DOMException("No", "SecurityError"));
  reloadOnUpdate(container, { reload, page });
  const event = Object.assign(new Event("pageshow"), { persisted: true });
  page.dispatchEvent(event);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(container.reloads, 0);
});

Deno.test("reloadOnUpdate() leaves a page alone that is back and had no worker", async () => {
  const container = new Container(null);
  const { reload } = container;
  const page = new EventTarget();
  reloadOnUpdate(container, { reload, page });
  container.controller = {};
  const event = Object.assign(new Event("pageshow"), { persisted: true });
  page.dispatchEvent(event);
  await new Promise((resolve) => setTimeout(resolve));
  assertEquals(container.reloads, 0);
});

Deno.test("reloadOnUpdate() waits while something keeps the page", () => {
  const container = new Container();
  let kept = true;
  container.addEventListener("@serviceworker/std:reload", (event) => {
    if (kept) event.preventDefault();
  });
  reloadOnUpdate(container, container);
  container.change();
  container.dispatchEvent(new Event("@serviceworker/std:release"));
  assertEquals(container.reloads, 0);
  kept = false;
  container.dispatchEvent(new Event("@serviceworker/std:release"));
  assertEquals(container.reloads, 1);
});

Deno.test("reloadOnUpdate() remembers what happened while something kept the page", () => {
  const container = new Container();
  const keep = (event: Event) => event.preventDefault();
  container.addEventListener("@serviceworker/std:reload", keep);
  reloadOnUpdate(container, container);
  container.change();
  container.change(null);
  container.removeEventListener("@serviceworker/std:reload", keep);
  container.dispatchEvent(new Event("@serviceworker/std:release"));
  assertEquals(container.reloads, 1);
});

Deno.test("reloadOnUpdate() does not reload when something is released without an update", () => {
  const container = new Container();
  reloadOnUpdate(container, container);
  container.dispatchEvent(new Event("@serviceworker/std:release"));
  assertEquals(container.reloads, 0);
});

Deno.test("reloadOnUpdate() ends by its signal", () => {
  const container = new Container();
  const { reload } = container;
  const controller = new AbortController();
  reloadOnUpdate(container, { reload, signal: controller.signal });
  reloadOnUpdate(container, { reload, signal: AbortSignal.abort() });
  controller.abort();
  container.change();
  assertEquals(container.reloads, 0);
});

Deno.test("reloadOnUpdate() calls location.reload(), which Deno has not", () => {
  const container = new Container();
  reloadOnUpdate(container);
  container.change();
});

Deno.test("reloadOnUpdate() does nothing where there are no service workers", () => {
  const page = {
    addEventListener() {
      throw new Error("It listens");
    },
  };
  reloadOnUpdate(undefined, { page });
});
