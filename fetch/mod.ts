// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Answer requests: from the network, from a cache, and from what is composed of
 * both.
 *
 * @module
 */

export * from "./after_handled.ts";
export * from "./background_fetch.ts";
export * from "./background_fetch_click.ts";
export * from "./broadcast_update.ts";
export * from "./cache_urls.ts";
export * from "./compose.ts";
export * from "./content_index.ts";
export * from "./expire_cache.ts";
export * from "./mock.ts";
export * from "./navigation_preload.ts";
export * from "./precache.ts";
export * from "./put_in_cache.ts";
export * from "./range_response.ts";
export * from "./router.ts";
export * from "./static_routes.ts";
export * from "./strategies.ts";
export * from "./stream_upload.ts";
export * from "./transform.ts";
