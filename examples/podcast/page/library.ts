// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What is on this device, the same in every tab.
 *
 * @module
 */

import type { Channel } from "@serviceworker/std/channel/connect";
import type { BackgroundFetch } from "@serviceworker/std/fetch/background-fetch";
import { backgroundSync } from "@serviceworker/std/sync/background-sync";
import { DOWNLOADS_TAG, toDownload } from "../downloads.ts";
import type { Download, Podcast } from "../protocol.ts";
import type { Episode } from "../server/episodes.ts";

/** What is on this device. */
export interface Library {
  /** Where an episode stands. */
  get(id: string): Download;
  /** All episodes of which there is something. */
  all(): Download[];
  /** Reads what there is, and follows what is not finished. */
  open(): Promise<void>;
  /** Begins or resumes a download. */
  download(episode: Episode): Promise<void>;
  /** Tells whether the server can be reached: what waits for it goes on. */
  setReachable(reachable: boolean): void;
  /** Ends a download, or removes an episode. */
  remove(id: string): Promise<void>;
}

/**
 * Prepares the library.
 *
 * @param show Called whenever an episode's download has changed.
 */
export function createLibrary(
  downloads: BackgroundFetch,
  registration: Promise<ServiceWorkerRegistration>,
  channel: Channel<Podcast>,
  show: (download: Download) => void,
): Library {
  const known = new Map<string, Download>();
  const followed = new Set<string>();
  let isReachable = true;
  // Where the browser does not download by itself, this does.
  const sync = backgroundSync(registration, downloads.run, {
    tag: DOWNLOADS_TAG,
  });

  function get(id: string): Download {
    return known.get(id) ?? { id, state: "none", loaded: 0, total: 0 };
  }

  function set(download: Download): void {
    known.set(download.id, download);
    const waits = download.state === "loading" && !isReachable;
    show(
      waits ? { ...download, state: "paused", reason: "no answer" } : download,
    );
  }

  async function follow(id: string): Promise<void> {
    if (followed.has(id)) return;
    followed.add(id);
    try {
      for await (const state of downloads.watch(id)) set(toDownload(state));
    } catch (error) {
      if ((error as Error).name !== "NotFoundError") throw error;
    } finally {
      followed.delete(id);
    }
    // The last that was said of one that is deleted is not true any more.
    await look(id);
  }

  /** Shows how a download is, and follows it if it goes on. */
  async function look(id: string): Promise<void> {
    const state = await downloads.get(id);
    set(state ? toDownload(state) : { id, state: "none", loaded: 0, total: 0 });
    if (state?.result === "") follow(id);
  }

  channel.addEventListener("changed", ({ data }) => look(data));

  return {
    get,
    all: () => [...known.values()],
    async open() {
      for (const { id } of await downloads.list()) await look(id);
    },
    async download({ id, title, audio }) {
      set({ ...get(id), state: "loading" });
      try {
        await downloads.start(id, audio, { title });
        channel.post("changed", id);
        sync.request().catch(() => {});
        await look(id);
      } catch (error) {
        const reason = (error as Error).message;
        set({ ...get(id), state: "paused", reason });
      }
    },
    setReachable(reachable) {
      const isBack = reachable && !isReachable;
      isReachable = reachable;
      for (const download of known.values()) set(download);
      if (isBack) sync.run().catch(() => {});
    },
    async remove(id) {
      await downloads.delete(id);
      channel.post("changed", id);
      await look(id);
    },
  };
}
