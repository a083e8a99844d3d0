// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Plays a piece into samples. Every sample follows from the piece and its own
 * number alone, so that any byte of a file can be made without what is before it.
 *
 * @module
 */

import {
  barLength,
  hash,
  type Note,
  type Piece,
  type Timbre,
  writeBar,
} from "./score.ts";

/** Samples per second. */
export const SAMPLE_RATE = 44_100;

interface Sound {
  /** The gains of the partials, from the fundamental on. */
  partials: number[];
  /** Swells and fades evenly, or is struck and dies away. */
  shape: "swell" | "struck";
  /** Seconds until a struck note is at its loudest. */
  attack: number;
}

const SOUNDS: Record<Timbre, Sound> = {
  pad: { partials: [1, 0.42, 0.18, 0.1, 0.05], shape: "swell", attack: 0 },
  bass: { partials: [1, 0.35, 0.08], shape: "struck", attack: 0.03 },
  pluck: {
    partials: [1, 0.12, 0.3, 0.04, 0.08],
    shape: "struck",
    attack: 0.004,
  },
  reed: { partials: [1, 0.08, 0.34, 0.05, 0.14], shape: "swell", attack: 0 },
};
const WAVE_SIZE = 2048; // a power of two
const WAVES = new Map(
  Object.entries(SOUNDS).map(([timbre, { partials }]) =>
    [timbre, waveOf(partials)] as const
  ),
);
const FADE_IN = 2 * SAMPLE_RATE;
const FADE_OUT = 4 * SAMPLE_RATE;
const AIR_STEP = 12;

/**
 * Plays samples `from` up to, not including, `to` of a piece that is `total` samples long.
 */
export function render(
  piece: Piece,
  from: number,
  to: number,
  total: number,
): Int16Array<ArrayBuffer> {
  const mix = new Float64Array(to - from);
  const bar = barLength(piece) * SAMPLE_RATE;
  // A note may still sound in the bar after its own.
  const first = Math.max(0, Math.floor(from / bar) - 1);
  for (let index = first; index * bar < to; index++) {
    for (const note of writeBar(piece, index)) addNote(mix, from, note);
  }
  addAir(mix, from, piece);

  const samples = new Int16Array(mix.length);
  for (let i = 0; i < mix.length; i++) {
    const n = from + i;
    const fade = Math.min(1, n / FADE_IN, (total - n) / FADE_OUT);
    samples[i] = 32_767 * soften((mix[i] ?? 0) * fade);
  }
  return samples;
}

function addNote(mix: Float64Array, from: number, note: Note): void {
  const begin = Math.round(note.start * SAMPLE_RATE);
  const length = Math.round(note.length * SAMPLE_RATE);
  const start = Math.max(begin, from);
  const end = Math.min(begin + length, from + mix.length);
  if (start >= end) return;

  const { shape, attack } = SOUNDS[note.timbre];
  const wave = WAVES.get(note.timbre) ?? new Float64Array(WAVE_SIZE + 1);
  const step = note.frequency * WAVE_SIZE / SAMPLE_RATE;
  const attackLength = attack * SAMPLE_RATE;
  for (let n = start; n < end; n++) {
    const age = n - begin;
    const position = age * step;
    const whole = position | 0;
    const index = whole & (WAVE_SIZE - 1);
    const low = wave[index] ?? 0;
    const value = low + ((wave[index + 1] ?? 0) - low) * (position - whole);
    const u = age / length;
    let envelope: number;
    if (shape === "swell") {
      const rest = 1 - 4 * u * (1 - u);
      envelope = 1 - rest * rest;
    } else {
      const rest = 1 - u;
      envelope = rest * rest * rest;
      if (age < attackLength) envelope *= age / attackLength;
    }
    mix[n - from] = (mix[n - from] ?? 0) + note.gain * envelope * value;
  }
}

/** Wind: noise without its high tones, in slow gusts. */
function addAir(mix: Float64Array, from: number, piece: Piece): void {
  for (let i = 0; i < mix.length; i++) {
    const n = from + i;
    const cell = Math.floor(n / AIR_STEP);
    const part = (n - cell * AIR_STEP) / AIR_STEP;
    const smooth = part * part * (3 - 2 * part);
    const low = hash(cell ^ piece.seed);
    const value = low + (hash((cell + 1) ^ piece.seed) - low) * smooth - 0.5;
    const gust = 0.55 + 0.45 * Math.sin(n / SAMPLE_RATE * 0.7 + piece.seed);
    mix[i] = (mix[i] ?? 0) + 0.05 * piece.air * gust * value;
  }
}

/** Keeps what is too loud below 1, with round corners. */
function soften(value: number): number {
  const x = Math.max(-1.5, Math.min(1.5, value * 1.25));
  return x - x * x * x * 4 / 27;
}

/** One period, and its first sample again. */
function waveOf(partials: readonly number[]): Float64Array {
  return Float64Array.from(
    { length: WAVE_SIZE + 1 },
    (_, i) =>
      partials.reduce(
        (sum, gain, partial) =>
          sum + gain * Math.sin(2 * Math.PI * (partial + 1) * i / WAVE_SIZE),
        0,
      ),
  );
}
