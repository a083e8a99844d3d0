// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assert, assertEquals, assertStrictEquals } from "@std/assert";
import { AsyncLocalStorage } from "node:async_hooks";
import { memoryStore } from "../storage/memory_store.ts";
import { createHost } from "../testing/host.ts";
import { stopAtEachStep } from "../testing/stop_at_each_step.ts";
import { createBadge } from "./badge.ts";
import { notify, type NotifyOptions, type NotifyReport } from "./notify.ts";
import { renew, subscribe } from "./subscribe.ts";

const ORIGIN = "https://example.test";
const KEY = "@serviceworker/std";
const fallback = { title: "Something is new" };

/** A host whose worker shows every message. */
async function setUp(options: Partial<NotifyOptions> = {}) {
  const host = createHost({
    globals: globalThis,
    context: new AsyncLocalStorage(),
    time: 0,
  });
  const reports: NotifyReport[] = [];
  const report = (report: NotifyReport) => reports.push(report);
  await host.register((scope) => {
    const listener = notify(scope.registration, {
      fallback,
      report,
      ...options,
    });
    scope.addEventListener("push", listener);
  }, { scope: "/app/" });
  return {
    host,
    reports,
    titles: () => host.notifications.map(({ title }) => title),
    statuses: () => reports.map(({ status }) => status),
    [Symbol.dispose]: () => host.close(),
  };
}

/** What a registration was asked to show. */
type Shown = Record<string, unknown> & { title: string; tag?: string };

/** A registration that notes how many notifications are there at most. */
class Registration {
  scope = `${ORIGIN}/app/`;
  visible: Shown[] = [];
  shown: Shown[] = [];
  most = 0;
  closed = 0;

  showNotification(title: string, options: object = {}): Promise<void> {
    const shown: Shown = { ...options, title };
    this.shown.push(shown);
    this.visible = this.visible.filter(({ tag }) => !tag || tag !== shown.tag);
    this.visible.push(shown);
    this.most = Math.max(this.most, this.visible.length);
    return Promise.resolve();
  }

  getNotifications({ tag }: { tag: string }) {
    const close = () => {
      this.closed++;
      this.visible = this.visible.filter((shown) => shown.tag !== tag);
    };
    const found = this.visible.filter((shown) => shown.tag === tag);
    return Promise.resolve(found.map(() => ({ close })));
  }
}

/** Pushes a message to a listener of its own. */
async function push(
  payload: unknown,
  options: Partial<NotifyOptions> = {},
  registration = new Registration(),
) {
  const works: Promise<unknown>[] = [];
  notify(registration, { fallback, ...options })({
    data: { text: () => JSON.stringify(payload) },
    waitUntil: (work) => works.push(work),
  });
  await Promise.all(works);
  return registration;
}

Deno.test("notify() shows a notification whatever the message is", async () => {
  using test = await setUp();
  const messages = [
    undefined,
    "",
    "Hello",
    "{",
    "null",
    "7",
    '"text"',
    "[]",
    "{}",
    '{ "body": "no title" }',
    '{ "title": "" }',
    '{ "title": 7 }',
    '{ "web_push": 8030 }',
    '{ "web_push": 8030, "title": "not here" }',
    '{ "web_push": 8030, "notification": null }',
    '{ "web_push": 8030, "notification": { "body": "no title" } }',
    Uint8Array.of(0xff, 0xfe, 0),
  ];
  for (const message of messages) {
    assertEquals(await test.host.deliverPushMessage(message), true);
  }
  assertEquals(test.titles(), messages.map(() => fallback.title));
  assertEquals(new Set(test.statuses()), new Set(["fallback"]));
});

Deno.test("notify() gives the report what the message says", async () => {
  using test = await setUp();
  for (const message of [undefined, "text", "{", '{ "a": 1 }']) {
    await test.host.deliverPushMessage(message);
  }
  assertEquals(test.reports.map(({ payload }) => payload), [
    undefined,
    "text",
    "{",
    { a: 1 },
  ]);
});

