// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The page "Behind the scenes".
 *
 * @module
 */

import { connect } from "@serviceworker/std/channel/connect";
import {
  request,
  type RequestTarget,
} from "@serviceworker/std/channel/request";
import { register } from "@serviceworker/std/lifecycle/register";
import { reloadOnUpdate } from "@serviceworker/std/lifecycle/reload-on-update";
import { watchUpdates } from "@serviceworker/std/lifecycle/watch-updates";
import { part, setText } from "./page/part.ts";
import { createScenesView } from "./page/scenes_view.ts";
import { describeTab } from "./page/tab.ts";
import type { Podcast, Questions } from "./protocol.ts";
import { PUBLISH_PATH } from "./news.ts";
import type { Episode } from "./server/episodes.ts";
import type { Published } from "./server/news.ts";

const container = navigator.serviceWorker;
/** Milliseconds after which a worker that was stopped is looked for again. */
const AGAIN = 500;

async function main(): Promise<void> {
  const pause = part<HTMLButtonElement>(document, "pause");
  const view = createScenesView();
  const channel = connect<Podcast>(container);
  let looking = new AbortController();
  let paused = false;

  async function look(): Promise<void> {
    const { signal } = looking;
    while (!signal.aborted) {
      try {
        for await (
          const scene of channel.stream("watch", undefined, { signal })
        ) {
          view.show(scene);
        }
      } catch (error) {
        if (signal.aborted) return;
        view.showState(
          (error as Error).name === "DisconnectedError"
            ? "Stopped; waking it"
            : String(error),
          false,
        );
      }
      await new Promise((resolve) => setTimeout(resolve, AGAIN));
    }
  }

  function change(): void {
    const off = paused || document.hidden;
    if (off === looking.signal.aborted) return;
    if (off) {
      looking.abort();
      view.showState("Not looked at; it may sleep", false);
    } else {
      looking = new AbortController();
      look();
    }
  }

  pause.addEventListener("click", () => {
    paused = !paused;
    setText(pause, paused ? "Go on" : "Pause");
    change();
  });
  document.addEventListener("visibilitychange", change);

  offerToPublish();
  describeTab(container, "Behind the scenes");
  reloadOnUpdate(container);
  const registration = await register(container, "/sw.js");
  showNext(registration);
  look();
  const response = await fetch("/api/episodes");
  const episodes: Episode[] = await response.json();
  view.name(episodes);
  channel.addEventListener("refreshed", ({ data }) => view.name(data));
}

/** Lets the server publish an episode, and shows whom it told. */
function offerToPublish(): void {
  const button = part<HTMLButtonElement>(document, "publish");
  const result = part(document, "published");
  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    setText(result, "Publishing…");
    try {
      const response = await fetch(PUBLISH_PATH, { method: "POST" });
      if (!response.ok) throw new Error("this server has nothing new");
      setText(result, describe(await response.json()));
    } catch (error) {
      setText(result, `Cannot publish: ${(error as Error).message}`);
    }
    button.removeAttribute("aria-disabled");
  });
}

function describe(
  { title, subscriptions, delivered, gone, problems }: Published,
): string {
  const told = subscriptions === 0
    ? "No browser wants to be told"
    : `${delivered} of ${subscriptions} told`;
  const lost = gone === 0 ? [] : [`${gone} gone and forgotten`];
  return [`${title} is published`, told, ...lost, ...problems].join(" · ");
}

/** Shows which version is on its way. */
async function showNext(
  registration: ServiceWorkerRegistration,
): Promise<void> {
  const next = part(document, "next");
  for await (const update of watchUpdates(registration)) {
    if (update.state === "installing") setText(next, "Being installed");
    else if (update.state === "waiting") {
      const worker: RequestTarget<Questions> = update.worker;
      const { version } = await request(worker, { type: "release" });
      setText(next, `${version}, waits`);
    } else if (update.state === "failed") {
      setText(next, "Could not be installed");
    } else setText(next, "None");
  }
}

main().catch((error) => {
  setText(part(document, "state"), `Cannot start: ${error}`);
});
