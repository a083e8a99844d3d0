// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The podcast app, used as a listener uses it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { answerAudio } from "../../examples/podcast/server/audio.ts";
import { buildAssets } from "../../examples/podcast/server/assets.ts";
import {
  type Recording,
  recordings,
  toEpisode,
} from "../../examples/podcast/server/episodes.ts";
import { readWav } from "../../examples/podcast/server/wav.ts";
import {
  browserTest,
  pause,
  type TestPage,
  type TestServer,
} from "./harness.ts";
import { podcastApp } from "./podcast_app.ts";

/** Seconds: 5.3 MB. */
const DURATION = 60;
/** Bytes a second: long enough to have a hand in a download. */
const THROTTLE = 2_500_000;

const [episode] = recordings(DURATION) as [Recording];

const app = podcastApp({ duration: DURATION, throttle: THROTTLE });

/** What a listener sees of the episode. */
interface Seen {
  state: string;
  action: string;
  status: string;
  percent: number;
}

function look(page: TestPage): Promise<Seen> {
  return page.evaluate((id) => {
    const element = document.querySelector<HTMLElement>(`[data-id="${id}"]`);
    const text = (name: string) =>
      element?.querySelector(`[data-part="${name}"]`)?.textContent?.trim() ??
        "";
    const progress = element?.querySelector("[role=progressbar]");
    return {
      state: element?.dataset.state ?? "",
      action: text("action"),
      status: text("status"),
      percent: Number(progress?.getAttribute("aria-valuenow")),
    };
  }, episode.id);
}

async function until(
  page: TestPage,
  holds: (seen: Seen) => boolean,
): Promise<Seen> {
  while (true) {
    const seen = await look(page);
    if (holds(seen)) return seen;
    await pause();
  }
}

async function press(page: TestPage, name: string): Promise<void> {
  await page.click(`[data-id="${episode.id}"] [data-part="${name}"]`);
}

/** Waits until the page has heard from its worker. */
async function ready(page: TestPage): Promise<void> {
  await page.waitFor(() =>
    document.querySelector("[data-part=worker]")?.textContent
      ?.startsWith("Version")
  );
}

/** Presses play; muted, as there is neither a sound device nor a listener's own click. */
async function play(page: TestPage): Promise<void> {
  await page.evaluate(() => {
    const audio = document.querySelector("audio");
    if (audio) audio.muted = true;
  });
  await press(page, "play");
}

/** From which byte on the server was asked for the episode, each time. */
function starts(server: TestServer): number[] {
  return server.requests
    .filter(({ path }) => path === episode.audio)
    .map(({ headers }) => {
      const range = headers.get("range") ?? "bytes=0-";
      return Number(range.match(/^bytes=(\d+)-$/)?.[1]);
    });
}

/** Fails unless the download was resumed: nothing was asked for twice. */
function assertResumed(server: TestServer): void {
  const [first, ...rest] = starts(server);
  assertEquals(first, 0);
  assertEquals(rest, rest.toSorted((a, b) => a - b));
  assert(rest.every((start) => start > 0), `from ${rest.join(", ")}`);
}

browserTest("podcast: the worker's version is shown", app, async ({ page }) => {
  await ready(page);
  assert((await page.text()).includes("Version 1.2.0"));
});

browserTest("podcast: two tabs follow one download", app, async (test) => {
  const { page, server, openPage, engine } = test;
  await ready(page);
  const other = await openPage();
  await ready(other);
  assertEquals((await look(page)).action, "Download");

  await press(page, "action");
  for (const tab of [page, other]) {
    const seen = await until(
      tab,
      ({ percent, status }) => percent > 0 && status.includes("MB/s"),
    );
    assertEquals(seen.state, "loading");
    assertEquals(seen.action, "Cancel");
    assert(/^\d\.\d of 5\.3 MB · .+ s left$/.test(seen.status), seen.status);
  }
  for (const tab of [page, other]) {
    const seen = await until(tab, ({ state }) => state === "saved");
    assertEquals(seen.status, "On this device · 5.3 MB");
    assertEquals(seen.action, "Remove");
  }
  assertEquals(starts(server), [0]);

  if (engine.name !== "chromium") return;
  const shift = await page.evaluate(() =>
    new Promise<number>((resolve) => {
      new PerformanceObserver((list) => {
        const entries = list.getEntries() as unknown as { value: number }[];
        resolve(entries.reduce((sum, { value }) => sum + value, 0));
      }).observe({ type: "layout-shift", buffered: true });
      setTimeout(resolve, 100, 0);
    })
  );
  assertEquals(shift, 0);
});

