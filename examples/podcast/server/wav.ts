// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A piece as a WAV file (16 bits, mono), of which any range can be read.
 *
 * @module
 */

import type { Piece } from "./score.ts";
import { render, SAMPLE_RATE } from "./synth.ts";

const HEADER_BYTES = 44;
const SAMPLE_BYTES = 2;

/** The size of a file that lasts `duration` seconds. */
export function wavBytes(duration: number): number {
  return HEADER_BYTES + SAMPLE_BYTES * Math.round(duration * SAMPLE_RATE);
}

/** Makes bytes `start` up to, not including, `end` of a file that is `total` bytes long. */
export function readWav(
  piece: Piece,
  start: number,
  end: number,
  total: number,
): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(end - start);
  if (start < HEADER_BYTES) {
    bytes.set(wavHeader(total).subarray(start, Math.min(end, HEADER_BYTES)));
  }
  const dataStart = Math.max(start, HEADER_BYTES);
  if (dataStart >= end) return bytes;

  // The range may begin and end in the middle of a sample.
  const from = Math.floor((dataStart - HEADER_BYTES) / SAMPLE_BYTES);
  const to = Math.ceil((end - HEADER_BYTES) / SAMPLE_BYTES);
  const count = (total - HEADER_BYTES) / SAMPLE_BYTES;
  const samples = new Uint8Array(render(piece, from, to, count).buffer);
  const offset = dataStart - HEADER_BYTES - from * SAMPLE_BYTES;
  bytes.set(
    samples.subarray(offset, offset + end - dataStart),
    dataStart - start,
  );
  return bytes;
}

function wavHeader(total: number): Uint8Array {
  const header = new DataView(new ArrayBuffer(HEADER_BYTES));
  const text = (offset: number, value: string) => {
    for (const [i, char] of [...value].entries()) {
      header.setUint8(offset + i, char.charCodeAt(0));
    }
  };
  text(0, "RIFF");
  header.setUint32(4, total - 8, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true); // the size of what follows
  header.setUint16(20, 1, true); // PCM
  header.setUint16(22, 1, true); // channels
  header.setUint32(24, SAMPLE_RATE, true);
  header.setUint32(28, SAMPLE_RATE * SAMPLE_BYTES, true);
  header.setUint16(32, SAMPLE_BYTES, true);
  header.setUint16(34, 8 * SAMPLE_BYTES, true);
  text(36, "data");
  header.setUint32(40, total - HEADER_BYTES, true);
  return new Uint8Array(header.buffer);
}
