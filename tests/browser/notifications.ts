// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Stands for the desktop that shows a browser's notifications: they can be read,
 * clicked and dismissed, which the browser takes for a user's doing.
 *
 * Spec: https://specifications.freedesktop.org/notification-spec/latest/
 *
 * @module
 */

import { SessionBus } from "./session_bus.ts";

/** A notification on the desktop. */
export interface ShownNotification {
  readonly title: string;
  /** Without what the browser says of the origin. */
  readonly body: string;
  /** The labels of its buttons. */
  readonly actions: readonly string[];
  /** Clicks the notification, or the button that has this label. */
  click(action?: string): void;
  /** Dismisses the notification. */
  dismiss(): void;
}

const NAME = "org.freedesktop.Notifications";
const [DISMISSED, CLOSED] = [2, 3];
/** Chromium says first whose notification it is. */
const ORIGIN_REGEXP = /^(<a href="[^"]*">)?127\.0\.0\.1:\d+(<\/a>)?(\n\n|$)/;

/** The notifications of one browser. */
export class Notifications {
  readonly #shown = new Map<number, ShownNotification>();
  #bus: SessionBus | undefined;
  #ids = 0;
  #count = 0;
  #changed = Promise.withResolvers<void>();

  /** Starts a desktop without notifications. */
  static async start(): Promise<Notifications> {
    const notifications = new Notifications();
    notifications.#bus = await SessionBus.start({
      name: NAME,
      path: "/org/freedesktop/Notifications",
      call: (member, values) => notifications.#call(member, values),
    });
    return notifications;
  }

  /** Where a browser finds the desktop, for `DBUS_SESSION_BUS_ADDRESS`. */
  get address(): string {
    return this.#bus?.address ?? "";
  }

  /** What is shown now, oldest first. */
  get shown(): ShownNotification[] {
    return [...this.#shown.values()];
  }

  /** How many were shown so far, those included that replaced another. */
  get count(): number {
    return this.#count;
  }

  /** Resolves with a notification when one is shown, of this title if there is any. */
  async next(title?: string): Promise<ShownNotification> {
    while (true) {
      const found = this.shown.find((one) =>
        title === undefined || one.title === title
      );
      if (found) return found;
      await this.#changed.promise;
    }
  }

  /** Forgets what was shown. */
  clear(): void {
    for (const notification of this.shown) notification.dismiss();
    this.#count = 0;
  }

  /** Ends the desktop. */
  async stop(): Promise<void> {
    await this.#bus?.stop();
  }

  #call(
    member: string,
    values: readonly unknown[],
  ): [signature: string, ...values: unknown[]] | undefined {
    switch (member) {
      case "GetCapabilities":
        return ["as", ["actions", "body", "persistence"]];
      case "GetServerInformation":
        return ["ssss", "test", "test", "1", "1.2"];
      case "CloseNotification":
        this.#close(values[0] as number, CLOSED);
        return [""];
      case "Notify":
        return ["u", this.#show(values)];
    }
  }

  #show(values: readonly unknown[]): number {
    const [, replaces, , title, body, actions] = values as [
      app: string,
      replaces: number,
      icon: string,
      title: string,
      body: string,
      actions: string[],
    ];
    const id = this.#shown.has(replaces) ? replaces : ++this.#ids;
    const labels = new Map<string, string>();
    for (let i = 0; i < actions.length; i += 2) {
      const [key = "", label = ""] = actions.slice(i, i + 2);
      // Browsers add buttons of their own, for their settings.
      if (key !== "default" && key !== "settings") labels.set(label, key);
    }
    this.#shown.set(id, {
      title,
      body: body.replace(ORIGIN_REGEXP, ""),
      actions: [...labels.keys()],
      click: (action) => {
        const key = action === undefined ? "default" : labels.get(action);
        if (key === undefined) {
          throw new TypeError(
            `Cannot click "${action}": the buttons are ${[...labels.keys()]}`,
          );
        }
        this.#bus?.emit("ActionInvoked", "us", id, key);
      },
      dismiss: () => this.#close(id, DISMISSED),
    });
    this.#count++;
    this.#change();
    return id;
  }

  #close(id: number, reason: number): void {
    if (!this.#shown.delete(id)) return;
    this.#bus?.emit("NotificationClosed", "uu", id, reason);
    this.#change();
  }

  #change(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
