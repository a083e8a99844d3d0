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
import {
  holdUpdate,
  type UpdateHold,
} from "@serviceworker/std/lifecycle/hold-update";
import { register } from "@serviceworker/std/lifecycle/register";
import { reloadOnUpdate } from "@serviceworker/std/lifecycle/reload-on-update";
import { setLaunchConsumer } from "@serviceworker/std/lifecycle/set-launch-consumer";
import { createBadge } from "@serviceworker/std/push/badge";
import { takeNotificationTarget } from "@serviceworker/std/push/notification-click";
import { openStore } from "@serviceworker/std/storage/open-store";
import { openDownloads } from "./downloads.ts";
import { openOutbox } from "./comments.ts";
import { reportTo } from "./news.ts";
import { createComments, type Fate } from "./page/comments.ts";
import { createEpisodeView, type EpisodeView } from "./page/episode_view.ts";
import { formatBytes, formatMoment } from "./page/format.ts";
import { createLibrary } from "./page/library.ts";
import { part, setText } from "./page/part.ts";
import { offerNews } from "./page/news.ts";
import { createPlayer } from "./page/player.ts";
import { followServer } from "./page/reachable.ts";
import { offerReset } from "./page/reset.ts";
import { describeTab } from "./page/tab.ts";
import { createThreadView, type ThreadView } from "./page/thread_view.ts";
import { offerUpdates } from "./page/updates.ts";
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
  const { version } = await request(container, { type: "release" }, {
    ready: true,
    idempotent: true,
  });
  setText(part(document, "worker"), `Version ${version}`);
}

/** Keeps updates away from all tabs while something is written in this one. */
function createWriting(): (id: string, isWriting: boolean) => void {
  const holds = new Map<string, UpdateHold>();
  return (id, isWriting) => {
    if (!isWriting) {
      holds.get(id)?.release();
      holds.delete(id);
    } else if (!holds.has(id)) holds.set(id, holdUpdate(container));
  };
}

