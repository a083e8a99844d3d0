// Copyright 2026 the @serviceworker/std authors. MIT license.

/** What a frame gives to its page. */
export interface Frame {
  /** Has a worker of its own with those rules control it. */
  control(rules: string): Promise<void>;
  /** Microseconds for each of some requests. */
  measure(paths: string[], expected: string): Promise<number>;
}

const container = navigator.serviceWorker;

const frame: Frame = {
  async control(rules) {
    const controlled = new Promise((resolve) =>
      container.addEventListener("controllerchange", resolve, { once: true })
    );
    const scope = location.href;
    await container.register(`/worker_static.js?rules=${rules}`, { scope });
    await controlled;
  },
  async measure(paths, expected) {
    const begin = performance.now();
    for (const path of paths) {
      const text = await (await fetch(path)).text();
      if (text !== expected) throw new Error(`${path} is "${text}"`);
    }
    return (performance.now() - begin) / paths.length * 1000;
  },
};
Object.assign(globalThis, frame);
