// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { send } from "../../push/send.ts";
import { createVapid, generateVapidKeys } from "../../push/vapid.ts";
import {
  type BrowserTestContext,
  browserTestOf,
  pause,
  type TestServer,
} from "./harness.ts";
import type { PushService } from "./push_service.ts";

type Page = typeof import("./fixtures/push_page.ts");
type Context = BrowserTestContext<Page>;

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/push_worker.ts",
  page: "./fixtures/push_page.ts",
  define: { LAUNCH: false },
  push: true,
});

/** Without a push service, in all engines. */
const PRETEND = {
  push: false,
  notifications: true,
  handler: (request: Request) =>
    request.method === "GET" && !request.url.includes("favicon")
      ? new Response("<!doctype html><title>elsewhere</title>", {
        headers: { "content-type": "text/html" },
      })
      : undefined,
};

browserTest(
  "send() and web-push reach notify(), whatever they send",
  async ({ page, push, server, notifications }) => {
    const { subscription, sender } = await subscribed(page, push);
    const messages: [message: unknown, title: string][] = [
      [{ title: "Episode 7", body: "Silence" }, "Episode 7"],
      [{ web_push: 8030, notification: { title: "é ✓" } }, "é ✓"],
      [undefined, "fallback"],
      ["text", "fallback"],
      ['{"title":', "fallback"],
      [{ body: "No title" }, "fallback"],
      [{ title: "x".repeat(3_980) }, "x".repeat(256)],
    ];
    for (const [message, title] of messages) {
      const text = typeof message === "object"
        ? JSON.stringify(message)
        : message as string | undefined;
      const before = notifications.count;
      const { outcome } = await send(subscription, message, sender);
      assertEquals(outcome, "delivered");
      await shown(notifications, before + 1, title);
      await push.deliver(subscription, text);
      await shown(notifications, before + 2, title);
    }
    const counts = () => [
      server.count("/pushed?fallback"),
      server.count("/pushed?shown"),
    ];
    // The worker reports once it is shown.
    while (counts().reduce((sum, count) => sum + count) < 14) await pause();
    assertEquals(counts(), [8, 6]);
  },
);

browserTest(
  "a push that arrives with no page open opens one when it is clicked",
  async ({ page, push, notifications, openedPage }) => {
    const { subscription, sender } = await subscribed(page, push);
    await page.close();
    const message = { title: "Episode 7", navigate: "/episodes/7" };
    await send(subscription, message, sender);
    (await notifications.next("Episode 7")).click();
    const opened = await openedPage("/episodes/7");
    assertEquals(await opened.evaluate(() => document.title), "elsewhere");
  },
  { handler: PRETEND.handler },
);

browserTest(
  "send() says what became of a message",
  async ({ page, push }) => {
    const { subscription, sender } = await subscribed(page, push);
    push.answerNext(429, { headers: { "retry-after": "7" } });
    const limited = await send(subscription, "1", sender);
    assertEquals(limited.outcome, "rate-limited");
    assertEquals(limited.retryAfter, 7_000);
    push.answerNext(503);
    const { outcome } = await send(subscription, "2", sender);
    assertEquals(outcome, "unavailable");

    const other = await createVapid(await generateVapidKeys(), {
      subject: "mailto:test@example.com",
    });
    const refused = await send(subscription, "3", { ...sender, vapid: other });
    assertEquals(refused.outcome, "misconfigured");
    assert(refused.body.includes("another key"), refused.body);

    push.expire(subscription.endpoint);
    const gone = await send(subscription, "4", sender);
    assertEquals([gone.outcome, gone.status], ["gone", 410]);
  },
);

browserTest(
  "subscribe() replaces a subscription made with another key",
  async ({ page, push, server, notifications }) => {
    const { subscription, sender } = await subscribed(page, push);
    assertEquals((await page.call("renew")).changed, false);
    const keys = await generateVapidKeys();
    const renewed = await page.call("subscribe", keys.publicKey);
    const [, change] = changes(server);
    assertEquals(
      [change?.oldSubscription?.endpoint, change?.newSubscription?.endpoint],
      [subscription.endpoint, renewed.subscription.endpoint],
    );
    assertNotEquals(renewed.subscription.endpoint, subscription.endpoint);

    const vapid = await createVapid(keys, {
      subject: "mailto:test@example.com",
    });
    const message = { title: "With the new key" };
    await send(renewed.subscription, message, { ...sender, vapid });
    await notifications.next("With the new key");
    let old = await send(subscription, "1", sender);
    while (old.outcome === "delivered") {
      old = await send(subscription, "1", sender);
    }
    assertEquals(old.outcome, "gone");
  },
);

