// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What plays, shared by all tabs: one plays, the others show it.
 *
 * @module
 */

import { broadcast } from "@serviceworker/std/channel/broadcast";
import type { NowPlaying } from "../protocol.ts";
import type { OwnTab } from "./tab.ts";

/** How a tab takes part. */
export interface Sharing {
  /** Tells what this tab plays. */
  tell(state: Omit<NowPlaying, "at">): void;
}

/** How far playing gets, in seconds, before the other tabs are told. */
const INTERVAL = 1;
/** Milliseconds after which a tab that said nothing more has crashed. */
const SILENCE = 5_000;

/**
 * Shares what plays: with the tabs that are open at once, and through the worker
 * with those that are opened later.
 *
 * @param hear Called with what another tab plays, and when it has stopped.
 */
export function shareNowPlaying(
  tab: OwnTab,
  hear: (state: NowPlaying) => void,
): Sharing {
  let channel = open();
  /** Undefined when another tab has told something since. */
  let told: NowPlaying | undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function open() {
    const channel = broadcast<NowPlaying>("longwave-playing");
    channel.addEventListener("message", ({ data }) => {
      clearTimeout(timer);
      if (data.playing) {
        timer = setTimeout(() => hear({ ...data, playing: false }), SILENCE);
      }
      told = undefined;
      hear(data);
    });
    return channel;
  }

  function tell(state: Omit<NowPlaying, "at">): void {
    const same = told?.id === state.id && told.playing === state.playing;
    const moved = Math.abs(state.position - (told?.position ?? 0));
    if (same && moved < INTERVAL) return;
    clearTimeout(timer);
    told = { ...state, at: Date.now() };
    channel.post(told);
    if (!same) tab.play(told);
  }

  addEventListener("pagehide", () => {
    if (told?.playing) tell({ ...told, playing: false });
    // An open channel would keep the page out of the back-forward cache.
    channel.close();
  });
  addEventListener("pageshow", (event) => {
    if ((event as PageTransitionEvent).persisted) channel = open();
  });
  return { tell };
}