browserTest(
  "podcast: a download is cancelled from another tab",
  app,
  async (test) => {
    const { page, openPage } = test;
    await ready(page);
    const other = await openPage();
    await ready(other);

    await press(page, "action");
    await until(other, ({ percent }) => percent > 0);
    await press(other, "action");
    for (const tab of [page, other]) {
      const seen = await until(tab, ({ state }) => state === "none");
      assertEquals(seen.action, "Download");
    }
    assertEquals(
      await page.evaluate(async () =>
        (await caches.keys()).filter((name) => name.includes("background"))
      ),
      [],
    );
  },
);

browserTest(
  "podcast: a download goes on after the worker was stopped",
  app,
  async (test) => {
    const { page, server, openPage, stopWorkers } = test;
    await ready(page);
    const other = await openPage();
    await ready(other);

    await press(page, "action");
    await until(page, ({ percent }) => percent > 45);
    await stopWorkers();
    for (const tab of [page, other]) {
      await until(tab, ({ state }) => state === "saved");
    }
    assertResumed(server);
    await assertWhole(page);
  },
);

browserTest(
  "podcast: a download goes on in the next version of the worker",
  app,
  async ({ page, server }) => {
    await ready(page);
    await press(page, "action");
    await until(page, ({ percent }) => percent > 45);

    const worker = (await buildAssets()).get("/sw.js")?.body ?? "";
    server.route(
      "/sw.js",
      () =>
        new Response(worker.replace('"1.2.0"', '"1.2.1"'), {
          headers: { "content-type": "text/javascript" },
        }),
    );
    await page.evaluate(async () => {
      await (await navigator.serviceWorker.ready).update();
    });
    await page.waitFor(() =>
      document.body.innerText.includes("Version 1.2.1 is here")
    );
    await page.click("[data-part=update-apply]");
    await page.waitFor(() =>
      document.querySelector("[data-part=worker]")?.textContent ===
        "Version 1.2.1"
    );
    await until(page, ({ state }) => state === "saved");
    assertResumed(server);
    await assertWhole(page);
  },
);

browserTest("podcast: a download goes on after the browser was killed", {
  ...app,
  profile: true,
}, async ({ page, server, restartBrowser, engine }) => {
  await ready(page);
  await press(page, "action");
  await until(page, ({ percent }) => percent > 45);
  const again = await restartBrowser({ kill: true });
  await until(again, ({ state }) => state === "saved");
  // Chromium begins again what it was downloading itself.
  if (engine.name !== "chromium") assertResumed(server);
  await assertWhole(again);
});

browserTest(
  "podcast: a download is paused without the server, and goes on with it",
  app,
  async (test) => {
    const { page, server, engine } = test;
    await ready(page);
    await press(page, "action");
    await until(page, ({ percent }) => percent > 45);
    await server.stop();
    const paused = await until(page, ({ state }) => state === "paused");
    assertEquals(paused.action, "Resume");
    assert(
      paused.status.endsWith("no answer"),
      paused.status,
    );

    await server.restart();
    // Chromium, which downloads itself, goes on when it thinks fit.
    if (engine.name === "chromium") return;
    await until(page, ({ state }) => state === "saved");
    assertResumed(server);
    await assertWhole(page);
  },
);

browserTest(
  "podcast: a file that changed is downloaded from its beginning",
  app,
  async ({ page, server, engine, skip }) => {
    if (engine.name === "chromium") skip("Chromium downloads by itself");
    await ready(page);
    await press(page, "action");
    await until(page, ({ percent }) => percent > 45);
    await server.stop();
    await until(page, ({ state }) => state === "paused");

    const [longer] = recordings(DURATION + 1) as [Recording];
    server.route(episode.audio, (request) => answerAudio(request, longer));
    await server.restart();
    await until(page, ({ state }) => state === "saved");
    await assertWhole(page, longer);
  },
);

