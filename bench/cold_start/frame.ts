// Copyright 2026 the @serviceworker/std authors. MIT license.

/** What a frame gives to its page. */
export interface Frame {
  /** Has a worker of its own control it. */
  control(worker: string): Promise<void>;
  /** Milliseconds until a request is answered. */
  ask(): Promise<number>;
}

const container = navigator.serviceWorker;

const frame: Frame = {
  async control(worker) {
    const controlled = new Promise((resolve) =>
      container.addEventListener("controllerchange", resolve, { once: true })
    );
    const scope = location.href;
    await container.register(`/worker_${worker}.js`, { scope });
    await controlled;
  },
  async ask() {
    const begin = performance.now();
    const answer = await (await fetch("/answer")).text();
    const taken = performance.now() - begin;
    if (answer !== "answer") throw new Error(`the answer is "${answer}"`);
    return taken;
  },
};
Object.assign(globalThis, frame);
