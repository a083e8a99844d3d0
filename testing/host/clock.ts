// Copyright 2026 the @serviceworker/std authors. MIT license.

// In a call of a worker, the name means nothing; under fake timers, another time.
const { setImmediate } = globalThis as {
  setImmediate?: (callback: () => void) => void;
};

/** Ends the current task: what others have queued runs first. */
export async function nextTask(): Promise<void> {
  const { port1, port2 } = new MessageChannel();
  await new Promise<void>((resolve) => {
    port1.onmessage = () => {
      port1.close();
      port2.close();
      resolve();
    };
    port2.postMessage(null);
  });
  // Node and Deno may deliver a message amid the microtasks of others.
  if (setImmediate) await new Promise<void>((resolve) => setImmediate(resolve));
}

interface Timer {
  readonly due: number;
  readonly callback: () => void;
  /** Whether the runtime is asked to wake the clock for it. */
  readonly wakes: boolean;
}

/** The time of a host, which runs or stands still, and can be moved. */
export class Clock {
  /** What lets others run after a timer; replaced by the host, which knows when they have. */
  settle: () => Promise<void> = nextTask;

  readonly #runs: boolean;
  readonly #started = Date.now();
  readonly #timers = new Map<number, Timer>();
  /** Added to the time that has passed by itself. */
  #moved = 0;
  /** What the calendar says at zero. */
  #epoch: number;
  #lastId = 0;
  #alarm: ReturnType<typeof setTimeout> | undefined;

  constructor(time: number | undefined) {
    this.#runs = time === undefined;
    this.#epoch = time ?? this.#started;
  }

  /** Milliseconds since the host was created, which a set calendar does not change. */
  elapsed(): number {
    return this.#moved + (this.#runs ? Date.now() - this.#started : 0);
  }

  now(): number {
    return this.#epoch + this.elapsed();
  }

  set(time: number): void {
    this.#epoch = time - this.elapsed();
  }

  setTimeout(callback: () => void, delay: number): number {
    const id = this.#add(callback, delay, true);
    this.#wind();
    return id;
  }

  /** Like `setTimeout()`, for what happens only when somebody moves the clock that far. */
  schedule(callback: () => void, delay: number): number {
    return this.#add(callback, delay, false);
  }

  clearTimeout(id: number | undefined): void {
    if (id !== undefined && this.#timers.delete(id)) this.#wind();
  }

  /** Resolves after so long, or rejects with the reason of the signal. */
  sleep(delay: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const abort = () => {
        this.clearTimeout(id);
        reject(signal?.reason);
      };
      const id = this.setTimeout(() => {
        signal?.removeEventListener("abort", abort);
        resolve();
      }, delay);
      signal?.addEventListener("abort", abort, { once: true });
    });
  }

  /** How long the next timer has to wait for somebody to move a clock that stands still. */
  held(): number | undefined {
    const next = this.#runs ? undefined : this.#next(true);
    return next && next[1].due - this.elapsed();
  }

  /** Moves on, and runs what falls due in its order. */
  async advance(milliseconds: number): Promise<void> {
    if (!(milliseconds >= 0)) {
      throw new RangeError(
        `Cannot advance the clock: ${milliseconds} is not a time that passes`,
      );
    }
    const end = this.elapsed() + milliseconds;
    await this.settle();
    while (true) {
      const next = this.#next();
      if (!next || next[1].due > end) break;
      const [id, { due, callback }] = next;
      this.#moved += Math.max(0, due - this.elapsed());
      this.#timers.delete(id);
      callback();
      await this.settle();
    }
    this.#moved += Math.max(0, end - this.elapsed());
    this.#wind();
  }

  close(): void {
    this.#timers.clear();
    clearTimeout(this.#alarm);
  }

  #add(callback: () => void, delay: number, wakes: boolean): number {
    const id = ++this.#lastId;
    const due = this.elapsed() + (delay > 0 ? delay : 0);
    this.#timers.set(id, { due, callback, wakes });
    return id;
  }

  #next(wakes = false): [id: number, timer: Timer] | undefined {
    let first: [number, Timer] | undefined;
    for (const entry of this.#timers) {
      if (wakes && !entry[1].wakes) continue;
      if (!first || entry[1].due < first[1].due) first = entry;
    }
    return first;
  }

  /** Has the runtime wake this clock for its next timer. */
  #wind(): void {
    clearTimeout(this.#alarm);
    const next = this.#next(true);
    if (!this.#runs || !next) return;
    // A longer delay would overflow, and fire at once.
    const delay = Math.min(next[1].due - this.elapsed(), 2 ** 31 - 1);
    this.#alarm = setTimeout(() => this.#ring(), Math.max(0, delay));
  }

  #ring(): void {
    const next = this.#next(true);
    if (next && next[1].due <= this.elapsed()) {
      this.#timers.delete(next[0]);
      next[1].callback();
    }
    this.#wind();
  }
}
