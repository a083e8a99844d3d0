// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * A page, as a scenario handles it.
 *
 * @module
 */

import type { Tab, View } from "./driver.ts";
import type { ServerOptions, TestServer } from "./server.ts";

/** The exports of a page's script. */
// deno-lint-ignore no-explicit-any
export type Exports = Record<string, (...args: any[]) => unknown>;

type Arguments<F> = F extends (...args: infer A) => unknown ? A : never;
type Result<F> = F extends (...args: never[]) => infer R ? Awaited<R> : never;

/** Ends a scenario as skipped. */
export class Skip extends Error {}

/** How often in a row the browser may refuse to evaluate. */
const REFUSALS = 100;

/** What a page has thrown, other than what the browser says of the page. */
class PageError extends Error {}

/** A page of a scenario. */
export class TestPage<T = Exports> {
  readonly #tab: Tab;
  readonly #server: TestServer;
  readonly #options: ServerOptions;
  /** What is being waited for, for the report of a test that does not end. */
  readonly #pending = new Set<{ what: string }>();

  /** Wraps a tab. */
  constructor(tab: Tab, server: TestServer, options: ServerOptions) {
    this.#tab = tab;
    this.#server = server;
    this.#options = options;
  }

  /** What the page logged so far. */
  get log(): readonly string[] {
    return this.#tab.log;
  }

  /** What the page was asked and has not answered. */
  get pending(): string[] {
    return [...this.#pending].map(({ what }) => `waiting for ${what}`);
  }

  /** Registers `/sw.js` and waits until it is active and, if it claims, controls this page. */
  async register(options: RegistrationOptions = {}): Promise<void> {
    const { module = false, claim = true } = this.#options;
    const how: RegistrationOptions = {
      type: module ? "module" : "classic",
      ...options,
    };
    await this.evaluate(
      async (how, claim) => {
        const { serviceWorker } = navigator;
        const registration = await serviceWorker.register("/sw.js", how);
        const worker = registration.installing ?? registration.waiting ??
          registration.active;
        await new Promise<void>((resolve, reject) => {
          const look = () => {
            if (worker?.state === "activated") resolve();
            if (worker?.state === "redundant") {
              reject(new Error("Cannot register /sw.js: it became redundant"));
            }
          };
          worker?.addEventListener("statechange", look);
          look();
        });
        const inScope = location.href.startsWith(registration.scope);
        while (claim && inScope && !serviceWorker.controller) {
          await new Promise((resolve) => {
            serviceWorker.addEventListener("controllerchange", resolve, {
              once: true,
            });
          });
        }
      },
      how,
      claim,
    );
  }

  /** Calls an export of the page's script. */
  call<K extends keyof T & string>(
    name: K,
    ...args: Arguments<T[K]>
  ): Promise<Result<T[K]>> {
    const [exported, list] = [JSON.stringify(name), JSON.stringify(args)];
    return this.#evaluate(
      `harness.page.then((page) => page[${exported}](...${list}))`,
      `call(${exported})`,
    ) as Promise<Result<T[K]>>;
  }

