// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Whether the listener is told of new episodes.
 *
 * @module
 */

import {
  renew,
  subscribe,
  type SubscribeResult,
  unsubscribe,
  type UnsubscribeOptions,
} from "@serviceworker/std/push/subscribe";
import { KEY_PATH } from "../news.ts";
import { part, setText } from "./part.ts";

type Status = SubscribeResult<unknown>["status"];

const NOTES: Record<Status, string> = {
  subscribed: "",
  unsubscribed: "",
  prompt: "",
  denied: "Blocked in the browser’s settings",
  unsupported: "Not in this browser",
  "needs-gesture": "Press once more",
};
const PROBLEMS: Record<string, string> = {
  // Who is away, by what the platform says.
  AbortError: "No push service can be reached",
  TypeError: "The server cannot be reached",
  TimeoutError: "Nobody has answered",
};

/** Offers to tell of new episodes, and keeps the server in step. */
export async function offerNews(
  registration: ServiceWorkerRegistration,
  push: UnsubscribeOptions,
  announce: (text: string) => void,
): Promise<void> {
  const button = part<HTMLButtonElement>(document, "news");
  const label = part(button, "news-state");
  const note = part(document, "news-note");

  function show(status: Status, problem = NOTES[status]): void {
    const on = status === "subscribed";
    button.setAttribute("aria-checked", String(on));
    setText(label, on ? "On" : "Off");
    setText(note, problem);
    button.hidden = status === "unsupported" || status === "denied";
    button.removeAttribute("aria-disabled");
  }

  async function turn(): Promise<Status> {
    if (button.getAttribute("aria-checked") === "true") {
      await unsubscribe(registration, push);
      return "unsubscribed";
    }
    // It is there already, as a rule: to wait for it would use up the click.
    const { status } = await subscribe(registration, {
      ...push,
      applicationServerKey: await (key = key.catch(fetchKey)),
    });
    return status;
  }

  async function run(work: () => Promise<Status>): Promise<void> {
    button.setAttribute("aria-disabled", "true");
    try {
      show(await work());
    } catch (error) {
      const { name, message } = error as Error;
      show("prompt", PROBLEMS[name] ?? message);
    }
  }

  button.addEventListener("click", async () => {
    if (button.getAttribute("aria-disabled") === "true") return;
    setText(note, "Asking…");
    await run(turn);
    announce(`New episodes: ${note.textContent || label.textContent}`);
  });

  let key = fetchKey();
  // A click asks for it again.
  key.catch(() => {});
  await run(async () => (await renew(registration, push)).status);
}

async function fetchKey(): Promise<string> {
  const response = await fetch(KEY_PATH);
  if (response.ok) return await response.text();
  throw new Error("This server tells nobody");
}