async function main(): Promise<void> {
  // Before all that may fail.
  offerReset();
  const response = await fetch("/api/episodes");
  const list: Episode[] = await response.json();
  const episodes = new Map(list.map((episode) => [episode.id, episode]));
  const views = new Map<string, EpisodeView>();
  const threads = new Map<string, ThreadView>();
  const states = new Map<string, Download["state"]>();
  const write = createWriting();
  const store = openStore("longwave");
  let reachable: boolean | undefined;

  const channel = connect<Podcast>(container);
  const library = createLibrary(
    openDownloads(window, store),
    container.ready,
    channel,
    showDownload,
  );
  const player = createPlayer({
    tab: describeTab(container, "Episodes"),
    episodes,
    isSaved: (id) => library.get(id).state === "saved",
    show: ({ id, playing, here }) => views.get(id)?.showPlaying(playing, here),
    announce,
  });
  const outbox = openOutbox(store);
  const badge = createBadge(navigator, store);
  const comments = createComments(outbox, container.ready, {
    show: (id, thread) => threads.get(id)?.show(thread),
    announce: announceComment,
  });

  function announceComment(id: string, fate: Fate, reason: string): void {
    const comment = `Your comment on ${episodes.get(id)?.title}`;
    announce(
      {
        pending: `${comment} is pending: ${reason}`,
        sent: `${comment} is posted`,
        refused: `${comment} is not sent: ${reason}`,
        cancelled: `${comment} is given up`,
      }[fate],
    );
  }

  function showDownload(download: Download): void {
    const { id, state, reason } = download;
    const view = views.get(id);
    view?.showDownload(download);
    // The connection broke, though the server is there.
    if (download.unreachable && reachable) setTimeout(() => resume(id), RETRY);

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

  /** Goes on with a download that has failed for want of an answer. */
  function resume(id: string): void {
    const episode = episodes.get(id);
    if (episode && library.get(id).unreachable) library.download(episode);
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
    if (answer === reachable) return;
    library.setReachable(answer);
    if (answer) { for (const { id } of library.all()) resume(id); }
    if (reachable === false) {
      comments.retryAll();
      refresh().catch(() => {});
    }
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

  function addEpisode(episode: Episode): HTMLElement {
    const { id, title } = episode;
    const view = createEpisodeView(episode, {
      play: () => player.toggle(id),
      download: () => library.download(episode),
      remove: () => remove(episode),
    });
    views.set(id, view);
    view.showDownload(library.get(id));
    view.showPlaying(false, true);
    view.showReachable(reachable ?? true);
    const thread = createThreadView(view.element, title, {
      open: () => comments.open(id),
      post: (text) => comments.post(id, text),
      cancel: comments.cancel,
      retry: comments.retry,
      write: (isWriting) => write(id, isWriting),
    });
    threads.set(id, thread);
    return view.element;
  }

  part(document, "episodes").append(...list.map(addEpisode));

  async function refresh(): Promise<void> {
    const { at, alone } = await channel.call("refresh", undefined, {
      idempotent: true,
    });
    if (at === undefined) return;
    setText(
      part(document, "refreshed"),
      `${formatMoment(at)}${alone ? ", and while closed" : ""}`,
    );
  }

  /** Shows episodes that are new. */
  function add(added: Episode[]): void {
    for (const episode of added) episodes.set(episode.id, episode);
    part(document, "episodes").prepend(...added.map(addEpisode));
    part<HTMLButtonElement>(document, "show-new").hidden = true;
  }

  /** Offers new episodes, as the list is not to move under the listener's hand. */
  function offer(latest: Episode[]): void {
    const added = latest.filter(({ id }) => !episodes.has(id));
    const button = part<HTMLButtonElement>(document, "show-new");
    const count = added.length === 1
      ? "1 new episode"
      : `${added.length} new episodes`;
    setText(button, `Show ${count}`);
    button.hidden = added.length === 0;
    if (added.length > 0) announce(`There is ${count}`);
    button.onclick = () => {
      add(added);
      document.querySelector<HTMLElement>("#episodes")?.focus();
    };
  }

  /** Brings the episode into view that a link to the app names. */
  async function reveal(url: string | null): Promise<void> {
    const { searchParams } = new URL(url ?? "", location.href);
    const id = searchParams.get("episode");
    if (id === null) return;
    if (!views.has(id)) {
      const response = await fetch("/api/episodes");
      const latest: Episode[] = await response.json();
      add(latest.filter(({ id }) => !episodes.has(id)));
    }
    views.get(id)?.reveal();
  }

  async function showLastPlaying(): Promise<void> {
    const states = await channel.call("listPlaying", undefined, {
      idempotent: true,
    });
    const [last] = states.sort((a, b) => b.at - a.at);
    if (last) player.hear(last);
  }

  channel.addEventListener("refreshed", ({ data }) => offer(data));
  reloadOnUpdate(container, {
    reload: () => player.paused().then(() => location.reload()),
  });
  const registration = await register(container, "/sw.js");
  offerUpdates(registration, announce);
  setLaunchConsumer(window, ({ targetURL }) => reveal(targetURL));
  reveal(await takeNotificationTarget(window, store) ?? location.href);
  container.addEventListener("controllerchange", showVersion);
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) return;
    badge.clear();
    refresh().catch(() => {});
  });
  await Promise.all([
    showVersion(),
    showLastPlaying(),
    refresh(),
    library.open(),
    comments.follow(),
    badge.clear(),
    offerNews(registration, reportTo(outbox, store, comments.send), announce),
    followServer(showReachable, () => {
      channel.call("refreshNow", undefined, { idempotent: true })
        .catch(() => {});
    }),
  ]);
}

main().catch((error) => {
  setText(part(document, "worker"), `Cannot start: ${error}`);
});
