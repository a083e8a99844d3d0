// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertNotEquals } from "@std/assert";
import { browserTestOf } from "./harness.ts";

type Page = typeof import("./fixtures/push_state_page.ts");

const browserTest = browserTestOf<Page>({
  worker: "./fixtures/push_state_worker.ts",
  page: "./fixtures/push_state_page.ts",
});

browserTest(
  "subscribe() says what browser and user permit, in page and worker",
  async ({ page, engine, setNotificationPermission }) => {
    await page.register();
    const key = await publicKey();
    const statuses = async () => {
      const { status } = await page.call("subscribe", key);
      const input = { applicationServerKey: key };
      const inWorker = await page.call("ask", "subscribe", input);
      return [status, inWorker, await page.call("ask", "renew")];
    };
    if (engine.name === "webkit") {
      return assertEquals(await statuses(), Array(3).fill("unsupported"));
    }
    await setNotificationPermission("denied");
    assertEquals(await statuses(), Array(3).fill("denied"));
    await setNotificationPermission("prompt");
    await page.goto(`/?key=${key}`);
    assertEquals((await page.call("started"))?.status, "needs-gesture");
    // A worker cannot ask.
    const input = { applicationServerKey: key };
    assertEquals(await page.call("ask", "subscribe", input), "prompt");
    assertEquals(await page.call("ask", "renew"), "prompt");
    assertEquals(await page.call("reported"), []);
  },
  { notifications: true },
);

browserTest(
  "subscribe() takes a key as text, bytes or JWK, and replaces another",
  async ({ page, push }) => {
    await page.register();
    const { publicKey: text } = push.keys;
    const first = await page.call("subscribe", text);
    assertEquals([first.status, first.changed], ["subscribed", true]);
    const bytes = Uint8Array.fromBase64(text, { alphabet: "base64url" });
    const part = (start: number, end: number) =>
      bytes.slice(start, end).toBase64({
        alphabet: "base64url",
        omitPadding: true,
      });
    const jwk = { kty: "EC", crv: "P-256", x: part(1, 33), y: part(33, 65) };
    for (const key of [`${text}=`, [...bytes], jwk]) {
      const { endpoint, changed } = await page.call("subscribe", key);
      assertEquals([endpoint, changed], [first.endpoint, false]);
    }
    const other = await page.call("subscribe", await publicKey());
    assertEquals([other.status, other.changed], ["subscribed", true]);
    assertNotEquals(other.endpoint, first.endpoint);
    assertEquals(await page.call("reported"), [[false, true], [true, true]]);
  },
  { push: true },
);

browserTest(
  "renew() finds what was lost, and unsubscribe() ends it for good",
  async ({ page, push, setNotificationPermission }) => {
    await page.register();
    await page.call("subscribe", push.keys.publicKey);
    await page.call("lose");
    assertEquals(await page.call("renew"), "subscribed");
    assertEquals(await page.call("reported"), [[false, true], [true, true]]);
    assertEquals(await page.call("unsubscribe"), true);
    assertEquals(await page.call("renew"), "unsubscribed");
    await page.call("subscribe", push.keys.publicKey);
    await setNotificationPermission("denied");
    assertEquals(await page.call("renew"), "denied");
    assertEquals((await page.call("reported")).slice(2), [
      [true, false],
      [false, true],
      [true, false],
    ]);
  },
  { push: true },
);

browserTest(
  "createBadge() in page and worker at once loses no count",
  async ({ page, engine }) => {
    await page.register();
    const { count, shown } = await page.call("count", 20);
    assertEquals(count, 40);
    assert(shown.every((one) => one === shown[0]));
    assertEquals(shown[0], engine.name === "chromium");
    assertEquals(await page.call("clear"), shown[0]);
    assertEquals(Number(await page.call("ask", "count", { times: 1 })), 1);
  },
);

browserTest(
  "notify() replaces the default when a slow handler is done",
  async ({ page, engine, server, notifications }) => {
    // Of the browser: Chromium may leave on the desktop what it has just shown.
    async function isShown(title: string): Promise<void> {
      const titles = await page.call("shown");
      assertEquals(titles.at(-1), title);
      // WebKitGTK lists what was replaced as well.
      if (engine.name !== "webkit") assertEquals(titles.length, 1);
    }
    await page.register();
    for (const tag of ["default", "made"]) {
      const release = server.hold("/slow");
      const pushed = page.call("ask", "push", { text: tag });
      await notifications.next("default");
      await isShown("default");
      release();
      await pushed;
      await notifications.next("made");
      await isShown("made");
      await page.call("closeAll");
      notifications.clear();
    }
  },
  { notifications: true },
);

browserTest(
  "takeNotificationTarget() has what was clicked, once",
  async ({ page, notifications }) => {
    await page.register();
    await page.call("ask", "push", { text: "tag" });
    (await notifications.next("made")).click();
    let target: string | undefined;
    while (!target) target = await page.call("take");
    assertEquals(new URL(target).search, "?7");
    assert(!await page.call("take"));
  },
  { notifications: true },
);

/** A key of a server, in base64url. */
async function publicKey(): Promise<string> {
  const { publicKey } = await crypto.subtle.generateKey(
    { name: "ECDSA", namedCurve: "P-256" },
    true,
    ["sign"],
  );
  const point = await crypto.subtle.exportKey("raw", publicKey);
  return new Uint8Array(point).toBase64({ alphabet: "base64url" });
}
