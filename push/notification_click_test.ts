// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { FakeTime } from "@std/testing/time";
import { launch } from "../lifecycle/launch.ts";
import { setLaunchConsumer } from "../lifecycle/set_launch_consumer.ts";
import { memoryStore } from "../storage/memory_store.ts";
import { createHost, type HostScope } from "../testing/host.ts";
import {
  notificationClick,
  type NotificationClickClient,
  type NotificationClickOptions,
  takeNotificationTarget,
} from "./notification_click.ts";
import { notify } from "./notify.ts";

const ORIGIN = "https://example.test";
const APP = `${ORIGIN}/app/`;
const PATH = "notification-click/target";

/** A host whose worker shows every message, and handles clicks. */
async function setUp(
  options: (scope: HostScope) => NotificationClickOptions = () => ({}),
) {
  const host = createHost({ network: () => new Response("page") });
  await host.register((scope) => {
    const fallback = { title: "Something is new" };
    const origins = [ORIGIN, "https://other.test", "https://evil.test"];
    scope.addEventListener(
      "push",
      notify(scope.registration, { fallback, origins }),
    );
    scope.addEventListener(
      "notificationclick",
      notificationClick(scope, options(scope)),
    );
  }, { scope: "/app/" });

  /** Pushes a message that describes a notification, and clicks that. */
  async function click(description: object = {}, action?: string) {
    const message = JSON.stringify({ title: "Episode 7", ...description });
    await host.deliverPushMessage(message);
    return await host.notifications.at(-1)?.click(action);
  }
  return {
    host,
    click,
    urls: () => host.windows.map(({ url }) => url),
    [Symbol.dispose]: () => host.close(),
  };
}

/** A scope with windows that note what is done with them. */
function scopeOf(...windows: Partial<Window>[]) {
  const calls: string[] = [];
  const all = windows.map((own, index): Window => ({
    url: `${APP}${index}`,
    frameType: "top-level",
    controlled: true,
    focus: () => Promise.resolve(void calls.push(`focus ${index}`)),
    navigate: (url) => Promise.resolve(void calls.push(`go ${index} ${url}`)),
    ...own,
  }));
  const clients = {
    opened: "what was asked for" as string | null,
    matchAll: ({ includeUncontrolled }: { includeUncontrolled: boolean }) => {
      calls.push(includeUncontrolled ? "all" : "controlled");
      return Promise.resolve(
        all.filter(({ controlled }) => controlled || includeUncontrolled),
      );
    },
    openWindow: (url: string) => {
      calls.push(`open ${url}`);
      const { opened } = clients;
      const where = opened === "what was asked for" ? url : opened;
      return Promise.resolve(where === null ? null : { url: where });
    },
  };
  return { calls, clients, registration: { scope: APP } };
}

interface Window extends NotificationClickClient {
  readonly controlled: boolean;
}

/** Clicks a notification, and waits until all is done. */
async function clickOn(
  scope: ReturnType<typeof scopeOf>,
  data: unknown,
  options: NotificationClickOptions = {},
  action = "",
) {
  const works: Promise<unknown>[] = [];
  notificationClick(scope, options)({
    action,
    notification: { data, close: () => void scope.calls.push("close") },
    waitUntil: (work) => works.push(work),
  });
  await Promise.all(works);
}

const leadTo = (navigate: unknown, actions = {}) => ({
  "@serviceworker/std": { navigate, actions },
});
const gone = () => Promise.reject(new TypeError("gone"));

Deno.test("notificationClick() closes the notification, and opens a window", async () => {
  using test = await setUp();
  assertEquals(await test.click({ navigate: "episodes/7" }), true);
  assertEquals(test.urls(), [`${APP}episodes/7`]);
  assertEquals(test.host.notifications, []);
});

Deno.test("notificationClick() focuses the window that shows the URL", async () => {
  using test = await setUp();
  const wanted = await test.host.openWindow("/app/episodes/7");
  const other = await test.host.openWindow("/app/");
  assertEquals(other.focused, true);
  await test.click({ navigate: "episodes/7" });
  assertEquals(wanted.focused, true);
  assertEquals(test.urls(), [`${APP}episodes/7`, APP]);
});