browserTest(
  "renew() brings the server in step when the browser changed the subscription",
  async ({ page, push, server, notifications }) => {
    const { subscription, sender } = await subscribed(page, push);
    await page.goto("about:blank");
    push.changeSubscriptions();
    while (changes(server).length < 2) await pause();
    const { oldSubscription, newSubscription } = changes(server)[1] ?? {};
    assertEquals(oldSubscription?.endpoint, subscription.endpoint);
    const { outcome } = await send(subscription, "1", sender);
    assertEquals(outcome, "gone");
    const message = { title: "Renewed" };
    await send({ ...newSubscription }, message, sender);
    await notifications.next("Renewed");
  },
);

browserTest(
  "renew() finds the subscription after a restart of the browser, and messages come",
  async ({ page, push, server, notifications, restartBrowser }) => {
    const { subscription, sender } = await subscribed(page, push);
    const restarted = await restartBrowser();
    const { status, changed } = await restarted.call("renew");
    assertEquals([status, changed], ["subscribed", false]);
    assertEquals(changes(server).length, 1);
    await send(subscription, { title: "After the restart" }, sender);
    await notifications.next("After the restart");
  },
  { profile: true },
);

browserTest(
  "unsubscribe() ends the subscription, of which the server learns",
  async ({ page, push, server }) => {
    const { subscription, sender } = await subscribed(page, push);
    assertEquals(await page.call("unsubscribe"), true);
    assertEquals(changes(server)[1]?.newSubscription, null);
    while ((await send(subscription, "1", sender)).outcome !== "gone") {
      await pause();
    }
    assertEquals((await page.call("renew")).status, "unsubscribed");
  },
);

browserTest(
  "notify() never costs the subscription, with no page open",
  async ({ page, push, server, notifications }) => {
    const { subscription, sender } = await subscribed(page, push);
    await page.goto("about:blank");
    for (let i = 1; i <= 20; i++) {
      await send(subscription, i % 2 ? "no JSON" : { body: "none" }, sender);
      while (server.count("/pushed?fallback") < i) await pause();
      // Firefox counts a moment later what was not shown.
      await pause(100);
    }
    assertEquals(notifications.count, 20);
    const { outcome } = await send(subscription, { title: "Last" }, sender);
    assertEquals(outcome, "delivered");
    await notifications.next("Last");
  },
);

browserTest(
  "notificationClick() navigates the page, or leaves it where it is",
  async ({ page, server, notifications }) => {
    await page.register();
    const message = (title: string) =>
      JSON.stringify({ title, navigate: "/episodes/7" });
    await page.call("pretend", message("First"));
    (await notifications.next("First")).click();
    await page.waitFor(() => location.pathname === "/episodes/7");
    await page.evaluate((text) => {
      navigator.serviceWorker.controller?.postMessage(text);
    }, message("Second"));
    (await notifications.next("Second")).click();
    while (notifications.shown.length > 0) await pause();
    assertEquals(server.count("/episodes/7"), 1);
  },
  PRETEND,
);

browserTest(
  "notificationClick() opens a page, and gives it the focus at the next click",
  async ({ page, notifications, server, openedPage }) => {
    await page.register({ scope: "/app/" });
    await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration(
        "/app/",
      );
      while (!registration?.active) {
        await new Promise((go) => setTimeout(go, 9));
      }
      registration.active.postMessage('{"title":"1","navigate":"a"}');
    });
    (await notifications.next("1")).click();
    const opened = await openedPage("/app/a");
    await page.bringToFront();
    await opened.evaluate(() => {
      // Firefox without a screen gives the focus to a page that it leaves hidden.
      const come = () => Object.assign(globalThis, { hasCome: true });
      addEventListener("focus", come);
      document.addEventListener("visibilitychange", () => {
        if (!document.hidden) come();
      });
    });
    await page.evaluate(async () => {
      const registration = await navigator.serviceWorker.getRegistration(
        "/app/",
      );
      registration?.active?.postMessage('{"title":"2","navigate":"a"}');
    });
    (await notifications.next("2")).click();
    await opened.waitFor(() => "hasCome" in globalThis);
    assertEquals(server.count("/app/a"), 1);
  },
  PRETEND,
);

