// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * New versions of the app: what is new in one is told, and it comes when the
 * listener wants it, in all tabs at once, and not while a comment is written.
 *
 * @module
 */

import {
  request,
  type RequestTarget,
} from "@serviceworker/std/channel/request";
import { applyUpdate } from "@serviceworker/std/lifecycle/apply-update";
import { watchUpdates } from "@serviceworker/std/lifecycle/watch-updates";
import type { Questions } from "../protocol.ts";
import { part, setText } from "./part.ts";

/** Offers every update for as long as the page is there. */
export async function offerUpdates(
  registration: ServiceWorkerRegistration,
  announce: (text: string) => void,
): Promise<void> {
  const prompt = part<HTMLElement>(document, "update");
  const button = part<HTMLButtonElement>(prompt, "update-apply");
  let override = false;

  function show(title: string, lines: string[], action: string): void {
    setText(part(prompt, "update-title"), title);
    part(prompt, "update-changes").replaceChildren(...lines.map((line) => {
      const item = document.createElement("li");
      item.textContent = line;
      return item;
    }));
    setText(button, action);
    button.hidden = action === "";
    button.disabled = false;
    prompt.hidden = false;
    announce([title, ...lines].join(". "));
  }

  part(prompt, "update-later").addEventListener("click", () => {
    prompt.hidden = true;
  });
  button.addEventListener("click", async () => {
    button.disabled = true;
    try {
      // Every tab reloads by itself when the new worker has taken over.
      if (!await applyUpdate(registration, { override })) prompt.hidden = true;
    } catch (error) {
      const { name, message } = error as DOMException;
      override = name === "HeldError";
      if (override) {
        const hint = "Post it or clear it; or update, and it stays as it is";
        show("A comment is being written", [hint], "Update anyway");
      } else show("The update did not work", [message], "Try again");
    }
  });

  for await (const update of watchUpdates(registration)) {
    if (update.state === "active" && update.first) {
      announce("Longwave works without a network from now on");
    } else if (update.state === "waiting") {
      const worker: RequestTarget<Questions> = update.worker;
      const release = await request(worker, { type: "release" });
      override = false;
      show(`Version ${release.version} is here`, release.changes, "Update");
    } else if (update.state === "failed") {
      const { message } = update.reason;
      show("A new version could not be installed", [message], "");
    }
  }
}
