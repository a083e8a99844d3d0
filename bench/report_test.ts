// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals, assertStringIncludes } from "@std/assert";
import { type Page, render, summarize } from "./report.ts";
import type { Scenario, Target } from "./types.ts";

const LESS: Target = { of: "ours", by: "floor", atMost: 1.1 };

/** Pages of one case, each with samples of two contenders for one column. */
function pages(...samples: [floor: number[], ours: number[]][]): Page[] {
  return samples.map(([floor, ours]) => ({
    case: "here",
    result: { samples: { "100 B, µs": { floor, ours } }, failures: [] },
  }));
}

function scenario(...targets: Target[]): Scenario {
  return { title: "Test", floor: "floor", rounds: 1, cases: [], targets };
}

Deno.test("summarize() takes ratios within a turn, not of medians", () => {
  // The machine becomes three times slower meanwhile.
  const { measurements } = summarize(
    "test",
    scenario(),
    {},
    pages([[10, 30, 30], [11, 33, 66]], [[30, 30], [33, 33]]),
  );
  assertEquals(measurements?.[1], {
    case: "here",
    column: "100 B, µs",
    contender: "ours",
    median: 33,
    turns: 5,
    ratio: 1.1,
    low: 1.1,
    high: 2.2,
  });
});

Deno.test("summarize() tells a miss from what cannot be told apart", () => {
  const [low, high] = [Array(40).fill(100), Array(40).fill(120)];
  const mixed = Array.from({ length: 40 }, (_, i) => i % 2 ? 101 : 120);
  const verdicts = (ours: number[], target: Target) =>
    summarize("test", scenario(target), {}, pages([low, ours])).outcomes
      ?.map(({ verdict }) => verdict);

  assertEquals(verdicts(low, LESS), ["pass"]);
  assertEquals(verdicts(mixed, LESS), ["even"]);
  assertEquals(verdicts(high, LESS), ["miss"]);
  const more: Target = { of: "floor", by: "ours", atLeast: 0.9 };
  assertEquals(verdicts(low, more), ["pass"]);
  assertEquals(verdicts(high, more), ["miss"]);
});

Deno.test("summarize() judges a target only where it holds", () => {
  const elsewhere: Target = { ...LESS, case: "there" };
  const { outcomes } = summarize(
    "test",
    scenario(LESS, elsewhere),
    {},
    pages([[1], [1]]),
  );
  assertEquals(outcomes?.length, 1);
});

Deno.test("summarize() has no ratio to a floor of 0", () => {
  const none = summarize("test", scenario(LESS), {}, pages([[0, 0], [0, 1]]));
  assertEquals(none.outcomes, []);
  assertEquals(none.measurements?.map(({ ratio }) => ratio), [
    undefined,
    undefined,
  ]);
  const stored = JSON.parse(JSON.stringify(none));
  assertStringIncludes(render(stored), "| ours | 0.50 |");

  const some = summarize("test", scenario(LESS), {}, pages([[0, 2], [5, 2]]));
  assertEquals(some.outcomes?.map(({ ratio }) => ratio), [1]);
});

Deno.test("render() shows who failed and why", () => {
  const page: Page = {
    case: "here",
    result: {
      samples: {
        "100 B, µs": { floor: [1], ours: [1] },
        "10 MB, µs": { floor: [1] },
      },
      failures: ["ours, 10 MB, µs: Error: lost\n  at page.js"],
    },
  };
  const text = render(summarize("test", scenario(LESS), {}, [page]));
  assertStringIncludes(text, "| ours | 1.0 ×1.00 | failed |");
  assertStringIncludes(text, "- here: ours, 10 MB, µs: Error: lost\n");
});
