// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * How the server learns whom to tell of new episodes, for pages and worker.
 *
 * @module
 */

import type {
  SubscriptionChange,
  UnsubscribeOptions,
} from "@serviceworker/std/push/subscribe";
import type { Outbox } from "@serviceworker/std/sync/outbox";
import type { Store } from "@serviceworker/std/storage/open-store";

/** Where the server tells its public key. */
export const KEY_PATH = "/api/news/key";
/** Where it takes subscriptions. */
export const SUBSCRIPTION_PATH = "/api/news/subscription";
/** Where it is asked for another episode. */
export const PUBLISH_PATH = "/api/news/publish";

/**
 * Reports changes through the outbox, so that none is lost.
 *
 * @param send Called when there is something in the outbox.
 */
export function reportTo(
  outbox: Outbox<Request>,
  store: Store,
  send: () => unknown,
): UnsubscribeOptions {
  return {
    store,
    async report(change: SubscriptionChange) {
      const request = new Request(SUBSCRIPTION_PATH, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(change),
      });
      await outbox.add(request, { key: SUBSCRIPTION_PATH });
      send();
    },
  };
}
