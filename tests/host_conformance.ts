// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What a service worker's platform does, one behaviour each, written once: the
 * same page and the same bundled worker run in Chromium, Firefox and WebKitGTK,
 * and on the host of `testing/host.ts`, which has to do the same.
 *
 * @module
 */

/** What a behaviour can do to the page, in a browser or on the host. */
export interface ConformancePage {
  readonly serviceWorker: ServiceWorkerContainer;
  readonly origin: string;
  /** What `page` leaves for `afterStop`. */
  readonly kept: Record<string, unknown>;
  /** An origin that allows everybody to read `/cors`, and nobody anything else. */
  readonly otherOrigin: string;
  readonly BroadcastChannel: typeof BroadcastChannel;
  readonly locks: LockManager;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Registers a version of the behaviour's worker. */
  register(
    version?: number,
    options?: RegistrationOptions,
  ): Promise<ServiceWorkerRegistration>;
  /** Opens a page at a path, in a frame; its text, and its container. */
  open(path: string): Promise<ConformanceFrame>;
}

/** A page in a frame of the page. */
export interface ConformanceFrame {
  readonly text: string;
  readonly serviceWorker: ServiceWorkerContainer;
  fetch(path: string): Promise<Response>;
  focus(): void;
  close(): void;
}

/** One behaviour. */
export interface Behaviour {
  /** The worker's half, evaluated at its start. */
  worker?(self: ServiceWorkerGlobalScope, version: number): void;
  /** The page's half. What it resolves with goes through JSON. */
  page(page: ConformancePage): Promise<unknown>;
  /** Goes on after all workers were stopped, with what `page` resolved with. */
  afterStop?(page: ConformancePage): Promise<unknown>;
  /** What `page`, or `afterStop`, resolves with on the host, and in the engines if nothing else is said. */
  readonly expected: unknown;
  /** What it resolves with in an engine that differs; `undefined` where it lacks what is needed. */
  readonly differs?: {
    readonly chromium?: unknown;
    readonly firefox?: unknown;
    readonly webkit?: unknown;
  };
}

/** Resolves with the worker of a registration when it has come so far. */
export function reached(
  worker: ServiceWorker | null,
  state: ServiceWorkerState,
): Promise<ServiceWorker> {
  if (!worker) {
    throw new Error(`Cannot wait for "${state}": there is no worker`);
  }
  return new Promise((resolve) => {
    const look = () => {
      if (worker.state !== state) return;
      worker.removeEventListener("statechange", look);
      resolve(worker);
    };
    worker.addEventListener("statechange", look);
    look();
  });
}

/** The worker of a registration, whichever it is. */
export function workerOf(registration: ServiceWorkerRegistration) {
  return registration.installing ?? registration.waiting ?? registration.active;
}

/** Registers a version, and resolves when it is active. */
async function activated(page: ConformancePage, version?: number) {
  const registration = await page.register(version);
  await reached(workerOf(registration), "activated");
  return registration;
}

/** Registers a worker that claims, and resolves when it controls the page. */
async function claimed(page: ConformancePage) {
  const { serviceWorker } = page;
  const changed = new Promise((resolve) =>
    serviceWorker.addEventListener("controllerchange", resolve, { once: true })
  );
  const registration = await page.register();
  if (!serviceWorker.controller) await changed;
  return registration;
}

/** Does so, and resolves when the registration knows it too, in Firefox the later. */
async function controlled(page: ConformancePage) {
  const registration = await claimed(page);
  await reached(workerOf(registration), "activated");
  return registration;
}

/** Asks a worker, which answers on the port. */
function ask(
  worker: ServiceWorker | null,
  message: unknown = null,
): Promise<unknown> {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = ({ data }) => {
      port1.close();
      resolve(data);
    };
    worker?.postMessage(message, [port2]);
  });
}

/** Has the worker claim its clients when it is activated. */
function claim(self: ServiceWorkerGlobalScope): void {
  self.addEventListener(
    "activate",
    (event) => event.waitUntil(self.clients.claim()),
  );
}

/** Answers every message with what `work` returns. */
function answer(
  self: ServiceWorkerGlobalScope,
  work: (event: ExtendableMessageEvent) => unknown,
): void {
  self.addEventListener("message", (event) => {
    const answered = (async () => await work(event))().catch(String);
    const posted = answered.then((value) => event.ports[0]?.postMessage(value));
    event.waitUntil(posted);
  });
}

/** How a call ends: "ok", or the name of its error. */
async function outcome(work: () => unknown): Promise<string> {
  try {
    await work();
    return "ok";
  } catch (error) {
    return error instanceof Error || error instanceof DOMException
      ? error.name
      : String(error);
  }
}

/** Answers every fetch for `/asked/<name>` with what `answers[name]` does. */
function respond(
  self: ServiceWorkerGlobalScope,
  answers: Record<string, (event: FetchEvent) => unknown>,
): void {
  claim(self);
  self.addEventListener("fetch", (event) => {
    const [, name] = new URL(event.request.url).pathname.split("/asked/");
    if (name) answers[name]?.(event);
  });
}

