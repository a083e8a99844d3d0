// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { createRate } from "./rate.ts";

Deno.test("createRate() tells no rate before it knows one", () => {
  const rate = createRate();
  assertEquals(rate(0, 0), undefined);
  assertEquals(rate(100, 100), undefined);
});

Deno.test("createRate() tells the rate of late", () => {
  const rate = createRate();
  rate(0, 0);
  assertEquals(rate(1_000, 1_000), 1_000);
  rate(1_000, 4_500);
  assertEquals(rate(3_000, 5_500), 2_000);
});

Deno.test("createRate() begins anew when bytes were lost", () => {
  const rate = createRate();
  rate(0, 0);
  rate(5_000, 1_000);
  assertEquals(rate(2_000, 1_100), undefined);
  assertEquals(rate(3_000, 2_100), 1_000);
});
