// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Download what is large, by Background Fetch where the browser has it and lets
 * the app use it, and otherwise by a download of this module's own: with the same
 * states, the same events and the same end, which is that each file is in a cache
 * whole. Pages and worker make the same object over the same store: pages start,
 * follow and abort downloads, the worker puts into the cache what the browser has
 * downloaded.
 *
 * What the fallback promises. It goes on while a page or the worker lives, and
 * from where it was when one does again: what was received is in a cache of its
 * own, part by part, and only what is missing is asked for, with `Range` and
 * `If-Range`. One context downloads at a time (a Web Lock); if it is closed or
 * stopped, another one goes on. A file that has changed on the server, or cannot
 * be had in ranges, begins again. It holds no more than a few parts in memory.
 * What is lost is the download with no page open, which lasts as long as the
 * worker does: a few minutes at most.
 *
 * What that costs. While a file is joined from its parts it is on disk twice, as
 * it is with Background Fetch while it is put into the cache. WebKit holds what is
 * put into a cache in memory, whoever puts it there. Where a file comes faster than
 * it can be stored, Firefox and WebKit receive it all the same, without limit: what
 * was not read is in memory, and is sent again if its page is closed.
 *
 * ```text
 * store  "background-fetch/<name>/<id>": what was asked for, and what came of it
 * cache  "background-fetch/<name>/<id>": the parts of what is not whole
 * wake   { "@serviceworker/std": { backgroundFetch: { name } } }, to the worker
 * news   { "@serviceworker/std": { backgroundFetch: { id, downloaded, total } } },
 *        on a BroadcastChannel; without numbers if it is to be read in the store
 * ```
 *
 * Whole files are found with `cache.match(url)`, and played by `rangeResponse()`
 * of `fetch/range-response`; parts are played by nobody, so let a `fetch` listener
 * leave a file to the network until it is whole.
 *
 * @module
 */

/** Why a download, or a file of it, failed; the platform's words. */
export type BackgroundFetchFailureReason =
  | ""
  | "aborted"
  | "bad-status"
  | "fetch-error"
  | "quota-exceeded"
  | "download-total-exceeded";

/** A `BackgroundFetchRecord`. */
export interface BackgroundFetchRecord {
  /** What was asked for. */
  readonly request: { readonly url: string };
  /** Resolves with the answer when it is there. */
  readonly responseReady: Promise<Response>;
}

/** The part of a `BackgroundFetchRegistration` that {@linkcode createBackgroundFetch} uses. */
export interface BackgroundFetchRegistration {
  /** Its identifier. */
  readonly id: string;
  /** How many bytes have come. */
  readonly downloaded: number;
  /** How it ended, or nothing. */
  readonly result: string;
  /** Why it failed, or nothing. */
  readonly failureReason: string;
  /** Whether what came of it can be read, which it can in its last event only. */
  readonly recordsAvailable: boolean;
  /** Ends it. */
  abort(): Promise<boolean>;
  /** Resolves with all that was asked for. */
  matchAll(): Promise<readonly BackgroundFetchRecord[]>;
  /** Tells how far it is. */
  addEventListener(
    type: "progress",
    listener: () => void,
    options: { signal: AbortSignal },
  ): void;
}

/** What the browser shows of a download. */
export interface BackgroundFetchIcon {
  /** The URL of the image. */
  readonly src: string;
  /** Its sizes, such as "192x192". */
  readonly sizes?: string;
  /** Its MIME type. */
  readonly type?: string;
}

/** The part of a `ServiceWorkerRegistration` that {@linkcode createBackgroundFetch} uses. */
export interface BackgroundFetchOwner {
  /** The worker that the events are for. */
  readonly active: { postMessage(message: unknown): void } | null;
  /** Missing in browsers that have no Background Fetch. */
  readonly backgroundFetch?: {
    fetch(
      id: string,
      requests: Request[],
      options: {
        title?: string;
        icons?: BackgroundFetchIcon[];
        downloadTotal?: number;
      },
    ): Promise<unknown>;
    get(id: string): Promise<BackgroundFetchRegistration | undefined>;
  } | undefined;
}

/** The part of a `Cache` that {@linkcode createBackgroundFetch} uses. */
export interface BackgroundFetchCache {
  /** Resolves with what is stored for a URL. */
  match(url: string): Promise<Response | undefined>;
  /** Stores a response. */
  put(url: string, response: Response): Promise<void>;
  /** Removes what is stored for a URL. */
  delete(url: string): Promise<boolean>;
  /** Resolves with all requests. */
  keys(): Promise<readonly { readonly url: string }[]>;
}

/** The part of a `BroadcastChannel` that {@linkcode createBackgroundFetch} uses. */
export interface BackgroundFetchChannel {
  /** Tells the others. */
  postMessage(message: unknown): void;
  /** Called with what the others tell. */
  onmessage: ((event: MessageEvent) => void) | null;
  /** Hears no more. */
  close(): void;
}

/** The part of a `Window`, or of a worker's `self`, that {@linkcode createBackgroundFetch} uses. */
export interface BackgroundFetchScope {
  /** The caches of the origin. */
  readonly caches: {
    /** Resolves with whether there is a cache of a name. */
    has(name: string): Promise<boolean>;
    /** Opens a cache. */
    open(name: string): Promise<BackgroundFetchCache>;
    /** Deletes a cache. */
    delete(name: string): Promise<boolean>;
  };
  /** The browser. */
  readonly navigator: {
    /** Whether there is a network. */
    readonly onLine: boolean;
    /** Has one context do it at a time. */
    readonly locks: {
      request<T>(
        name: string,
        options: { signal?: AbortSignal },
        callback: () => Promise<T>,
      ): Promise<T>;
    };
    /** Tells how much can be stored. Missing in some browsers. */
    readonly storage?: {
      estimate(): Promise<{ quota?: number; usage?: number }>;
    } | undefined;
    /** The workers; in a page. */
    readonly serviceWorker?: {
      readonly controller: { postMessage(message: unknown): void } | null;
      readonly ready: Promise<BackgroundFetchOwner>;
    } | undefined;
  };
  /** The worker's registration; in a worker. */
  readonly registration?: BackgroundFetchOwner | undefined;
  /** Makes a channel to the other contexts; the global one, where it is missing. */
  readonly BroadcastChannel?:
    | (new (name: string) => BackgroundFetchChannel)
    | undefined;
  /** Asks the network. */
  fetch(
    request: Request,
    init: { cache: "no-store"; signal: AbortSignal },
  ): Promise<Response>;
  /** Tells that the page goes. Missing in workers. */
  readonly window?: {
    addEventListener(
      type: "pagehide",
      listener: () => void,
      options: { signal: AbortSignal },
    ): void;
  } | undefined;
  /** Fires an event, in a worker. */
  dispatchEvent(event: Event): boolean;
}

