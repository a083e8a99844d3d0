// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What is on this device, as the worker tells every tab.
 *
 * @module
 */

import type { Channel } from "@serviceworker/std/channel/connect";
import type { Download, Podcast } from "../protocol.ts";

/** What is on this device. */
export interface Library {
  /** Where an episode stands. */
  get(id: string): Download;
  /** All episodes of which there is something. */
  all(): Download[];
  /** Reads what there is, and goes on with what was not finished. */
  open(): Promise<void>;
  /** Begins or resumes a download, and follows it. */
  download(id: string): Promise<void>;
  /** Goes on with what is paused because the server could not be reached. */
  retry(): void;
  /** Ends a download, or removes an episode. */
  remove(id: string): Promise<void>;
}

/**
 * Prepares the library.
 *
 * @param show Called whenever an episode's download has changed.
 */
export function createLibrary(
  channel: Channel<Podcast>,
  show: (download: Download) => void,
): Library {
  const downloads = new Map<string, Download>();
  const followed = new Set<string>();

  function set(download: Download): void {
    downloads.set(download.id, download);
    show(download);
  }

  function get(id: string): Download {
    return downloads.get(id) ?? { id, state: "none", loaded: 0, total: 0 };
  }

  function list(): Promise<Download[]> {
    return channel.call("list", undefined, { idempotent: true });
  }

  async function follow(id: string): Promise<void> {
    if (followed.has(id)) return;
    followed.add(id);
    try {
      do {
        try {
          for await (const download of channel.stream("download", { id })) {
            set(download);
            if (download.state !== "loading") return;
          }
        } catch (error) {
          if (nameOf(error) !== "DisconnectedError") throw error;
        }
        // The worker was stopped; the next one goes on with what is on disk,
        // if nobody has removed that meanwhile.
        const found = (await list()).find((download) => download.id === id);
        set(found ?? { id, state: "none", loaded: 0, total: 0 });
      } while (get(id).state === "paused" || get(id).state === "loading");
    } catch (error) {
      set({ ...get(id), state: "paused", reason: String(error) });
    } finally {
      followed.delete(id);
    }
  }

  channel.addEventListener("changed", ({ data }) => {
    set(data);
    // Begun in another tab: every tab follows, so that it goes on as long as
    // one of them is open.
    if (data.state === "loading") follow(data.id);
  });

  return {
    get,
    all: () => [...downloads.values()],
    async open() {
      for (const download of await list()) {
        set(download);
        if (download.state !== "saved") follow(download.id);
      }
    },
    async download(id) {
      set({ ...get(id), state: "loading" });
      await follow(id);
    },
    retry() {
      for (const { id, unreachable } of downloads.values()) {
        if (unreachable) follow(id);
      }
    },
    remove: (id) => channel.call("remove", { id }, { idempotent: true }),
  };
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}
