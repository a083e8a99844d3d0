// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { HostBackgroundFetch } from "../host.ts";
import type { Core } from "./core.ts";
import { BackgroundFetchEvent } from "./events.ts";
import { requestOf } from "./http.ts";
import type { Life } from "./life.ts";
import { type Realm, Target } from "./realm.ts";
import type { Registration } from "./registration.ts";

/** What `backgroundFetch.fetch()` takes. */
interface BackgroundFetchOptions {
  readonly title?: string;
  readonly icons?: readonly unknown[];
  readonly downloadTotal?: number;
}

/** A background fetch, as the browser runs it. */
class Job {
  result: "" | "success" | "failure" = "";
  failureReason = "";
  downloaded = 0;
  title: string;
  recordsAvailable = true;
  readonly id: string;
  readonly registration: Registration;
  readonly downloadTotal: number;
  readonly uploadTotal: number;
  readonly abort = new AbortController();
  readonly records: Part[];

  constructor(
    registration: Registration,
    id: string,
    requests: Request[],
    { title = "", downloadTotal = 0 }: BackgroundFetchOptions,
  ) {
    this.registration = registration;
    this.id = id;
    this.title = title;
    this.downloadTotal = downloadTotal;
    this.uploadTotal = 0;
    this.records = requests.map((request) => ({
      request,
      response: Promise.withResolvers<Response>(),
    }));
    for (const { response } of this.records) response.promise.catch(() => {});
  }
}

/** One request of a background fetch, and its response. */
interface Part {
  readonly request: Request;
  readonly response: PromiseWithResolvers<Response>;
}

/** `BackgroundFetchRegistration`. */
class BackgroundFetchRegistration extends Target {
  readonly id: string;
  readonly uploadTotal: number;
  readonly downloadTotal: number;
  readonly uploaded = 0;
  readonly #job: Job;
  readonly #fetches: BackgroundFetches;
  downloaded: number;
  result: Job["result"];
  failureReason: string;

  constructor(job: Job, fetches: BackgroundFetches) {
    super(["progress"]);
    this.#job = job;
    this.#fetches = fetches;
    this.id = job.id;
    this.uploadTotal = job.uploadTotal;
    this.downloadTotal = job.downloadTotal;
    this.downloaded = job.downloaded;
    this.result = job.result;
    this.failureReason = job.failureReason;
  }

  get recordsAvailable(): boolean {
    return this.#job.recordsAvailable;
  }

  abort(): Promise<boolean> {
    return Promise.resolve(this.#fetches.abort(this.#job));
  }

  async match(
    request: Request | string | URL,
  ): Promise<BackgroundFetchRecord | undefined> {
    const [first] = await this.matchAll(request);
    return first;
  }

  matchAll(
    request?: Request | string | URL,
  ): Promise<BackgroundFetchRecord[]> {
    const { records, recordsAvailable, registration } = this.#job;
    if (!recordsAvailable) {
      return Promise.reject(
        new DOMException(
          `Cannot match the records of "${this.id}": they are gone`,
          "InvalidStateError",
        ),
      );
    }
    const url = request === undefined
      ? undefined
      : requestOf(request, undefined, registration.scope).url;
    const found = records
      .filter(({ request }) => url === undefined || request.url === url)
      .map(({ request, response }) => ({
        request,
        responseReady: response.promise.then((response) => response.clone()),
      }));
    return Promise.resolve(found);
  }

  static progress(object: BackgroundFetchRegistration): void {
    const { downloaded, result, failureReason } = object.#job;
    Object.assign(object, { downloaded, result, failureReason });
    object.dispatchEvent(new Event("progress"));
  }
}

interface BackgroundFetchRecord {
  readonly request: Request;
  readonly responseReady: Promise<Response>;
}

/** `BackgroundFetchUpdateUIEvent`. */
class BackgroundFetchUpdateUIEvent extends BackgroundFetchEvent {
  readonly #job: Job;
  #updated = false;

  constructor(type: string, registration: unknown, job: Job) {
    super(type, { registration });
    this.#job = job;
  }

  updateUI({ title }: { title?: string } = {}): Promise<void> {
    const refused = this.#updated
      ? "it has been updated"
      : !this.active
      ? "the event has ended"
      : undefined;
    if (refused) {
      return Promise.reject(
        new DOMException(
          `Cannot update the UI of "${this.#job.id}": ${refused}`,
          "InvalidStateError",
        ),
      );
    }
    this.#updated = true;
    if (title !== undefined) this.#job.title = title;
    return Promise.resolve();
  }
}

/** All background fetches: https://wicg.github.io/background-fetch/ */
export class BackgroundFetches {
  readonly #core: Core;
  readonly #jobs = new Set<Job>();
  readonly #objects = new Set<[BackgroundFetchRegistration, Job, Realm]>();
  /** What goes on when the network is back. */
  readonly #waiting: (() => void)[] = [];

  constructor(core: Core) {
    this.#core = core;
  }

