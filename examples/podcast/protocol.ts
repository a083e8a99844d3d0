// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What the page and the worker say to each other.
 *
 * @module
 */

import type { PageState } from "@serviceworker/std/lifecycle/page-state";
import type { OutboxEntry } from "@serviceworker/std/sync/outbox";
import type { Episode } from "./server/episodes.ts";

/** Where an episode stands on this device. */
export interface Download {
  id: string;
  /** "paused": begun, not complete, and not under way. */
  state: "none" | "loading" | "paused" | "saved";
  /** Who downloads: the browser, or the app. */
  path?: "native" | "fallback";
  /** Bytes on this device. */
  loaded: number;
  /** The size of the file; 0 while it is not known. */
  total: number;
  /** Why it is paused. */
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

/** What plays in a tab, or played there last. */
export interface NowPlaying {
  id: string;
  playing: boolean;
  /** Seconds. */
  position: number;
  /** When that was, in milliseconds since 1970. */
  at: number;
}

/** What every tab attaches to its client, for the worker to read. */
export interface TabData {
  /** What it shows. */
  shows: "Episodes" | "Behind the scenes";
  state: PageState;
  playing?: NowPlaying;
}

/** What the worker is doing, at one moment. All times are in milliseconds since 1970. */
export interface Scene {
  version: string;
  /** Where it is in its life, if the browser lets it know. */
  state: string | undefined;
  /** When the browser started it, this time. */
  started: number;
  /** How many messages it got and sent in each second of the last minute. */
  messages: number[];
  /** How many events it has handled since it was started, by type. */
  events: [type: string, count: number][];
  /** What the app's badge says, or would where there are none. */
  badge: number;
  tabs: {
    id: string;
    /** Undefined while the tab has not told. */
    data: TabData | undefined;
    /** Whether it is the one that asks. */
    own: boolean;
  }[];
  caches: { name: string; entries: number; bytes: number }[];
  /** How much of its room the origin uses; undefined where the browser does not tell. */
  room: { usage: number; quota: number } | undefined;
  outbox: OutboxEntry[];
  downloads: Download[];
  schedules: Chore[];
  /** The last requests that a route of the worker answered, the latest first. */
  requests: Answered[];
}

/** Something that happens at a time. */
export interface Chore {
  name: string;
  last: number | undefined;
  next: number | undefined;
}

/** A request that the worker has answered, or is about to. */
export interface Answered {
  /** Tells it from others of this life of the worker. */
  id: number;
  at: number;
  path: string;
  /** The pattern of the route. */
  route: string;
  /** How the route answers. */
  strategy: string;
  from: "network" | "device" | "nowhere" | undefined;
  /** How long it took, in milliseconds. */
  took: number | undefined;
}

/** The long-lived channel between every page and the worker. */
export interface Podcast {
  /** What each open tab plays, or played last. */
  listPlaying(): NowPlaying[];
  /** Refreshes the list of episodes, unless that was done lately. */
  refresh(): Refreshed;
  /** Refreshes the list of episodes at once. */
  refreshNow(): void;
  /** What the worker does, every second. To follow it keeps the worker awake. */
  watch(): AsyncIterable<Scene>;
  /** A page has begun or removed the download of this episode. */
  changed: string;
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
