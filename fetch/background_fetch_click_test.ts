// Copyright 2026 the @serviceworker/std authors. MIT license.

import { assertEquals } from "@std/assert";
import { createHost, type Host } from "../testing/host.ts";
import { backgroundFetchClick } from "./background_fetch_click.ts";

/** A browser whose user clicks a download that is running. */
async function click(open: (host: Host) => Promise<void>): Promise<Host> {
  const host = createHost({ network: () => new Response("x") });
  await host.register((self) => {
    const listener = backgroundFetchClick(
      self,
      ({ id, result }) => `downloads/${id}?${result}`,
    );
    self.addEventListener("backgroundfetchclick", listener);
  });
  const page = await host.openWindow("/");
  await open(host);
  const { backgroundFetch } = await page.serviceWorker.ready;
  host.network.offline = true;
  await backgroundFetch?.fetch("7", `${host.origin}/7.mp3`);
  const clicked = host.backgroundFetches[0]?.click();
  host.network.offline = false;
  await clicked;
  await host.idle();
  return host;
}

/** Which window has the focus, and how many there are. */
function focusOf({ windows }: Host): [index: number, count: number] {
  return [windows.findIndex(({ focused }) => focused), windows.length];
}

Deno.test("backgroundFetchClick() opens a window", async () => {
  const host = await click(async (host) => {
    await host.openWindow("/downloads/8?");
  });
  assertEquals(focusOf(host), [2, 3]);
  assertEquals(host.windows[2]?.url, `${host.origin}/downloads/7?`);
  host.close();
});

Deno.test("backgroundFetchClick() focuses the window that is open at the URL", async () => {
  const host = await click(async (host) => {
    await host.openWindow("/downloads/7?");
    await host.openWindow("/downloads/8?");
    await host.openWindow("/downloads/7?", { frameType: "nested" });
  });
  assertEquals(focusOf(host), [1, 4]);
  host.close();
});
