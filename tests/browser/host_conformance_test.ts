// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { behaviours } from "../host_conformance.ts";
import { answerConformance } from "../host_conformance_server.ts";
import { browserTest } from "./harness.ts";

for (const [name, behaviour] of Object.entries(behaviours)) {
  browserTest<typeof import("./fixtures/host_page.ts")>(`host: ${name}`, {
    worker: "./fixtures/host_worker.ts",
    page: "./fixtures/host_page.ts",
    claim: false,
    handler: answerConformance,
  }, async ({ page, server, engine, stopWorkers, skip }) => {
    const { expected, differs = {} } = behaviour;
    const wanted = engine.name in differs ? differs[engine.name] : expected;
    if (wanted === undefined) skip("this engine lacks what is needed");
    const other = server.otherOrigin("other");
    let actual = await page.call("run", name, other, "page");
    if (behaviour.afterStop) {
      await stopWorkers();
      actual = await page.call("run", name, other, "afterStop");
    }
    assertEquals(actual, wanted);
  });
}
