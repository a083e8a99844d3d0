// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What the page and the worker say to each other.
 *
 * @module
 */

import type { Episode } from "./server/episodes.ts";

/** Where an episode stands on this device. */
export interface Download {
  id: string;
  /** "paused": begun, not complete, and not under way. */
  state: "none" | "loading" | "paused" | "saved";
  /** Bytes on this device. */
  loaded: number;
  /** The size of the file; 0 while it is not known. */
  total: number;
  /** Why it is paused, if not because the worker was stopped. */
  reason?: string;
  /** Whether it can go on once the server is back. */
  unreachable?: boolean;
}

/** When the list of episodes was last refreshed. */
export interface Refreshed {
  /** In milliseconds since 1970; undefined if never. */
  at: number | undefined;
  /** Whether the browser does it with no page open too. */
  alone: boolean;
}

/** What plays in a tab, or played there last. Every tab attaches its own to its client. */
export interface NowPlaying {
  id: string;
  playing: boolean;
  /** Seconds. */
  position: number;
  /** When that was, in milliseconds since 1970. */
  at: number;
}

/** The long-lived channel between every page and the worker. */
export interface Podcast {
  /** All episodes of which there is something on this device. */
  list(): Download[];
  /**
   * Begins, joins or resumes the one download of an episode, and follows it to
   * its end. To leave does not end it.
   */
  download(input: { id: string }): AsyncIterable<Download>;
  /** Ends the download of an episode and removes what there is of it. */
  remove(input: { id: string }): void;
  /** What each open tab plays, or played last. */
  listPlaying(): NowPlaying[];
  /** Refreshes the list of episodes, unless that was done lately. */
  refresh(): Refreshed;
  /** An episode's download has begun or ended. */
  changed: Download;
  /** The list of episodes was refreshed. */
  refreshed: Episode[];
}

/** A version of the app. */
export interface Release {
  version: string;
  /** What is new in it, for the listener. */
  changes: string[];
}

/** Single questions, which a worker that waits can be asked too. */
export interface Questions {
  release(): Release;
}
