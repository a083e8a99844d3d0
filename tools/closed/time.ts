// Copyright 2026 the @serviceworker/std authors. MIT license.

/** Stands in for the part of `@std/testing/time` used here. */

interface Timer {
  id: number;
  due: number;
  interval: number | undefined;
  callback: () => void;
}

const REAL = {
  Date,
  setTimeout,
  clearTimeout,
  setInterval,
  clearInterval,
};
const realTimeout = AbortSignal.timeout;

/** Replaces `Date`, the timers and `AbortSignal.timeout` until restored. */
export class FakeTime {
  readonly start: number;
  #now: number;
  #nextId = 1;
  #timers = new Map<number, Timer>();

  constructor(start?: number | string | Date | null) {
    this.start = this.#now = new REAL.Date(start ?? REAL.Date.now()).valueOf();
    const clear = (id?: number) => this.#timers.delete(id ?? 0);
    Object.assign(globalThis, {
      Date: this.#date(),
      setTimeout: this.#setter(false),
      setInterval: this.#setter(true),
      clearTimeout: clear,
      clearInterval: clear,
    });
    AbortSignal.timeout = (ms) => {
      const controller = new AbortController();
      const reason = new DOMException("Signal timed out.", "TimeoutError");
      setTimeout(() => controller.abort(reason), ms);
      return controller.signal;
    };
  }

  get now(): number {
    return this.#now;
  }

  /** Runs what falls due until then, without a microtask in between. */
  set now(value: number) {
    for (;;) {
      const timer = this.#earliest();
      if (!timer || timer.due > value) break;
      this.#now = timer.due;
      if (timer.interval === undefined) this.#timers.delete(timer.id);
      else {
        // Moved behind the others that fall due at the same moment.
        this.#timers.delete(timer.id);
        this.#timers.set(timer.id, {
          ...timer,
          due: timer.due + timer.interval,
        });
      }
      timer.callback();
    }
    this.#now = value;
  }

  tick(ms = 0): void {
    this.now += ms;
  }

  async tickAsync(ms = 0): Promise<void> {
    await this.runMicrotasks();
    this.now += ms;
  }

  next(): boolean {
    const timer = this.#earliest();
    if (timer) this.now = timer.due;
    return timer !== undefined;
  }

  async nextAsync(): Promise<boolean> {
    await this.runMicrotasks();
    return this.next();
  }

  runAll(): void {
    while (this.next());
  }

  async runAllAsync(): Promise<void> {
    while (this.#timers.size > 0) await this.nextAsync();
  }

  async runMicrotasks(): Promise<void> {
    await new Promise<void>((resolve) => REAL.setTimeout(resolve, 0));
  }

  restore(): void {
    Object.assign(globalThis, REAL);
    AbortSignal.timeout = realTimeout;
  }

  [Symbol.dispose](): void {
    this.restore();
  }

  #earliest(): Timer | undefined {
    let first: Timer | undefined;
    for (const timer of this.#timers.values()) {
      if (!first || timer.due < first.due) first = timer;
    }
    return first;
  }

  #setter(repeats: boolean) {
    return <A extends unknown[]>(
      callback: (...args: A) => void,
      delay = 0,
      ...args: A
    ): number => {
      const id = this.#nextId++;
      const ms = Math.max(repeats ? 1 : 0, Math.floor(delay));
      this.#timers.set(id, {
        id,
        due: this.#now + ms,
        interval: repeats ? ms : undefined,
        callback: () => callback(...args),
      });
      return id;
    };
  }

  #date(): DateConstructor {
    const now = () => this.#now;
    return new Proxy(REAL.Date, {
      construct: (target, args, newTarget) =>
        Reflect.construct(target, args.length ? args : [now()], newTarget),
      apply: (target) => new target(now()).toString(),
      get: (target, key, receiver) =>
        key === "now" ? now : Reflect.get(target, key, receiver),
    });
  }
}
