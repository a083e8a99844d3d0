// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertRejects } from "@std/assert";
import { browserTest, pause } from "./harness.ts";
import type { SubscriptionJSON } from "./push_service.ts";

const worker = `
  declare const self: ServiceWorkerGlobalScope;
  const tell = (path: string) => fetch(path, { method: "POST" });
  addEventListener("push", (event) => {
    const text = event.data ? event.data.text() : "nothing";
    const said = text.length > 100 ? String(text.length) : text;
    event.waitUntil(tell("/pushed?" + said));
  });
  addEventListener("pushsubscriptionchange", (event) => {
    event.waitUntil(tell("/changed"));
  });
`;

const page = `
  export async function subscribe(applicationServerKey: string) {
    const { pushManager } = await navigator.serviceWorker.ready;
    const options = { userVisibleOnly: true, applicationServerKey };
    return await pushManager.subscribe(options);
  }
  export async function unsubscribe() {
    const { pushManager } = await navigator.serviceWorker.ready;
    return await (await pushManager.getSubscription())?.unsubscribe();
  }
`;

interface Page extends Record<string, unknown> {
  subscribe(key: string): SubscriptionJSON;
  unsubscribe(): boolean;
}

const fixture = {
  worker,
  page,
  push: true,
  handler: () => new Response(),
};

browserTest<Page>(
  "deliver() brings messages to the worker",
  fixture,
  async ({ page, server, push }) => {
    await page.register();
    const subscription = await page.call("subscribe", push.keys.publicKey);
    await push.deliver(subscription);
    while (server.count("/pushed?nothing") === 0) await pause();
    await push.deliver(subscription, "hello");
    while (server.count("/pushed?hello") === 0) await pause();
    await push.deliver(subscription, "x".repeat(3_993));
    while (server.count("/pushed?3993") === 0) await pause();
    assertEquals(push.requests.map(({ status }) => status), Array(3).fill(201));
  },
);

browserTest<Page>(
  "deliver() rejects what the service refuses",
  fixture,
  async ({ page, push }) => {
    await page.register();
    const subscription = await page.call("subscribe", push.keys.publicKey);
    push.answerNext(429, { headers: { "retry-after": "7" } });
    await assertRejects(() => push.deliver(subscription, "soon"));
    await assertRejects(() => push.deliver(subscription, "x".repeat(3_994)));
    push.expire(subscription.endpoint);
    await assertRejects(() => push.deliver(subscription, "gone"));
    const again = await push.fetch("https://push.example.net/nobody", {
      method: "POST",
    });
    assertEquals(again.status, 404);
    assertEquals(push.requests.map(({ status }) => status), [
      429,
      413,
      410,
      404,
    ]);
  },
);

browserTest<Page>(
  "the push service learns that the page unsubscribes",
  fixture,
  async ({ page, push }) => {
    await page.register();
    const subscription = await page.call("subscribe", push.keys.publicKey);
    await push.deliver(subscription);
    assertEquals(await page.call("unsubscribe"), true);
    while (await push.deliver(subscription).then(() => true, () => false)) {
      await pause();
    }
    assertEquals(push.requests.at(-1)?.status, 410);
  },
);

browserTest<Page>(
  "changeSubscriptions() ends the subscription, which the worker is told",
  fixture,
  async ({ page, push, server }) => {
    await page.register();
    const subscription = await page.call("subscribe", push.keys.publicKey);
    push.changeSubscriptions();
    while (server.count("/changed") === 0) await pause();
    await assertRejects(() => push.deliver(subscription));
    const renewed = await page.call("subscribe", push.keys.publicKey);
    await push.deliver(renewed, "renewed");
    while (server.count("/pushed?renewed") === 0) await pause();
  },
);

browserTest<Page>(
  "Firefox ends a subscription after 16 messages that nobody sees",
  fixture,
  async ({ page, push, server, engine, skip }) => {
    if (engine.name !== "firefox") skip("the quota is Firefox's");
    await page.register();
    const subscription = await page.call("subscribe", push.keys.publicKey);
    await page.goto("about:blank");
    let sent = 0;
    const deliver = () => push.deliver(subscription, "unseen");
    while (sent < 40 && await deliver().then(() => true, () => false)) {
      sent++;
      await pause(100);
    }
    assert(sent >= 16 && sent < 40, String(sent));
    assert(server.count("/pushed?unseen") >= 16);
    assertEquals(push.requests.at(-1)?.status, 410);
  },
);