browserTest(
  "podcast: opens and plays without the server",
  app,
  async (test) => {
    const { page, server } = test;
    await ready(page);
    await press(page, "action");
    await until(page, ({ state }) => state === "saved");
    await server.stop();
    await page.reload();
    await ready(page);
    await page.waitFor(() => document.documentElement.matches(".offline"));
    await until(page, ({ state }) => state === "saved");
    await page.waitFor(() => {
      const cover = document.querySelector<HTMLImageElement>(".episode img");
      return cover?.complete && cover.naturalWidth > 0;
    });

    await play(page);
    const played = await page.waitFor(() => {
      const audio = document.querySelector("audio");
      if (
        audio?.error
      ) return `error ${audio.error.code}: ${audio.error.message}`;
      return audio && audio.readyState >= 3 && audio.currentTime > 0 && "plays";
    });
    assertEquals(played, "plays");
    const position = await page.evaluate(async () => {
      const audio = document.querySelector("audio");
      if (!audio) return 0;
      audio.pause();
      const seeked = new Promise((resolve) =>
        audio.addEventListener("seeked", resolve, { once: true })
      );
      audio.currentTime = 50;
      await seeked;
      return audio.currentTime;
    });
    assert(Math.abs(position - 50) < 0.5, `it is at ${position}`);
    assert((await page.text()).includes("From this device"));
  },
);

browserTest(
  "podcast: one tab plays, and the others show it",
  app,
  async (test) => {
    const { page, openPage } = test;
    await ready(page);
    const other = await openPage();
    await ready(other);
    const plays = () => {
      const audio = document.querySelector("audio");
      return audio && !audio.paused && audio.currentTime > 0;
    };

    await play(page);
    await page.waitFor(plays);
    await other.waitFor(() =>
      document.body.innerText.includes("Playing in another tab")
    );

    await play(other);
    await other.waitFor(plays);
    await page.waitFor(() => document.querySelector("audio")?.paused);
    await page.waitFor(() =>
      document.body.innerText.includes("Playing in another tab")
    );

    await press(other, "play");
    await page.waitFor(() =>
      !document.body.innerText.includes("Playing in another tab")
    );
    // A tab that is opened later hears of it from the worker.
    const later = await openPage();
    await later.waitFor(
      (title) =>
        document.querySelector("[data-part=player-title]")?.textContent ===
          title,
      episode.title,
    );

    await press(other, "play");
    for (const tab of [page, later]) {
      await tab.waitFor(() =>
        document.body.innerText.includes("Playing in another tab")
      );
    }
    await other.close();
    for (const tab of [page, later]) {
      await tab.waitFor(() =>
        !document.body.innerText.includes("Playing in another tab")
      );
    }
  },
);

/** What a listener sees of a comment, and of the thread it is in. */
interface SeenComment {
  fate: string;
  line: string;
  buttons: string[];
  waiting: string;
  announced: string;
}

function lookAt(
  page: TestPage,
  text: string,
): Promise<SeenComment | undefined> {
  return page.evaluate(
    (id, text) => {
      const thread = document.querySelector(`[data-id="${id}"] .thread`);
      const comments = thread?.querySelectorAll<HTMLElement>(".comment") ?? [];
      const comment = [...comments].find((comment) =>
        comment.querySelector("[data-part=comment]")?.textContent === text
      );
      if (!comment) return;
      const read = (root: ParentNode, name: string) =>
        root.querySelector(`[data-part="${name}"]`)?.textContent ?? "";
      const buttons = comment.querySelectorAll("button:not([hidden])");
      return {
        fate: comment.dataset.fate ?? "",
        line: read(comment, "fate"),
        buttons: [...buttons].map(({ ariaLabel }) => ariaLabel ?? ""),
        waiting: thread ? read(thread, "waiting") : "",
        announced: read(document, "announcement"),
      };
    },
    episode.id,
    text,
  );
}

async function untilComment(
  page: TestPage,
  text: string,
  fate: string | undefined,
): Promise<SeenComment | undefined> {
  while (true) {
    const seen = await lookAt(page, text);
    if (seen?.fate === fate) return seen;
    await pause();
  }
}

async function openThread(page: TestPage): Promise<void> {
  await ready(page);
  await press(page, "disclosure");
  await page.waitFor(
    (id) => document.querySelector(`[data-id="${id}"] .comment`) !== null,
    episode.id,
  );
}

async function comment(page: TestPage, text: string): Promise<void> {
  await page.evaluate(
    (id, text) => {
      const form = document.querySelector<HTMLFormElement>(
        `[data-id="${id}"] form`,
      );
      const field = form?.querySelector("textarea");
      if (field) field.value = text;
      form?.requestSubmit();
    },
    episode.id,
    text,
  );
}

