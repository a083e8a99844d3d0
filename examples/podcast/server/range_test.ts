// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { ifRangeHolds, parseRange } from "./range.ts";

Deno.test("parseRange() reads one range", () => {
  assertEquals(parseRange("bytes=0-0", 1000), { start: 0, end: 1 });
  assertEquals(parseRange("bytes=10-19", 1000), { start: 10, end: 20 });
  assertEquals(parseRange("bytes=999-999", 1000), { start: 999, end: 1000 });
  assertEquals(parseRange("Bytes=5-5", 1000), { start: 5, end: 6 });
  assertEquals(parseRange("bytes= 5-5 ,", 1000), { start: 5, end: 6 });
});

Deno.test("parseRange() reads a range without an end", () => {
  assertEquals(parseRange("bytes=0-", 1000), { start: 0, end: 1000 });
  assertEquals(parseRange("bytes=999-", 1000), { start: 999, end: 1000 });
});

Deno.test("parseRange() reads a suffix", () => {
  assertEquals(parseRange("bytes=-1", 1000), { start: 999, end: 1000 });
  assertEquals(parseRange("bytes=-1000", 1000), { start: 0, end: 1000 });
});

Deno.test("parseRange() ends a range where the file ends", () => {
  assertEquals(parseRange("bytes=0-1000", 1000), { start: 0, end: 1000 });
  assertEquals(parseRange("bytes=990-9999", 1000), { start: 990, end: 1000 });
  assertEquals(parseRange("bytes=-5000", 1000), { start: 0, end: 1000 });
  assertEquals(parseRange(`bytes=0-${"9".repeat(40)}`, 1000), {
    start: 0,
    end: 1000,
  });
});

Deno.test("parseRange() tells a range that the file does not have", () => {
  assertEquals(parseRange("bytes=1000-", 1000), "unsatisfiable");
  assertEquals(parseRange("bytes=2000-3000", 1000), "unsatisfiable");
  assertEquals(parseRange("bytes=-0", 1000), "unsatisfiable");
  assertEquals(parseRange("bytes=0-", 0), "unsatisfiable");
});

Deno.test("parseRange() ignores what is malformed, of another unit, or several", () => {
  const headers = [
    null,
    "",
    "bytes",
    "bytes=",
    "bytes=-",
    "bytes=a-b",
    "bytes=5",
    "bytes=9-5",
    "bytes=1.5-2",
    "bytes=0x1-5",
    "bytes=+1-5",
    "bytes 0-5",
    "lines=0-5",
    "bytes=0-0,5-9",
  ];
  for (const header of headers) {
    assertEquals(parseRange(header, 1000), null, String(header));
  }
});

Deno.test("ifRangeHolds() compares strongly", () => {
  const validators = {
    etag: '"a"',
    lastModified: "Sat, 07 Nov 2026 00:00:00 GMT",
  };
  assertEquals(ifRangeHolds(null, validators), true);
  assertEquals(ifRangeHolds('"a"', validators), true);
  assertEquals(ifRangeHolds('W/"a"', validators), false);
  assertEquals(ifRangeHolds('"b"', validators), false);
  assertEquals(ifRangeHolds(validators.lastModified, validators), true);
  assertEquals(
    ifRangeHolds("Sun, 08 Nov 2026 00:00:00 GMT", validators),
    false,
  );
});