Deno.test("notify() shows what a message describes", async () => {
  using test = await setUp();
  const notification = {
    title: "Episode 7",
    body: "Silence",
    tag: "7",
    icon: "icon.png",
    data: { id: 7 },
  };
  const declarative = { "web_push": 8030, notification };
  for (const message of [notification, declarative]) {
    await test.host.deliverPushMessage(JSON.stringify(message));
    const [{ title, body, tag, icon, data } = notification] =
      test.host.notifications;
    assertEquals({ title, body, tag, icon, data }, {
      ...notification,
      icon: `${ORIGIN}/app/icon.png`,
    });
  }
  // The second has replaced the first.
  assertEquals(test.titles(), ["Episode 7"]);
  assertEquals(test.statuses(), ["shown", "shown"]);
});

Deno.test("notify() shows what the browser has read of a message", async () => {
  const registration = new Registration();
  const works: Promise<unknown>[] = [];
  const notification = new (class {
    get title() {
      return "Episode 7";
    }
    get navigate() {
      return `${ORIGIN}/7`;
    }
  })();
  notify(registration, { fallback })({
    data: null,
    notification,
    waitUntil: (work) => works.push(work),
  });
  await Promise.all(works);
  assertEquals(registration.shown[0]?.title, "Episode 7");
});

Deno.test("notify() shows it while a window has the focus", async () => {
  using test = await setUp();
  await test.host.openWindow("/app/");
  await test.host.deliverPushMessage('{ "title": "Episode 7" }');
  assertEquals(test.titles(), ["Episode 7"]);
});

Deno.test("notify() passes on all that a notification has", async () => {
  const { shown } = await push({
    title: "Episode 7",
    body: "Silence",
    tag: "7",
    icon: "/icon.png",
    badge: "/badge.png",
    image: `${ORIGIN}/image.png`,
    lang: "de",
    dir: "rtl",
    silent: false,
    requireInteraction: true,
    renotify: true,
    timestamp: 12,
    data: [1],
    unknown: "left out",
    actions: [{ action: "play", title: "Play", icon: "/play.png", more: 1 }],
  });
  assertEquals(shown, [{
    title: "Episode 7",
    body: "Silence",
    tag: "7",
    icon: `${ORIGIN}/icon.png`,
    badge: `${ORIGIN}/badge.png`,
    image: `${ORIGIN}/image.png`,
    lang: "de",
    dir: "rtl",
    silent: false,
    requireInteraction: true,
    renotify: true,
    timestamp: 12,
    data: [1],
    actions: [{
      action: "play",
      title: "Play",
      icon: `${ORIGIN}/play.png`,
      navigate: undefined,
    }],
  }]);
});

Deno.test("notify() keeps with the notification where a click leads to", async () => {
  const mark = {
    navigate: `${ORIGIN}/app/7`,
    actions: { play: `${ORIGIN}/play` },
  };
  const clicks = {
    title: "Episode 7",
    navigate: "7",
    actions: [
      { action: "play", title: "Play", navigate: "/play" },
      { action: "later", title: "Later" },
    ],
  };
  const shown = async (data?: unknown) =>
    (await push({ ...clicks, data })).shown[0]?.data;
  assertEquals(await shown(), { [KEY]: mark });
  assertEquals(await shown({ id: 7 }), { id: 7, [KEY]: mark });
  assertEquals(await shown({ [KEY]: "forged" }), { [KEY]: mark });
  assertEquals(await shown("7"), { data: "7", [KEY]: mark });
  assertEquals(await shown([7]), { data: [7], [KEY]: mark });
});

Deno.test("notify() leaves out URLs that are not allowed", async () => {
  const urls = [
    "https://evil.test/",
    "//evil.test/",
    "http://example.test/",
    "javascript:alert(1)",
    "data:text/html,x",
    `blob:${ORIGIN}/1`,
    "https://:/",
    `/${"a".repeat(5_000)}`,
    7,
    null,
    {},
  ];
  for (const url of urls) {
    const { shown } = await push({
      title: "Episode 7",
      icon: url,
      image: url,
      badge: url,
      navigate: url,
      actions: [{ action: "a", title: "A", icon: url, navigate: url }],
    });
    const { icon, image, badge, data, actions } = first(shown);
    assertEquals([icon, image, badge, data], Array(4).fill(undefined));
    assertEquals(actions, [
      { action: "a", title: "A", icon: undefined, navigate: undefined },
    ]);
  }
});