/** Where it is kept what is to be downloaded: any store that outlives the page. */
export interface BackgroundFetchStore {
  /** Resolves with the value of a key, `undefined` if there is none. */
  get(key: string): Promise<unknown>;
  /** Stores a value. */
  set(key: string, value: unknown): Promise<void>;
  /** Removes a key. */
  delete(key: string): Promise<void>;
  /** Resolves with all keys that begin with the prefix, and their values. */
  list(options: { prefix: string }): Promise<[key: string, value: unknown][]>;
}

/** Options for {@linkcode createBackgroundFetch}. */
export interface CreateBackgroundFetchOptions {
  /** The name of the cache that the files are put into. */
  cacheName: string;
  /**
   * The name of these downloads within their store and origin.
   *
   * @default {"default"}
   */
  name?: string | undefined;
}

/** Options for {@linkcode BackgroundFetch.start}. */
export interface BackgroundFetchStartOptions {
  /** What the browser shows to the user, where it shows the download. */
  title?: string | undefined;
  /** The icons that it may show. */
  icons?: readonly BackgroundFetchIcon[] | undefined;
  /**
   * How many bytes the files have together. More than that makes the download
   * fail with "download-total-exceeded", which is a mistake in the caller's code.
   * Without it, or with 0, there is no limit, and a bar has no length before all
   * files have begun, with Background Fetch not at all.
   *
   * @default {0}
   */
  downloadTotal?: number | undefined;
  /**
   * Ends the wait for an active worker; the promise then rejects with the
   * signal's reason. It replaces the default deadline of 30 seconds, after which
   * the promise rejects with a "NoWorkerError". What has begun is ended by
   * {@linkcode BackgroundFetch.abort}.
   */
  signal?: AbortSignal | undefined;
}

/** A file of a download. */
export interface BackgroundFetchFile {
  /** Its URL. */
  readonly url: string;
  /** Whether it was put into the cache, whole. */
  readonly stored: boolean;
  /** Why it was not. */
  readonly failureReason: BackgroundFetchFailureReason;
  /** The same in words. */
  readonly message: string;
}

/** A download. */
export interface BackgroundFetchState {
  /** Its identifier. */
  readonly id: string;
  /** Which path it takes: Background Fetch, or the download of this module. */
  readonly path: "native" | "fallback";
  /** The option of the same name. */
  readonly title: string;
  /** How it ended, or nothing while it goes on, waits for a network, or is being stored. */
  readonly result: "" | "success" | "failure";
  /** Why it failed. */
  readonly failureReason: BackgroundFetchFailureReason;
  /** How many bytes have come, those of an earlier attempt included. */
  readonly downloaded: number;
  /** How many there will be, or 0 if that is not known. */
  readonly downloadTotal: number;
  /** What it consists of. */
  readonly files: readonly BackgroundFetchFile[];
}

/** A download, as it proceeds. */
export interface BackgroundFetchProgress extends BackgroundFetchState {
  /** How many bytes a second came in the last five seconds. */
  readonly rate: number;
}

/** The part of a `message` event that {@linkcode BackgroundFetch.wake} uses. */
export interface BackgroundFetchWakeEvent {
  /** The message. */
  readonly data: unknown;
  /** Keeps the worker alive until the promise settles. */
  waitUntil(promise: Promise<unknown>): void;
}

/** The part of a `backgroundfetchsuccess`, `…fail` or `…abort` event that {@linkcode BackgroundFetch.settle} uses. */
export interface BackgroundFetchEndEvent {
  /** The download. */
  readonly registration: BackgroundFetchRegistration;
  /** Changes what the browser shows, once; not where the user has aborted it. */
  updateUI?(options: { title: string }): Promise<void>;
}

/** Options for {@linkcode BackgroundFetch.settle}. */
export interface BackgroundFetchSettleOptions {
  /**
   * What the browser shows from then on in place of the title, by what has become
   * of the download. Without it, the title stays, unless the caller calls
   * `event.updateUI()`, which works once.
   */
  title?: ((state: BackgroundFetchState) => string) | undefined;
}

/** Options for {@linkcode BackgroundFetch.run} and {@linkcode BackgroundFetch.watch}. */
export interface BackgroundFetchRunOptions {
  /** Ends it; what is waited for then rejects with the signal's reason. */
  signal?: AbortSignal | undefined;
}

/** Downloads, made by {@linkcode createBackgroundFetch}. */
export interface BackgroundFetch {
  /**
   * Downloads files, each into the cache under its URL, and resolves with the
   * state when that has begun: at once, or when there is an active worker. Caches
   * know no fragment of a URL; it is left out. What an
   * earlier download of this identifier has stored, and is still in the cache, is
   * not downloaded again, so that after a failure only what is missing is. If one
   * of the same files is running, it is joined.
   *
   * Rejects with a `TypeError` if there are no files, or one is not to be had by
   * `GET` from http(s), is in the list twice, is of mode "no-cors", whose body
   * nobody can read, or has an `integrity`, which cannot be told of parts;
   * "NotSupportedError" if there are no service workers, as on insecure origins;
   * "NoWorkerError" if none is active after 30 seconds; "InvalidStateError" if one
   * of the same identifier and other files is running; and with the platform's
   * own, as a "QuotaExceededError" if `downloadTotal` does not fit. Nothing is left
   * then.
   */
  start(
    id: string,
    requests: string | URL | Request | readonly (string | URL | Request)[],
    options?: BackgroundFetchStartOptions,
  ): Promise<BackgroundFetchState>;
  /** Resolves with a download, running or ended, or with `undefined` if there is none. */
  get(id: string): Promise<BackgroundFetchState | undefined>;
  /** Resolves with all downloads, running and ended, in the order in which they were started. */
  list(): Promise<BackgroundFetchState[]>;
  /**
   * Gives a download as it is, and then as it proceeds, whoever runs it, up to its
   * end, or until it is deleted. A reader who is busy misses what is between. Its
   * iterator rejects with a "NotFoundError" if there is none of the identifier.
   */
  watch(
    id: string,
    options?: BackgroundFetchRunOptions,
  ): AsyncGenerator<BackgroundFetchProgress, void, undefined>;
  /** Ends a download, and resolves with whether it was running. The files that are whole by then stay. */
  abort(id: string): Promise<boolean>;
  /** Ends a download if it is running, removes what it has put into the cache, and forgets it. Resolves with whether it was there. */
  delete(id: string): Promise<boolean>;
  /**
   * Goes on with what the fallback has to download, and resolves when nothing can
   * be done, with when to call it again; `undefined` if nothing is left. If another
   * context is at it, it waits for that and then does what is left. `start()` calls
   * it; have `backgroundSync` call it whenever there is a reason to, in pages, and
   * in a worker from an event. It ends when its page goes.
   *
   * In a worker it also fires the events of what has ended, as the browser does.
   */
  run(
    options?: BackgroundFetchRunOptions,
  ): Promise<{ next: number | undefined }>;
  /**
   * The listener for a worker's `message` events: a page that begins a download,
   * ends one, or goes, has the worker take its turn, for up to four minutes.
   */
  wake(event: BackgroundFetchWakeEvent): void;
  /**
   * Puts what was downloaded into the cache, good files even where others failed,
   * and resolves with what has become of the download. For the worker's events
   * `backgroundfetchsuccess`, `…fail` and `…abort`, which the fallback fires as
   * well: call it inside `event.waitUntil()`, and tell the user afterwards.
   *
   * Resolves with `undefined` if these downloads do not know it, as it was deleted
   * or started by others. Rejects with an "InvalidStateError" if its records are
   * not available, as after its event.
   */
  settle(
    event: BackgroundFetchEndEvent | Event,
    options?: BackgroundFetchSettleOptions,
  ): Promise<BackgroundFetchState | undefined>;
}