/** The outcome of a fetch for each name, in its order. */
async function outcomes(page: ConformancePage, names: string[]) {
  await controlled(page);
  const found: Record<string, string> = {};
  for (const name of names) {
    found[name] = await outcome(async () =>
      (await page.fetch(`/asked/${name}`)).text()
    );
  }
  return found;
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

const ANSWERED = {
  status: 203,
  statusText: "Made",
  type: "basic",
  redirected: false,
  path: "/asked/here?q",
  header: "here",
  text: "body",
};

const CACHED_WITH_MUTABLE_HEADERS = [
  true,
  "/asked/echo",
  "basic",
  "GET ",
  "GET ",
  "ok",
  "",
  "default",
  201,
];

/** The integrity of nothing that is fetched here. */
const WRONG_HASH = `sha256-${"A".repeat(43)}=`;

/** What `promise` resolves with, or `otherwise` if it takes longer. */
async function within<T, U>(
  promise: Promise<T>,
  ms: number,
  otherwise: U,
): Promise<T | U> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<U>((resolve) => {
    timer = setTimeout(() => resolve(otherwise), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** All behaviours, by what they are. */
export const behaviours: Record<string, Behaviour> = {
  "register() resolves while the worker is being installed": {
    worker(self) {
      self.addEventListener("install", (event) => event.waitUntil(sleep(20)));
    },
    async page(page) {
      const registration = await page.register();
      const worker = registration.installing;
      const states = [worker?.state];
      worker?.addEventListener("statechange", () => states.push(worker.state));
      await reached(worker, "activated");
      return states;
    },
    expected: ["installing", "installed", "activating", "activated"],
  },

  "the page that registers a worker is not controlled by it": {
    async page(page) {
      const registration = await activated(page);
      await page.serviceWorker.ready;
      return [page.serviceWorker.controller, registration.active?.state];
    },
    expected: [null, "activated"],
  },

  "claim() takes control": {
    worker: claim,
    async page(page) {
      const registration = await controlled(page);
      return page.serviceWorker.controller === registration.active;
    },
    expected: true,
  },

  "claim() rejects before the worker is active": {
    worker(self) {
      const claimed = outcome(() => self.clients.claim());
      answer(self, () => claimed);
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: "InvalidStateError",
  },

  "a rejected install makes the worker redundant and unregisters it": {
    worker(self) {
      self.addEventListener("install", (event) => {
        event.waitUntil(Promise.reject(new Error("no")));
      });
    },
    async page(page) {
      const registration = await page.register();
      await reached(workerOf(registration), "redundant");
      const found = await page.serviceWorker.getRegistration();
      return [
        found === undefined,
        registration.active,
        registration.installing,
      ];
    },
    expected: [true, null, null],
  },

  "a listener that throws does not make the install fail": {
    worker(self) {
      self.addEventListener("install", () => {
        throw new Error("thrown by a listener");
      });
    },
    async page(page) {
      return (await activated(page)).active?.state;
    },
    expected: "activated",
  },

  "a rejected activate does not keep the worker from being active": {
    worker(self) {
      self.addEventListener("activate", (event) => {
        event.waitUntil(Promise.reject(new Error("no")));
      });
    },
    async page(page) {
      return (await activated(page)).active?.state;
    },
    expected: "activated",
  },

  "a new version waits while the old one controls a page": {
    worker(self, version) {
      if (version === 1) claim(self);
      answer(self, () => version);
    },
    async page(page) {
      await controlled(page);
      const registration = await page.register(2);
      await reached(registration.installing, "installed");
      const { waiting, active } = registration;
      return [await ask(waiting), await ask(active), waiting?.state];
    },
    expected: [2, 1, "installed"],
  },

  "a new version takes over at once where no page is controlled": {
    worker(self, version) {
      answer(self, () => version);
    },
    async page(page) {
      const first = (await activated(page)).active;
      const registration = await page.register(2);
      await reached(registration.installing, "activated");
      return [await ask(registration.active), first?.state];
    },
    expected: [2, "redundant"],
  },

  "skipWaiting() activates the new version and changes the controller": {
    worker(self, version) {
      if (version === 1) claim(self);
      answer(self, async ({ data }) => {
        if (data === "skip") await self.skipWaiting();
        return version;
      });
    },
    async page(page) {
      await controlled(page);
      const old = page.serviceWorker.controller;
      const registration = await page.register(2);
      const waiting = await reached(registration.installing, "installed");
      const changed = new Promise((resolve) =>
        page.serviceWorker.oncontrollerchange = resolve
      );
      waiting.postMessage("skip");
      await changed;
      await reached(waiting, "activated");
      return [
        page.serviceWorker.controller === waiting,
        await ask(page.serviceWorker.controller),
        old?.state,
      ];
    },
    expected: [true, 2, "redundant"],
  },

  "a third version makes the waiting one redundant": {
    worker(self, version) {
      if (version === 1) claim(self);
    },
    async page(page) {
      await controlled(page);
      const second = (await page.register(2)).installing;
      await reached(second, "installed");
      const registration = await page.register(3);
      await reached(registration.installing, "installed");
      await reached(second, "redundant");
      return registration.waiting?.scriptURL.endsWith("3");
    },
    expected: true,
  },

  "updatefound tells of the version that is being installed": {
    worker(self) {
      self.addEventListener("install", (event) => event.waitUntil(sleep(20)));
    },
    async page(page) {
      const registration = await activated(page);
      const found = new Promise((resolve) => {
        registration.onupdatefound = () => {
          const { installing, active } = registration;
          resolve([
            installing?.scriptURL.endsWith("version=2"),
            installing?.state,
            active?.scriptURL.endsWith("version=1"),
          ]);
        };
      });
      await page.register(2);
      return await found;
    },
    expected: [true, "installing", true],
  },

  "registering the same script again installs nothing": {
    async page(page) {
      const registration = await activated(page);
      let found = 0;
      registration.addEventListener("updatefound", () => found++);
      const again = await page.register();
      await again.update();
      await sleep(20);
      return [again === registration, again.installing, found];
    },
    expected: [true, null, 0],
  },

  "register() refuses what is no script of this origin": {
    worker() {
      throw new Error("thrown by the script");
    },
    async page(page) {
      const { serviceWorker, otherOrigin } = page;
      const register = (url: string) =>
        outcome(() => serviceWorker.register(url));
      return {
        missing: await register("/missing.js"),
        html: await register("/blank.html"),
        foreign: await register(`${otherOrigin}/sw.js`),
        scheme: await register("data:text/javascript,"),
        slash: await register("/a%2fb.js"),
        throwing: await outcome(() => page.register()),
        left: (await serviceWorker.getRegistrations()).length,
      };
    },
    expected: {
      missing: "TypeError",
      html: "SecurityError",
      foreign: "SecurityError",
      scheme: "TypeError",
      slash: "TypeError",
      throwing: "TypeError",
      left: 0,
    },
  },

  "unregister() leaves the page controlled, and frees the scope": {
    worker(self) {
      claim(self);
      answer(self, () => "still here");
    },
    async page(page) {
      const registration = await controlled(page);
      const { controller } = page.serviceWorker;
      return [
        await registration.unregister(),
        await registration.unregister(),
        await page.serviceWorker.getRegistration() === undefined,
        page.serviceWorker.controller === controller,
        await ask(controller),
      ];
    },
    expected: [true, false, true, true, "still here"],
  },

  "a registration after unregister() is a new one": {
    async page(page) {
      const registration = await activated(page);
      await registration.unregister();
      const other = await activated(page);
      return [registration === other, registration.active?.state ?? null];
    },
    expected: [false, null],
  },

  "ready resolves for a registration whose scope fits, only": {
    async page(page) {
      await page.register(1, { scope: "/elsewhere/" });
      const ready = page.serviceWorker.ready.then(() => "ready");
      const first = await within(ready, 100, "pending");
      await page.register();
      const { scope } = await page.serviceWorker.ready;
      return [first, new URL(scope).pathname];
    },
    expected: ["pending", "/"],
  },

  "an event waits until the worker has been activated": {
    worker(self) {
      let activated = false;
      self.addEventListener("activate", (event) => {
        const activate = async () => {
          await self.clients.claim();
          await sleep(200);
          activated = true;
        };
        event.waitUntil(activate());
      });
      self.addEventListener("fetch", (event) => {
        event.respondWith(new Response(String(activated)));
      });
    },
    async page(page) {
      await claimed(page);
      const fetched = page.fetch("/asked/order");
      const frame = await page.open("/asked/order");
      frame.close();
      return [frame.text, await (await fetched).text()];
    },
    expected: ["true", "true"],
    // Only that of a navigation.
    differs: { chromium: ["true", "false"] },
  },

  "update() is refused to a worker that is being installed": {
    worker(self) {
      let updated: Promise<string> | undefined;
      self.addEventListener("install", (event) => {
        updated = outcome(() => self.registration.update());
        event.waitUntil(updated);
      });
      answer(self, () => updated);
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: "InvalidStateError",
  },

  "importScripts() finds after the installation what it found before": {
    worker(self) {
      self.importScripts("/lib.js");
      const { declared } = self as unknown as { declared(): string };
      answer(self, async () => [
        declared(),
        await outcome(() => self.importScripts("/lib.js")),
        await outcome(() => self.importScripts("/lib.js?late")),
      ]);
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: ["declared", "ok", "NetworkError"],
  },

  "getRegistration() finds the scope that a URL is in": {
    async page(page) {
      const { serviceWorker } = page;
      const scope = async (url: string) => {
        const found = await serviceWorker.getRegistration(url);
        return found ? new URL(found.scope).pathname : "none";
      };
      for (const scope of ["/a/", "/a/b"]) {
        const registration = await page.register(1, { scope });
        // Chromium may look among those that are installed alone.
        await reached(workerOf(registration), "activated");
      }
      return [
        await scope("/"),
        await scope("/a/"),
        await scope("/a/bc?d#e"),
        await outcome(() => scope(page.otherOrigin)),
        (await serviceWorker.getRegistrations()).length,
      ];
    },
    expected: ["none", "/a/", "/a/b", "SecurityError", 2],
  },

  "waitUntil() throws once the event has ended": {
    worker(self) {
      const late = new Promise<string>((resolve) => {
        self.addEventListener("install", (event) => {
          setTimeout(
            () => resolve(outcome(() => event.waitUntil(sleep(0)))),
            30,
          );
        });
      });
      answer(self, () => late);
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: "InvalidStateError",
  },

  "waitUntil() extends an event that is still extended": {
    worker(self) {
      const steps: string[] = [];
      self.addEventListener("install", (event) => {
        const first = sleep(10).then(() => {
          steps.push("first");
          event.waitUntil(sleep(10).then(() => steps.push("second")));
        });
        event.waitUntil(first);
        first.then(() =>
          outcome(() =>
            event.waitUntil(sleep(30).then(() => steps.push("third")))
          )
        );
      });
      self.addEventListener("activate", () => steps.push("activate"));
      answer(self, () => steps);
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: ["first", "second", "third", "activate"],
  },

  "waitUntil() takes what is no promise": {
    worker(self) {
      self.addEventListener("install", (event) => {
        event.waitUntil((() => Promise.reject(1)) as unknown as Promise<void>);
      });
    },
    async page(page) {
      return (await activated(page)).active?.state;
    },
    expected: "activated",
  },

  "an event that a script made cannot be extended": {
    worker(self) {
      answer(
        self,
        () => outcome(() => new ExtendableEvent("own").waitUntil(sleep(0))),
      );
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: "InvalidStateError",
  },

  "respondWith() answers the page": {
    worker(self) {
      respond(self, {
        here: (event) =>
          event.respondWith(
            new Response("body", {
              status: 203,
              statusText: "Made",
              headers: { "x-made": "here" },
            }),
          ),
      });
    },
    async page(page) {
      await controlled(page);
      const response = await page.fetch("/asked/here?q");
      const { status, statusText, type, redirected, url } = response;
      return {
        status,
        statusText,
        type,
        redirected,
        path: new URL(url).pathname + new URL(url).search,
        header: response.headers.get("x-made"),
        text: await response.text(),
        head: await (await page.fetch("/asked/here", { method: "HEAD" }))
          .text(),
      };
    },
    expected: { ...ANSWERED, head: "" },
    // Of a worker's answer to HEAD, they show the body.
    differs: {
      chromium: { ...ANSWERED, head: "body" },
      webkit: { ...ANSWERED, head: "body" },
    },
  },

  "respondWith() fails the request when it is given no usable response": {
    worker(self) {
      const used = async () => {
        const response = new Response("used");
        await response.text();
        return response;
      };
      respond(self, {
        value: (event) => event.respondWith(Promise.resolve("text") as never),
        rejected: (event) => event.respondWith(Promise.reject(new Error("no"))),
        error: (event) => event.respondWith(Response.error()),
        used: (event) => event.respondWith(used()),
        prevented: (event) => event.preventDefault(),
        empty: (event) =>
          event.respondWith(new Response(null, { status: 204 })),
      });
    },
    async page(page) {
      return await outcomes(page, [
        "value",
        "rejected",
        "error",
        "used",
        "prevented",
        "empty",
      ]);
    },
    expected: {
      value: "TypeError",
      rejected: "TypeError",
      error: "TypeError",
      used: "TypeError",
      prevented: "TypeError",
      empty: "ok",
    },
  },

  "respondWith() throws twice, and when it is late": {
    worker(self) {
      const found: Record<string, string> = {};
      const other = (event: FetchEvent) =>
        outcome(() => event.respondWith(new Response("other")));
      respond(self, {
        async twice(event) {
          event.respondWith(new Response("first"));
          found["twice"] = await other(event);
        },
        async late(event) {
          await sleep(0);
          found["late"] = await other(event);
        },
      });
      self.addEventListener("fetch", ({ request }) => {
        if (request.url.endsWith("/twice")) found["second"] = "called";
      });
      answer(self, () => found);
    },
    async page(page) {
      await controlled(page);
      const twice = await (await page.fetch("/asked/twice")).text();
      const { status } = await page.fetch("/asked/late");
      await sleep(30);
      return [twice, status, await ask(page.serviceWorker.controller)];
    },
    // The second listener is not called.
    expected: ["first", 404, {
      twice: "InvalidStateError",
      late: "InvalidStateError",
    }],
  },

  "a request that nobody responds to goes to the network": {
    worker(self) {
      respond(self, {
        async echo(event) {
          event.waitUntil(event.request.text());
          await 0;
        },
      });
    },
    async page(page) {
      await controlled(page);
      const response = await page.fetch("/asked/echo", {
        method: "POST",
        body: "sent",
      });
      return [response.type, await response.text()];
    },
    expected: ["basic", "POST sent"],
  },

  "a worker without a fetch listener is not asked": {
    worker(self) {
      claim(self);
      self.addEventListener("message", () => {
        self.addEventListener("fetch", (event) => {
          event.respondWith(new Response("late"));
        });
      });
      answer(self, () => "ok");
    },
    async page(page) {
      await controlled(page);
      await ask(page.serviceWorker.controller);
      return await (await page.fetch("/asked/echo")).text();
    },
    expected: "GET ",
  },

  "handled settles with the answer": {
    worker(self) {
      const found: Record<string, string> = {};
      const watch = (event: FetchEvent, name: string) =>
        event.waitUntil(
          outcome(() => event.handled).then((how) => found[name] = how),
        );
      respond(self, {
        answered(event) {
          event.respondWith(new Response());
          watch(event, "answered");
        },
        failed(event) {
          event.respondWith(Response.error());
          watch(event, "failed");
        },
        left: (event) => watch(event, "left"),
      });
      answer(self, () => found);
    },
    async page(page) {
      await outcomes(page, ["answered", "failed", "left"]);
      await sleep(30);
      return await ask(page.serviceWorker.controller);
    },
    expected: { answered: "ok", failed: "NetworkError", left: "ok" },
  },

  "an opaque response answers a request of mode no-cors only": {
    worker(self) {
      respond(self, {
        opaque(event) {
          const other = new URL(event.request.url).searchParams.get("other")!;
          event.respondWith(fetch(other, { mode: "no-cors" }));
        },
      });
    },
    async page(page) {
      await controlled(page);
      const path = `/asked/opaque?other=${page.otherOrigin}/none`;
      const { type, status } = await page.fetch(path, { mode: "no-cors" });
      return [type, status, await outcome(() => page.fetch(path))];
    },
    expected: ["opaque", 0, "TypeError"],
  },

  "another origin is read with its leave only": {
    worker(self) {
      answer(self, async ({ data }) => {
        const response = await fetch(`${data}/cors`);
        return [response.type, await outcome(() => fetch(`${data}/none`))];
      });
    },
    async page(page) {
      return await ask((await activated(page)).active, page.otherOrigin);
    },
    expected: ["cors", "TypeError"],
  },

  "a redirect is followed, or left opaque": {
    worker(self) {
      answer(self, async () => {
        const followed = await fetch("/redirect");
        const manual = await fetch("/redirect", { redirect: "manual" });
        return [
          followed.redirected,
          new URL(followed.url).pathname,
          manual.type,
          manual.status,
          await outcome(() => fetch("/redirect", { redirect: "error" })),
        ];
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: [true, "/asked/echo", "opaqueredirect", 0, "TypeError"],
  },

  "the headers of a fetched response are immutable": {
    worker(self) {
      answer(self, async () => {
        const response = await fetch("/asked/echo");
        const copy = new Response(response.body, response);
        return [
          await outcome(() => response.headers.set("x", "y")),
          await outcome(() => copy.headers.set("x", "y")),
        ];
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: ["TypeError", "ok"],
  },

  "a page that aborts its request does not abort that of the worker": {
    worker(self) {
      const aborted = new Promise<string>((resolve) => {
        respond(self, {
          slow(event) {
            const { signal } = event.request;
            signal.addEventListener("abort", () => resolve("aborted"));
            event.respondWith(new Promise(() => {}));
          },
        });
      });
      answer(
        self,
        () => within(aborted, 300, "not aborted"),
      );
    },
    async page(page) {
      await controlled(page);
      const controller = new AbortController();
      const ended = outcome(() =>
        page.fetch("/asked/slow", { signal: controller.signal })
      );
      await sleep(50);
      controller.abort();
      return [await ended, await ask(page.serviceWorker.controller)];
    },
    expected: ["AbortError", "not aborted"],
  },

  "a page that is closed cancels the stream that it reads": {
    worker(self) {
      const cancelled = new Promise<string>((resolve) => {
        respond(self, {
          stream(event) {
            const body = new ReadableStream({
              start: (controller) => controller.enqueue(new Uint8Array(2)),
              cancel: () => resolve("cancelled"),
            });
            event.respondWith(new Response(body));
          },
        });
      });
      answer(self, () => within(cancelled, 1000, "not cancelled"));
    },
    async page(page) {
      const { active } = await controlled(page);
      const frame = await page.open("/blank.html");
      const response = await frame.fetch("/asked/stream");
      await response.body?.getReader().read();
      frame.close();
      return await ask(active);
    },
    expected: "cancelled",
  },

  "an integrity is compared with what came, from the worker too": {
    worker(self) {
      respond(self, {
        made: (event) => event.respondWith(new Response("made")),
        told(event) {
          event.respondWith(new Response(event.request.integrity));
        },
      });
      answer(
        self,
        () => outcome(() => fetch("/asked/echo", { integrity: WRONG_HASH })),
      );
    },
    async page(page) {
      const { active } = await controlled(page);
      const bytes = new TextEncoder().encode("made");
      const digest = await crypto.subtle.digest("SHA-256", bytes);
      const hash = btoa(String.fromCharCode(...new Uint8Array(digest)));
      const read = async (name: string, integrity: string) =>
        await (await page.fetch(`/asked/${name}`, { integrity })).text();
      return [
        await read("made", `sha256-${hash}`),
        await read("made", `${WRONG_HASH} sha256-${hash}`),
        await outcome(() => read("made", WRONG_HASH)),
        await outcome(() => read("none", WRONG_HASH)),
        await read("told", "md5-none"),
        await ask(active),
      ];
    },
    expected: [
      "made",
      "made",
      "TypeError",
      "TypeError",
      "md5-none",
      "TypeError",
    ],
  },

  "a request tells how it was made": {
    worker(self) {
      respond(self, {
        request(event) {
          const { request, clientId } = event;
          const { method, mode, credentials, cache, redirect, destination } =
            request;
          event.respondWith(Response.json({
            method,
            mode,
            credentials,
            cache,
            redirect,
            destination,
            header: request.headers.get("x-header"),
            client: clientId.length > 0,
          }));
        },
      });
    },
    async page(page) {
      await controlled(page);
      const read = async (init?: RequestInit) =>
        await (await page.fetch("/asked/request", init)).json();
      return [
        await read(),
        await read({
          method: "DELETE",
          mode: "same-origin",
          credentials: "omit",
          cache: "no-store",
          redirect: "manual",
          headers: { "x-header": "value" },
        }),
      ];
    },
    expected: [{
      method: "GET",
      mode: "cors",
      credentials: "same-origin",
      cache: "default",
      redirect: "follow",
      destination: "",
      header: null,
      client: true,
    }, {
      method: "DELETE",
      mode: "same-origin",
      credentials: "omit",
      cache: "no-store",
      redirect: "manual",
      destination: "",
      header: "value",
      client: true,
    }],
  },

  "to cancel one half of a cloned body waits for the other": {
    worker(self) {
      const cancel = async (response: Response) => {
        const clone = response.clone();
        const ended = Promise.resolve(clone.body?.cancel()).then(() => "ended");
        const early = await within(ended, 50, "waits");
        await response.body?.cancel();
        return [early, await within(ended, 1000, "waits")];
      };
      answer(self, async () => {
        const stream = new ReadableStream({
          start: (controller) => controller.enqueue(new Uint8Array(1)),
        });
        return [
          await cancel(await fetch("/asked/slow")),
          await cancel(new Response(stream)),
        ];
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: [["waits", "ended"], ["waits", "ended"]],
    // What they fetch, they copy; WebKit does too once all of it has come.
    differs: {
      chromium: [["ended", "ended"], ["waits", "ended"]],
      firefox: [["ended", "ended"], ["waits", "ended"]],
    },
  },

  "a page that aborts a response cancels the stream it is made of": {
    worker(self) {
      const cancelled = new Promise<string>((resolve) => {
        respond(self, {
          stream(event) {
            const body = new ReadableStream({
              start: (controller) =>
                controller.enqueue(new Uint8Array([104, 105])),
              cancel: () => resolve("cancelled"),
            });
            event.respondWith(new Response(body));
          },
        });
      });
      answer(
        self,
        () =>
          Promise.race([cancelled, sleep(1000).then(() => "not cancelled")]),
      );
    },
    async page(page) {
      await controlled(page);
      const controller = new AbortController();
      const response = await page.fetch("/asked/stream", {
        signal: controller.signal,
      });
      const reader = response.body?.getReader();
      const first = await reader?.read();
      controller.abort();
      return [
        first?.value?.length,
        await outcome(() => reader?.read()),
        await ask(page.serviceWorker.controller),
      ];
    },
    expected: [2, "AbortError", "cancelled"],
  },

  "a navigation is a request of its own kind": {
    worker(self) {
      claim(self);
      self.addEventListener("fetch", (event) => {
        const { request, clientId, resultingClientId } = event;
        if (!request.url.endsWith("/navigated")) return;
        event.respondWith(
          new Response(JSON.stringify({
            mode: request.mode,
            redirect: request.redirect,
            credentials: request.credentials,
            client: clientId !== resultingClientId &&
              resultingClientId.length > 0,
          })),
        );
      });
    },
    async page(page) {
      await controlled(page);
      const frame = await page.open("/navigated");
      const seen = JSON.parse(frame.text);
      const same = frame.serviceWorker.controller?.scriptURL ===
        page.serviceWorker.controller?.scriptURL;
      frame.close();
      return { ...seen, same };
    },
    expected: {
      mode: "navigate",
      redirect: "manual",
      credentials: "include",
      client: true,
      same: true,
    },
  },

  "a response that was redirected answers who follows redirects": {
    worker(self) {
      respond(self, {
        redirected: (event) => event.respondWith(fetch("/redirect")),
      });
    },
    async page(page) {
      await controlled(page);
      const how = (redirect: RequestRedirect) =>
        outcome(() => page.fetch("/asked/redirected", { redirect }));
      return [await how("follow"), await how("error"), await how("manual")];
    },
    expected: ["ok", "TypeError", "TypeError"],
  },

  "a navigation whose redirect the worker passes on is followed": {
    worker(self) {
      claim(self);
      self.addEventListener("fetch", (event) => {
        if (event.request.mode === "navigate") {
          event.respondWith(fetch(event.request));
        }
      });
    },
    async page(page) {
      await controlled(page);
      const frame = await page.open("/redirect");
      frame.close();
      return frame.text;
    },
    expected: "GET ",
  },

  "navigation preload sends its header and reaches the worker": {
    worker(self) {
      self.addEventListener("activate", (event) => {
        const enabled = self.registration.navigationPreload.enable()
          .then(() =>
            self.registration.navigationPreload.setHeaderValue("sent")
          ).then(() => self.clients.claim());
        event.waitUntil(enabled);
      });
      self.addEventListener("fetch", (event) => {
        if (event.request.mode !== "navigate") return;
        const answered = async () => {
          const preloaded: Response | undefined = await event.preloadResponse;
          return new Response(
            `preloaded ${await preloaded?.text()}`,
          );
        };
        event.respondWith(answered());
      });
    },
    async page(page) {
      const registration = await controlled(page);
      const state = await registration.navigationPreload.getState();
      const frame = await page.open("/preload");
      frame.close();
      return [state, frame.text];
    },
    expected: [{ enabled: true, headerValue: "sent" }, "preloaded sent"],
  },

  "navigation preload cannot be enabled before the worker is active": {
    worker(self) {
      const enabled = outcome(() =>
        self.registration.navigationPreload.enable()
      );
      answer(self, () => enabled);
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: "InvalidStateError",
  },

  "the source of a message is the client that posted it": {
    worker(self) {
      answer(self, async ({ source, origin }) => {
        if (!(source instanceof WindowClient)) return "no client";
        const found = await self.clients.get(source.id);
        const { type, frameType, url } = source;
        return {
          type,
          frameType,
          path: new URL(url).pathname,
          same: found?.id === source.id && found?.url === source.url,
          origin: origin === self.location.origin,
          unknown: await self.clients.get("nobody") === undefined,
        };
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: {
      type: "window",
      frameType: "top-level",
      path: "/",
      same: true,
      origin: true,
      unknown: true,
    },
  },

  "matchAll() finds controlled windows, or all": {
    worker(self) {
      answer(self, async () => {
        const count = async (options?: ClientQueryOptions) =>
          (await self.clients.matchAll(options)).length;
        return [
          await count(),
          await count({ includeUncontrolled: true }),
          await count({ includeUncontrolled: true, type: "worker" }),
          await count({ includeUncontrolled: true, type: "all" }),
        ];
      });
    },
    async page(page) {
      const { active } = await activated(page);
      const before = await ask(active);
      const frame = await page.open("/blank.html");
      const after = await ask(active);
      frame.close();
      return [before, after];
    },
    expected: [[0, 1, 0, 1], [1, 2, 0, 2]],
    // It counts the worker itself.
    differs: { firefox: [[0, 1, 0, 2], [1, 2, 0, 3]] },
  },

  "a message to a client comes from the worker, with its ports": {
    worker(self) {
      self.addEventListener("message", ({ source }) => {
        const { port1, port2 } = new MessageChannel();
        port1.onmessage = ({ data }) => port1.postMessage(`answer to ${data}`);
        source?.postMessage({ text: "hello" }, [port2]);
      });
    },
    async page(page) {
      const { active } = await activated(page);
      const event = await new Promise<MessageEvent>((resolve) => {
        page.serviceWorker.onmessage = resolve;
        active?.postMessage(null);
      });
      const [port] = event.ports;
      const answered = await new Promise((resolve) => {
        if (!port) return resolve("no port");
        port.onmessage = ({ data }) => resolve(data);
        port.postMessage("question");
      });
      port?.close();
      return [event.data, event.source === active, answered];
    },
    expected: [{ text: "hello" }, true, "answer to question"],
  },

  "what cannot be cloned is refused when it is posted": {
    worker(self) {
      answer(
        self,
        ({ source }) => outcome(() => source?.postMessage(() => {})),
      );
    },
    async page(page) {
      const { active } = await activated(page);
      return [
        await outcome(() => active?.postMessage(() => {})),
        await ask(active),
      ];
    },
    expected: ["DataCloneError", "DataCloneError"],
  },

  "a window that was closed is no client": {
    worker(self) {
      claim(self);
      let client: WindowClient | undefined;
      answer(self, async () => {
        if (!client) {
          const clients = await self.clients.matchAll({ type: "window" });
          client = clients.find(({ url }) => url.endsWith("/blank.html"));
          return client?.frameType;
        }
        // It goes some time after its element; navigate() may hang until then.
        while (await self.clients.get(client.id)) await sleep(10);
        return [
          await outcome(() => client?.postMessage("lost")),
          await outcome(() => client?.navigate("/")),
        ];
      });
    },
    async page(page) {
      const { active } = await controlled(page);
      const frame = await page.open("/blank.html");
      const before = await ask(active);
      frame.close();
      return [before, await ask(active)];
    },
    expected: ["nested", ["ok", "TypeError"]],
    differs: { firefox: ["nested", ["ok", "InvalidStateError"]] },
  },

  "a page on its way is a client once it has loaded": {
    worker(self) {
      claim(self);
      const found: unknown[] = [];
      self.addEventListener("fetch", (event) => {
        const { request, resultingClientId: id } = event;
        if (!request.url.endsWith("/blank.html")) return;
        const client = self.clients.get(id);
        event.respondWith((async () => {
          found.push(await within(client.then(() => "found"), 100, "waits"));
          return fetch(request);
        })());
        event.waitUntil((async () => {
          await event.handled;
          found.push((await client)?.id === id);
          found.push((await self.clients.get(id))?.url === request.url);
        })());
      });
      answer(self, () => found);
    },
    async page(page) {
      const { active } = await controlled(page);
      const frame = await page.open("/blank.html");
      await sleep(50);
      frame.close();
      return await ask(active);
    },
    expected: ["waits", true, true],
    // Before, it is one too: at about:blank, in Firefox.
    differs: {
      firefox: ["found", true, false],
      webkit: ["found", true, true],
    },
  },

  "matchAll() puts first what had the focus last, then what is oldest": {
    worker(self) {
      claim(self);
      const list = async () => {
        const all = await self.clients.matchAll({ type: "window" });
        return all.filter(({ frameType }) => frameType === "nested");
      };
      answer(self, async ({ data }) => {
        for (const client of await list()) {
          const { search } = new URL(client.url);
          if (data?.includes(search)) await client.navigate(client.url + "2");
        }
        return (await list()).map(({ url }) => new URL(url).search);
      });
    },
    async page(page) {
      const { active } = await controlled(page);
      const frames: ConformanceFrame[] = [];
      for (const name of "abcd") {
        frames.push(await page.open(`/blank.html?${name}`));
      }
      const orders = [await ask(active)];
      for (const index of [1, 3]) {
        frames[index]?.focus();
        await sleep(50);
      }
      orders.push(await ask(active), await ask(active, ["?a", "?b"]));
      for (const frame of frames) frame.close();
      return orders;
    },
    expected: [
      ["?a", "?b", "?c", "?d"],
      ["?d", "?b", "?a", "?c"],
      // A page that comes is younger than the others; the window had the focus.
      ["?d", "?b2", "?c", "?a2"],
    ],
    differs: {
      // The page has to have had it.
      firefox: [
        ["?a", "?b", "?c", "?d"],
        ["?d", "?b", "?a", "?c"],
        ["?d", "?c", "?b2", "?a2"],
      ],
      // It has to have it now.
      webkit: [
        ["?a", "?b", "?c", "?d"],
        ["?d", "?a", "?b", "?c"],
        ["?d", "?c", "?a2", "?b2"],
      ],
    },
  },

  "a message to a redundant worker is lost": {
    worker(self, version) {
      answer(self, () => version);
    },
    async page(page) {
      const first = (await activated(page)).active;
      const registration = await page.register(2);
      await reached(registration.installing, "activated");
      await reached(first, "redundant");
      return await outcome(async () => {
        const { port1, port2 } = new MessageChannel();
        const answered = new Promise((resolve) => port1.onmessage = resolve);
        first?.postMessage(null, [port2]);
        const heard = await within(answered, 200, undefined);
        port1.close();
        if (heard === undefined) throw new DOMException("", "Silence");
      });
    },
    expected: "Silence",
  },

  "windows are opened and focused after a click only": {
    worker(self) {
      answer(self, async ({ source }) => [
        await outcome(() => self.clients.openWindow("/blank.html")),
        await outcome(() => (source as WindowClient).focus()),
      ]);
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: ["InvalidAccessError", "InvalidAccessError"],
  },

  "navigate() refuses a client of no worker": {
    worker(self) {
      answer(
        self,
        ({ source }) =>
          outcome(() => (source as WindowClient).navigate("/blank.html")),
      );
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: "TypeError",
  },

  "navigate() takes a client of the worker where it is told": {
    worker(self) {
      claim(self);
      answer(self, async ({ data }) => {
        const clients = await self.clients.matchAll({ type: "window" });
        const client = clients.find(({ url }) => url.endsWith("?frame"));
        if (!client) return "no client";
        const refused = [
          await outcome(() => client.navigate("https://:0")),
          await outcome(() => client.navigate("about:blank")),
        ];
        const moved = await client.navigate("blank.html?moved");
        return [
          refused,
          moved instanceof WindowClient,
          moved && new URL(moved.url).search,
          moved?.id === client.id,
          // After a text in its place, Chromium begins no background fetch any more.
          await moved?.navigate(`${data}/blank.html`),
        ];
      });
    },
    async page(page) {
      const { active } = await controlled(page);
      const frame = await page.open("/blank.html?frame");
      const result = await ask(active, page.otherOrigin);
      frame.close();
      return result;
    },
    expected: [["TypeError", "TypeError"], true, "?moved", false, null],
  },

  "put() refuses what cannot be cached": {
    worker(self) {
      answer(self, async () => {
        const cache = await self.caches.open("v1");
        const put = (
          request: RequestInfo,
          body: BodyInit | null = null,
          init: ResponseInit = {},
        ) => outcome(() => cache.put(request, new Response(body, init)));
        const used = new Response("used");
        await used.text();
        return {
          post: await put(new Request("/", { method: "POST" })),
          partial: await put("/", "part", { status: 206 }),
          star: await put("/", null, { headers: { vary: "accept, *" } }),
          scheme: await put("data:,x"),
          used: await outcome(() => cache.put("/", used)),
          error: await outcome(() => cache.put("/", Response.error())),
          missing: await put("/missing", "gone", { status: 404 }),
          keys: (await cache.keys()).map(({ url }) => new URL(url).pathname),
        };
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: {
      post: "TypeError",
      partial: "TypeError",
      star: "TypeError",
      scheme: "TypeError",
      used: "TypeError",
      error: "ok",
      missing: "ok",
      keys: ["/", "/missing"],
    },
  },

  "a cache keeps the variants of a URL apart": {
    worker(self) {
      answer(self, async () => {
        const cache = await self.caches.open("v1");
        const request = (language?: string) =>
          new Request("/", language ? { headers: { "x-lang": language } } : {});
        for (const language of ["de", "fr", "de"]) {
          await cache.put(
            request(language),
            new Response(language, { headers: { vary: "X-Lang" } }),
          );
        }
        const text = async (
          request: RequestInfo,
          options?: CacheQueryOptions,
        ) => (await cache.match(request, options))?.text();
        const found = [
          (await cache.keys()).length,
          await text(request("de")),
          await text(request("fr")),
          await text(request()) ?? "none",
          await text("/", { ignoreVary: true }),
          (await cache.matchAll("/")).length,
          (await cache.matchAll("/", { ignoreVary: true })).length,
        ];
        await cache.delete(request("de"));
        const left = (await cache.keys()).length;
        await cache.delete("/", { ignoreVary: true });
        return [...found, left, (await cache.keys()).length];
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: [2, "de", "fr", "none", "fr", 0, 2, 1, 0],
    differs: {
      // It keeps one response for a URL.
      chromium: [1, "de", null, "none", "de", 0, 1, 0, 0],
      // It replaces in place, and does not delete a variant.
      webkit: [2, "de", "fr", "none", "de", 0, 2, 2, 0],
    },
  },

  "a query compares URLs without their fragment, and as it is told": {
    worker(self) {
      answer(self, async () => {
        const cache = await self.caches.open("v1");
        await cache.put("/page?a=1#top", new Response("one"));
        const finds = async (
          request: RequestInfo,
          options?: CacheQueryOptions,
        ) => await cache.match(request, options) !== undefined;
        const head = new Request("/page?a=1", { method: "HEAD" });
        return {
          same: await finds("/page?a=1"),
          fragment: await finds("/page?a=1#end"),
          other: await finds("/page"),
          ignored: await finds("/page", { ignoreSearch: true }),
          head: await finds(head),
          any: await finds(head, { ignoreMethod: true }),
          keys: (await cache.keys("/page", { ignoreSearch: true })).length,
          deleted: [
            await cache.delete("/page"),
            await cache.delete("/page", { ignoreSearch: true }),
          ],
        };
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: {
      same: true,
      fragment: true,
      other: false,
      ignored: true,
      head: false,
      any: true,
      keys: 1,
      deleted: [false, true],
    },
  },

  "addAll() adds all or nothing": {
    worker(self) {
      answer(self, async () => {
        const cache = await self.caches.open("v1");
        return {
          missing: await outcome(() =>
            cache.addAll(["/asked/echo", "/missing"])
          ),
          twice: await outcome(() =>
            cache.addAll(["/asked/echo", "/asked/echo"])
          ),
          post: await outcome(() =>
            cache.add(new Request("/asked/echo", { method: "POST" }))
          ),
          before: (await cache.keys()).length,
          good: await outcome(() =>
            cache.addAll(["/asked/echo", "/blank.html"])
          ),
          after: (await cache.keys()).length,
        };
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: {
      missing: "TypeError",
      twice: "InvalidStateError",
      post: "TypeError",
      before: 0,
      good: "ok",
      after: 2,
    },
  },

  "a cached response is as it was fetched": {
    worker(self) {
      answer(self, async () => {
        const cache = await self.caches.open("v1");
        await cache.add("/redirect");
        await cache.put("/made", new Response("made", { status: 201 }));
        const fetched = await cache.match("/redirect");
        const made = await cache.match("/made");
        return [
          fetched?.redirected,
          fetched && new URL(fetched.url).pathname,
          fetched?.type,
          await fetched?.clone().text(),
          await fetched?.text(),
          await outcome(() => fetched?.headers.set("x", "y")),
          made?.url,
          made?.type,
          made?.status,
        ];
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: [
      true,
      "/asked/echo",
      "basic",
      "GET ",
      "GET ",
      "TypeError",
      "",
      "default",
      201,
    ],
    // Their headers can be changed.
    differs: {
      chromium: CACHED_WITH_MUTABLE_HEADERS,
      firefox: CACHED_WITH_MUTABLE_HEADERS,
    },
  },

  "an opaque response can be cached, but not be added": {
    worker(self) {
      answer(self, async ({ data }) => {
        const cache = await self.caches.open("v1");
        const request = new Request(`${data}/none`, { mode: "no-cors" });
        await cache.put("/opaque", await fetch(request.clone()));
        const found = await cache.match("/opaque");
        return [
          found?.type,
          found?.status,
          await found?.text(),
          await outcome(() => cache.add(request)),
        ];
      });
    },
    async page(page) {
      return await ask((await activated(page)).active, page.otherOrigin);
    },
    expected: ["opaque", 0, "", "TypeError"],
  },

  "put() that cannot read the body leaves the old response": {
    worker(self) {
      answer(self, async () => {
        const cache = await self.caches.open("v1");
        await cache.put("/", new Response("old"));
        const broken = new ReadableStream({
          pull(controller) {
            controller.error(new Error("broken"));
          },
        });
        const put = await outcome(() => cache.put("/", new Response(broken)));
        return [put === "ok", await (await cache.match("/"))?.text()];
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: [false, "old"],
  },

  "put() moves what it replaces to the end": {
    worker(self) {
      answer(self, async () => {
        const cache = await self.caches.open("v1");
        for (const path of ["/a", "/b", "/a"]) {
          await cache.put(path, new Response(path));
        }
        return (await cache.keys()).map(({ url }) => new URL(url).pathname);
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: ["/b", "/a"],
    differs: { webkit: ["/a", "/b"] },
  },

  "caches are searched in the order they were opened, and outlive their name": {
    worker(self) {
      answer(self, async () => {
        const first = await self.caches.open("first");
        const second = await self.caches.open("second");
        await second.put("/", new Response("second"));
        await first.put("/", new Response("first"));
        const text = async (options?: MultiCacheQueryOptions) =>
          (await self.caches.match("/", options))?.text();
        return [
          await text(),
          await text({ cacheName: "second" }),
          await text({ cacheName: "none" }) ?? "none",
          await self.caches.delete("first"),
          await self.caches.delete("first"),
          await self.caches.has("first"),
          await self.caches.keys(),
          await text(),
          await (await first.match("/"))?.text(),
        ];
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: [
      "first",
      "second",
      "none",
      true,
      false,
      false,
      ["second"],
      "second",
      "first",
    ],
  },

  "the scope of a worker has no window": {
    worker(self) {
      answer(self, () => [
        typeof window,
        typeof document,
        typeof localStorage,
        self === globalThis as unknown,
        self.location.pathname,
        typeof self.registration.scope,
        typeof importScripts,
      ]);
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: [
      "undefined",
      "undefined",
      "undefined",
      true,
      "/sw.js",
      "string",
      "function",
    ],
  },

  "a channel reaches the others, not itself": {
    worker(self) {
      const channel = new BroadcastChannel("news");
      channel.onmessage = ({ data }) => channel.postMessage(`heard ${data}`);
      answer(self, () => "listening");
    },
    async page(page) {
      const { active } = await activated(page);
      await ask(active);
      const channel = new page.BroadcastChannel("news");
      const heard: unknown[] = [];
      const answered = new Promise((resolve) => {
        channel.onmessage = ({ data }) => {
          heard.push(data);
          resolve(data);
        };
      });
      channel.postMessage("one");
      await answered;
      channel.close();
      return [
        heard,
        await outcome(() => channel.postMessage("two")),
      ];
    },
    expected: [["heard one"], "InvalidStateError"],
  },

  "page and worker exclude each other with a lock": {
    worker(self) {
      answer(self, async () => {
        const request = (options: LockOptions) =>
          self.navigator.locks.request(
            "lock",
            options,
            (lock) => lock ? "granted" : "taken",
          );
        const { held = [] } = await self.navigator.locks.query();
        return [
          await request({ ifAvailable: true }),
          await request({ ifAvailable: true, mode: "shared" }),
          held.map(({ name, mode }) => ({ name, mode })),
        ];
      });
    },
    async page(page) {
      const { active } = await activated(page);
      return [
        await page.locks.request("lock", () => ask(active)),
        await page.locks.request("lock", { mode: "shared" }, () => ask(active)),
      ];
    },
    expected: [
      ["taken", "taken", [{ name: "lock", mode: "exclusive" }]],
      ["taken", "granted", [{ name: "lock", mode: "shared" }]],
    ],
  },

  "locks are shared, stolen, aborted, and refused what makes no sense": {
    async page({ locks }) {
      const order: string[] = [];
      let release = () => {};
      const first = locks.request("a", async () => {
        order.push("first");
        await new Promise<void>((resolve) => release = resolve);
      });
      const shared = ["one", "two"].map((name) =>
        locks.request("a", { mode: "shared" }, () => order.push(name))
      );
      const controller = new AbortController();
      const aborted = outcome(() =>
        locks.request("a", { signal: controller.signal }, () => {})
      );
      const last = locks.request("a", () => order.push("last"));
      await locks.query();
      const { held = [], pending = [] } = await locks.query();
      controller.abort();
      const how = await aborted;
      release();
      await Promise.all([first, ...shared, last]);
      const robbed = outcome(() =>
        locks.request("b", () => new Promise(() => {}))
      );
      await locks.query();
      const refused = (name: string, options: LockOptions) =>
        outcome(() => locks.request(name, options, () => {}));
      return [
        order,
        [held.length, pending.length],
        how,
        await locks.request("b", { steal: true }, () => "stolen"),
        await robbed,
        await refused("-a", {}),
        await refused("a", { steal: true, ifAvailable: true }),
        await refused("a", { steal: true, mode: "shared" }),
        await refused("a", { ifAvailable: true, signal: controller.signal }),
      ];
    },
    expected: [
      ["first", "one", "two", "last"],
      [1, 4],
      "AbortError",
      "stolen",
      "AbortError",
      "NotSupportedError",
      "NotSupportedError",
      "NotSupportedError",
      "NotSupportedError",
    ],
  },

  "a worker that was stopped has forgotten all but its storage": {
    worker(self) {
      let count = 0;
      answer(self, async () => {
        const cache = await self.caches.open("v1");
        const stored = Number(await (await cache.match("/count"))?.text() ?? 0);
        await cache.put("/count", new Response(String(stored + 1)));
        return [++count, stored + 1];
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    async afterStop(page) {
      const { active } = await page.serviceWorker.ready;
      return [await ask(active), active?.state];
    },
    expected: [[1, 2], "activated"],
    differs: { webkit: undefined },
  },

  "a worker that was stopped holds no lock": {
    worker(self) {
      answer(self, () =>
        new Promise((resolve) => {
          self.navigator.locks.request("held", () => {
            resolve("held");
            return new Promise(() => {});
          });
        }));
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    async afterStop(page) {
      return await page.locks.request("held", () => "granted");
    },
    expected: "granted",
    differs: { webkit: undefined },
  },

  "a request that a worker was answering fails when it is stopped": {
    worker(self) {
      respond(self, {
        slow: (event) => event.respondWith(new Promise(() => {})),
      });
    },
    async page(page) {
      await controlled(page);
      const ended = outcome(() => page.fetch("/asked/slow"));
      Object.assign(page.kept, { ended });
      return await within(ended, 100, "pending");
    },
    afterStop: async (page) =>
      await within(Promise.resolve(page.kept["ended"]), 1000, "pending"),
    expected: "TypeError",
    // It leaves the page waiting.
    differs: { chromium: "pending", webkit: undefined },
  },

  "a response breaks off when the worker that makes it is stopped": {
    worker(self) {
      respond(self, {
        stream(event) {
          const body = new ReadableStream({
            start: (controller) => controller.enqueue(new Uint8Array(2)),
          });
          event.respondWith(new Response(body));
        },
      });
    },
    async page(page) {
      await controlled(page);
      const response = await page.fetch("/asked/stream");
      const reader = response.body?.getReader();
      const { value } = await reader?.read() ?? {};
      const ended = outcome(() => reader?.read());
      Object.assign(page.kept, { ended });
      return value?.length;
    },
    afterStop: async (page) =>
      await within(Promise.resolve(page.kept["ended"]), 1000, "pending"),
    expected: "TypeError",
    // It ends there.
    differs: { firefox: "ok", webkit: undefined },
  },

  "a channel does not start a worker that was stopped": {
    worker(self) {
      const channel = new BroadcastChannel("news");
      channel.onmessage = () => channel.postMessage("heard");
      answer(self, () => "listening");
    },
    async page(page) {
      const heard: unknown[] = [];
      const channel = new page.BroadcastChannel("news");
      channel.onmessage = ({ data }) => heard.push(data);
      Object.assign(page.kept, { channel, heard });
      return await ask((await activated(page)).active);
    },
    async afterStop(page) {
      const { channel, heard } = page.kept as {
        channel: BroadcastChannel;
        heard: unknown[];
      };
      await sleep(100);
      channel.postMessage("news");
      await sleep(100);
      channel.close();
      return heard;
    },
    expected: [],
    differs: { webkit: undefined },
  },

  "a port of a worker that was stopped is silent": {
    worker(self) {
      self.addEventListener("message", ({ ports: [port] }) => {
        if (!port) return;
        port.onmessage = () => port.postMessage("answer");
        port.postMessage("ready");
      });
    },
    async page(page) {
      const { active } = await activated(page);
      const { port1, port2 } = new MessageChannel();
      const heard: unknown[] = [];
      const ready = new Promise<void>((resolve) => {
        port1.onmessage = ({ data }) => {
          heard.push(data);
          resolve();
        };
      });
      active?.postMessage(null, [port2]);
      await ready;
      Object.assign(page.kept, { port1, heard });
    },
    async afterStop(page) {
      const { port1, heard } = page.kept as { port1: MessagePort; heard: [] };
      // Firefox says that it has stopped when it has begun to.
      await sleep(100);
      port1.postMessage("question");
      await sleep(200);
      port1.close();
      return heard;
    },
    expected: ["ready"],
    differs: { webkit: undefined },
  },

  "skipWaiting() lets the old version finish its events": {
    worker(self, version) {
      if (version === 1) claim(self);
      self.addEventListener("message", (event) => {
        if (event.data === "skip") event.waitUntil(self.skipWaiting());
        if (event.data === "work") event.waitUntil(sleep(300));
      });
    },
    async page(page) {
      await controlled(page);
      const begun = performance.now();
      page.serviceWorker.controller?.postMessage("work");
      const registration = await page.register(2);
      const waiting = await reached(registration.installing, "installed");
      const changed = new Promise((resolve) =>
        page.serviceWorker.oncontrollerchange = resolve
      );
      waiting.postMessage("skip");
      await changed;
      return performance.now() - begun > 250;
    },
    expected: true,
  },

  "notifications are refused without permission": {
    worker(self) {
      answer(
        self,
        () => outcome(() => self.registration.showNotification("title")),
      );
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: "TypeError",
  },

  "a sync is fired with its tag, and is forgotten when it succeeded": {
    worker(self) {
      const fired = new Promise((resolve) => {
        self.addEventListener("sync" as "message", (event) => {
          const { tag, lastChance } = event as unknown as SyncEvent;
          resolve([tag, lastChance]);
        });
      });
      const early = outcome(() => syncOf(self.registration).register("early"));
      answer(self, async () => {
        await syncOf(self.registration).register("outbox");
        const event = await fired;
        await sleep(50);
        return [
          await early,
          event,
          await syncOf(self.registration).getTags(),
        ];
      });
    },
    async page(page) {
      return await ask((await activated(page)).active);
    },
    expected: ["InvalidStateError", ["outbox", false], []],
    differs: { firefox: undefined, webkit: undefined },
  },

  "a background fetch hands its responses to the worker": {
    worker(self) {
      const ended = new Promise((resolve) => {
        self.addEventListener(
          "backgroundfetchsuccess" as "message",
          (event) => {
            const { registration, updateUI } =
              event as unknown as BackgroundFetchEvent;
            const read = async () => {
              const records = await registration.matchAll();
              const texts = await Promise.all(
                records.map(async ({ responseReady }) =>
                  await (await responseReady).text()
                ),
              );
              const first = await outcome(() =>
                updateUI.call(event, { title: "done" })
              );
              const second = await outcome(() => updateUI.call(event, {}));
              return [
                registration.id,
                registration.result,
                texts,
                first,
                second,
              ];
            };
            const result = read();
            event.waitUntil(result);
            resolve(result);
          },
        );
      });
      answer(self, () => ended);
    },
    async page(page) {
      const registration = await activated(page);
      const { backgroundFetch } = registration as unknown as {
        backgroundFetch: BackgroundFetchManager;
      };
      const empty = await outcome(() => backgroundFetch.fetch("empty", []));
      const opaque = await outcome(() =>
        backgroundFetch.fetch("opaque", [
          new Request(page.origin, { mode: "no-cors" }),
        ])
      );
      await backgroundFetch.fetch("id", ["/asked/echo"]);
      const twice = await outcome(() =>
        backgroundFetch.fetch("id", ["/asked/echo"])
      );
      return [empty, opaque, twice, await ask(registration.active)];
    },
    expected: [
      "TypeError",
      "TypeError",
      "TypeError",
      ["id", "success", ["GET "], "ok", "InvalidStateError"],
    ],
    differs: { firefox: undefined, webkit: undefined },
  },
};

interface SyncEvent {
  readonly tag: string;
  readonly lastChance: boolean;
}

function syncOf(registration: ServiceWorkerRegistration) {
  return (registration as unknown as {
    sync: {
      register(tag: string): Promise<void>;
      getTags(): Promise<string[]>;
    };
  }).sync;
}

interface BackgroundFetchManager {
  fetch(id: string, requests: RequestInfo[]): Promise<unknown>;
}

interface BackgroundFetchEvent {
  readonly registration: {
    readonly id: string;
    readonly result: string;
    matchAll(): Promise<{ responseReady: Promise<Response> }[]>;
  };
  updateUI(options: { title?: string }): Promise<void>;
}