  /** `registration.backgroundFetch` */
  managerOf(realm: Realm, registration: Registration): object {
    const own = () =>
      [...this.#jobs].filter((job) =>
        job.registration === registration && job.result === ""
      );
    return {
      fetch: async (
        id: string,
        requests: RequestInfo | URL | (RequestInfo | URL)[],
        options: BackgroundFetchOptions = {},
      ) => {
        const list = (Array.isArray(requests) ? requests : [requests])
          .map((request) => requestOf(request, undefined, registration.scope));
        const refused = !registration.active
          ? "no worker is active"
          : list.length === 0
          ? "it has no requests"
          : list.some(({ mode }) => mode === "no-cors")
          ? "a request is of mode no-cors"
          : own().some((job) => job.id === id)
          ? "one of this id is running"
          : undefined;
        if (refused) {
          throw new TypeError(
            `Cannot start background fetch "${id}": ${refused}`,
          );
        }
        const state = this.#core.permission("background-fetch");
        if (state === "denied") {
          throw new DOMException(
            `Cannot start background fetch "${id}": permission is denied`,
            "NotAllowedError",
          );
        }
        const { usage, quota } = this.#core.caches;
        const { downloadTotal = 0 } = options;
        if (usage + downloadTotal > quota) {
          throw new DOMException(
            `Cannot start background fetch "${id}": ${downloadTotal} bytes do not fit beside ${usage} of ${quota}`,
            "QuotaExceededError",
          );
        }
        const job = new Job(registration, id, list, options);
        this.#jobs.add(job);
        const done = this.#core.begin(`background fetch "${id}"`);
        this.#run(job).finally(done);
        return await this.#show(job, realm);
      },
      get: async (id: string) => {
        const job = own().find((job) => job.id === id);
        return await (job && this.#show(job, realm));
      },
      getIds: () => Promise.resolve(own().map(({ id }) => id)),
    };
  }

  /** What the user sees in the browser's downloads. */
  list(): HostBackgroundFetch[] {
    return [...this.#jobs].map((job) => ({
      id: job.id,
      title: job.title,
      downloaded: job.downloaded,
      result: job.result,
      click: async () => {
        const succeeded = await this.#fire("backgroundfetchclick", job);
        this.#core.throwErrors();
        return succeeded;
      },
      abort: () => Promise.resolve(void this.abort(job)),
    }));
  }

  abort(job: Job): boolean {
    if (job.result !== "" || job.abort.signal.aborted) return false;
    job.failureReason = "aborted";
    job.abort.abort();
    return true;
  }

  /** Goes on with what waits for the network. */
  resume(): void {
    for (const resume of this.#waiting.splice(0)) resume();
  }

  async #run(job: Job): Promise<void> {
    await Promise.all(job.records.map(async ({ request, response }) => {
      try {
        response.resolve(await this.#download(job, request));
      } catch (error) {
        response.reject(error);
        if (job.failureReason === "") {
          job.failureReason = error instanceof DOMException
            ? "download-total-exceeded"
            : "fetch-error";
        }
      }
    }));
    job.result = job.failureReason === "" ? "success" : "failure";
    this.#progress(job);
    await this.#fire(
      job.failureReason === "aborted"
        ? "backgroundfetchabort"
        : job.result === "success"
        ? "backgroundfetchsuccess"
        : "backgroundfetchfail",
      job,
    );
    job.recordsAvailable = false;
    this.#jobs.delete(job);
  }

  /** One response to its end; what breaks off for lack of a network begins again when it is back. */
  async #download(job: Job, request: Request): Promise<Response> {
    const { network } = this.#core;
    const { signal } = job.abort;
    while (true) {
      while (network.offline && !signal.aborted) {
        await new Promise<void>((resolve) => {
          this.#waiting.push(resolve);
          signal.addEventListener("abort", () => resolve(), { once: true });
        });
      }
      signal.throwIfAborted();
      const { line } = network;
      let came = 0;
      try {
        const response = await network.fetch(request.clone(), signal);
        if (!response.ok) {
          job.failureReason ||= "bad-status";
          return response;
        }
        const { status, statusText, headers, body } = response;
        const parts: Uint8Array<ArrayBuffer>[] = [];
        const reader = body?.getReader();
        while (reader) {
          const { done, value } = await reader.read();
          if (done) break;
          parts.push(value as Uint8Array<ArrayBuffer>);
          came += value.length;
          job.downloaded += value.length;
          if (job.downloadTotal > 0 && job.downloaded > job.downloadTotal) {
            await reader.cancel();
            throw new DOMException(
              `Cannot download ${request.url}: it is longer than ${job.downloadTotal} bytes`,
              "QuotaExceededError",
            );
          }
          this.#progress(job);
        }
        const complete = new Response(body && new Blob(parts), {
          status,
          statusText,
          headers,
        });
        return Object.defineProperty(complete, "url", { value: response.url });
      } catch (error) {
        if (!line.aborted || error instanceof DOMException) throw error;
        job.downloaded -= came;
      }
    }
  }

  async #fire(type: string, job: Job): Promise<boolean> {
    const { active } = job.registration;
    const outcome = await active?.fire(`${type} "${job.id}"`, (life: Life) => {
      const registration = life.gate.out(
        this.#show(job, life.realm),
        "BackgroundFetchRegistration",
      );
      if (type === "backgroundfetchclick") life.allowInteraction();
      return type === "backgroundfetchsuccess" || type === "backgroundfetchfail"
        ? new BackgroundFetchUpdateUIEvent(type, registration, job)
        : new BackgroundFetchEvent(type, { registration });
    });
    return outcome?.status === "fulfilled";
  }

  #show(job: Job, realm: Realm): BackgroundFetchRegistration {
    const object = new BackgroundFetchRegistration(job, this);
    this.#objects.add([object, job, realm]);
    return object;
  }

  #progress(job: Job): void {
    for (const [object, of, realm] of this.#objects) {
      if (of !== job) continue;
      realm.task(() => BackgroundFetchRegistration.progress(object));
    }
  }
}