  /** Evaluates a function in the page; it sees nothing of the test but its arguments. */
  evaluate<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...args: A
  ): Promise<Awaited<R>> {
    return this.#evaluate(
      `(${fn})(...${JSON.stringify(args)})`,
      `evaluate(${fn})`,
    ) as Promise<Awaited<R>>;
  }

  /** Evaluates a function in the page, or in the one that it navigates to, until it returns something truthy, and resolves with that. */
  async waitFor<A extends unknown[], R>(
    fn: (...args: A) => R,
    ...args: A
  ): Promise<Awaited<R>> {
    return await this.#waitingFor(`waitFor(${fn})`, async () => {
      let refusals = 0;
      while (true) {
        try {
          const value = await this.evaluate(fn, ...args);
          if (value) return value;
          refusals = 0;
        } catch (error) {
          // In the moment of a navigation nothing can be evaluated.
          if (error instanceof PageError || ++refusals > REFUSALS) throw error;
        }
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
  }

  /** Clicks on the first element that a selector finds; the page may go away of it. */
  async click(selector: string): Promise<void> {
    try {
      await this.evaluate((selector) => {
        const element = document.querySelector<HTMLElement>(selector);
        if (!element) throw new Error(`Cannot click: there is no ${selector}`);
        element.click();
      }, selector);
    } catch (error) {
      // Otherwise the page is gone before it says that it has done this.
      if (error instanceof PageError) throw error;
    }
  }

  /** Navigates to a path or URL. */
  async goto(path: string): Promise<void> {
    // For back(): what comes from the back/forward cache still has it.
    await this.evaluate(() =>
      Object.assign(globalThis, { harnessWasHere: true })
    )
      .catch(() => {});
    await this.#tab.goto(this.#server.url(path));
  }

  /** Loads the page again. */
  async reload(): Promise<void> {
    await this.#tab.reload();
  }

  /** Goes back from where `goto()` went; resolves with whether the page came from the back/forward cache. */
  async back(): Promise<boolean> {
    await this.evaluate(() => {
      Object.assign(globalThis, { harnessLeft: true });
    });
    // The page may be gone before it says that it has done this.
    this.evaluate(() => history.back()).catch(() => {});
    for (let attempt = 0; attempt < 200; attempt++) {
      await new Promise((resolve) => setTimeout(resolve, 25));
      // In the moment of the navigation nothing can be evaluated.
      const arrived = await this.evaluate(() =>
        document.readyState === "complete" && !("harnessLeft" in globalThis)
      ).catch(() => false);
      if (arrived) {
        return await this.evaluate(() => "harnessWasHere" in globalThis);
      }
    }
    throw new Error("Cannot go back: the page is still the same");
  }

  /** The text that a reader sees. */
  text(): Promise<string> {
    return this.evaluate(() => document.body.innerText);
  }

  /** Writes what the page looks like to a PNG file; in Chromium to a WebP, if its name ends so. */
  async screenshot(path: string): Promise<void> {
    const type = path.endsWith(".webp") ? "webp" : "png";
    await Deno.writeFile(path, await this.#tab.screenshot(type));
  }

  /** Sets the size of the page, and the colors that the user prefers. Only in Chromium. */
  async setView(view: View): Promise<void> {
    if (!this.#tab.setView) throw new Skip("no page can be resized");
    await this.#tab.setView(view);
  }

  /** Makes this the page that a user sees. */
  async bringToFront(): Promise<void> {
    await this.#tab.bringToFront();
  }

  /** Freezes the page, as a browser does to save power. Only in Chromium. */
  async freeze(): Promise<void> {
    if (!this.#tab.setFrozen) throw new Skip("no page can be frozen");
    await this.#tab.setFrozen(true);
  }

  /** Ends `freeze()`. */
  async resume(): Promise<void> {
    await this.#tab.setFrozen?.(false);
  }

  /** Closes the page. */
  async close(): Promise<void> {
    await this.#tab.close();
  }

  async #waitingFor<V>(what: string, work: () => Promise<V>): Promise<V> {
    const entry = { what };
    this.#pending.add(entry);
    try {
      return await work();
    } finally {
      this.#pending.delete(entry);
    }
  }

  #evaluate(expression: string, what: string): Promise<unknown> {
    const script = `(async () => {
      try {
        return JSON.stringify({ value: await (${expression}) });
      } catch (error) {
        const { name = "Error", message = String(error), stack = "" } = Object(error);
        return JSON.stringify({ error: { name, message, stack } });
      }
    })()`;
    const answer = this.#waitingFor(what, async () => {
      const { value, error } = JSON.parse(await this.#tab.evaluate(script));
      if (!error) return value;
      const { name, message, stack } = error;
      throw Object.assign(new PageError(message), {
        name,
        stack: `${name}: ${message}\n${stack}`,
      });
    });
    // A test may leave a call pending, which fails when the page is closed.
    answer.catch(() => {});
    return answer;
  }
}
