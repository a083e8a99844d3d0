// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The player at the foot of the page, and what plays in this and other tabs.
 *
 * @module
 */

import type { NowPlaying } from "../protocol.ts";
import type { Episode } from "../server/episodes.ts";
import { formatTime } from "./format.ts";
import { shareNowPlaying } from "./now_playing.ts";
import { part, setIcon, setText } from "./part.ts";
import type { OwnTab } from "./tab.ts";

/** What the player shows. */
export interface Shown extends Omit<NowPlaying, "at"> {
  /** Whether it is this tab's, or another's. */
  here: boolean;
}

/** The player. */
export interface Player {
  /** Plays an episode here, or pauses it if it does play here. */
  toggle(id: string): void;
  /** Shows what another tab plays. */
  hear(state: NowPlaying): void;
  /** Resolves when nothing plays in this tab. */
  paused(): Promise<void>;
}

/** What the player needs to know, and whom it tells. */
export interface PlayerOptions {
  tab: OwnTab;
  episodes: ReadonlyMap<string, Episode>;
  /** Whether an episode is on this device. */
  isSaved(id: string): boolean;
  /** Called when something else plays, or plays elsewhere. */
  show(shown: Shown): void;
  /** Says something to the listener. */
  announce(text: string): void;
}

const BACK = -15;
const FORWARD = 30;
/** How far the audio may be, in seconds, from where it is to go on. */
const TOLERANCE = 1;

/** Prepares the player. */
export function createPlayer(
  { tab, episodes, isSaved, show, announce }: PlayerOptions,
): Player {
  const audio = part<HTMLAudioElement>(document, "audio");
  const toggleButton = part<HTMLButtonElement>(document, "toggle");
  const back = part<HTMLButtonElement>(document, "back");
  const forward = part<HTMLButtonElement>(document, "forward");
  const seek = part<HTMLInputElement>(document, "seek");
  const cover = part<HTMLImageElement>(document, "player-cover");

  let now: Shown | undefined;
  let dragging = false;
  const sharing = shareNowPlaying(tab, hear);

  function hear(state: NowPlaying): void {
    if (state.playing) audio.pause();
    set({ ...state, here: false });
  }

  function set(next: Shown): void {
    const changed = now?.id !== next.id || now.playing !== next.playing ||
      now.here !== next.here;
    if (changed && now) show({ ...now, playing: false });
    now = next;
    if (changed) show(next);
    render(next);
  }

  /** This tab's audio has changed: shows it, and tells the other tabs. */
  function update(): void {
    const { id } = audio.dataset;
    if (id === undefined) return;
    // Paused by another tab that plays now.
    if (audio.paused && now && !now.here) return;
    const { currentTime: position, paused } = audio;
    const state = { id, position, playing: !paused };
    sharing.tell(state);
    set({ ...state, here: true });
  }

  async function play(id: string, position: number): Promise<void> {
    const episode = episodes.get(id);
    if (!episode) return;
    if (audio.dataset.id !== id) {
      audio.dataset.id = id;
      audio.src = episode.audio;
      describe(episode);
    }
    if (Math.abs(audio.currentTime - position) > TOLERANCE) {
      audio.currentTime = position;
    }
    set({ id, position, playing: true, here: true });
    try {
      await audio.play();
    } catch (error) {
      // Paused, or another episode chosen, before it could begin.
      if ((error as Error).name === "AbortError") return;
      update();
      showProblem(episode, (error as Error).message);
    }
  }

  function toggle(id: string): void {
    const same = now?.id === id ? now : undefined;
    if (same?.playing && same.here) audio.pause();
    else play(id, same?.position ?? 0);
  }

  function skip(seconds: number): void {
    audio.currentTime = Math.max(0, audio.currentTime + seconds);
  }

  function render({ id, playing, position, here }: Shown): void {
    const episode = episodes.get(id);
    if (!episode) return;
    const { title, duration } = episode;
    if (!cover.src.endsWith(episode.cover)) cover.src = episode.cover;
    setText(part(document, "player-title"), title);
    setText(
      part(document, "player-source"),
      !here && playing
        ? "Playing in another tab"
        : isSaved(id)
        ? "From this device"
        : "From the network",
    );
    toggleButton.disabled = false;
    back.disabled = forward.disabled = seek.disabled = !here;
    setIcon(toggleButton, playing && here ? "pause" : "play");
    toggleButton.setAttribute(
      "aria-label",
      playing && here ? "Pause" : playing ? "Play here" : "Play",
    );
    seek.max = String(duration);
    if (!dragging) seek.value = String(position);
    seek.setAttribute(
      "aria-valuetext",
      `${formatTime(position)} of ${formatTime(duration)}`,
    );
    seek.style.setProperty("--done", String(Number(seek.value) / duration));
    setText(part(document, "position"), formatTime(Number(seek.value)));
    setText(part(document, "duration"), formatTime(duration));
  }

  function showProblem({ title }: Episode, problem: string): void {
    setText(part(document, "player-source"), `Cannot be played: ${problem}`);
    announce(`Cannot play ${title}: ${problem}`);
  }

  /** Tells the system, for its own controls. */
  function describe({ title, cover }: Episode): void {
    if (!("mediaSession" in navigator)) return;
    navigator.mediaSession.metadata = new MediaMetadata({
      title,
      artist: "Longwave",
      artwork: [{ src: cover, type: "image/svg+xml" }],
    });
    navigator.mediaSession.setActionHandler("seekbackward", () => skip(BACK));
    navigator.mediaSession.setActionHandler("seekforward", () => skip(FORWARD));
  }

  for (const type of ["play", "pause", "timeupdate", "seeked", "ended"]) {
    audio.addEventListener(type, update);
  }
  audio.addEventListener("error", () => {
    const episode = episodes.get(audio.dataset.id ?? "");
    delete audio.dataset.id; // so that it is loaded anew
    if (now) set({ ...now, playing: false });
    if (episode) showProblem(episode, audio.error?.message || "no answer");
  });
  toggleButton.addEventListener("click", () => now && toggle(now.id));
  back.addEventListener("click", () => skip(BACK));
  forward.addEventListener("click", () => skip(FORWARD));
  seek.addEventListener("input", () => {
    dragging = true;
    if (now) render(now);
  });
  seek.addEventListener("change", () => {
    dragging = false;
    audio.currentTime = Number(seek.value);
  });
  addEventListener("pagehide", () => audio.pause());
  return {
    toggle,
    hear,
    paused: () =>
      new Promise((resolve) => {
        if (audio.paused) resolve();
        else audio.addEventListener("pause", () => resolve(), { once: true });
      }),
  };
}