Deno.test("notificationClick() navigates the window that had the focus last", async () => {
  using test = await setUp();
  const first = await test.host.openWindow("/app/1");
  await test.host.openWindow("/app/2");
  first.focus();
  first.blur();
  await test.click({ navigate: "episodes/7" });
  assertEquals(test.urls(), [`${APP}episodes/7`, `${APP}2`]);
  assertEquals(first.focused, true);
});

Deno.test("notificationClick() navigates to a part of the page", async () => {
  using test = await setUp();
  await test.host.openWindow("/app/7");
  await test.click({ navigate: "7#notes" });
  assertEquals(test.urls(), [`${APP}7#notes`]);
});

Deno.test("notificationClick() leaves alone what its worker does not control", async () => {
  using test = await setUp();
  await test.host.openWindow("/elsewhere");
  await test.click({ navigate: "7" });
  assertEquals(test.urls(), [`${ORIGIN}/elsewhere`, `${APP}7`]);
});

Deno.test("notificationClick() focuses a window that another worker controls, if it shows the URL", async () => {
  using test = await setUp();
  const other = await test.host.openWindow("/elsewhere");
  other.hide();
  await test.click({ navigate: "/elsewhere" });
  assertEquals(test.urls(), [`${ORIGIN}/elsewhere`]);
  assertEquals(other.focused, true);
});

Deno.test("notificationClick() leaves frames alone", async () => {
  using test = await setUp();
  await test.host.openWindow("/app/7", { frameType: "nested" });
  await test.click({ navigate: "7" });
  assertEquals(test.urls(), [`${APP}7`, `${APP}7`]);
});

Deno.test("notificationClick() opens the scope if the notification leads nowhere", async () => {
  for (const description of [{}, { data: "text" }, { data: { url: "/7" } }]) {
    using test = await setUp();
    await test.click(description);
    assertEquals(test.urls(), [APP]);
  }
});

Deno.test("notificationClick() leads where a button leads to", async () => {
  const actions = [
    { action: "play", title: "Play", navigate: "7?play" },
    { action: "show", title: "Show" },
  ];
  for (const [action, path] of [["play", "7?play"], ["show", "7"], ["", "7"]]) {
    using test = await setUp();
    await test.click({ navigate: "7", actions }, action);
    assertEquals(test.urls(), [`${APP}${path}`]);
  }
});

Deno.test("notificationClick() does what there is for an action", async () => {
  const done: unknown[] = [];
  using test = await setUp(() => ({
    actions: {
      later: ({ notification }) => void done.push(notification.data),
      play: ({ notification }) => `play/${notification.data}`,
      "": async () => new URL(`${await Promise.resolve(APP)}own`),
    },
  }));
  const description = {
    data: 7,
    actions: ["later", "play"].map((action) => ({ action, title: action })),
  };
  await test.click(description, "later");
  assertEquals(done, [7]);
  assertEquals(test.urls(), []);
  await test.click(description, "play");
  assertEquals(test.urls(), [`${APP}play/7`]);
  await test.click(description);
  assertEquals(test.urls(), [`${APP}own`]);
});

Deno.test("notificationClick() takes no action from what all objects have", async () => {
  const scope = scopeOf();
  await clickOn(scope, leadTo("7"), { actions: {} }, "constructor");
  await clickOn(scope, leadTo("7"), {}, "__proto__");
  assertEquals(scope.calls.filter((call) => call.startsWith("open")), [
    `open ${APP}7`,
    `open ${APP}7`,
  ]);
});

Deno.test("notificationClick() rejects as the function for an action does", async () => {
  using test = await setUp(() => ({
    actions: { "": () => Promise.reject(new Error("broken")) },
  }));
  assertEquals(await test.click(), false);
  assertEquals(test.host.notifications, []);
});