Deno.test("notify() allows URLs of the origins it is given", async () => {
  const origins = [ORIGIN, "https://images.test"];
  const { shown } = await push({
    title: "Episode 7",
    icon: "https://images.test/7",
    image: "https://evil.test/7",
  }, { origins });
  assertEquals(shown[0]?.icon, "https://images.test/7");
  assertEquals(shown[0]?.image, undefined);
});

Deno.test("notify() cuts what is too long", async () => {
  const long = "a".repeat(100_000);
  const { shown } = await push({
    title: long,
    body: long,
    tag: long,
    lang: long,
    actions: Array(100).fill({ action: long, title: long }),
  });
  const { title, body, tag, lang, actions } = first(shown);
  const length = (text: unknown) => String(text).length;
  assertEquals([title, body, tag, lang].map(length), [256, 4_096, 256, 256]);
  assertEquals((actions as unknown[]).length, 8);
});

Deno.test("notify() leaves out what is of another type", async () => {
  const values = [null, 7, NaN, "text", true, [], [null], {}, { title: 7 }];
  const names = [
    ...["body", "tag", "icon", "badge", "image", "lang", "dir", "actions"],
    ...["silent", "requireInteraction", "renotify", "timestamp", "navigate"],
  ];
  using test = await setUp();
  for (const value of values) {
    const fields = names.map((name) => [name, value]);
    const payload = { title: "Episode 7", ...Object.fromEntries(fields) };
    await test.host.deliverPushMessage(JSON.stringify(payload));
    assertEquals(test.reports.at(-1)?.status, "shown");
  }
  const { shown } = await push({
    title: "Episode 7",
    dir: "up",
    renotify: true,
  });
  assertEquals([shown[0]?.dir, shown[0]?.renotify], [undefined, undefined]);
});

Deno.test("notify() shows what the handler makes of a message", async () => {
  using test = await setUp({
    handler: async (payload) => {
      const { id } = await Promise.resolve(Object(payload));
      return { title: `Episode ${id}`, tag: "episode" };
    },
  });
  await test.host.deliverPushMessage('{ "id": 7 }');
  await test.host.deliverPushMessage('{ "id": 8 }');
  assertEquals(test.titles(), ["Episode 8"]);
  assertEquals(test.statuses(), ["shown", "shown"]);
});

Deno.test("notify() gives the handler texts, and undefined for nothing", async () => {
  const payloads: unknown[] = [];
  using test = await setUp({
    handler: (payload) => void payloads.push(payload),
  });
  for (const message of [undefined, "", "text", "7"]) {
    await test.host.deliverPushMessage(message);
  }
  assertEquals(payloads, [undefined, "", "text", 7]);
});

Deno.test("notify() shows what the message describes if the handler does not know", async () => {
  using test = await setUp({ handler: () => undefined });
  await test.host.deliverPushMessage('{ "title": "Episode 7" }');
  await test.host.deliverPushMessage("{}");
  assertEquals(test.titles(), ["Episode 7", fallback.title]);
});

Deno.test("notify() shows a notification if the handler throws", async () => {
  const reason = new Error("broken");
  const handlers = [
    () => {
      throw reason;
    },
    () => Promise.reject(reason),
  ];
  for (const handler of handlers) {
    using test = await setUp({ handler });
    await test.host.deliverPushMessage("{}");
    await test.host.deliverPushMessage('{ "title": "Episode 7" }');
    assertEquals(test.titles(), [fallback.title, "Episode 7"]);
    assertEquals(test.statuses(), ["fallback", "shown"]);
    for (const { error } of test.reports) assertStrictEquals(error, reason);
  }
});

Deno.test("notify() shows a notification if the handler returns none", async () => {
  for (const value of [{}, { title: "" }, 7, "text"]) {
    const { shown } = await push({}, { handler: () => value as never });
    assertEquals(shown.map(({ title }) => title), [fallback.title]);
  }
});

Deno.test("notify() shows nothing if the handler says so", async () => {
  using test = await setUp({
    handler: (payload) => payload === 7 ? null : undefined,
  });
  await test.host.deliverPushMessage('{ "title": "Episode 6" }');
  assertEquals(await test.host.deliverPushMessage("7"), true);
  // What was shown before stays.
  assertEquals(test.titles(), ["Episode 6"]);
  assertEquals(test.statuses(), ["shown", "none"]);
});

