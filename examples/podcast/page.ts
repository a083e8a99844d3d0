// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The app's page.
 *
 * @module
 */

import { connect } from "@serviceworker/std/channel/connect";
import {
  request,
  type RequestContainer,
} from "@serviceworker/std/channel/request";
import { createEpisodeView, type EpisodeView } from "./page/episode_view.ts";
import { formatBytes } from "./page/format.ts";
import { createLibrary } from "./page/library.ts";
import { part, setText } from "./page/part.ts";
import { createPlayer } from "./page/player.ts";
import { followServer } from "./page/reachable.ts";
import type { Download, Podcast, Questions } from "./protocol.ts";
import type { Episode } from "./server/episodes.ts";

const container: ServiceWorkerContainer & RequestContainer<Questions> =
  navigator.serviceWorker;

const RETRY = 3_000;

/** Says something to those who cannot see it. */
function announce(text: string): void {
  setText(part(document, "announcement"), text);
}

async function showVersion(): Promise<void> {
  const version = await request(container, { type: "version" }, {
    ready: true,
    idempotent: true,
  });
  setText(part(document, "worker"), `Version ${version}`);
}

async function main(): Promise<void> {
  const response = await fetch("/api/episodes");
  const list: Episode[] = await response.json();
  const episodes = new Map(list.map((episode) => [episode.id, episode]));
  const views = new Map<string, EpisodeView>();
  const states = new Map<string, Download["state"]>();
  let reachable: boolean | undefined;

  const channel = connect<Podcast>(container);
  const library = createLibrary(channel, showDownload);
  const player = createPlayer({
    container,
    episodes,
    isSaved: (id) => library.get(id).state === "saved",
    show: ({ id, playing, here }) => views.get(id)?.showPlaying(playing, here),
    announce,
  });

  function showDownload(download: Download): void {
    const { id, state, reason } = download;
    const view = views.get(id);
    view?.showDownload(download);
    // The connection broke, though the server is there.
    if (download.unreachable && reachable) setTimeout(library.retry, RETRY);

    const last = states.get(id);
    if (state === last) return;

    states.set(id, state);
    view?.showReachable(reachable ?? true);
    showKept();
    // What is there from the beginning is read with the page.
    if (last === undefined && state !== "loading") return;
    const title = episodes.get(id)?.title;
    announce(
      {
        none: last === "saved"
          ? `${title} is removed`
          : `The download of ${title} is cancelled`,
        loading: `Downloading ${title}`,
        paused: `The download of ${title} is paused: ${reason}`,
        saved: `${title} is on this device`,
      }[state],
    );
  }

  async function remove({ id, title }: Episode): Promise<void> {
    try {
      await library.remove(id);
    } catch (error) {
      announce(`Cannot remove ${title}: ${(error as Error).message}`);
    }
  }

  function showKept(): void {
    const saved = library.all().filter(({ state }) => state === "saved");
    const bytes = saved.reduce((sum, { loaded }) => sum + loaded, 0);
    const count = saved.length === 1 ? "1 episode" : `${saved.length} episodes`;
    setText(
      part(document, "kept"),
      saved.length === 0 ? "Nothing yet" : `${count}, ${formatBytes(bytes)}`,
    );
  }

  function showReachable(answer: boolean): void {
    if (answer) library.retry();
    if (answer === reachable) return;
    reachable = answer;
    document.documentElement.classList.toggle("offline", !reachable);
    setText(
      part(document, "network-text"),
      reachable ? "Online" : "Offline",
    );
    setText(
      part(document, "notice"),
      reachable ? "" : "Offline: what is downloaded plays",
    );
    for (const view of views.values()) view.showReachable(reachable);
  }

  for (const episode of list) {
    const { id } = episode;
    const view = createEpisodeView(episode, {
      play: () => player.toggle(id),
      download: () => library.download(id),
      remove: () => remove(episode),
    });
    views.set(id, view);
    view.showDownload(library.get(id));
    view.showPlaying(false, true);
    part(document, "episodes").append(view.element);
  }

  async function showLastPlaying(): Promise<void> {
    const states = await channel.call("listPlaying", undefined, {
      idempotent: true,
    });
    const [last] = states.sort((a, b) => b.at - a.at);
    if (last) player.hear(last);
  }

  await container.register("/sw.js");
  container.addEventListener("controllerchange", showVersion);
  await Promise.all([
    showVersion(),
    showLastPlaying(),
    library.open(),
    followServer(showReachable),
  ]);
}

main().catch((error) => {
  setText(part(document, "worker"), `Cannot start: ${error}`);
});
