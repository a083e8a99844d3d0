// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { CacheQueryOptions, MemoryCache } from "../cache_storage.ts";

type Info = Request | string | URL;

/** A cache whose URLs are relative to a script or a page. */
export class Cache implements MemoryCache {
  readonly #cache: MemoryCache;
  readonly #at: (info: Info) => Request | URL;

  constructor(cache: MemoryCache, at: (info: Info) => Request | URL) {
    this.#cache = cache;
    this.#at = at;
  }

  async add(info: Info): Promise<void> {
    await this.#cache.add(this.#at(info));
  }

  async addAll(infos: Iterable<Info>): Promise<void> {
    await this.#cache.addAll([...infos].map(this.#at));
  }

  async put(info: Info, response: Response): Promise<void> {
    await this.#cache.put(this.#at(info), response);
  }

  async match(
    info: Info,
    options?: CacheQueryOptions,
  ): Promise<Response | undefined> {
    return await this.#cache.match(this.#at(info), options);
  }

  async matchAll(
    info?: Info,
    options?: CacheQueryOptions,
  ): Promise<Response[]> {
    return await this.#cache.matchAll(info && this.#at(info), options);
  }

  async delete(info: Info, options?: CacheQueryOptions): Promise<boolean> {
    return await this.#cache.delete(this.#at(info), options);
  }

  async keys(info?: Info, options?: CacheQueryOptions): Promise<Request[]> {
    return await this.#cache.keys(info && this.#at(info), options);
  }
}
