// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { HostScript } from "../host.ts";
import type { Core } from "./core.ts";
import {
  ExtendableEvent,
  ExtendableMessageEvent,
  type Outcome,
} from "./events.ts";
import { Life } from "./life.ts";
import type { Message } from "./messages.ts";
import type { Registration } from "./registration.ts";
import type { Window } from "./window.ts";

/** `ServiceWorker.state`. */
export type WorkerState =
  | "parsed"
  | "installing"
  | "installed"
  | "activating"
  | "activated"
  | "redundant";

/** As Chromium does it. */
const IDLE_LIMIT = 30_000;
const EVENT_LIMIT = 300_000;

/** One version of a worker, through all of its lives. */
export class Worker {
  state: WorkerState = "parsed";
  /** Whether it called `skipWaiting()`. */
  skipsWaiting = false;
  /** The life that runs now. */
  life: Life | undefined;
  /** Why it was not installed. */
  failure: unknown;
  /** Resolves when it is activated or redundant. */
  readonly decided: Promise<void>;
  /** What its `importScripts()` was given, by URL: that of later lives too. */
  readonly imported = new Map<string, string>();
  /** The types of the events that its first evaluation listened for. */
  #handled: ReadonlySet<string> | undefined;
  #lives = 0;
  #events = 0;
  readonly registration: Registration;
  readonly scriptURL: string;
  readonly script: HostScript;
  readonly core: Core;
  readonly #decided = Promise.withResolvers<void>();

  constructor(
    registration: Registration,
    scriptURL: string,
    script: HostScript,
  ) {
    this.registration = registration;
    this.core = registration.core;
    this.scriptURL = scriptURL;
    this.script = script;
    this.decided = this.#decided.promise;
  }

  /** Whether an event is being handled. */
  get busy(): boolean {
    return this.#events > 0;
  }

  handles(type: string): boolean {
    return this.#handled?.has(type) ?? false;
  }

  become(state: WorkerState): void {
    this.state = state;
    if (state === "activated" || state === "redundant") this.#decided.resolve();
    for (const realm of this.core.realms()) realm.workerChanged(this, state);
    if (state === "redundant" && !this.busy) this.stop();
  }

  /** Has it run: https://w3c.github.io/ServiceWorker/#run-service-worker */
  async start(): Promise<Life> {
    if (this.state === "redundant") {
      throw new DOMException(
        `Cannot start ${this.scriptURL}: it is redundant`,
        "InvalidStateError",
      );
    }
    if (!this.life) {
      this.core.write(`start ${this.scriptURL}, life ${++this.#lives}`);
      this.life = new Life(this, this.#lives);
    }
    const life = this.life;
    try {
      await life.evaluated;
    } catch (error) {
      // Of the first evaluation, the registration tells.
      if (life.alive && this.#handled) this.core.errors.push(error);
      life.stop();
      // One that is stopped while it is being made was not yet this life.
      if (this.life === life) this.life = undefined;
      throw error;
    }
    if (!this.#handled && life.listenedFor.size === 0) {
      this.core.write(`${this.scriptURL} listens for nothing`);
    }
    this.#handled ??= new Set(life.listenedFor);
    this.#rest(life);
    return life;
  }

  stop(): void {
    this.life?.stop();
    this.life = undefined;
  }

  /**
   * Fires an event, and resolves with how its work ended.
   *
   * `handled`, if given, is called when the listeners have returned.
   */
  async fire<E extends ExtendableEvent>(
    label: string,
    create: (life: Life) => E,
    handled?: (event: E, life: Life) => void,
  ): Promise<Outcome> {
    this.#events++;
    const done = this.core.begin(label);
    let life: Life | undefined;
    try {
      if (this.state === "activating" && label !== "activate") {
        await this.decided;
      }
      life = await this.start();
      if (label === "activate") {
        // By then the worker has been told that it waits no more.
        const { realm } = life;
        await new Promise<void>((resolve) => realm.task(resolve));
      }
      if (!life.step(`dispatch ${label}`)) return { status: "stopped" };
      clearRest(life, this.core);
      const event = create(life);
      if (!life.listensFor(event.type)) {
        this.core.write(`nobody listens for ${event.type}`);
      }
      const { scope } = life;
      const end = ExtendableEvent.live(
        event,
        () => scope.dispatchEvent(event),
        life.stopped,
      );
      handled?.(event, life);
      const stop = () => life?.stop();
      const limit = this.core.clock.schedule(stop, EVENT_LIMIT);
      const outcome = await end;
      this.core.clock.clearTimeout(limit);
      if (outcome.status === "rejected") {
        this.core.write(`${label} was rejected: ${outcome.reason}`);
      }
      if (!["install", "activate", "message"].includes(event.type)) {
        this.registration.softUpdateWhenStale();
      }
      return life.step(`end ${label}`) ? outcome : { status: "stopped" };
    } catch (reason) {
      // The script did not evaluate, or the worker was stopped meanwhile.
      this.core.write(`${label} was not dispatched: ${reason}`);
      return { status: "rejected", reason };
    } finally {
      this.#events--;
      if (life) this.#rest(life);
      this.registration.settle();
      done();
    }
  }

  /** Takes a message: https://w3c.github.io/ServiceWorker/#service-worker-postmessage */
  receive({ data, ports }: Message, from: Window | Worker | undefined): void {
    this.core.task(async () => {
      let delivered = false;
      await this.fire("message", (life) => {
        delivered = true;
        return new ExtendableMessageEvent("message", {
          data,
          ports: ports.map((port) => life.adopt(port)),
          origin: this.core.origin,
          source: from instanceof Worker
            ? life.gate.out(life.realm.workerOf(from), "ServiceWorker")
            : from && life.clientOf(from),
        });
      });
      // Whom the message did not reach will not close them.
      if (!delivered) { for (const port of ports) port.close(); }
    });
  }

  /** Stops it when it has had nothing to do for long. */
  #rest(life: Life): void {
    clearRest(life, this.core);
    if (this.busy) return;
    if (this.state === "redundant") return this.stop();
    if (!life.alive) return;
    life.rest = this.core.clock.schedule(() => life.stop(), IDLE_LIMIT);
  }
}

function clearRest(life: Life, { clock }: Core): void {
  clock.clearTimeout(life.rest);
  life.rest = undefined;
}