/** Presses a button of a comment, as a keyboard does; resolves with what has the focus then. */
function pressComment(
  page: TestPage,
  label: string,
): Promise<string | undefined> {
  return page.evaluate(async (label) => {
    const button = document.querySelector<HTMLElement>(
      `.comment [aria-label^="${label}"]:not([hidden])`,
    );
    button?.focus();
    button?.click();
    while (label !== "Try again" && button?.isConnected) {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return (document.activeElement as HTMLElement | null)?.dataset.part;
  }, label);
}

/** Where an episode ends, so that it is seen when something has moved. */
function bottomOf(page: TestPage): Promise<number | null> {
  return page.evaluate((id) => {
    const element = document.querySelector(`[data-id="${id}"]`);
    return element && element.getBoundingClientRect().bottom + scrollY;
  }, episode.id);
}

const COMMENTS = `/api/comments/${episode.id}`;

/** The keys of the comments that arrived, in order. */
function keys(server: TestServer): (string | null)[] {
  return server.requests
    .filter(({ method, path }) => method === "POST" && path === COMMENTS)
    .map(({ headers }) => headers.get("idempotency-key"));
}

/** How often the server has a comment. */
async function countPosted(server: TestServer, text: string): Promise<number> {
  const response = await fetch(server.url(COMMENTS));
  const list: { text: string }[] = await response.json();
  return list.filter((comment) => comment.text === text).length;
}

/** No two runs write the same. */
function words(): string {
  return `Heard it twice ${crypto.randomUUID()}`;
}

browserTest(
  "podcast: a comment written offline is pending in every tab, and sent once",
  app,
  async ({ page, openPage, server, engine, stopWorkers }) => {
    const text = words();
    await openThread(page);
    const other = await openPage();
    await openThread(other);
    await server.stop();
    const bottom = await bottomOf(other);

    await comment(page, text);
    for (const tab of [page, other]) {
      const seen = await untilComment(tab, text, "pending");
      assertEquals(seen, {
        fate: "pending",
        line: "Pending: sent when the server is there",
        buttons: [`Cancel: ${text.slice(0, 40)}`],
        waiting: "1 pending",
        announced:
          `Your comment on ${episode.title} is pending: sent when the server is there`,
      });
    }
    assertEquals(await bottomOf(other), bottom);
    await page.reload();
    await openThread(page);
    await untilComment(page, text, "pending");
    if (engine.name !== "webkit") await stopWorkers();

    await server.restart();
    for (const tab of [page, other]) {
      const seen = await untilComment(tab, text, "sent");
      assertEquals([seen?.buttons, seen?.waiting], [[], ""]);
      // The server may have listed it before the outbox has told.
      await tab.waitFor(
        (line) =>
          document.querySelector("[data-part=announcement]")?.textContent ===
            line,
        `Your comment on ${episode.title} is posted`,
      );
    }
    assertEquals(await bottomOf(other), bottom);
    assertEquals(keys(server).length, 1);
    assertEquals(await countPosted(server, text), 1);
  },
);

browserTest(
  "podcast: a comment whose answer was lost is posted once",
  app,
  async ({ page, server }) => {
    const text = words();
    await openThread(page);
    server.route(COMMENTS, async (request) => {
      const response = await app.handler(request);
      // What it has done is not told.
      if (keys(server).length === 1) await server.stop();
      return response;
    });
    await comment(page, text);
    await untilComment(page, text, "pending");
    await page.waitFor(() => document.documentElement.matches(".offline"));
    await server.restart();
    await untilComment(page, text, "sent");
    assertEquals(keys(server).length, 2);
    assertEquals(new Set(keys(server)).size, 1);
    assertEquals(await countPosted(server, text), 1);
  },
);

browserTest(
  "podcast: a pending comment is cancelled from another tab",
  app,
  async ({ page, openPage, server }) => {
    const [first, second] = [words(), words()];
    await openThread(page);
    const other = await openPage();
    await openThread(other);
    await server.stop();
    await comment(page, first);
    await untilComment(other, first, "pending");
    assertEquals(await pressComment(other, "Cancel"), "disclosure");
    await untilComment(page, first, undefined);

    await server.restart();
    await comment(page, second);
    await untilComment(other, second, "sent");
    assertEquals(keys(server).length, 1);
    assertEquals(await countPosted(server, first), 0);
  },
);

browserTest(
  "podcast: a comment that the server refuses says why, and can be sent again",
  app,
  async ({ page, openPage, server }) => {
    const [long, empty] = [words().repeat(10), "  "];
    await openThread(page);
    const other = await openPage();
    await openThread(other);
    await comment(page, long);
    const line =
      `A comment has up to 280 characters, this one has ${long.length}`;
    for (const tab of [page, other]) {
      const seen = await untilComment(tab, long, "refused");
      const name = long.slice(0, 40);
      assertEquals(seen, {
        fate: "refused",
        line: `Not sent: ${line}`,
        buttons: [`Try again: ${name}`, `Dismiss: ${name}`],
        waiting: "1 not sent",
        announced: `Your comment on ${episode.title} is not sent: ${line}`,
      });
    }

    // What it refused once, the server may accept.
    server.route(COMMENTS, async (request) => {
      if (request.method !== "POST") return Response.json([]);
      await request.text();
      return new Response(null, { status: 201 });
    });
    await pressComment(other, "Try again");
    for (const tab of [page, other]) {
      await untilComment(tab, long, undefined);
    }
    assertEquals(keys(server).length, 2);
    assertEquals(new Set(keys(server)).size, 1);

    server.route(
      COMMENTS,
      () => new Response("A comment needs a word or two", { status: 422 }),
    );
    await comment(page, empty);
    const seen = await untilComment(other, empty, "refused");
    assertEquals(seen?.line, "Not sent: A comment needs a word or two");
    assertEquals(await pressComment(other, "Dismiss"), "disclosure");
    await untilComment(page, empty, undefined);
  },
);

browserTest(
  "podcast: a comment is sent with no tab open",
  app,
  async ({ page, server, setWorkerOffline }) => {
    const text = words();
    await openThread(page);
    await setWorkerOffline(true);
    await server.stop();
    await comment(page, text);
    await untilComment(page, text, "pending");
    await page.waitFor(async () => {
      const registration = await navigator.serviceWorker.ready;
      const { sync } = registration as unknown as {
        sync: { getTags(): Promise<string[]> };
      };
      return (await sync.getTags()).includes("comments");
    });
    await page.close();
    await server.restart();
    await setWorkerOffline(false);
    while (keys(server).length === 0) await pause();
    assertEquals(await countPosted(server, text), 1);
  },
);

browserTest("podcast: a comment is sent after the browser was killed", {
  ...app,
  profile: true,
}, async ({ page, server, restartBrowser }) => {
  const text = words();
  await openThread(page);
  await server.stop();
  await comment(page, text);
  await untilComment(page, text, "pending");
  const again = await restartBrowser({ kill: true });
  await untilComment(again, text, "pending");
  await server.restart();
  await again.waitFor(() => !document.querySelector("[data-fate=pending]"));
  assertEquals(keys(server).length, 1);
  assertEquals(await countPosted(server, text), 1);
});

const list = recordings(DURATION).map(toEpisode);
const latest = { ...list[0], id: "latest", title: "Latest" };
/** How often each server was asked for the list. */
const asked = new Map<string, number>();

browserTest(
  "podcast: new episodes are looked for, and shown on demand",
  {
    async handler(request) {
      const { host, pathname } = new URL(request.url);
      if (pathname !== "/api/episodes") return await app.handler(request);
      const count = (asked.get(host) ?? 0) + 1;
      asked.set(host, count);
      // The page reads the list, then the worker that is installed.
      return Response.json(count > 2 ? [latest, ...list] : list);
    },
  },
  async ({ page, openPage, server }) => {
    await ready(page);
    const first = () =>
      document.querySelector<HTMLElement>(".episode")?.dataset.id;
    await page.waitFor(() => {
      const button = document.querySelector("[data-part=show-new]");
      return button?.textContent === "Show 1 new episode";
    });
    assertEquals(await page.evaluate(first), episode.id);
    await page.click("[data-part=show-new]");
    assertEquals(await page.evaluate(first), "latest");

    const count = server.count("/api/episodes");
    const other = await openPage();
    await other.waitFor(() => {
      const text = document.querySelector("[data-part=refreshed]")?.textContent;
      return text !== "Not yet";
    });
    assertEquals(await other.evaluate(first), "latest");
    // Nothing but what it was opened with, as the list is fresh.
    assertEquals(server.count("/api/episodes"), count + 1);
  },
);

/** Compares what is kept with what the server makes. */
async function assertWhole(
  page: TestPage,
  { audio, piece, bytes }: Recording = episode,
): Promise<void> {
  const digest = await page.evaluate(async (path) => {
    const response = await caches.match(path);
    const bytes = await response?.arrayBuffer() ?? new ArrayBuffer();
    const digest = await crypto.subtle.digest("SHA-256", bytes);
    return [...new Uint8Array(digest)].join();
  }, audio);
  const whole = readWav(piece, 0, bytes, bytes);
  const expected = await crypto.subtle.digest("SHA-256", whole);
  assertEquals(digest, [...new Uint8Array(expected)].join());
}
