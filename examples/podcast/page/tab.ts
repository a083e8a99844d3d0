// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What this tab tells the worker of itself.
 *
 * @module
 */

import { setClientData } from "@serviceworker/std/channel/client-data";
import { pageState } from "@serviceworker/std/lifecycle/page-state";
import type { NowPlaying, TabData } from "../protocol.ts";

/** This tab, as the worker knows it. */
export interface OwnTab {
  /** Tells what plays here. */
  play(playing: NowPlaying): void;
}

/** Keeps the worker informed for as long as the page is there. */
export function describeTab(
  container: ServiceWorkerContainer,
  shows: TabData["shows"],
): OwnTab {
  let data: TabData = { shows, state: "active" };

  function tell(change: Partial<TabData>): void {
    data = { ...data, ...change };
    container.ready.then(({ active }) => setClientData(active, data))
      // Without it, only other tabs know less.
      .catch(() => {});
  }

  async function follow(): Promise<void> {
    for await (const state of pageState(window)) {
      // Firefox does not keep a page that awaits an answer.
      if (state !== "bfcached") tell({ state });
    }
  }

  follow();
  container.addEventListener("controllerchange", () => tell({}));
  return { play: (playing) => tell({ playing }) };
}
