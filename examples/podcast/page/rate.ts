// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * How fast a download is.
 *
 * @module
 */

/** Milliseconds that are looked back. */
const WINDOW = 3_000;
/** Milliseconds that it takes to know. */
const MINIMUM = 400;

/**
 * Makes a function that takes how many bytes there are at a time, and returns
 * the bytes per second of late; undefined while that cannot be said.
 */
export function createRate(): (
  loaded: number,
  now: number,
) => number | undefined {
  let samples: { loaded: number; now: number }[] = [];
  return (loaded, now) => {
    // The worker was stopped and has begun a part again.
    if (loaded < (samples.at(-1)?.loaded ?? 0)) samples = [];
    samples.push({ loaded, now });
    samples = samples.filter((sample) => now - sample.now <= WINDOW);
    const first = samples[0];
    if (!first || now - first.now < MINIMUM) return undefined;
    return (loaded - first.loaded) / (now - first.now) * 1000;
  };
}
