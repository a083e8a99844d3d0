// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * One episode in the list.
 *
 * @module
 */

import type { Download } from "../protocol.ts";
import type { Episode } from "../server/episodes.ts";
import {
  formatBytes,
  formatDay,
  formatProgress,
  formatRemaining,
  formatTime,
} from "./format.ts";
import { part, setIcon, setText } from "./part.ts";
import { createRate } from "./rate.ts";

/** What a listener does with an episode. */
export interface EpisodeActions {
  play(): void;
  download(): void;
  remove(): void;
}

/** An episode in the list. */
export interface EpisodeView {
  element: HTMLElement;
  /** Shows where its download stands. */
  showDownload(download: Download): void;
  /** Shows whether it plays, in this tab or in another. */
  showPlaying(playing: boolean, here: boolean): void;
  /** Shows whether it can be played and downloaded at all. */
  showReachable(reachable: boolean): void;
  /** Brings it into view. */
  reveal(): void;
}

const ACTIONS = {
  none: { label: "Download", icon: "download" },
  loading: { label: "Cancel", icon: "cancel" },
  paused: { label: "Resume", icon: "resume" },
  saved: { label: "Remove", icon: "remove" },
};

/** Makes the view of `episode` from the document's template. */
export function createEpisodeView(
  episode: Episode,
  actions: EpisodeActions,
): EpisodeView {
  const template = document.querySelector<HTMLTemplateElement>("#episode");
  const element = template?.content.firstElementChild?.cloneNode(true);
  if (!(element instanceof HTMLElement)) {
    throw new Error("Cannot show an episode: the page has no template for it");
  }
  const { title } = episode;
  const cover = part<HTMLImageElement>(element, "cover");
  const play = part<HTMLButtonElement>(element, "play");
  const action = part<HTMLButtonElement>(element, "action");
  const discard = part<HTMLButtonElement>(element, "discard");
  const progress = part<HTMLElement>(element, "progress");
  const status = part<HTMLElement>(element, "status");
  const rate = createRate();
  let state: Download["state"] = "none";

  element.dataset.id = episode.id;
  cover.src = episode.cover;
  setText(part(element, "title"), title);
  setText(part(element, "summary"), episode.summary);
  setText(
    part(element, "meta"),
    `No. ${episode.number} · ${formatDay(episode.published)} · ${
      formatTime(episode.duration)
    }`,
  );
  progress.setAttribute("aria-label", `Download of ${title}`);
  discard.setAttribute("aria-label", `Discard what there is of ${title}`);
  whenEnabled(play, actions.play);
  whenEnabled(action, () => {
    if (state === "none" || state === "paused") actions.download();
    else actions.remove();
  });
  whenEnabled(discard, actions.remove);

  function statusOf({ loaded, total, reason }: Download): string {
    switch (state) {
      case "none":
        return formatBytes(episode.bytes);
      case "saved":
        return `On this device · ${formatBytes(episode.bytes)}`;
      case "paused": {
        const at = `Paused at ${formatProgress(loaded, episode.bytes)}`;
        return reason === undefined ? at : `${at} · ${reason}`;
      }
      case "loading": {
        const speed = rate(loaded, performance.now());
        if (loaded === 0) return "Starting…";
        // The browser does not know the size before the end.
        const whole = total || episode.bytes;
        return [
          formatProgress(loaded, whole),
          ...(speed
            ? [
              `${formatBytes(speed)}/s`,
              formatRemaining((whole - loaded) / speed),
            ]
            : []),
        ].join(" · ");
      }
    }
  }

  return {
    element,
    showDownload(download) {
      state = download.state;
      const { label, icon } = ACTIONS[state];
      element.dataset.state = state;
      setIcon(action, icon);
      setText(action.querySelector("span") ?? action, label);
      action.setAttribute("aria-label", `${label} ${title}`);
      setText(status, statusOf(download));
      const percent = state === "saved"
        ? 100
        : Math.floor(100 * download.loaded / episode.bytes);
      progress.setAttribute("aria-valuenow", String(percent));
      progress.setAttribute(
        "aria-valuetext",
        formatProgress(download.loaded, episode.bytes),
      );
      progress.style.setProperty(
        "--done",
        String(download.loaded / episode.bytes),
      );
    },
    showPlaying(playing, here) {
      element.classList.toggle("playing", playing);
      const pause = playing && here;
      setIcon(play, pause ? "pause" : "play");
      play.setAttribute(
        "aria-label",
        `${pause ? "Pause" : "Play"} ${title}${
          playing && !here ? " here" : ""
        }`,
      );
    },
    showReachable(reachable) {
      element.classList.toggle("unreachable", !reachable);
      const off = String(!reachable && state !== "saved");
      play.setAttribute("aria-disabled", off);
      const needed = state === "none" || state === "paused";
      action.setAttribute("aria-disabled", String(!reachable && needed));
    },
    reveal() {
      element.scrollIntoView({ block: "center" });
      play.focus({ preventScroll: true });
    },
  };
}

/** Calls `act` on a click, unless the button is shown as of no use now. */
function whenEnabled(button: HTMLButtonElement, act: () => void): void {
  button.addEventListener("click", () => {
    // Not `disabled`, which would take away the focus.
    if (button.getAttribute("aria-disabled") !== "true") act();
  });
}
