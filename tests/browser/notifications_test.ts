// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertThrows } from "@std/assert";
import { browserTest, pause } from "./harness.ts";

const worker = `
  declare const self: ServiceWorkerGlobalScope;
  const tell = (path: string) => fetch(path, { method: "POST" });
  addEventListener("notificationclick", (event) => {
    const { action, notification } = event;
    event.waitUntil((async () => {
      if (notification.data === "open") await self.clients.openWindow("/opened");
      await tell("/clicked?" + action);
    })());
  });
  addEventListener("notificationclose", (event) => {
    event.waitUntil(tell("/closed?" + event.notification.title));
  });
`;

const page = `
  export async function show(title: string, options: NotificationOptions = {}) {
    const registration = await navigator.serviceWorker.ready;
    await registration.showNotification(title, options);
  }
`;

interface Page extends Record<string, unknown> {
  show(title: string, options?: Record<string, unknown>): void;
}

const fixture = {
  worker,
  page,
  notifications: true,
  handler: () =>
    new Response("<!doctype html><title>opened</title>", {
      headers: { "content-type": "text/html" },
    }),
};

browserTest<Page>(
  "notifications has what is shown, which is clicked and dismissed",
  fixture,
  async ({ page, server, notifications }) => {
    await page.register();
    await page.call("show", "A & B", { body: "<the>\nbody" });
    const one = await notifications.next();
    assertEquals([one.title, one.body], ["A & B", "<the>\nbody"]);
    one.click();
    while (server.count("/clicked?") === 0) await pause();
    await page.call("show", "C");
    (await notifications.next("C")).dismiss();
    while (server.count("/closed?C") === 0) await pause();
    assertEquals(notifications.count, 2);
  },
);

browserTest<Page>(
  "notifications replaces what has the same tag",
  fixture,
  async ({ page, notifications }) => {
    await page.register();
    await page.call("show", "1", { tag: "a" });
    await notifications.next("1");
    await page.call("show", "2", { tag: "a" });
    await notifications.next("2");
    while (notifications.shown.length > 1) await pause();
    assertEquals(notifications.count, 2);
  },
);

browserTest<Page>(
  "click() clicks a button",
  fixture,
  async ({ page, server, notifications, skip, engine }) => {
    if (engine.name === "webkit") skip("WebKitGTK shows no buttons");
    await page.register();
    const actions = ["yes", "no"].map((action) => ({ action, title: action }));
    await page.call("show", "Sure?", { actions });
    const notification = await notifications.next("Sure?");
    assertEquals(notification.actions, ["yes", "no"]);
    assertThrows(() => notification.click("perhaps"), TypeError, "yes,no");
    notification.click("no");
    while (server.count("/clicked?no") === 0) await pause();
  },
);

browserTest<Page>(
  "openedPage() is the page that a click opens, and hides the one beside it",
  fixture,
  async ({ page, notifications, openedPage }) => {
    await page.register();
    await page.call("show", "Open", { data: "open" });
    (await notifications.next("Open")).click();
    const opened = await openedPage("/opened");
    assertEquals(await opened.evaluate(() => document.title), "opened");
    await page.waitFor(() => document.hidden);
  },
);

browserTest<Page>(
  "setNotificationPermission() is what the page sees",
  fixture,
  async ({ page, setNotificationPermission }) => {
    const permission = () => Notification.permission;
    assertEquals(await page.evaluate(permission), "granted");
    await setNotificationPermission("denied");
    assertEquals(await page.evaluate(permission), "denied");
    await setNotificationPermission("prompt");
    assertEquals(await page.evaluate(permission), "default");
  },
);
