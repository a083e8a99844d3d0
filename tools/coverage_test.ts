// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { parseLcov, report } from "./coverage.ts";

const UNIT = parseLcov(`SF:a.ts
FN:1,a
FNDA:1,a
DA:1,1
DA:2,0
DA:3,0
DA:4,2
end_of_record
SF:b.ts
DA:1,1
end_of_record
`);
const BROWSER = parseLcov("SF:a.ts\nDA:2,1\nDA:9,1\nend_of_record\n");

Deno.test("parseLcov() adds up records of the same file", () => {
  const record = "SF:a.ts\nDA:1,1\nDA:2,0\nend_of_record\n";
  const lines = parseLcov(record + record).get("a.ts");
  assertEquals([...lines ?? []], [[1, 2], [2, 0]]);
});

Deno.test("report() counts the lines that the unit tests reach", () => {
  const { table, unit, missing } = report(["a.ts", "b.ts"], UNIT);
  assertEquals(unit, 60);
  assertEquals(missing, []);
  assertEquals(table.split("\n"), [
    "module  unit %",
    "a.ts      50.0",
    "b.ts     100.0",
    "all       60.0",
  ]);
});

Deno.test("report() adds what the browser tests reach", () => {
  const { table, unit } = report(["a.ts", "b.ts"], UNIT, BROWSER);
  assertEquals(unit, 60);
  assertEquals(table.split("\n"), [
    "module  unit %  with browser %",
    "a.ts      50.0            75.0",
    "b.ts     100.0           100.0",
    "all       60.0            80.0",
  ]);
});

Deno.test("report() names a module that no unit test loads", () => {
  assertEquals(report(["a.ts", "c.ts"], UNIT).missing, ["c.ts"]);
});
