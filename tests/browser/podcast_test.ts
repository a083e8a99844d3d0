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
} from "../../examples/podcast/server/episodes.ts";
import { createHandler } from "../../examples/podcast/server/handler.ts";
import { readWav } from "../../examples/podcast/server/wav.ts";
import { PART_BYTES } from "../../examples/podcast/worker/parts.ts";
import { browserTest, type TestPage, type TestServer } from "./harness.ts";

/** Seconds: three parts. */
const DURATION = 60;
/** Bytes a second: long enough to have a hand in a download. */
const THROTTLE = 2_500_000;

const [episode] = recordings(DURATION) as [Recording];
const PARTS = Math.ceil(episode.bytes / PART_BYTES);

let handler: Promise<ReturnType<typeof createHandler>> | undefined;

const app = {
  async handler(request: Request): Promise<Response> {
    handler ??= buildAssets().then((assets) =>
      createHandler({ assets, duration: DURATION, throttle: THROTTLE })
    );
    return (await handler)(request);
  },
};

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
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

async function press(page: TestPage, name: string): Promise<void> {
  await page.evaluate(
    (id, name) => {
      const selector = `[data-id="${id}"] [data-part="${name}"]`;
      document.querySelector<HTMLElement>(selector)?.click();
    },
    episode.id,
    name,
  );
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

/** The ranges of the episode that the server was asked for. */
function ranges(server: TestServer): string[] {
  return server.requests
    .filter(({ path }) => path === episode.audio)
    .map(({ headers }) => headers.get("range") ?? "");
}

function range(part: number): string {
  const start = part * PART_BYTES;
  return `bytes=${start}-${start + PART_BYTES - 1}`;
}

const ALL = Array.from({ length: PARTS }, (_, part) => range(part));

browserTest("podcast: the worker's version is shown", app, async ({ page }) => {
  await ready(page);
  assert((await page.text()).includes("Version 1.0.0"));
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
  assertEquals(ranges(server), ALL);

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
        (await caches.keys()).filter((name) => name.includes("parts"))
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
    // The first part is on disk.
    await until(page, ({ percent }) => percent > 45);
    await stopWorkers();
    for (const tab of [page, other]) {
      await until(tab, ({ state }) => state === "saved");
    }
    const asked = ranges(server);
    assertEquals(asked.filter((value) => value === range(0)).length, 1);
    assertEquals([...new Set(asked)], ALL);
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
        new Response(worker.replace('"1.0.0"', '"1.0.1"'), {
          headers: { "content-type": "text/javascript" },
        }),
    );
    await page.evaluate(async () => {
      await (await navigator.serviceWorker.ready).update();
    });
    await page.waitFor(() => document.body.innerText.includes("Version 1.0.1"));
    await until(page, ({ state }) => state === "saved");
    const asked = ranges(server);
    assertEquals(asked.filter((value) => value === range(0)).length, 1);
    assertEquals([...new Set(asked)], ALL);
    await assertWhole(page);
  },
);

browserTest("podcast: a download goes on after the browser was killed", {
  ...app,
  profile: true,
}, async ({ page, server, restartBrowser }) => {
  await ready(page);
  await press(page, "action");
  await until(page, ({ percent }) => percent > 45);
  const again = await restartBrowser({ kill: true });
  await until(again, ({ state }) => state === "saved");
  assertEquals([...new Set(ranges(server))], ALL);
  await assertWhole(again);
});

browserTest(
  "podcast: a download is paused without the server, and goes on with it",
  app,
  async (test) => {
    const { page, server } = test;
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
    await until(page, ({ state }) => state === "saved");
    assertEquals(
      ranges(server).filter((value) => value === range(0)).length,
      1,
    );
    await assertWhole(page);
  },
);

browserTest(
  "podcast: a file that changed is downloaded from its beginning",
  app,
  async ({ page, server }) => {
    await ready(page);
    await press(page, "action");
    await until(page, ({ percent }) => percent > 45);
    await server.stop();
    await until(page, ({ state }) => state === "paused");

    const [longer] = recordings(DURATION + 1) as [Recording];
    server.route(episode.audio, (request) => answerAudio(request, longer));
    await server.restart();
    await until(page, ({ state }) => state === "saved");
    assertEquals(
      ranges(server).filter((value) => value === range(0)).length,
      2,
    );
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
