// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Draws the covers: flat shapes in four colours, the same every time.
 *
 * @module
 */

import type { Recording } from "./episodes.ts";
import { hash } from "./score.ts";

type Draw = (
  colors: { ground: string; middle: string; fore: string; light: string },
  random: (index: number) => number,
) => string[];

const SIZE = 400;

const MOTIFS: Record<string, Draw> = {
  harbour: ({ middle, fore, light }) => [
    disc(288, 118, 34, light),
    ...range(7).map((i) =>
      `<path d="${
        wave(214 + i * 30, 9, 118 - i * 6, i * 0.9)
      }" fill="${middle}" opacity="${0.32 + i * 0.1}"/>`
    ),
    ...range(6).map((i) =>
      bar(288 - 30 + i * 4, 226 + i * 26, 60 - i * 8, 6, light, 0.85 - i * 0.12)
    ),
    `<path d="M56 206h148l-26 34H82z" fill="${fore}"/>`,
    `<path d="M122 206v-70l46 70z" fill="${light}" opacity=".92"/>`,
  ],
  "carriage-four": ({ middle, fore, light }, random) => [
    `<clipPath id="w"><rect x="52" y="62" width="296" height="224" rx="34"/></clipPath>`,
    `<g clip-path="url(#w)">`,
    bar(0, 0, SIZE, SIZE, middle),
    disc(276, 134, 40, light),
    `<path d="M0 236 118 152l74 58 66-40 142 92v138H0z" fill="${fore}"/>`,
    ...range(9).map((i) =>
      bar(60 + i * 34, 252 - random(i) * 22, 12, 60, "#1d1b2f")
    ),
    bar(0, 262, SIZE, 60, "#1d1b2f"),
    ...range(5).map((i) =>
      bar(72 + i * 58 + random(i + 9) * 14, 270, 22, 4, light, 0.8)
    ),
    `</g>`,
    bar(0, 322, SIZE, 5, middle),
    ...range(8).map((i) => bar(16 + i * 50, 340, 26, 5, fore, 0.35 + i * 0.08)),
  ],
  "glass-roof": ({ middle, fore, light }, random) => [
    disc(136, 148, 66, light),
    ...range(5).map((i) =>
      `<path d="M${i * 100} 0v${SIZE}" stroke="${fore}" stroke-width="5"/>`
    ),
    `<path d="M-10 96 200 22 410 96M-10 236h420M-10 330h420" fill="none" stroke="${fore}" stroke-width="5"/>`,
    ...range(42).map((i) => {
      const x = (i % 7 + random(i)) * 62 - 8;
      const y = (Math.floor(i / 7) + random(i + 100)) * 66 - 20;
      const length = 14 + random(i + 200) * 34;
      return `<path d="m${round(x)} ${round(y)}-${round(length * 0.28)} ${
        round(length)
      }" stroke="${middle}" stroke-width="5" stroke-linecap="round"/>`;
    }),
  ],
  lighthouse: ({ middle, fore, light }) => [
    ...range(5).map((i) =>
      `<circle cx="200" cy="150" r="${
        62 + i * 52
      }" fill="none" stroke="${middle}" stroke-width="${14 - i * 2}" opacity="${
        0.9 - i * 0.15
      }"/>`
    ),
    `<path d="M200 150-40 70v176zM200 150l240-96v192z" fill="${light}" opacity=".86"/>`,
    `<path d="M172 182h56l22 218H150z" fill="${fore}"/>`,
    `<path d="m166 244 68 0 5 48H161zM158 334h84l5 44h-94z" fill="${middle}"/>`,
    bar(164, 172, 72, 12, fore),
    bar(178, 126, 44, 46, fore),
    disc(200, 150, 13, light),
    `<path d="M170 126 200 98l30 28z" fill="${middle}"/>`,
  ],
  "second-day": ({ middle, fore, light }, random) => [
    disc(292, 104, 44, light),
    `<path d="M0 252l74-62 74 62v148H0z" fill="${middle}"/>`,
    `<path d="M-8 262l82-70 82 70" fill="none" stroke="${light}" stroke-width="16" stroke-linejoin="round"/>`,
    `<path d="M170 282l88-78 88 78v118H170z" fill="${fore}"/>`,
    `<path d="M160 292l98-88 98 88" fill="none" stroke="${light}" stroke-width="18" stroke-linejoin="round"/>`,
    bar(240, 300, 36, 44, "#f4cf86"),
    `<path d="M0 352q110-30 210-6t190-8v62H0z" fill="${light}"/>`,
    ...range(40).map((i) =>
      disc(
        random(i) * SIZE,
        random(i + 60) * 340,
        2.5 + random(i + 120) * 4,
        light,
      )
    ),
  ],
  orchard: ({ middle, fore, light }) => [
    ...range(4).map((i) =>
      `<circle cx="200" cy="150" r="${
        92 + i * 44
      }" fill="none" stroke="${fore}" stroke-width="5" opacity="${
        round(0.9 - i * 0.2)
      }"/>`
    ),
    disc(200, 150, 54, fore),
    ...range(4).flatMap((row) =>
      range(5 - row % 2).map((i) => {
        const step = 92 + row * 14;
        const x = 200 + (i - (4 - row % 2) / 2) * step;
        const y = 226 + row * 46;
        const r = 24 + row * 5;
        return bar(x - 3, y, 6, r * 1.7, light) + disc(x, y, r, middle);
      })
    ),
  ],
};

/** Of test transmissions: a mast, and what it sends. */
const MAST: Draw = ({ middle, fore, light }, random) => [
  ...range(5).map((i) =>
    `<circle cx="200" cy="132" r="${
      40 + i * (38 + random(0) * 10)
    }" fill="none" stroke="${middle}" stroke-width="${12 - i * 2}" opacity="${
      round(0.95 - i * 0.16)
    }"/>`
  ),
  `<path d="M200 132 142 400M200 132l58 268M179 230h42M166 290h68M152 352h96M179 230l55 60M221 230l-55 60M166 290l82 62M234 290l-82 62" fill="none" stroke="${light}" stroke-width="7" stroke-linejoin="round"/>`,
  disc(200, 132, 22, fore),
];

/** The cover of `recording`, as an SVG document. */
export function drawCover({ id, colors, piece }: Recording): string {
  const [ground, middle, fore, light] = colors;
  const random = (index: number) => hash(piece.seed * 1000 + index);
  const draw = MOTIFS[id] ?? MAST;
  const shapes = draw({ ground, middle, fore, light }, random);
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${SIZE}" height="${SIZE}" viewBox="0 0 ${SIZE} ${SIZE}">`,
    bar(0, 0, SIZE, SIZE, ground),
    ...shapes,
    "</svg>",
  ].join("");
}

function range(length: number): number[] {
  return Array.from({ length }, (_, index) => index);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

function disc(x: number, y: number, r: number, fill: string): string {
  return `<circle cx="${round(x)}" cy="${round(y)}" r="${
    round(r)
  }" fill="${fill}"/>`;
}

function bar(
  x: number,
  y: number,
  width: number,
  height: number,
  fill: string,
  opacity = 1,
): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${
    round(width)
  }" height="${round(height)}" fill="${fill}" opacity="${round(opacity)}"/>`;
}

/** The outline of everything below a wave. */
function wave(
  y: number,
  height: number,
  length: number,
  shift: number,
): string {
  const points = range(41).map((i) => {
    const x = i * SIZE / 40;
    const at = y + height * Math.sin(x / length * 2 * Math.PI / 1.6 + shift);
    return `${round(x)} ${round(at)}`;
  });
  return `M${points.join("L")}V${SIZE}H0z`;
}
