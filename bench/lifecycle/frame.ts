// Copyright 2026 the @serviceworker/std authors. MIT license.

import { register } from "../../lifecycle/register.ts";

/** What a frame gives to its page. */
export interface Frame {
  /** Milliseconds until the frame is controlled, and until a request of it is answered. */
  measure(
    page: "raw" | "std",
    worker: "raw" | "deleting" | "sized" | "long" | "std",
  ): Promise<[number, number]>;
}

const container = navigator.serviceWorker;
const scope = location.href;

const frame: Frame = {
  async measure(page, worker) {
    const url = `/worker_${worker}.js`;
    const controlled = new Promise((resolve) =>
      container.addEventListener("controllerchange", resolve, { once: true })
    );
    const begin = performance.now();
    const registration = page === "raw"
      ? await container.register(url, { scope })
      : await register(container, url, { scope });
    await controlled;
    const controlledAfter = performance.now() - begin;
    const answer = await (await fetch("/answer")).text();
    const answeredAfter = performance.now() - begin;
    if (answer !== "answer") throw new Error(`${url} did not answer`);
    await registration.unregister();
    return [controlledAfter, answeredAfter];
  },
};
Object.assign(globalThis, frame);
