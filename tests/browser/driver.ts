// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What the harness asks of a browser. Chromium and Firefox are driven by
 * `puppeteer.ts`, WebKitGTK by `webkit.ts`; a control which an engine does not
 * give is absent.
 *
 * @module
 */

import type { BrowserName } from "../../tools/find_browser.ts";

/** How to start a browser, apart from where it is. */
export interface LaunchOptions {
  /** A folder for a profile that outlives the process. */
  profile?: string | undefined;
  /** Preferences of Firefox. */
  prefs?: Record<string, unknown> | undefined;
  /** Command-line arguments of Chromium. */
  args?: string[] | undefined;
  /** Environment variables. */
  env?: Record<string, string> | undefined;
  /** The origin that may show notifications in WebKit. */
  notifier?: string | undefined;
  /** Whether to measure, where the engine can, which statements run. @default {false} */
  measure?: boolean | undefined;
}

/** A running browser. */
export interface Browser {
  readonly name: BrowserName;
  readonly version: string;
  /** Whether the browser has ended, or answers no more. */
  ended(): boolean;
  /** Opens a page. A tab may hide the tabs beside it, whose timers are then slowed down; a window hides nothing, and costs more. */
  openTab(type: "tab" | "window"): Promise<Tab>;
  /** Ends the process as a user does. */
  close(): Promise<void>;
  /** Ends the process and its children with SIGKILL. */
  kill(): Promise<void>;
  /** Stops every running worker of an origin; resolves when they are stopped. */
  stopWorkers?(origin: string): Promise<void>;
  /** Cuts the running worker of an origin off the network, or reconnects it. */
  setWorkerOffline?(origin: string, offline: boolean): Promise<void>;
  /** Sets whether an origin may show notifications. */
  setNotificationPermission?(
    origin: string,
    state: PermissionState,
  ): Promise<void>;
  /** The page at a URL that the browser itself opens. */
  openedTab?(url: string): Promise<Tab>;
  /** Closes all pages of an origin. */
  closeTabs?(origin: string): Promise<void>;
  /** What the workers ran, if that is measured, since it was last taken. */
  takeWorkerCoverage?(): Promise<ScriptCoverage[]>;
}

/** How a page is seen. */
export interface View {
  /** In CSS pixels. */
  width: number;
  height: number;
  scheme: "light" | "dark";
}

/** A page in a browser. */
export interface Tab {
  /** What the page logged so far. */
  readonly log: string[];
  /** Evaluates a JavaScript expression for a promise of a string. */
  evaluate(expression: string): Promise<string>;
  goto(url: string): Promise<void>;
  reload(): Promise<void>;
  /** What the page looks like; as a PNG, unless the engine knows others. */
  screenshot(type: "png" | "webp"): Promise<Uint8Array>;
  /** Sets the size of the page, and the colors that the user prefers. */
  setView?(view: View): Promise<void>;
  /** Makes the page the one that a user sees. */
  bringToFront(): Promise<void>;
  /** Closes the page, if it is still open. */
  close(): Promise<void>;
  /** Freezes the page, or resumes it. */
  setFrozen?(frozen: boolean): Promise<void>;
  /** What the page ran, if that is measured, since it was last taken; complete when it is closed. */
  takeCoverage?(): Promise<ScriptCoverage[]>;
}

/** What V8 says of one script. */
export interface ScriptCoverage {
  url: string;
  functions: {
    ranges: { startOffset: number; endOffset: number; count: number }[];
  }[];
}

/** Resolves with `promise`, or rejects after `ms`. */
export async function within<T>(
  ms: number,
  what: string,
  promise: Promise<T>,
): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`Cannot ${what}: ${ms / 1000} s have passed`)),
      ms,
    );
  });
  try {
    return await Promise.race([promise, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
