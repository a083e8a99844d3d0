// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The downloads of episodes, which all pages and the worker share.
 *
 * @module
 */

import {
  type BackgroundFetch,
  type BackgroundFetchScope,
  type BackgroundFetchState,
  createBackgroundFetch,
} from "@serviceworker/std/fetch/background-fetch";
import type { Store } from "@serviceworker/std/storage/open-store";
import type { Download } from "./protocol.ts";

/** Where episodes are, whole. */
export const AUDIO_CACHE = "longwave-audio";
/** The tag of the sync that goes on with downloads. */
export const DOWNLOADS_TAG = "downloads";

const REASONS: Partial<Record<BackgroundFetchState["failureReason"], string>> =
  {
    "fetch-error": "no answer",
    "quota-exceeded": "this device is full",
  };

/** Opens the downloads, in a page or the worker. */
export function openDownloads(
  scope: BackgroundFetchScope,
  store: Store,
): BackgroundFetch {
  return createBackgroundFetch(scope, store, {
    name: "longwave",
    cacheName: AUDIO_CACHE,
  });
}

/** What a listener is told of a download. */
export function toDownload(state: BackgroundFetchState): Download {
  const { id, path, result, downloaded, downloadTotal, failureReason, files } =
    state;
  const download = {
    id,
    path,
    loaded: downloaded,
    total: downloadTotal,
  };
  if (result === "success") return { ...download, state: "saved" };
  if (result === "") return { ...download, state: "loading" };
  return {
    ...download,
    state: "paused",
    reason: REASONS[failureReason] ?? files[0]?.message ?? failureReason,
    unreachable: failureReason === "fetch-error",
  };
}
