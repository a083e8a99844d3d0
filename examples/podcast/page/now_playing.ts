// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What plays, shared by all tabs: one plays, the others show it.
 *
 * @module
 */

import { broadcast } from "@serviceworker/std/channel/broadcast";

/** What plays, or played last. */
export interface NowPlaying {
  id: string;
  playing: boolean;
  /** Seconds. */
  position: number;
}

/** How a tab takes part. */
export interface Sharing {
  /** Tells the other tabs what this one plays. */
  tell(state: NowPlaying): void;
}

/** Milliseconds after which a tab that said nothing more has crashed. */
const SILENCE = 5_000;

/**
 * Shares what plays.
 *
 * @param hear Called with what another tab plays, and when it has stopped.
 */
export function shareNowPlaying(
  hear: (state: NowPlaying) => void,
): Sharing {
  let channel = open();
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

  function tell(state: NowPlaying): void {
    clearTimeout(timer);
    told = state;
    channel.post(state);
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
