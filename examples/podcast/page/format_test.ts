// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import {
  formatAgo,
  formatBytes,
  formatDay,
  formatMoment,
  formatProgress,
  formatRemaining,
  formatSize,
  formatTime,
} from "./format.ts";

Deno.test("formatBytes() writes megabytes", () => {
  assertEquals(formatBytes(0), "0.0 MB");
  assertEquals(formatBytes(8_555_444), "8.6 MB");
});

Deno.test("formatProgress() writes a part of a whole", () => {
  assertEquals(formatProgress(1_000_000, 8_555_444), "1.0 of 8.6 MB");
});

Deno.test("formatTime() writes hours only where there are some", () => {
  assertEquals(formatTime(0), "0:00");
  assertEquals(formatTime(67.9), "1:07");
  assertEquals(formatTime(3600), "1:00:00");
  assertEquals(formatTime(3725), "1:02:05");
  assertEquals(formatTime(-1), "0:00");
});

Deno.test("formatRemaining() never promises nothing", () => {
  assertEquals(formatRemaining(0), "1 s left");
  assertEquals(formatRemaining(12.2), "13 s left");
  assertEquals(formatRemaining(125), "3 min left");
});

Deno.test("formatDay() writes the day of any time zone", () => {
  assertEquals(formatDay("2026-11-07"), "November 7, 2026");
});

Deno.test("formatMoment() writes the hours of a day to 23", () => {
  assertEquals(formatMoment(+new Date(2026, 10, 7, 0, 5)), "Nov 7, 00:05");
});

Deno.test("formatSize() writes the unit that fits", () => {
  assertEquals(formatSize(0), "0 kB");
  assertEquals(formatSize(512), "1 kB");
  assertEquals(formatSize(8_555_444), "8.6 MB");
  assertEquals(formatSize(2_140_000_000), "2.1 GB");
});

Deno.test("formatAgo() writes seconds only where there are few", () => {
  assertEquals(formatAgo(-1), "0 s ago");
  assertEquals(formatAgo(12_300), "12 s ago");
  assertEquals(formatAgo(180_000), "3 min ago");
});
