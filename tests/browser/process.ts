// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Processes that were started as leaders of a group: what they start ends with
 * them, and they end with us.
 *
 * @module
 */

import type { ChildProcess } from "node:child_process";
import process from "node:process";
import { within } from "./driver.ts";

/** Ends a group when this process ends without having ended it. */
export function endWithUs(child: ChildProcess): void {
  const kill = () => signalGroup(child, "SIGKILL");
  process.on("exit", kill);
  child.on("exit", () => process.off("exit", kill));
}

/** Ends a group, with SIGKILL if it takes longer than three seconds. */
export async function endGroup(
  child: ChildProcess,
  signal: "SIGTERM" | "SIGKILL",
): Promise<void> {
  signalGroup(child, signal);
  await within(3000, "end a process", untilEnded(child))
    .catch(() => signalGroup(child, "SIGKILL"));
}

/** Resolves when the leader of a group has ended. */
export function untilEnded(child: ChildProcess): Promise<void> {
  return new Promise((resolve) => {
    child.on("exit", () => resolve());
    if (hasEnded(child)) resolve();
  });
}

/** Whether the leader of a group has ended. */
export function hasEnded(child: ChildProcess): boolean {
  return child.exitCode !== null || child.signalCode !== null;
}

function signalGroup(
  child: ChildProcess,
  signal: "SIGTERM" | "SIGKILL",
): void {
  if (child.pid === undefined) return;
  try {
    process.kill(Deno.build.os === "windows" ? child.pid : -child.pid, signal);
  } catch {
    // The group has ended.
  }
}