Deno.test("notify() shows the default before the deadline, and replaces it", async () => {
  const { promise, resolve } = Promise.withResolvers<{ title: string }>();
  using test = await setUp({ handler: () => promise });
  const delivered = test.host.deliverPushMessage("{}");
  await test.host.clock.advance(4_999);
  assertEquals(test.titles(), []);
  await test.host.clock.advance(1);
  assertEquals(test.titles(), [fallback.title]);
  resolve({ title: "Episode 7" });
  assertEquals(await delivered, true);
  assertEquals(test.titles(), ["Episode 7"]);
  assertEquals(test.statuses(), ["shown"]);
});

Deno.test("notify() never has two notifications of one message", async () => {
  const tags = [undefined, "a", "b"];
  for (const early of tags) {
    for (const late of tags) {
      const registration = new Registration();
      const handler = async () => {
        while (registration.shown.length === 0) await pause();
        return { title: "Episode 7", tag: late };
      };
      await push(
        {},
        { handler, timeout: 1, fallback: { ...fallback, tag: early } },
        registration,
      );
      const { visible, most } = registration;
      assertEquals(visible.map(({ title }) => title), ["Episode 7"]);
      if (early || late) assertEquals(visible[0]?.tag, late);
      assertEquals(most, 1);
      // In one step, if the tags are the same, or there are none.
      assertEquals(registration.closed, early === late ? 0 : 1);
    }
  }
});

Deno.test("notify() has slow messages leave each other alone", async () => {
  const registration = new Registration();
  const handler = async (payload: unknown) => {
    while (registration.shown.length < 2) await pause();
    return { title: String(payload) };
  };
  await Promise.all(
    ["7", "8"].map((id) => push(id, { handler, timeout: 1 }, registration)),
  );
  const titles = registration.visible.map(({ title }) => title);
  assertEquals(new Set(titles), new Set(["7", "8"]));
});

Deno.test("notify() shows what the message describes while the handler is slow", async () => {
  using test = await setUp({ handler: () => new Promise<never>(() => {}) });
  const delivered = test.host.deliverPushMessage(
    '{ "title": "Episode 7", "tag": "7" }',
  );
  await test.host.clock.advance(30_000);
  assertEquals(await delivered, true);
  assertEquals(test.titles(), ["Episode 7"]);
  assertEquals(test.host.notifications[0]?.tag, "7");
});

Deno.test("notify() waits for a handler no longer than 30 seconds", async () => {
  let given: AbortSignal | undefined;
  using test = await setUp({
    handler: (_, { signal }) => {
      given = signal;
      return new Promise<never>(() => {});
    },
  });
  const delivered = test.host.deliverPushMessage("{}");
  await test.host.clock.advance(29_999);
  assertEquals(given?.aborted, false);
  await test.host.clock.advance(1);
  assertEquals(await delivered, true);
  assertEquals(given?.reason.name, "TimeoutError");
  assertEquals(test.titles(), [fallback.title]);
  assertEquals(test.statuses(), ["fallback"]);
  assertStrictEquals(test.reports[0]?.error, given?.reason);
});

Deno.test("notify() keeps the default if a slow handler throws", async () => {
  const { promise, reject } = Promise.withResolvers<never>();
  using test = await setUp({ handler: () => promise, timeout: 1 });
  const delivered = test.host.deliverPushMessage("{}");
  await test.host.clock.advance(1);
  reject(new Error("broken"));
  assertEquals(await delivered, true);
  assertEquals(test.titles(), [fallback.title]);
  assertEquals(test.statuses(), ["fallback"]);
});

Deno.test("notify() takes the default away if a slow handler wants nothing", async () => {
  const { promise, resolve } = Promise.withResolvers<null>();
  using test = await setUp({ handler: () => promise, timeout: 1 });
  const delivered = test.host.deliverPushMessage("{}");
  await test.host.clock.advance(1);
  resolve(null);
  await delivered;
  assertEquals(test.titles(), []);
  assertEquals(test.statuses(), ["none"]);
});

