// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The catalogue: what is told about each episode, and the piece it is played from.
 *
 * @module
 */

import type { Piece } from "./score.ts";
import { wavBytes } from "./wav.ts";

/** What the page and the worker are told about an episode. */
export interface Episode {
  /** Names the episode in addresses. */
  id: string;
  /** Its place in the series, from 1. */
  number: number;
  title: string;
  summary: string;
  /** The day of publication, as `2026-11-14`. */
  published: string;
  /** Seconds. */
  duration: number;
  /** The size of the audio file. */
  bytes: number;
  /** The address of the audio file. */
  audio: string;
  /** The address of the cover. */
  cover: string;
}

/** An episode with what only the server needs to know. */
export interface Recording extends Episode {
  piece: Piece;
  /** The colours of the cover: ground, middle, foreground, light. */
  colors: [string, string, string, string];
}

const DORIAN = [0, 2, 3, 5, 7, 9, 10];
const MINOR = [0, 2, 3, 5, 7, 8, 10];
const LYDIAN = [0, 2, 4, 6, 7, 9, 11];
const MIXOLYDIAN = [0, 2, 4, 5, 7, 9, 10];
const MAJOR = [0, 2, 4, 5, 7, 9, 11];

type Entry = Omit<Recording, "number" | "bytes" | "audio" | "cover">;

const ENTRIES: Entry[] = [
  {
    id: "harbour",
    title: "Harbour, before the ferries",
    summary:
      "Half past four. Ropes, slack water, and one lamp that nobody put out.",
    published: "2026-06-06",
    duration: 152,
    colors: ["#16324a", "#2b6777", "#c8553d", "#f2d8a7"],
    piece: {
      seed: 11,
      tempo: 54,
      root: 45,
      scale: DORIAN,
      chords: [0, 0, 3, 3, 6, 6, 0, 4],
      pad: 0.9,
      bass: 0.7,
      pluck: 0.45,
      melody: 0.5,
      air: 0.9,
    },
  },
  {
    id: "carriage-four",
    title: "Night train, carriage four",
    summary:
      "A pulse that keeps its own time, and the towns that go by beneath it.",
    published: "2026-07-04",
    duration: 248,
    colors: ["#1d1b2f", "#4b3f72", "#e2725b", "#ffd9a0"],
    piece: {
      seed: 23,
      tempo: 92,
      root: 40,
      scale: MINOR,
      chords: [0, 0, 5, 5, 2, 2, 6, 6],
      pad: 0.6,
      bass: 1,
      pluck: 0.9,
      melody: 0.35,
      air: 0.35,
    },
  },
  {
    id: "glass-roof",
    title: "Rain on a glass roof",
    summary: "Written in a greenhouse in one afternoon, mostly by the weather.",
    published: "2026-08-01",
    duration: 317,
    colors: ["#dfe7de", "#7aa095", "#2f4b4f", "#f4b860"],
    piece: {
      seed: 37,
      tempo: 72,
      root: 48,
      scale: MAJOR,
      chords: [0, 5, 3, 4, 0, 5, 1, 4],
      pad: 0.55,
      bass: 0.5,
      pluck: 1,
      melody: 0.2,
      air: 0.75,
    },
  },
  {
    id: "lighthouse",
    title: "The lighthouse keeper’s metronome",
    summary:
      "Three bearings, one lamp, twelve seconds a turn. The rest is weather.",
    published: "2026-09-05",
    duration: 432,
    colors: ["#f0e6d2", "#d96c4a", "#23395b", "#fff6e0"],
    piece: {
      seed: 41,
      tempo: 60,
      root: 43,
      scale: DORIAN,
      chords: [0, 4, 3, 0, 2, 6, 3, 4],
      pad: 0.75,
      bass: 0.8,
      pluck: 0.6,
      melody: 0.7,
      air: 0.55,
    },
  },
  {
    id: "second-day",
    title: "Snow, second day",
    summary:
      "What is left of a street when everything soft is taken out of it.",
    published: "2026-10-03",
    duration: 628,
    colors: ["#e6ebf0", "#b7c6d4", "#5b7088", "#ffffff"],
    piece: {
      seed: 53,
      tempo: 46,
      root: 50,
      scale: LYDIAN,
      chords: [0, 1, 0, 4, 5, 1, 0, 0],
      pad: 1,
      bass: 0.35,
      pluck: 0.35,
      melody: 0.6,
      air: 0.4,
    },
  },
  {
    id: "orchard",
    title: "Orchard radio",
    summary:
      "A set left on between the rows, and what the wasps made of it by noon.",
    published: "2026-11-07",
    duration: 97,
    colors: ["#2f4a2c", "#7b9b4a", "#e9c46a", "#f7efd8"],
    piece: {
      seed: 67,
      tempo: 84,
      root: 43,
      scale: MIXOLYDIAN,
      chords: [0, 6, 3, 0, 4, 6, 3, 3],
      pad: 0.5,
      bass: 0.75,
      pluck: 0.95,
      melody: 0.55,
      air: 0.2,
    },
  },
];

/** What test transmissions are like, over and over. */
const TRANSMISSIONS: Pick<Entry, "summary" | "colors">[] = [
  {
    summary: "Half a minute from the control room. Somebody left the desk on.",
    colors: ["#20262e", "#51606f", "#e9a23b", "#f6e7c4"],
  },
  {
    summary: "The mast hums, and somebody counts to thirty under their breath.",
    colors: ["#e8e1d0", "#9aa58c", "#a8472f", "#2d3b3a"],
  },
  {
    summary: "If you can hear this, the wire between us is in good order.",
    colors: ["#143a3a", "#2f7f78", "#f0b7a1", "#fdf3e2"],
  },
];
const TRANSMISSION_SECONDS = 30;

/**
 * The episodes, the newest first.
 *
 * @param duration Seconds that every episode lasts, instead of its own.
 */
export function recordings(duration?: number): Recording[] {
  return ENTRIES.map((entry, index) => record(entry, index + 1, duration))
    .reverse();
}

/**
 * An episode that is published when it is asked for.
 *
 * @param number From 1, among those.
 * @param published The day.
 * @param duration Seconds that it lasts, instead of its own.
 */
export function transmission(
  number: number,
  published: string,
  duration?: number,
): Recording {
  const { summary = "", colors = ["", "", "", ""] } =
    TRANSMISSIONS[(number - 1) % TRANSMISSIONS.length] ?? {};
  return record(
    {
      id: `transmission-${number}`,
      title: `Test transmission ${number}`,
      summary,
      published,
      duration: TRANSMISSION_SECONDS,
      colors,
      piece: {
        seed: 100 + number,
        tempo: 60 + 8 * (number % 5),
        root: 40 + number % 12,
        scale: number % 2 === 0 ? LYDIAN : DORIAN,
        chords: [0, 3, 4, 0],
        pad: 0.7,
        bass: 0.5,
        pluck: 0.8,
        melody: 0.5,
        air: 0.5,
      },
    },
    ENTRIES.length + number,
    duration,
  );
}

function record(entry: Entry, number: number, duration?: number): Recording {
  const seconds = duration ?? entry.duration;
  return {
    ...entry,
    number,
    duration: seconds,
    bytes: wavBytes(seconds),
    audio: `/audio/${entry.id}.wav`,
    cover: `/covers/${entry.id}.svg`,
  };
}

/** The part of a recording that everyone may see. */
export function toEpisode(
  { piece: _piece, colors: _colors, ...episode }: Recording,
): Episode {
  return episode;
}
