// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Finds the browsers.
 *
 * @module
 */

import type { EngineName, FoundEngine } from "./driver.ts";

/** Finds engines on this machine. */
export async function findEngine(name: EngineName): Promise<FoundEngine> {
  const root = Deno.build.os !== "windows" && Deno.uid() === 0;
  const args = name === "chromium" && root ? ["--no-sandbox"] : [];
  const executablePath = {
    chromium: "/usr/bin/chromium",
    firefox: "/usr/bin/firefox-esr",
    webkit: "/usr/bin/WebKitWebDriver",
  }[name];
  await Deno.stat(executablePath);
  return { executablePath, args, lacks: [] };
}
