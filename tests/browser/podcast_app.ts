// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The podcast app's server, for scenarios.
 *
 * @module
 */

import { buildAssets } from "../../examples/podcast/server/assets.ts";
import { createHandler } from "../../examples/podcast/server/handler.ts";

type Options = Omit<Parameters<typeof createHandler>[0], "assets">;

/** Serves the app, which is built when it is first asked for. */
export function podcastApp(
  options: Options,
): { handler(request: Request): Promise<Response> } {
  let handler: Promise<ReturnType<typeof createHandler>> | undefined;
  return {
    async handler(request) {
      handler ??= buildAssets().then((assets) =>
        createHandler({ assets, ...options })
      );
      return (await handler)(request);
    },
  };
}