Deno.test("notify() shows the default if the browser refuses another", async () => {
  const reason = new TypeError("no such data");
  for (const tag of [undefined, "a", "b"]) {
    for (const timeout of [1, 1_000]) {
      const registration = new Registration();
      const own = registration.showNotification.bind(registration);
      registration.showNotification = (title, options) =>
        title === "broken" ? Promise.reject(reason) : own(title, options);
      const reports: NotifyReport[] = [];
      await push({}, {
        fallback: { ...fallback, tag: "a" },
        timeout,
        report: (report) => reports.push(report),
        handler: async () => {
          while (timeout === 1 && registration.shown.length === 0) {
            await pause();
          }
          return { title: "broken", tag };
        },
      }, registration);
      const titles = registration.visible.map(({ title }) => title);
      assertEquals(titles, [fallback.title]);
      assertEquals(reports[0]?.status, "fallback");
      assertStrictEquals(reports[0]?.error, reason);
    }
  }
});

Deno.test("notify() reports that the permission was withdrawn, and the server hears of it", async () => {
  const host = createHost();
  const changes: unknown[] = [];
  const push = {
    store: memoryStore(),
    report: (change: unknown) => changes.push(change),
  };
  const reports: NotifyReport[] = [];
  const registration = await host.register((scope) => {
    const report = async (report: NotifyReport) => {
      reports.push(report);
      if (report.status === "refused") await renew(scope.registration, push);
    };
    const listener = notify(scope.registration, { fallback, report });
    scope.addEventListener("push", listener);
  });
  const applicationServerKey = Uint8Array.of(4, ...new Uint8Array(64));
  const { subscription } = await subscribe(registration, {
    ...push,
    applicationServerKey,
  });

  host.permissions.set("notifications", "denied");
  assertEquals(await host.deliverPushMessage("{}"), true);
  assertEquals(reports.map(({ status }) => status), ["refused"]);
  assert(reports[0]?.error instanceof TypeError);
  assertEquals(changes.at(-1), {
    oldSubscription: subscription?.toJSON(),
    newSubscription: null,
  });
  host.close();
});

Deno.test("notify() sets the badge that the message says", async () => {
  const counts: number[] = [];
  const appBadge = {
    set: (count: number) => Promise.resolve(counts.push(count)),
  };
  const title = "Episode 7";
  for (const count of [3, "4", 0, -1, 1.5, "many", "", null, [5], {}]) {
    await push({ title, app_badge: count }, { appBadge });
  }
  await push({ web_push: 8030, notification: { title }, app_badge: 8 }, {
    appBadge,
  });
  await push({ web_push: 8030, notification: { title, app_badge: 9 } }, {
    appBadge,
  });
  await push({ app_badge: 10 }, { appBadge });
  assertEquals(counts, [3, 4, 0, 8, 9, 10]);
});

Deno.test("notify() shows a notification if the badge fails", async () => {
  const appBadge = { set: () => Promise.reject(new Error("no badge")) };
  const { shown } = await push({ title: "Episode 7", app_badge: 7 }, {
    appBadge,
  });
  assertEquals(shown.map(({ title }) => title), ["Episode 7"]);
});

Deno.test("notify() leaves at most one notification wherever its worker is stopped", async () => {
  const stops = await stopAtEachStep(async (arm) => {
    const store = memoryStore();
    const host = createHost({
      globals: globalThis,
      context: new AsyncLocalStorage(),
      provide: { store },
      time: 0,
    });
    await host.register((scope) => {
      const listener = notify(scope.registration, {
        fallback: { ...fallback, tag: "news" },
        timeout: 100,
        appBadge: createBadge(scope.navigator, scope.store),
        handler: async () => {
          await new Promise((resolve) => scope.setTimeout(resolve, 200));
          return { title: "Episode 7", tag: "news" };
        },
      });
      scope.addEventListener("push", listener);
    });

    const deliver = async (message: string) => {
      const delivered = host.deliverPushMessage(message);
      let over = false;
      delivered.finally(() => over = true);
      while (!over) {
        await host.clock.advance(50);
        assert(host.notifications.length <= 1);
      }
      return await delivered;
    };

    arm(host);
    await deliver('{ "app_badge": 1 }');
    // The next ones find everything in order.
    while (!await deliver('{ "app_badge": 2 }'));
    assertEquals(host.notifications.map(({ title }) => title), ["Episode 7"]);
    assertEquals(host.badge, 2);
    host.close();
  });
  assert(stops > 4, `it was stopped ${stops} times`);
});

function first(shown: Shown[]): Shown {
  return shown[0] ?? { title: "none" };
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
