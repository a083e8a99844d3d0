// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Writes the notes of a piece, bar by bar. Every bar follows from the piece and
 * its own number alone, so that music can be begun at any place.
 *
 * @module
 */

/** What a piece of music is made from. Levels are from 0 to 1. */
export interface Piece {
  seed: number;
  /** Beats per minute; four make a bar. */
  tempo: number;
  /** The lowest note of the scale, as a MIDI number. */
  root: number;
  /** Semitones above the root. */
  scale: readonly number[];
  /** The step of the scale that each bar's chord stands on. */
  chords: readonly number[];
  /** The level of the long chords. */
  pad: number;
  bass: number;
  /** The level and density of the short notes, which come with an echo. */
  pluck: number;
  melody: number;
  /** The level of the wind. */
  air: number;
}

/** The sound of a note: its partials and its envelope. */
export type Timbre = "pad" | "bass" | "pluck" | "reed";

/** A note, in seconds and hertz. */
export interface Note {
  timbre: Timbre;
  start: number;
  length: number;
  frequency: number;
  gain: number;
}

const EIGHTHS = 8;
const ECHOES = [1, 0.38, 0.16];

/** How many seconds a bar lasts. */
export function barLength(piece: Piece): number {
  return 4 * 60 / piece.tempo;
}

/** The notes of `bar`; all have ended when the bar after it has. */
export function writeBar(piece: Piece, bar: number): Note[] {
  const random = createRandom(piece.seed, bar);
  const length = barLength(piece);
  const start = bar * length;
  const chord = piece.chords[bar % piece.chords.length] ?? 0;
  // The piece breathes: every voice comes and goes over a minute or so.
  const swell = (seconds: number, phase: number) =>
    0.55 + 0.45 * Math.sin(2 * Math.PI * (start / seconds + phase));
  const pitch = (step: number) => frequencyOf(piece, step);
  const notes: Note[] = [];

  for (const step of [0, 2, 4, 6]) {
    const detune = 1 + (random() - 0.5) * 0.003;
    notes.push({
      timbre: "pad",
      start: start + random() * 0.08 * length,
      length: length * 1.6,
      frequency: pitch(chord + step + (random() < 0.3 ? 7 : 0)) * detune,
      gain: 0.085 * piece.pad * swell(64, 0.25),
    });
  }

  for (const beat of random() < 0.4 ? [0, 0.625] : [0]) {
    notes.push({
      timbre: "bass",
      start: start + beat * length,
      length: length * 0.7,
      frequency: pitch(chord) / 2,
      gain: 0.24 * piece.bass * swell(97, 0.1),
    });
  }

  const density = piece.pluck * swell(48, 0);
  for (let eighth = 0; eighth < EIGHTHS; eighth++) {
    const strong = eighth % 4 === 0 ? 0.35 : 0;
    if (random() > density * 0.75 + strong * piece.pluck) continue;
    const step = chord + 7 + 2 * Math.floor(random() * 5);
    const gain = (0.07 + 0.06 * random()) * (0.4 + 0.6 * piece.pluck);
    for (const [repeat, echo] of ECHOES.entries()) {
      notes.push({
        timbre: "pluck",
        start: start + (eighth + repeat * 1.5) * length / EIGHTHS,
        length: length * 0.55,
        frequency: pitch(step),
        gain: gain * echo,
      });
    }
  }

  if (random() < piece.melody * swell(80, 0.6)) {
    const steps = random() < 0.5 ? [7, 9] : [11, 9, 8];
    for (const [index, step] of steps.entries()) {
      notes.push({
        timbre: "reed",
        start: start + (0.25 + index * 0.25) * length,
        length: length * 0.6,
        frequency: pitch(chord + step),
        gain: 0.07 * piece.melody,
      });
    }
  }
  return notes;
}

function frequencyOf({ root, scale }: Piece, step: number): number {
  const octave = Math.floor(step / scale.length);
  const semitones = scale[step % scale.length] ?? 0;
  return 440 * 2 ** ((root + semitones + 12 * octave - 69) / 12);
}

/** Numbers from 0 to 1 that follow from two others. */
function createRandom(seed: number, bar: number): () => number {
  let count = 0;
  return () => hash(Math.imul(seed, 7919) ^ Math.imul(bar, 104729) ^ count++);
}

/** A number from 0 to 1 which follows from `value` and looks like chance. */
export function hash(value: number): number {
  let h = Math.imul(value ^ 0x9e3779b9, 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  h = Math.imul(h ^ (h >>> 16), 0x27d4eb2f);
  return ((h ^ (h >>> 15)) >>> 0) / 2 ** 32;
}
