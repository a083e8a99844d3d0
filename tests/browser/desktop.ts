// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * What surrounds a browser: a desktop that shows its notifications, and the push
 * service of its vendor.
 *
 * @module
 */

import type { BrowserName } from "../../tools/find_browser.ts";
import type { LaunchOptions } from "./driver.ts";
import { Notifications } from "./notifications.ts";
import { PushService } from "./push_service.ts";

/** The surroundings of one browser; what cannot be had here is absent. */
export class Desktop {
  readonly notifications: Notifications | undefined;
  readonly push: PushService | undefined;

  /** Starts the surroundings of a browser. */
  static async start(engine: BrowserName): Promise<Desktop> {
    const isLinux = Deno.build.os === "linux";
    return new Desktop(
      isLinux ? await Notifications.start() : undefined,
      engine === "webkit"
        ? undefined
        : await PushService.start(engine).catch(() => undefined),
    );
  }

  private constructor(
    notifications: Notifications | undefined,
    push: PushService | undefined,
  ) {
    this.notifications = notifications;
    this.push = push;
  }

  /** With what the browser is started. */
  get launch(): LaunchOptions {
    const { notifications, push } = this;
    return {
      ...push?.launch,
      ...(notifications && {
        env: { DBUS_SESSION_BUS_ADDRESS: notifications.address },
      }),
    };
  }

  /** Forgets what happened. */
  clear(): void {
    this.notifications?.clear();
    this.push?.clear();
  }

  /** Ends all. */
  async stop(): Promise<void> {
    await Promise.all([this.notifications?.stop(), this.push?.stop()]);
  }
}