/** A download as it is stored. */
interface Job {
  readonly format: 1;
  readonly id: string;
  /** Differs from that of another one with the same identifier. */
  readonly token: string;
  readonly started: number;
  readonly title: string;
  readonly limit: number;
  readonly files: readonly File[];
  readonly path: BackgroundFetchState["path"];
  readonly result: BackgroundFetchState["result"];
  /** "aborted" also while the browser has not yet said that it is. */
  readonly failureReason: BackgroundFetchFailureReason;
  /** Whether the worker's event was fired. */
  readonly told: boolean;
  /** Since when the browser does not know it any more, though no event came. */
  readonly missingSince?: number | undefined;
}

/** A file as it is stored. */
interface File extends BackgroundFetchFile {
  readonly request: StoredRequest;
  /** The bytes of it in the cache, if it is stored. */
  readonly size: number;
  /** The version whose parts there are. */
  readonly version?: Version | undefined;
  /** How many attempts in a row brought nothing; */
  readonly attempts: number;
  /** when the first of them failed, */
  readonly failing: number;
  /** and the last one. */
  readonly failed: number;
}

interface StoredRequest {
  readonly headers: readonly [name: string, value: string][];
  readonly mode: RequestMode;
  readonly credentials: RequestCredentials;
  readonly redirect: RequestRedirect;
  readonly referrerPolicy: ReferrerPolicy;
}

/** A file as the server described it. */
interface Version {
  /** Differs from that of any other version. */
  readonly key: string;
  /** What a range is asked for with; empty if it cannot be. */
  readonly validator: string;
  /** Its bytes, if the server has said. */
  readonly total: number | undefined;
  readonly status: number;
  readonly statusText: string;
  readonly headers: readonly [name: string, value: string][];
}

/** A part of a file in the cache. */
interface Part {
  readonly url: string;
  readonly start: number;
  readonly end: number;
}

/** What is told on the channel. */
interface News {
  readonly id: string;
  readonly downloaded?: number | undefined;
  readonly total?: number | undefined;
}

/** A file that is being downloaded. */
interface Task {
  readonly job: Job;
  readonly index: number;
  readonly parts: BackgroundFetchCache;
  /** Aborts when the download is over, or its context is to end. */
  readonly over: AbortController;
}

/** What a server sends of a file. */
interface Answer {
  readonly response: Response;
  readonly version: Version;
  /** Which byte it begins with. */
  readonly at: number;
  /** Something has come: the wait for more begins anew. */
  stir(): void;
  /** Ends the wait. */
  rest(): void;
}

/** What came of an answer that was received to its end. */
interface Received {
  /** Its size is known. */
  readonly version: Version;
  /** The bytes after the last part, which is not worth being stored twice. */
  readonly tail: Uint8Array<ArrayBuffer>;
}

const KEY = "@serviceworker/std";
const FORMAT = 1;
const SECOND = 1_000;
/** How long there may be no active worker. */
const DEADLINE = 30_000;
/** How long a server may send nothing. */
const STALL = 60_000;
/** Chromium ends an event that takes five minutes. */
const LIMIT = 240_000;
/** The longest pause before a file is asked for again, */
const MAX_PAUSE = 60_000;
/** and when it is given up: after this time and so many attempts. */
const PATIENCE = 300_000;
const ATTEMPTS = 5;
/** Bytes of a part. Two are lost at most of what was read when a context is stopped. */
const PART_BYTES = 2 * 1024 * 1024;
/** How often progress is told. */
const REPORT_EVERY = 100;
/** How often a watcher looks for what it was not told. */
const LOOK_EVERY = 5_000;
const RATE_WINDOW = 5_000;
const RANGE_REGEXP = /^bytes (\d+)-(\d+)\/(\d+)$/;
/** What a joined response does not have in common with the one that it came by. */
const DROPPED_REGEXP =
  /^(content-(encoding|length|range)|transfer-encoding|vary)$/;
const PART_REGEXP = /\/background-fetch\/(\d+)\/([^/]+)\/(\d+)-(\d+)$/;
/** The name of an error that may go away by itself, */
const BUSY = "busy";
/** as these do, and those of the server from 500. */
const BUSY_STATUS = [408, 425, 429];

/**
 * Makes downloads over a store, in a page or a worker. Nothing happens before a
 * method is called.
 *
 * In a page, the requests of the fallback pass through the worker's `fetch`
 * listener as all others do: let it leave them alone. The headers of a request are
 * in the store until the download is deleted. A server of another origin has to
 * expose `ETag` and `Content-Range` and to allow `Range` and `If-Range` for a
 * download to be resumed.
 *
 * Spec: https://wicg.github.io/background-fetch/
 *
 * @param scope The `window` of a page, or the `self` of a worker.
 * @param store The durable store, which it may share with others.
 * @param options The name of the cache, and additional options.
 * @returns The downloads.
 *
 * @example Downloading an episode
 * ```ts
 * import { createBackgroundFetch } from "@serviceworker/std/fetch/background-fetch";
 * import { memoryStore } from "@serviceworker/std/storage/memory-store";
 * import { createHost } from "@serviceworker/std/testing/host";
 * import { assertEquals } from "@std/assert";
 *
 * const store = memoryStore(); // Stands for openStore().
 * const options = { cacheName: "episodes" };
 * const host = createHost({ network: () => new Response("Hello") });
 * await host.register((self) => {
 *   const downloads = createBackgroundFetch(self, store, options);
 *   self.addEventListener("message", downloads.wake);
 *   for (const end of ["success", "fail", "abort"] as const) {
 *     self.addEventListener(`backgroundfetch${end}`, (event) => {
 *       event.waitUntil(downloads.settle(event));
 *     });
 *   }
 * });
 *
 * const page = await host.openWindow("/");
 * const downloads = createBackgroundFetch(page, store, options);
 * const url = `${host.origin}/1.mp3`;
 * await downloads.start("1", url, { title: "Episode 1" });
 * for await (const { result, downloaded } of downloads.watch("1")) {
 *   if (result === "success") assertEquals(downloaded, 5);
 * }
 * assertEquals(await (await host.caches.match(url))?.text(), "Hello");
 * host.close();
 * ```
 */