browserTest(
  "notificationClick() does what a button is for",
  async ({ page, server, notifications, engine, skip }) => {
    if (engine.name === "webkit") skip("WebKitGTK shows no buttons");
    await page.register();
    const message = JSON.stringify({
      title: "Episode 7",
      actions: [
        { action: "play", title: "Play", navigate: "/play" },
        { action: "later", title: "Later" },
      ],
    });
    await page.call("pretend", message);
    (await notifications.next("Episode 7")).click("Later");
    while (server.count("/later") === 0) await pause();
    assertEquals(await page.evaluate(() => location.pathname), "/");
    await page.call("pretend", message);
    (await notifications.next("Episode 7")).click("Play");
    await page.waitFor(() => location.pathname === "/play");
  },
  PRETEND,
);

browserTest(
  "notificationClick() follows no URL that is not of the app",
  async ({ page, server, notifications }) => {
    await page.register();
    for (
      const navigate of [
        "javascript:alert(1)",
        "data:text/html,x",
        server.otherOrigin("evil"),
      ]
    ) {
      await page.goto("/elsewhere");
      // notify() would leave it out.
      const data = { "@serviceworker/std": { navigate } };
      await page.evaluate(
        async (title, data) => {
          const registration = await navigator.serviceWorker.ready;
          await registration.showNotification(title, { data });
        },
        navigate,
        data,
      );
      (await notifications.next(navigate)).click();
      await page.waitFor(() => location.pathname === "/");
    }
  },
  PRETEND,
);

browserTest(
  "launch() focuses the page that was clicked for, and hands it the target",
  async ({ page, server, notifications }) => {
    await page.register();
    await page.call("consumeLaunches");
    await page.call("pretend", '{"title":"Launch","navigate":"/episodes/7"}');
    (await notifications.next("Launch")).click();
    while (server.count("/launched") === 0) await pause();
    assertEquals(server.count("/launched?focus-existing,true,true"), 1);
    assertEquals(await page.call("launchesSoFar"), ["/episodes/7"]);
    assertEquals(server.count("/episodes/7"), 0);
  },
  { ...PRETEND, define: { LAUNCH: true } },
);

browserTest(
  "launch() opens the page that was clicked for, if there is none",
  async ({ page, server, push, notifications, openedPage }) => {
    const { subscription, sender } = await subscribed(page, push);
    await page.close();
    await send(subscription, { title: "Launch", navigate: "/#7" }, sender);
    (await notifications.next("Launch")).click();
    const opened = await openedPage("/#7");
    await opened.call("consumeLaunches");
    while (server.count("/launched") === 0) await pause();
    assertEquals(server.count("/launched?navigate-new,true,true"), 1);
    assertEquals(await opened.call("launchesSoFar"), ["/"]);
  },
  { define: { LAUNCH: true } },
);

/** Registers the worker and subscribes; returns what a sender needs. */
async function subscribed(page: Context["page"], push: PushService) {
  await page.register();
  const { subscription } = await page.call("subscribe", push.keys.publicKey);
  const vapid = await createVapid(push.keys, {
    subject: "mailto:test@example.com",
  });
  return { subscription, sender: { vapid, fetch: push.fetch } };
}

/** Resolves when so many notifications were shown, of which the last has this title. */
async function shown(
  notifications: Context["notifications"],
  count: number,
  title: string,
): Promise<void> {
  while (notifications.count < count) await pause();
  const last = notifications.shown.at(-1);
  assertEquals(last?.title, title);
  last?.dismiss();
}

interface Change {
  oldSubscription?: { endpoint: string } | null;
  newSubscription?: { endpoint: string } | null;
}

/** What the page and the worker told the server. */
function changes(server: TestServer): Change[] {
  return server.requests.filter(({ path }) => path === "/changes")
    .map(({ body }) => JSON.parse(new TextDecoder().decode(body)));
}
