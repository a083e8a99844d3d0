// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The comments on one episode, below it.
 *
 * @module
 */

import {
  draftOf,
  type Fate,
  fateOf,
  reasonOf,
  type Thread,
} from "./comments.ts";
import { formatDay } from "./format.ts";
import { part, setText } from "./part.ts";

/** What a listener does with the comments on an episode. */
export interface ThreadActions {
  /** Shows the comments. */
  open(): Promise<void>;
  post(text: string): Promise<void>;
  cancel(id: string): Promise<unknown>;
  retry(id: string): Promise<void>;
  /** A comment is being written, or no longer. */
  write(isWriting: boolean): void;
}

/** The comments on an episode. */
export interface ThreadView {
  show(thread: Thread): void;
}

/** A comment as it is shown. */
interface Shown {
  id: string;
  text: string;
  fate: Fate;
  line: string;
  /** Its entry in the outbox. */
  entry: string;
}

/** How much of a comment its buttons are named after. */
const NAME_LENGTH = 40;

/** Makes the view in an episode's element. */
export function createThreadView(
  element: HTMLElement,
  title: string,
  actions: ThreadActions,
): ThreadView {
  const thread = part<HTMLDetailsElement>(element, "thread");
  const scroller = part<HTMLElement>(thread, "scroller");
  const list = part<HTMLElement>(thread, "comments");
  const note = part<HTMLElement>(thread, "note");
  const form = part<HTMLFormElement>(thread, "form");
  const text = part<HTMLTextAreaElement>(form, "text");
  const items = new Map<string, HTMLElement>();

  setText(part(form, "label"), `Comment on ${title}`);
  setText(part(thread, "of"), ` on ${title}`);
  scroller.setAttribute("aria-label", `Comments on ${title}`);
  thread.addEventListener("toggle", () => {
    if (thread.open) actions.open().then(scrollToEnd);
  });
  text.addEventListener("input", () => {
    text.setCustomValidity("");
    actions.write(text.value !== "");
  });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const { value } = text;
    // At once, so that a second click posts nothing.
    form.reset();
    try {
      await actions.post(value);
      actions.write(text.value !== "");
    } catch (error) {
      text.value = value;
      text.setCustomValidity((error as Error).message);
      text.reportValidity();
    }
  });

  function scrollToEnd(): void {
    scroller.scrollTop = scroller.scrollHeight;
  }

  function createItem(entry: string): HTMLElement {
    const template = document.querySelector<HTMLTemplateElement>("#comment");
    const item = template?.content.firstElementChild?.cloneNode(true);
    if (!(item instanceof HTMLElement)) {
      throw new Error("Cannot show a comment: the page has no template for it");
    }
    const act = (name: string, action: (id: string) => Promise<unknown>) =>
      part(item, name).addEventListener("click", () => action(entry));
    act("retry", actions.retry);
    act("cancel", actions.cancel);
    return item;
  }

  function fill(item: HTMLElement, shown: Shown): void {
    const { fate, line } = shown;
    const retry = part<HTMLButtonElement>(item, "retry");
    const cancel = part<HTMLButtonElement>(item, "cancel");
    item.dataset.fate = fate;
    setText(part(item, "comment"), shown.text);
    setText(part(item, "fate"), line);
    setText(cancel, fate === "refused" ? "Dismiss" : "Cancel");
    const name = shown.text.slice(0, NAME_LENGTH);
    for (const button of [retry, cancel]) {
      button.setAttribute("aria-label", `${button.textContent}: ${name}`);
    }
    const focused = item.contains(document.activeElement);
    cancel.hidden = fate === "sent";
    retry.hidden = fate !== "refused";
    if (focused && document.activeElement?.matches("[hidden]")) leave();
  }

  /** Takes the focus of a button that is going. */
  function leave(): void {
    part<HTMLElement>(thread, "disclosure").focus();
  }

  return {
    show({ posted, drafts }) {
      const all: Shown[] = (posted ?? []).map(({ id, text, at }) => ({
        id,
        text,
        fate: "sent",
        line: formatDay(at),
        entry: "",
      }));
      const known = new Set(all.map(({ id }) => id));
      for (const entry of drafts) {
        const draft = draftOf(entry);
        // The server has it, and this device has not heard of that.
        if (!draft || known.has(draft.id)) continue;
        const fate = fateOf(entry);
        const line = `${fate === "refused" ? "Not sent" : "Pending"}: ${
          reasonOf(entry)
        }`;
        const { id, text } = draft;
        all.push({ id, text, fate, line, entry: entry.id });
      }

      const count = (fate: Fate) =>
        all.filter((shown) => shown.fate === fate).length;
      const [pending, refused] = [count("pending"), count("refused")];
      setText(part(thread, "count"), posted ? String(count("sent")) : "");
      setText(
        part(thread, "waiting"),
        [
          ...(pending ? [`${pending} pending`] : []),
          ...(refused ? [`${refused} not sent`] : []),
        ].join(" · "),
      );
      setText(
        note,
        all.length > 0
          ? ""
          : posted
          ? "No comments yet"
          : "The comments are read when the server is there",
      );

      for (const [id, item] of items) {
        if (all.some((shown) => shown.id === id)) continue;
        if (item.contains(document.activeElement)) leave();
        item.remove();
        items.delete(id);
      }
      let isNew = false;
      for (const [index, shown] of all.entries()) {
        let item = items.get(shown.id);
        if (!item) {
          items.set(shown.id, item = createItem(shown.entry));
          isNew = true;
        }
        fill(item, shown);
        // An element that is moved loses the focus.
        const there = list.children[index];
        if (there !== item) list.insertBefore(item, there ?? null);
      }
      if (isNew) scrollToEnd();
    },
  };
}
