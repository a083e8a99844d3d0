// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The downloads of this life of the worker: at most one of each episode, which
 * any number of pages may follow.
 *
 * @module
 */

import { keepAudio, listAudio, removeAudio } from "./answers.ts";
import type { Download } from "../protocol.ts";
import { fetchPart, FileChangedError } from "./fetch_part.ts";
import {
  boundsOf,
  joinParts,
  listParts,
  listUnfinished,
  openParts,
  readPlan,
  removeParts,
  writePart,
  writePlan,
} from "./parts.ts";

/** The downloads of this life of the worker. */
export interface Downloads {
  /** All episodes of which there is something on this device. */
  list(): Promise<Download[]>;
  /** Begins, joins or resumes a download, and follows it to its end. */
  follow(id: string, signal: AbortSignal): AsyncGenerator<Download>;
  /** Ends a download and removes what there is of the episode. */
  remove(id: string): Promise<void>;
}

/** A download that is under way. */
interface Job {
  download: Download;
  controller: AbortController;
  /** Resolves at the next change of `download`. */
  changed: PromiseWithResolvers<void>;
  ended: Promise<void>;
}

/** How often progress is reported, in milliseconds. */
const REPORT_INTERVAL = 100;
/** How often a file may change on the server before its download is given up. */
const ATTEMPTS = 3;

/**
 * Prepares the downloads.
 *
 * @param announce Called when a download begins or ends.
 */
export function createDownloads(
  announce: (download: Download) => void,
): Downloads {
  const jobs = new Map<string, Job>();

  function begin(id: string): Job {
    const job: Job = {
      download: { id, state: "loading", loaded: 0, total: 0 },
      controller: new AbortController(),
      changed: Promise.withResolvers(),
      ended: Promise.resolve(),
    };
    jobs.set(id, job);
    job.ended = run(job);
    announce(job.download);
    return job;
  }

  function update(job: Job, download: Partial<Download>): void {
    job.download = { ...job.download, ...download };
    job.changed.resolve();
    job.changed = Promise.withResolvers();
  }

  async function run(job: Job): Promise<void> {
    const { id } = job.download;
    const { signal } = job.controller;
    let end: Partial<Download>;
    try {
      const total = await load(id, signal, (progress) => update(job, progress));
      end = { state: "saved", loaded: total, total };
    } catch (error) {
      end = signal.aborted
        ? { state: "none", loaded: 0, total: 0 }
        : { state: "paused", ...reasonOf(error) };
    }
    jobs.delete(id);
    update(job, end);
    announce(job.download);
  }

  return {
    async list() {
      const saved = await listAudio();
      const found = new Map<string, Download>(
        saved.map((
          { id, total },
        ) => [id, { id, state: "saved", loaded: total, total }]),
      );
      for (const id of await listUnfinished()) {
        if (!found.has(id)) found.set(id, await readUnfinished(id));
      }
      for (const [id, { download }] of jobs) found.set(id, download);
      return [...found.values()];
    },

    async *follow(id, signal) {
      const saved = (await listAudio()).find((audio) => audio.id === id);
      if (saved && !jobs.has(id)) {
        yield { id, state: "saved", loaded: saved.total, total: saved.total };
        return;
      }
      const job = jobs.get(id) ?? begin(id);
      while (!signal.aborted) {
        const { changed, download } = job;
        yield download;
        if (download.state !== "loading") return;
        await changed.promise;
      }
    },

    async remove(id) {
      const job = jobs.get(id);
      job?.controller.abort();
      await job?.ended;
      await removeParts(id);
      const had = await removeAudio(id);
      if (!job || had) announce({ id, state: "none", loaded: 0, total: 0 });
    },
  };
}

/** Why a download is paused, for its listener to read. */
function reasonOf(error: unknown): Pick<Download, "reason" | "unreachable"> {
  // All that fetch() and a body that breaks say.
  if (error instanceof TypeError) {
    return { reason: "no answer", unreachable: true };
  }
  if (!(error instanceof Error)) return { reason: String(error) };
  return {
    reason: error.name === "QuotaExceededError"
      ? "this device is full"
      : error.message,
  };
}

async function readUnfinished(id: string): Promise<Download> {
  const parts = await openParts(id);
  const plan = await readPlan(parts);
  const bounds = await listParts(parts, plan);
  return { id, state: "paused", loaded: sizeOf(bounds), total: plan.total };
}

/** Downloads what is missing and keeps the whole; resolves with its size. */
async function load(
  id: string,
  signal: AbortSignal,
  report: (progress: Partial<Download>) => void,
): Promise<number> {
  for (let attempt = 1;; attempt++) {
    try {
      return await loadVersion(id, signal, report);
    } catch (error) {
      if (!(error instanceof FileChangedError) || attempt === ATTEMPTS) {
        throw error;
      }
      await removeParts(id);
    }
  }
}

async function loadVersion(
  id: string,
  signal: AbortSignal,
  report: (progress: Partial<Download>) => void,
): Promise<number> {
  // To open the cache is to write down that the episode is wanted.
  const parts = await openParts(id);
  let plan = await readPlan(parts);
  const present = await listParts(parts, plan);
  let loaded = sizeOf(present);
  report({ loaded, total: plan.total });

  let reported = performance.now();
  for (
    let number = 0;
    number === 0 || boundsOf(number, plan.total).start < plan.total;
    number++
  ) {
    if (present.has(number)) continue;
    const part = await fetchPart(id, number, plan, signal);
    if (plan.total === 0) await writePlan(parts, plan = part.plan);
    const body = await part.read((bytes) => {
      loaded += bytes;
      if (performance.now() - reported < REPORT_INTERVAL) return;
      reported = performance.now();
      report({ loaded, total: plan.total });
    });
    signal.throwIfAborted();
    await writePart(parts, number, body);
  }
  signal.throwIfAborted();
  report({ loaded, total: plan.total });
  await keepAudio(id, await joinParts(parts, plan), plan);
  await removeParts(id);
  return plan.total;
}

function sizeOf(
  parts: ReadonlyMap<number, { start: number; end: number }>,
): number {
  let size = 0;
  for (const { start, end } of parts.values()) size += end - start;
  return size;
}