Deno.test("notificationClick() opens the scope instead of what is not allowed", async () => {
  const targets = [
    "https://evil.test/",
    "//evil.test/app/",
    "http://example.test/app/",
    "https://user@example.test/app/7",
    "https://:word@example.test/app/7",
    "javascript:alert(1)",
    "data:text/html,x",
    "file:///etc/passwd",
    `blob:${ORIGIN}/1`,
    `view-source:${APP}`,
    "https://:/",
    7,
    {},
    null,
  ];
  for (const target of targets) {
    const scope = scopeOf();
    await clickOn(scope, leadTo(target));
    await clickOn(scope, leadTo("7", { play: target }), {}, "play");
    const opened = scope.calls.filter((call) => call.startsWith("open"));
    assertEquals(opened, [`open ${APP}`, `open ${APP}`]);
  }
});

Deno.test("notificationClick() opens URLs of the origins it is given, http among them", async () => {
  using test = await setUp(() => ({
    origins: [ORIGIN, "https://other.test"],
  }));
  const own = await test.host.openWindow("/app/");
  await test.click({ navigate: "https://other.test/7" });
  assertEquals(test.urls(), [APP, "https://other.test/7"]);
  await test.click({ navigate: "https://evil.test/7" });
  assertEquals(own.focused, true);
  const scope = scopeOf();
  const origins = ["http://localhost:8000"];
  const store = memoryStore();
  scope.clients.opened = null;
  await clickOn(scope, leadTo("http://localhost:8000/7"), { origins, store });
  assertEquals(scope.calls.at(-1), "open http://localhost:8000/7");
  // No page of the app could go there.
  assertEquals(await store.list({ prefix: "" }), []);
});

Deno.test("notificationClick() takes the next window when one has gone", async () => {
  const scope = scopeOf({ focus: gone, url: `${APP}7` }, { url: `${APP}7` });
  await clickOn(scope, leadTo("7"));
  assertEquals(scope.calls, ["close", "all", "focus 1"]);
});

Deno.test("notificationClick() opens a window when all have gone", async () => {
  const scope = scopeOf({ focus: gone }, { focus: gone });
  await clickOn(scope, leadTo("7"));
  assertEquals(scope.calls, ["close", "all", "controlled", `open ${APP}7`]);
});

Deno.test("notificationClick() navigates without the focus if there was no click", async () => {
  const refuse = () =>
    Promise.reject(new DOMException("no click", "InvalidAccessError"));
  const scope = scopeOf({ focus: refuse });
  await clickOn(scope, leadTo("7"));
  assertEquals(scope.calls.at(-1), `go 0 ${APP}7`);
});

Deno.test("notificationClick() opens a window with nothing before it that takes time", async () => {
  const scope = scopeOf();
  await clickOn(scope, leadTo("https://other.test/"), {
    origins: ["https://other.test"],
    store: memoryStore(),
  });
  assertEquals(scope.calls, ["close", "all", "open https://other.test/"]);
});

Deno.test("notificationClick() keeps the target before it opens a window, and no longer", async () => {
  const scope = scopeOf();
  const note = (call: string) => () =>
    Promise.resolve(void scope.calls.push(call));
  const store = { set: note("set"), delete: note("delete") };
  await clickOn(scope, leadTo("7"), { store });
  const open = `open ${APP}7`;
  assertEquals(scope.calls, [
    "close",
    "set",
    "all",
    "controlled",
    open,
    "delete",
  ]);
});

Deno.test("notificationClick() does not wait for a store that is slow", async () => {
  using time = new FakeTime();
  const scope = scopeOf();
  const { promise, resolve } = Promise.withResolvers<void>();
  const order: string[] = [];
  const store = {
    set: () => promise.then(() => void order.push("set")),
    delete: () => Promise.resolve(void order.push("delete")),
  };
  const clicked = clickOn(scope, leadTo("7"), { store });
  await time.tickAsync(299);
  assertEquals(scope.calls, ["close"]);
  await time.tickAsync(1);
  await time.tickAsync(0);
  assertEquals(scope.calls.at(-1), `open ${APP}7`);
  resolve();
  await clicked;
  // What arrives late is not left there.
  assertEquals(order, ["set", "delete"]);
});

