// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { Life } from "./life.ts";
import { messageOf, type TransferOptions } from "./messages.ts";
import type { Window } from "./window.ts";

/** What `matchAll()` is asked for. */
interface ClientQueryOptions {
  readonly includeUncontrolled?: boolean;
  readonly type?: "window" | "worker" | "sharedworker" | "all";
}

/** `Client`, of which there are windows only. */
export class Client {}

/** `WindowClient`: what a worker sees of a page, as it was at that moment. */
export class WindowClient extends Client {
  readonly id: string;
  readonly url: string;
  readonly type = "window";
  readonly frameType: string;
  readonly focused: boolean;
  readonly visibilityState: string;
  readonly ancestorOrigins: readonly string[] = [];
  readonly #life: Life;
  readonly #window: Window;

  constructor(life: Life, page: Window) {
    super();
    this.#life = life;
    this.#window = page;
    this.id = page.id;
    this.url = page.url;
    this.frameType = page.frameType;
    this.focused = page.focused;
    this.visibilityState = page.visibilityState;
  }

  postMessage(message: unknown, options?: TransferOptions): void {
    const sent = messageOf(message, options);
    // To one that is gone it is lost without a word.
    if (this.#isThere()) this.#window.receive(sent, this.#life.worker);
  }

  focus(): Promise<WindowClient> {
    return new Promise((resolve) => {
      this.#life.interact("focus");
      this.#assertThere("focus");
      this.#window.focus();
      resolve(new WindowClient(this.#life, this.#window));
    });
  }

  async navigate(url: string): Promise<WindowClient | null> {
    const { worker } = this.#life;
    const target = new URL(url, worker.scriptURL);
    if (target.href === "about:blank") {
      throw new TypeError(`Cannot navigate ${this.url}: to about:blank`);
    }
    this.#assertThere("navigate");
    if (this.#window.controller !== worker) {
      throw new TypeError(
        `Cannot navigate ${this.url}: this worker does not control it`,
      );
    }
    await this.#window.navigate(target.href);
    return target.origin === worker.core.origin
      ? new WindowClient(this.#life, this.#window)
      : null;
  }

  #isThere(): boolean {
    return this.#life.worker.core.windows.some((page) =>
      page === this.#window && page.id === this.id
    );
  }

  #assertThere(verb: string): void {
    if (!this.#isThere()) {
      throw new TypeError(`Cannot ${verb} ${this.url}: the client is gone`);
    }
  }
}

/** `Clients`. */
export class Clients {
  readonly #life: Life;

  constructor(life: Life) {
    this.#life = life;
  }

  async get(id: string): Promise<WindowClient | undefined> {
    const { core } = this.#life.worker;
    const page = await core.windowOf(String(id));
    return page && this.#windows().includes(page)
      ? new WindowClient(this.#life, page)
      : undefined;
  }

  /** In the order of https://w3c.github.io/ServiceWorker/#clients-matchall */
  matchAll(options: ClientQueryOptions = {}): Promise<WindowClient[]> {
    const { includeUncontrolled = false, type = "window" } = options;
    const found = this.#windows().filter((page) =>
      (type === "window" || type === "all") &&
      (includeUncontrolled || page.controller === this.#life.worker)
    );
    // It is the window that was focused, and the page that is old.
    found.sort((a, b) => b.lastFocus - a.lastFocus || a.arrived - b.arrived);
    return Promise.resolve(
      found.map((page) => new WindowClient(this.#life, page)),
    );
  }

  async openWindow(url: string): Promise<WindowClient | null> {
    const { core, scriptURL } = this.#life.worker;
    const target = new URL(url, scriptURL);
    if (target.href === "about:blank") {
      throw new TypeError("Cannot open a window: its URL is about:blank");
    }
    this.#life.interact("open");
    const page = await core.openWindow(target.href);
    return target.origin === core.origin
      ? new WindowClient(this.#life, page)
      : null;
  }

  claim(): Promise<void> {
    return this.#life.worker.registration.claim(this.#life.worker);
  }

  #windows(): Window[] {
    const { core } = this.#life.worker;
    return core.windows.filter((page) =>
      new URL(page.url).origin === core.origin
    );
  }
}
