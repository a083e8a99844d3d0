// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The way out of whatever went wrong: the app as on its first day.
 *
 * @module
 */

import { resetOrigin } from "@serviceworker/std/lifecycle/reset-origin";
import { part, setText } from "./part.ts";

/** Lets the listener reset the app, once they have confirmed it. */
export function offerReset(): void {
  const dialog = part<HTMLDialogElement>(document, "reset-dialog");
  const confirm = part<HTMLButtonElement>(dialog, "reset-confirm");
  part(document, "reset").addEventListener("click", () => dialog.showModal());
  confirm.addEventListener("click", async () => {
    confirm.disabled = true;
    const { failed } = await resetOrigin(window);
    if (failed.length === 0) return;
    const names = failed.map(({ kind, name }) => name ?? kind).join(", ");
    setText(
      part(dialog, "reset-text"),
      `Close the other tabs of Longwave and try again. Still there: ${names}.`,
    );
    confirm.disabled = false;
  });
}
