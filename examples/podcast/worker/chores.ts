// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What the worker does at night, or when it is next awake.
 *
 * @module
 */

import {
  createSchedule,
  type Schedule,
  type ScheduleStore,
} from "@serviceworker/std/sync/schedule";
import type { Chore } from "../protocol.ts";

/** What the worker does at a time. */
export interface Chores {
  /** Does what is due. */
  run(): Promise<void>;
  list(): Promise<Chore[]>;
}

const TIDY = "Tidy up";
const HOUR_OF_NIGHT = 4;
const DAY = 86_400_000;

/** Prepares the chores. */
export function createChores(
  store: ScheduleStore,
  tidy: () => Promise<unknown>,
): Chores {
  const schedule: Schedule = createSchedule(store, tidy, { name: "longwave" });
  return {
    async run() {
      const jobs = await schedule.list();
      if (jobs.length === 0) {
        const at = new Date();
        at.setHours(24 + HOUR_OF_NIGHT, 0, 0, 0);
        await schedule.add({ id: TIDY, at, every: DAY });
      }
      await schedule.run();
    },
    async list() {
      return (await schedule.list())
        .map(({ id, at }) => ({ name: id, last: undefined, next: at }));
    },
  };
}