export function createBackgroundFetch(
  scope: BackgroundFetchScope,
  store: BackgroundFetchStore,
  options: CreateBackgroundFetchOptions,
): BackgroundFetch {
  const { cacheName, name = "default" } = options;
  const { caches } = scope;
  const Channel = scope.BroadcastChannel ?? BroadcastChannel;
  const prefix = `background-fetch/${encodeURIComponent(name)}/`;
  const channelName = `${KEY} ${prefix}`;
  const wakeMessage = { [KEY]: { backgroundFetch: { name } } };

  /** Does work on a download that nobody else changes meanwhile. */
  function locked<T>(id: string, work: () => Promise<T>): Promise<T> {
    return scope.navigator.locks.request(`${channelName}state/${id}`, {}, work);
  }

  async function read(id: string): Promise<Job | undefined> {
    const job = await store.get(prefix + id) as Partial<Job> | undefined;
    return job?.format === FORMAT ? job as Job : undefined;
  }

  async function write(job: Job): Promise<void> {
    await store.set(prefix + job.id, job);
    tell({ id: job.id });
  }

  async function readAll(): Promise<Job[]> {
    const found = await store.list({ prefix });
    // What another version of the code stored is left to that.
    const all = found.map(([, value]) => value as Partial<Job>)
      .filter(({ format }) => format === FORMAT) as Job[];
    return all.sort((a, b) => a.started - b.started);
  }

  /**
   * Changes a download, unless it has ended or was deleted meanwhile, even if there
   * is another one of its identifier. Resolves with whether it did.
   */
  function change(
    { id, token, result }: Job,
    work: (job: Job) => Partial<Job> | Promise<Partial<Job> | undefined>,
  ): Promise<boolean> {
    return locked(id, async () => {
      const job = await read(id);
      if (job?.token !== token || job.result !== result) return false;
      const changes = await work(job);
      if (changes) await write({ ...job, ...changes });
      return changes !== undefined;
    });
  }

  function changeFile(
    { job, index }: Task,
    changes: Partial<File>,
  ): Promise<boolean> {
    return change(job, ({ files }) => ({
      files: files.map((file, i) =>
        i === index ? { ...file, ...changes } : file
      ),
    }));
  }

  function tell(news: News): void {
    const channel = new Channel(channelName);
    channel.postMessage({ [KEY]: { backgroundFetch: news } });
    channel.close();
  }

  /** Hears the news of one download, until the returned function is called. */
  function hear(id: string, listener: (news: News) => void): () => void {
    const channel = new Channel(channelName);
    channel.onmessage = ({ data }) => {
      const news = contentOf(data) as Partial<News> | undefined;
      if (news?.id === id) listener(news as News);
    };
    return () => channel.close();
  }

  /** The registration; waits for its worker to be active. */
  async function ready(signal?: AbortSignal): Promise<BackgroundFetchOwner> {
    if (scope.registration) return scope.registration;
    const { serviceWorker } = scope.navigator;
    if (!serviceWorker) {
      throw new DOMException(
        "Cannot download in the background: navigator.serviceWorker is undefined",
        "NotSupportedError",
      );
    }
    const late = new AbortController();
    const timer = setTimeout(() => {
      late.abort(
        new DOMException(
          `Cannot download in the background: no worker is active after ${
            DEADLINE / SECOND
          } seconds`,
          "NoWorkerError",
        ),
      );
    }, DEADLINE);
    try {
      return await within(serviceWorker.ready, signal ?? late.signal);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What the browser knows of a download. */
  async function findNative(
    { id, path, result }: Job,
  ): Promise<BackgroundFetchRegistration | undefined> {
    if (path === "fallback" || result !== "") return undefined;
    const { backgroundFetch } = await ready();
    return await backgroundFetch?.get(id);
  }

  /** The parts of a download; to open a cache that was deleted would make it anew. */
  function findParts(id: string): Promise<BackgroundFetchCache | undefined> {
    return locked(id, async () => {
      const exists = await caches.has(prefix + id);
      return exists ? await caches.open(prefix + id) : undefined;
    });
  }

  /** Removes the parts of what nobody goes on with. */
  async function tidy(id: string): Promise<void> {
    if (!await caches.has(prefix + id)) return;
    await locked(id, async () => {
      const { result = "failure", failureReason } = await read(id) ?? {};
      // What broke off may yet be resumed.
      if (result === "" || failureReason === "fetch-error") return;
      await caches.delete(prefix + id);
    });
  }

  async function toState(job: Job): Promise<BackgroundFetchState> {
    const { id, path, title, result, failureReason } = job;
    const native = await findNative(job);
    let downloaded = native?.downloaded ?? 0;
    const isPartial = path === "fallback" &&
      job.files.some(({ stored, version }) => !stored && version);
    const parts = isPartial ? await findParts(id) : undefined;
    for (const [index, { stored, size, version }] of job.files.entries()) {
      if (stored) downloaded += size;
      else if (parts && version) {
        downloaded += sizeOf(await listParts(parts, index, version));
      }
    }
    const files = job.files.map(({ url, stored, failureReason, message }) => ({
      url,
      stored,
      failureReason,
      message,
    }));
    return {
      id,
      path,
      title,
      result,
      failureReason: result === "" ? "" : failureReason,
      downloaded,
      downloadTotal: totalOf(job),
      files,
    };
  }

  async function start(
    id: string,
    requests: string | URL | Request | readonly (string | URL | Request)[],
    options: BackgroundFetchStartOptions = {},
  ): Promise<BackgroundFetchState> {
    const { title = "", icons = [], downloadTotal = 0, signal } = options;
    signal?.throwIfAborted();
    const all = [requests].flat().map((request) => toRequest(request));
    assertDownloadable(id, all);
    const registration = await ready(signal);
    const { backgroundFetch } = registration;
    const job = await locked(id, async () => {
      const before = await read(id);
      const running = before?.path === "fallback"
        ? before.result === ""
        : await backgroundFetch?.get(id) !== undefined;
      if (running) {
        const urls = before?.files.map(({ url }) => url).sort();
        if (String(urls) === String(all.map(({ url }) => url).sort())) {
          return before as Job;
        }
        throw new DOMException(
          `Cannot start the download "${id}": one of other files is running`,
          "InvalidStateError",
        );
      }

      const cache = await caches.open(cacheName);
      const files = await Promise.all(all.map(async (request) => {
        const file = before?.files.find(({ url }) => url === request.url);
        const stored = file?.stored === true &&
          await cache.match(request.url) !== undefined;
        return toFile(request, file, stored);
      }));
      const missing = all.filter((_, index) => !files[index]?.stored);
      const job: Job = {
        format: FORMAT,
        id,
        token: crypto.randomUUID(),
        started: Date.now(),
        title,
        limit: downloadTotal,
        files,
        path: backgroundFetch && missing.length > 0 ? "native" : "fallback",
        result: "",
        failureReason: "",
        told: false,
      };
      // Its event may come before the next line is run.
      await write(job);
      if (!backgroundFetch || job.path === "fallback") return job;
      try {
        const size = files.reduce((sum, { size }) => sum + size, 0);
        await backgroundFetch.fetch(id, missing, {
          title,
          icons: [...icons],
          ...(downloadTotal > 0 && {
            downloadTotal: Math.max(1, downloadTotal - size),
          }),
        });
        return job;
      } catch (error) {
        // What else makes a TypeError was looked at before; Chromium says so of a
        // second download since the user has touched the page.
        if (/^(NotAllowed|Type)Error$/.test(nameOf(error))) {
          const refused = { ...job, path: "fallback" } as const;
          await write(refused);
          return refused;
        }
        if (before) await write(before);
        else await store.delete(prefix + id);
        throw error;
      }
    });
    if (job.path === "fallback") {
      go();
      // To go on where this page does not.
      wakeWorker();
    }
    return await toState(job);
  }

  /** Runs where nobody waits for it: what fails is for the next time. */
  function go(): void {
    run().catch(() => {});
  }

  /** Has the worker take its turn, if there is one. */
  function wakeWorker(): void {
    if (scope.registration) return;
    scope.navigator.serviceWorker?.ready
      .then(({ active }) => active?.postMessage(wakeMessage))
      // It looks whenever it runs.
      .catch(() => {});
  }

  async function abort(id: string): Promise<boolean> {
    const job = await locked(id, async () => {
      const job = await read(id);
      if (!job || job.result !== "") return undefined;
      const native = await findNative(job);
      // Its event follows.
      const result = native && await native.abort() ? "" : "failure";
      await write({ ...job, result, failureReason: "aborted" });
      return job;
    });
    if (job?.path === "fallback") {
      go();
      wakeWorker();
    }
    return job !== undefined;
  }

  async function remove(id: string): Promise<boolean> {
    const job = await locked(id, async () => {
      const job = await read(id);
      if (!job) return undefined;
      await (await findNative(job))?.abort();
      await store.delete(prefix + id);
      const cache = await caches.open(cacheName);
      for (const { stored, url } of job.files) {
        if (stored) await cache.delete(url);
      }
      // Whoever downloads it does so as well, when it notices.
      await caches.delete(prefix + id);
      tell({ id });
      return job;
    });
    return job !== undefined;
  }

  async function* watch(
    id: string,
    { signal }: BackgroundFetchRunOptions = {},
  ): AsyncGenerator<BackgroundFetchProgress, void, undefined> {
    signal?.throwIfAborted();
    const over = new AbortController();
    let news = Promise.withResolvers<void>();
    let live: Partial<BackgroundFetchState> = {};
    let isStale = true;
    const look = () => {
      isStale = true;
      news.resolve();
    };
    const unhear = hear(id, ({ downloaded, total }) => {
      live = downloaded === undefined
        ? {}
        : { downloaded, downloadTotal: total ?? 0 };
      if (downloaded === undefined) look();
      else news.resolve();
    });
    signal?.addEventListener("abort", look, { signal: over.signal });
    const timer = setInterval(look, LOOK_EVERY);
    const samples: [time: number, bytes: number][] = [];
    let state: BackgroundFetchState | undefined;
    try {
      const job = await read(id);
      if (!job) {
        throw new DOMException(
          `Cannot watch the download "${id}": there is none`,
          "NotFoundError",
        );
      }
      const native = await findNative(job);
      const before = job.files.reduce((sum, { size }) => sum + size, 0);
      native?.addEventListener("progress", () => {
        live = { downloaded: native.downloaded + before };
        news.resolve();
      }, { signal: over.signal });
      while (true) {
        signal?.throwIfAborted();
        if (isStale) {
          isStale = false;
          const job = await read(id);
          if (!job) return;
          state = await toState(job);
          // Of what is on its way, more was told than there is in the store.
          if (state.result !== "") live = {};
        }
        if (!state) return;
        const progress = { ...state, ...live };
        yield { ...progress, rate: rateOf(samples, progress.downloaded) };
        if (state.result !== "") return;
        await news.promise;
        news = Promise.withResolvers();
      }
    } finally {
      over.abort();
      clearInterval(timer);
      unhear();
    }
  }

  async function run(
    { signal }: BackgroundFetchRunOptions = {},
  ): Promise<{ next: number | undefined }> {
    signal?.throwIfAborted();
    const called = Date.now();
    const gone = new AbortController();
    const over = new AbortController();
    const abort = () => gone.abort(signal?.reason);
    signal?.addEventListener("abort", abort);
    scope.window?.addEventListener("pagehide", () => {
      // The lock is free by the time that the worker asks for it.
      scope.navigator.serviceWorker?.controller?.postMessage(wakeMessage);
      gone.abort(
        new DOMException(
          "Cannot go on with the downloads: the page is gone",
          "AbortError",
        ),
      );
    }, { signal: over.signal });
    try {
      if (scope.registration) await fireEvents(gone.signal);
      return await scope.navigator.locks.request(
        `${channelName}download`,
        { signal: gone.signal },
        () => download(called, gone.signal),
      );
    } finally {
      over.abort();
      signal?.removeEventListener("abort", abort);
    }
  }

  /** Does what can be done now, but for what was tried since it was called. */
  async function download(
    called: number,
    signal: AbortSignal,
  ): Promise<{ next: number | undefined }> {
    const tried = new Set<string>();
    let next: number | undefined;
    while (true) {
      const jobs = (await readAll()).filter(({ id }) => !tried.has(id));
      if (jobs.length === 0) return { next };
      for (const { id } of jobs) {
        signal.throwIfAborted();
        tried.add(id);
        const job = await read(id);
        const again = job && await advance(job, called, signal);
        if (again !== undefined) next = Math.min(again, next ?? Infinity);
      }
    }
  }

  /** Does what can be done for one download; resolves with when there is more. */
  async function advance(
    job: Job,
    called: number,
    signal: AbortSignal,
  ): Promise<number | undefined> {
    const { id } = job;
    if (job.result !== "") {
      await tidy(id);
      return undefined;
    }
    if (job.path === "native") return await lookFor(job);

    const over = new AbortController();
    const abort = () => over.abort(signal.reason);
    signal.addEventListener("abort", abort);
    const unhear = hear(id, async ({ downloaded }) => {
      if (downloaded !== undefined) return;
      // What cannot be read now is read with the next part.
      if (await isOver(job).catch(() => false)) over.abort();
    });
    let next: number | undefined;
    try {
      const parts = await caches.open(prefix + id);
      for (const [index, file] of job.files.entries()) {
        if (file.stored || file.failureReason !== "") continue;
        if (over.signal.aborted) break;
        // Later than now, it is of a clock that was put back.
        const again = file.failed > called && file.failed <= Date.now()
          ? dueOf(file)
          : await attempt({ job, index, parts, over });
        if (again !== undefined) next = Math.min(again, next ?? Infinity);
      }
    } finally {
      signal.removeEventListener("abort", abort);
      unhear();
    }
    signal.throwIfAborted();
    if (next !== undefined && !over.signal.aborted) return next;
    await change(job, ({ files }) => {
      const failed = files.find(({ stored }) => !stored);
      return {
        result: failed ? "failure" : "success",
        failureReason: failed?.failureReason ?? "",
      };
    });
    await tidy(id);
    if (scope.registration) await fireEvents(signal);
    wakeWorker();
    return undefined;
  }

  /** Whether a download has ended, or was deleted. */
  async function isOver({ id, token }: Job): Promise<boolean> {
    const job = await read(id);
    return job?.token !== token || job.result !== "";
  }

  /** Has the fallback finish what the browser has lost, as when a worker was stopped in its event. */
  async function lookFor(job: Job): Promise<number | undefined> {
    let next: number | undefined;
    await change(job, async (job) => {
      // Without a worker there is none.
      if (await findNative(job).catch(() => undefined)) {
        const isBack = job.missingSince !== undefined;
        return isBack ? { missingSince: undefined } : undefined;
      }
      const now = Date.now();
      const missingSince = Math.min(now, job.missingSince ?? now);
      next = missingSince + MAX_PAUSE;
      // Its event may be on its way.
      if (next > now) return { missingSince };
      const isAborted = job.failureReason === "aborted";
      return { path: "fallback", result: isAborted ? "failure" : "" };
    });
    return next;
  }

  /** Downloads a file; resolves with when to try again, if that is of use. */
  async function attempt(task: Task): Promise<number | undefined> {
    const { job, index, over } = task;
    const { attempts, failing } = job.files[index] as File;
    let hasProgressed = false;
    try {
      await downloadFile(task, () => {
        hasProgressed = true;
      });
      return undefined;
    } catch (error) {
      if (over.signal.aborted) return undefined;
      const message = error instanceof Error ? error.message : String(error);
      const failureReason = reasonOf(error);
      if (failureReason !== "fetch-error" && nameOf(error) !== BUSY) {
        await changeFile(task, { failureReason, message });
        // The others would fare no better.
        if (failureReason !== "bad-status") {
          await change(job, () => ({ result: "failure", failureReason }));
          over.abort();
        }
        return undefined;
      }
      const isFirst = hasProgressed || attempts === 0;
      const failed = Date.now();
      const tried = {
        message,
        failed,
        failing: isFirst ? failed : failing,
        attempts: isFirst ? 1 : attempts + 1,
      };
      const isHopeless = scope.navigator.onLine && tried.attempts >= ATTEMPTS &&
        failed - tried.failing >= PATIENCE;
      await changeFile(task, {
        ...tried,
        failureReason: isHopeless ? failureReason : "",
      });
      return isHopeless ? undefined : dueOf(tried);
    }
  }

  async function downloadFile(
    task: Task,
    onProgress: () => void,
  ): Promise<void> {
    const { job, index, parts } = task;
    let { version } = job.files[index] as File;
    let at = version ? sizeOf(await listParts(parts, index, version)) : 0;
    let tail: Received["tail"] = new Uint8Array();
    if (version?.total !== at) {
      const answer = await ask(
        task,
        version?.validator ? version : undefined,
        at,
      );
      ({ version, at } = answer);
      ({ version, tail } = await receive(task, answer, onProgress));
    }
    await join(task, version as Version, tail);
  }

  /** Asks for a file, or for the rest of it. */
  async function ask(
    task: Task,
    version: Version | undefined,
    at: number,
  ): Promise<Answer> {
    const { job, index, parts, over } = task;
    const { url, request: { headers, ...init } } = job.files[index] as File;
    const request = new Request(url, { ...init, headers: [...headers] });
    const isRest = version !== undefined && at > 0;
    if (isRest) {
      request.headers.set("range", `bytes=${at}-`);
      request.headers.set("if-range", version.validator);
    }
    const stall = new AbortController();
    const fact = `the server has sent nothing for ${STALL / SECOND} seconds`;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const rest = () => clearTimeout(timer);
    const stir = () => {
      rest();
      timer = setTimeout(
        () => stall.abort(failure(url, fact, "TimeoutError")),
        STALL,
      );
    };
    const signal = AbortSignal.any([over.signal, stall.signal]);
    stir();
    try {
      // The parts are kept here; the HTTP cache would keep them once more.
      const response = await scope.fetch(request, {
        cache: "no-store",
        signal,
      });
      const { status, ok } = response;
      if (isRest && isRestOf(response, version, at)) {
        return { response, version, at, stir, rest };
      }
      if (isRest && (status === 206 || status === 416)) {
        rest();
        leave(response);
        return await ask(task, undefined, 0);
      }
      if (!ok || status === 206) {
        leave(response);
        throw failure(
          url,
          `the server answered ${status}`,
          BUSY_STATUS.includes(status) || status >= 500 ? BUSY : "bad-status",
        );
      }
      await dropParts(parts, index);
      const whole = toVersion(response);
      await changeFile(task, { version: whole });
      await assertFits(url, whole);
      return { response, version: whole, at: 0, stir, rest };
    } catch (error) {
      rest();
      throw error;
    }
  }

  /** Rejects if a file is known not to fit twice: its parts, and the whole. */
  async function assertFits(
    url: string,
    { total = 0 }: Version,
  ): Promise<void> {
    const { quota = Infinity, usage = 0 } =
      await scope.navigator.storage?.estimate() ??
        {};
    if (quota - usage >= 2 * total) return;
    throw new DOMException(
      `Cannot download ${url}: ${total} bytes, on disk twice for a moment, do not fit beside ${usage} of ${quota}`,
      "QuotaExceededError",
    );
  }

  /** Stores the parts of an answer. */
  async function receive(
    task: Task,
    { response, version, at, stir, rest }: Answer,
    onProgress: () => void,
  ): Promise<Received> {
    const { index, parts, over } = task;
    const { url } = task.job.files[index] as File;
    const job = await read(task.job.id) ?? task.job;
    // An answer that waits is received all the same: look through no parts of this file.
    const files = job.files.map((file, i) =>
      i === index ? { ...file, version: undefined } : file
    );
    const before = (await toState({ ...job, files })).downloaded;
    const total = totalOf(job);
    const reader = response.body?.getReader();
    const buffer = new Uint8Array(PART_BYTES);
    let [start, end, told] = [at, at, -Infinity];
    let writing: Promise<void> = Promise.resolve();

    const written = async () => {
      await writing;
      if (!await isOver(task.job)) return;
      over.abort();
      over.signal.throwIfAborted();
    };
    const flush = async () => {
      await written();
      if (end === start) return;
      // A Response copies what it is made of.
      writing = parts.put(
        partURL(url, index, version.key, start, end),
        new Response(buffer.subarray(0, end - start)),
      );
      // Awaited by the next one.
      writing.catch(() => {});
      start = end;
    };
    try {
      while (reader) {
        const { done, value } = await reader.read();
        if (done) break;
        stir();
        onProgress();
        for (let taken = 0; taken < value.length;) {
          if (end - start === PART_BYTES) await flush();
          const piece = value.subarray(
            taken,
            taken + PART_BYTES - (end - start),
          );
          buffer.set(piece, end - start);
          taken += piece.length;
          end += piece.length;
        }
        const downloaded = before + end;
        if (job.limit > 0 && downloaded > job.limit) {
          throw failure(
            url,
            `'downloadTotal' is ${job.limit}, and there is more`,
            "download-total-exceeded",
          );
        }
        if (performance.now() - told < REPORT_EVERY) continue;
        told = performance.now();
        tell({ id: job.id, downloaded, total });
      }
      // It is more where the body was encoded, and another origin hides that.
      if (version.total !== undefined && end < version.total) {
        throw failure(
          url,
          `the connection broke after ${end} bytes`,
          "NetworkError",
        );
      }
    } catch (error) {
      reader?.cancel().catch(() => {});
      // What has come of a part is of use.
      if (version.validator) await flush().catch(() => {});
      await writing;
      throw error;
    } finally {
      rest();
    }
    await written();
    const complete = { ...version, total: end };
    return { version: complete, tail: buffer.subarray(0, end - start) };
  }

  /** Puts a file whose parts, but for its tail, are there into the cache. */
  async function join(
    task: Task,
    version: Version,
    tail: Received["tail"],
  ): Promise<void> {
    const { job, index, parts } = task;
    const { url } = job.files[index] as File;
    const { status, statusText, headers, total } = version;
    const blobs: BlobPart[] = [];
    for (const part of await listParts(parts, index, version)) {
      const response = await parts.match(part.url);
      if (response) blobs.push(await response.blob());
    }
    blobs.push(tail);
    // It stays on disk, where the engine reads blobs from there.
    const blob = new Blob(blobs);
    if (blob.size !== total) {
      await dropParts(parts, index);
      throw failure(url, "the browser has lost a part of it", "DataError");
    }
    task.over.signal.throwIfAborted();
    const cache = await caches.open(cacheName);
    await cache.put(
      url,
      new Response(blob.size > 0 ? blob : null, {
        status,
        statusText,
        headers: [...headers, ["content-length", String(blob.size)]],
      }),
    );
    const isStored = await changeFile(task, {
      stored: true,
      size: blob.size,
      version: undefined,
      failureReason: "",
      message: "",
    });
    // The download has ended meanwhile, or was deleted.
    if (!isStored) await cache.delete(url);
    // Those of a single file go with their cache.
    if (job.files.length > 1) await dropParts(parts, index);
  }

  /** Fires, in a worker, the events of what has ended. */
  async function fireEvents(signal: AbortSignal): Promise<void> {
    for (const { id, path, result, told } of await readAll()) {
      if (path === "native" || result === "" || told) continue;
      await scope.navigator.locks.request(
        `${channelName}event/${id}`,
        { signal },
        async () => {
          const job = await read(id);
          if (!job || job.result === "" || job.told) return;
          await fire(job, signal);
          await change(job, () => ({ told: true }));
        },
      );
    }
  }

  async function fire(job: Job, signal: AbortSignal): Promise<void> {
    const { result, failureReason, files } = job;
    const end = failureReason === "aborted"
      ? "abort"
      : result === "success"
      ? "success"
      : "fail";
    const { downloaded, downloadTotal } = await toState(job);
    const cache = await caches.open(cacheName);
    const promises: Promise<unknown>[] = [];
    const matchAll = () =>
      Promise.resolve(files.map(({ url, stored, message, failureReason }) => {
        const find = async () => {
          const response = stored ? await cache.match(url) : undefined;
          if (response) return response;
          throw failureReason === ""
            ? failure(url, "the download has ended", "AbortError")
            : new DOMException(message, failureReason);
        };
        const responseReady = find();
        // Nobody has to look at it.
        responseReady.catch(() => {});
        return { request: new Request(url), responseReady };
      }));
    const event = Object.assign(new Event(`backgroundfetch${end}`), {
      registration: {
        id: job.id,
        uploaded: 0,
        uploadTotal: 0,
        downloaded,
        downloadTotal,
        result,
        failureReason,
        recordsAvailable: true,
        matchAll,
        abort: () => Promise.resolve(false),
        match: async (request: string | URL | Request) => {
          const { url } = toRequest(request);
          return (await matchAll()).find(({ request }) => request.url === url);
        },
      },
      updateUI: () => Promise.resolve(),
      waitUntil: (promise: Promise<unknown>) => void promises.push(promise),
    });
    scope.dispatchEvent(event);
    // A promise may be added while another is waited for.
    for (const promise of promises) {
      await within(Promise.allSettled([promise]), signal);
    }
  }

  function wake(event: BackgroundFetchWakeEvent): void {
    const content = contentOf(event.data) as { name?: unknown } | undefined;
    if (content?.name !== name) return;
    const late = new DOMException(
      `Cannot go on with the downloads: ${LIMIT / SECOND} seconds have passed`,
      "TimeoutError",
    );
    const over = new AbortController();
    const timer = setTimeout(() => over.abort(late), LIMIT);
    // What fails is for the next time.
    const work = run({ signal: over.signal }).catch(() => {})
      .finally(() => clearTimeout(timer));
    event.waitUntil(work);
  }

  async function settle(
    event: BackgroundFetchEndEvent | Event,
    options: BackgroundFetchSettleOptions = {},
  ): Promise<BackgroundFetchState | undefined> {
    const { title } = options;
    // TypeScript does not know the event.
    const { registration } = event as BackgroundFetchEndEvent;
    const job = await locked(registration.id, async () => {
      const job = await read(registration.id);
      if (job?.result !== "") return job;
      const settled = await keepRecords(job, registration);
      await write(settled);
      return settled;
    });
    if (!job) return undefined;
    const state = await toState(job);
    if (title) {
      await (event as BackgroundFetchEndEvent).updateUI?.({
        title: title(state),
      });
    }
    return state;
  }

  /** Puts what the browser has downloaded into the cache. */
  async function keepRecords(
    job: Job,
    registration: BackgroundFetchRegistration,
  ): Promise<Job> {
    const { id } = job;
    if (!registration.recordsAvailable) {
      throw new DOMException(
        `Cannot store the download "${id}": its records are not available any more`,
        "InvalidStateError",
      );
    }
    const cache = await caches.open(cacheName);
    const records = await registration.matchAll();
    const files: File[] = [];
    for (const file of job.files) {
      const record = records.find(({ request }) => request.url === file.url);
      files.push(file.stored ? file : await keepRecord(file, record, cache));
    }
    const reason = files.find(({ stored }) => !stored)?.failureReason;
    const failureReason = registration.failureReason || reason || "";
    return {
      ...job,
      files,
      // It may have been taken for lost.
      path: "native",
      result: failureReason === "" ? "success" : "failure",
      failureReason: failureReason as BackgroundFetchFailureReason,
    };
  }

  return {
    start,
    async get(id) {
      const job = await read(id);
      return job && await toState(job);
    },
    list: async () => await Promise.all((await readAll()).map(toState)),
    watch,
    abort,
    delete: remove,
    run,
    wake,
    settle,
  };
}

/** What a message of ours says. */
function contentOf(data: unknown): unknown {
  const message = data as Record<string, { backgroundFetch?: unknown }> | null;
  return message?.[KEY]?.backgroundFetch;
}

/** The request, without a fragment: caches do not have them. */
function toRequest(from: string | URL | Request): Request {
  const request = from instanceof Request ? from : new Request(from);
  const [url = "", fragment] = request.url.split("#");
  return fragment === undefined ? request : new Request(url, request);
}

function assertDownloadable(id: string, requests: readonly Request[]): void {
  const urls = requests.map(({ url }) => url);
  const fact = requests.length === 0
    ? "there are no files"
    : requests.map(({ url, method, mode, integrity }, index) =>
      !/^https?:/.test(url)
        ? `${url} is not to be had from http(s)`
        : method !== "GET"
        ? `the method of ${url} is "${method}"`
        : mode === "no-cors"
        ? `the mode of ${url} is "no-cors"`
        : integrity !== ""
        ? `${url} has an integrity of "${integrity}"`
        : urls.indexOf(url) !== index
        ? `${url} is there twice`
        : undefined
    ).find((fact) => fact !== undefined);
  if (fact === undefined) return;
  throw new TypeError(`Cannot start the download "${id}": ${fact}`);
}

/** A file to be downloaded, with what an earlier download has of it. */
function toFile(
  { url, headers, mode, credentials, redirect, referrerPolicy }: Request,
  before: File | undefined,
  stored: boolean,
): File {
  return {
    url,
    request: {
      headers: [...headers],
      mode,
      credentials,
      redirect,
      referrerPolicy,
    },
    stored,
    size: stored ? before?.size ?? 0 : 0,
    version: before?.version,
    failureReason: "",
    message: "",
    attempts: 0,
    failing: 0,
    failed: 0,
  };
}

/** When to try a file again that has failed. */
function dueOf(
  { failed, attempts }: Pick<File, "failed" | "attempts">,
): number {
  return failed + Math.min(MAX_PAUSE, SECOND * 2 ** (attempts - 1));
}

/** How many bytes there will be; 0 if that is not known. */
function totalOf({ limit, files }: Job): number {
  if (limit > 0) return limit;
  let sum = 0;
  for (const { stored, size, version } of files) {
    const total = stored ? size : version?.total;
    if (total === undefined) return 0;
    sum += total;
  }
  return sum;
}

function partURL(
  url: string,
  index: number,
  key: string,
  start: number,
  end: number,
): string {
  const path = `/${KEY}/background-fetch/${index}/${key}/${start}-${end}`;
  return new URL(path, url).href;
}

/** The parts of a version that follow each other from its first byte. */
async function listParts(
  parts: BackgroundFetchCache,
  index: number,
  { key }: Version,
): Promise<Part[]> {
  const byStart = new Map<number, Part>();
  for (const { url } of await parts.keys()) {
    const [, file, of, first, last] = url.match(PART_REGEXP) ?? [];
    if (Number(file) !== index || of !== key) continue;
    const [start, end] = [Number(first), Number(last)];
    // One that was stopped while it was stored may be there beside a longer one.
    if (end > (byStart.get(start)?.end ?? 0)) {
      byStart.set(start, { url, start, end });
    }
  }
  const list: Part[] = [];
  let next = byStart.get(0);
  while (next) {
    list.push(next);
    next = byStart.get(next.end);
  }
  return list;
}

function sizeOf(parts: readonly Part[]): number {
  return parts.at(-1)?.end ?? 0;
}

/** Removes the parts of a file, whatever their version. */
async function dropParts(
  parts: BackgroundFetchCache,
  index: number,
): Promise<void> {
  for (const { url } of await parts.keys()) {
    if (Number(url.match(PART_REGEXP)?.[1]) === index) await parts.delete(url);
  }
}

function toVersion({ status, statusText, headers }: Response): Version {
  const isEncoded = isEncodedBy(headers);
  const length = headers.get("content-length");
  return {
    key: crypto.randomUUID(),
    validator: isEncoded ? "" : validatorOf(headers),
    // That of an encoded body is not the one of what comes out of it.
    total: isEncoded || length === null ? undefined : Number(length),
    status,
    statusText,
    headers: [...headers].filter(([name]) => !DROPPED_REGEXP.test(name)),
  };
}

function isEncodedBy(headers: Headers): boolean {
  return (headers.get("content-encoding") ?? "identity") !== "identity";
}

/** What `If-Range` may be: a strong validator, by RFC 9110, sections 8.8 and 13.1.5. */
function validatorOf(headers: Headers): string {
  const etag = headers.get("etag");
  if (etag !== null) return etag.startsWith('"') ? etag : "";
  const modified = headers.get("last-modified") ?? "";
  const age = Date.parse(headers.get("date") ?? "") - Date.parse(modified);
  return age >= SECOND ? modified : "";
}

/** Whether a partial answer is what is missing of a version. */
function isRestOf(
  { status, headers }: Response,
  { validator, total }: Version,
  at: number,
): boolean {
  const [, first, , size] = headers.get("content-range")?.match(RANGE_REGEXP) ??
    [];
  const etag = headers.get("etag");
  return status === 206 && Number(first) === at && !isEncodedBy(headers) &&
    (total === undefined || Number(size) === total) &&
    (etag === null || !validator.startsWith('"') || etag === validator);
}

async function keepRecord(
  file: File,
  record: BackgroundFetchRecord | undefined,
  cache: BackgroundFetchCache,
): Promise<File> {
  try {
    const response = await record?.responseReady;
    if (!response) {
      throw failure(file.url, "the browser has no answer", "NetworkError");
    }
    const { ok, status, statusText, body } = response;
    if (!ok) {
      leave(response);
      throw failure(file.url, `the server answered ${status}`, "bad-status");
    }
    const headers = new Headers(response.headers);
    headers.delete("vary");
    const isVaried = response.headers.has("vary");
    await cache.put(
      file.url,
      isVaried ? new Response(body, { status, statusText, headers }) : response,
    );
    const size = (await (await cache.match(file.url))?.blob())?.size ?? 0;
    return { ...file, stored: true, size, failureReason: "", message: "" };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return { ...file, failureReason: reasonOf(error), message };
  }
}

/** Reads no more of a response; that of a clone would wait for the other. */
function leave({ body }: Response): void {
  body?.cancel().catch(() => {});
}

function failure(url: string, fact: string, name: string): DOMException {
  return new DOMException(`Cannot download ${url}: ${fact}`, name);
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : "";
}

function reasonOf(error: unknown): BackgroundFetchFailureReason {
  switch (nameOf(error)) {
    case "bad-status":
    case BUSY:
      return "bad-status";
    case "download-total-exceeded":
      return "download-total-exceeded";
    case "QuotaExceededError":
      return "quota-exceeded";
  }
  return "fetch-error";
}

/** Waits no longer than a signal allows. */
async function within<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const abort = () => reject(signal.reason);
  signal.addEventListener("abort", abort);
  if (signal.aborted) abort();
  try {
    return await Promise.race([work, promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

/** Bytes a second, of the samples of the last seconds. */
function rateOf(
  samples: [time: number, bytes: number][],
  bytes: number,
): number {
  const now = performance.now();
  const [, latest = 0] = samples.at(-1) ?? [];
  // It began again.
  if (bytes < latest) samples.length = 0;
  samples.push([now, bytes]);
  while (samples.length > 2 && now - (samples[0]?.[0] ?? 0) > RATE_WINDOW) {
    samples.shift();
  }
  const [time, first] = samples[0] ?? [now, bytes];
  return now > time ? (bytes - first) * SECOND / (now - time) : 0;
}