Deno.test("notificationClick() opens a window if the store fails", async () => {
  const scope = scopeOf();
  const fail = () => Promise.reject(new Error("no store"));
  await clickOn(scope, leadTo("7"), {
    store: { set: fail, delete: () => Promise.resolve() },
  });
  assertEquals(scope.calls.at(-1), `open ${APP}7`);
});

Deno.test("takeNotificationTarget() gives the target where the browser opened the start URL", async () => {
  for (const opened of [APP, null]) {
    const scope = scopeOf();
    scope.clients.opened = opened;
    const store = memoryStore();
    await clickOn(scope, leadTo("7"), { store });
    const page = { location: { href: APP, origin: ORIGIN } };
    assertEquals(await takeNotificationTarget(page, store), `${APP}7`);
    assertEquals(await takeNotificationTarget(page, store), undefined);
    assertEquals(await store.list(), []);
  }
});

Deno.test("takeNotificationTarget() gives the target of a window that could not be navigated", async () => {
  const scope = scopeOf({ navigate: gone });
  const store = memoryStore();
  await clickOn(scope, leadTo("7"), { store });
  const page = { location: { href: `${APP}0`, origin: ORIGIN } };
  assertEquals(await takeNotificationTarget(page, store), `${APP}7`);
});

Deno.test("takeNotificationTarget() gives nothing where the user has arrived", async () => {
  const store = memoryStore();
  using test = await setUp(() => ({ store }));
  const page = { location: { href: APP, origin: ORIGIN } };
  await test.host.openWindow("/app/");
  // Navigated, focused, and opened.
  for (const path of ["7", "7"]) await test.click({ navigate: path });
  for (const window of [...test.host.windows]) window.close();
  await test.click({ navigate: "8" });
  assertEquals(test.urls(), [`${APP}8`]);
  assertEquals(await takeNotificationTarget(page, store), undefined);
});

Deno.test("takeNotificationTarget() gives it to one of two pages", async () => {
  const store = memoryStore();
  await store.set(PATH, { url: `${APP}7`, at: Date.now() });
  const page = { location: { href: APP, origin: ORIGIN } };
  const taken = await Promise.all(
    [1, 2, 3].map(() => takeNotificationTarget(page, store)),
  );
  assertEquals(taken.filter(Boolean), [`${APP}7`]);
});

Deno.test("takeNotificationTarget() gives nothing that is old, elsewhere or no target", async () => {
  const store = memoryStore();
  const page = { location: { href: APP, origin: ORIGIN } };
  const at = Date.now();
  const targets = [
    { url: `${APP}7`, at: at - 60_000 },
    { url: `${APP}7`, at: at + 100_000 },
    { url: `${APP}7` },
    { url: APP, at },
    { url: "https://evil.test/", at },
    { url: `${ORIGIN}.evil.test/`, at },
    { url: "javascript:alert(1)", at },
    { at },
    null,
    "text",
    7,
  ];
  for (const target of targets) {
    await store.set(PATH, target);
    assertEquals(await takeNotificationTarget(page, store), undefined);
    assertEquals(await store.list(), []);
  }
});

Deno.test("notificationClick() has launch() hand the URL to a page that is open", async () => {
  const store = memoryStore();
  using test = await setUp((scope) => ({
    store,
    open: async (url) => {
      const { client, consumed } = await launch(scope, url);
      return consumed || client?.url === url;
    },
  }));
  const page = await test.host.openWindow("/app/");
  const consumed: (string | null)[] = [];
  setLaunchConsumer({
    location: { origin: ORIGIN },
    navigator: { serviceWorker: page.serviceWorker as never },
  }, ({ targetURL }) => consumed.push(targetURL));
  await test.click({ navigate: "7" });
  assertEquals(consumed, [`${APP}7`]);
  assertEquals(test.urls(), [APP]);
  assertEquals(await store.list(), []);
});
