// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The instruments of the page "Behind the scenes".
 *
 * @module
 */

import type { Download, Scene } from "../protocol.ts";
import type { Episode } from "../server/episodes.ts";
import { draftOf, fateOf, reasonOf } from "./comments.ts";
import {
  formatAgo,
  formatMoment,
  formatProgress,
  formatSize,
  formatTime,
} from "./format.ts";
import { part, setText } from "./part.ts";

/** The instruments. */
export interface ScenesView {
  show(scene: Scene): void;
  /** Shows how the worker is, other than a scene says. */
  showState(state: string, awake: boolean): void;
  /** Tells what episodes are called. */
  name(episodes: Episode[]): void;
}

/** A line of a list, with a bar if it has a share. */
interface Row {
  key: string;
  name: string;
  how: string;
  detail: string;
  /** From 0 to 1. */
  share?: number;
  /** Whether there is something wrong with it. */
  trouble?: boolean;
}

/** What the caches are for, by the beginning of their names. */
const CACHES = [
  ["longwave-shell", "Files of the app"],
  ["longwave-content", "List, covers, comments"],
  ["longwave-audio", "Episodes"],
  ["background-fetch", "Unfinished download"],
] as const;
const DOWNLOADS: Record<Download["state"], string> = {
  none: "None",
  loading: "Loading",
  paused: "Paused",
  saved: "On this device",
};
/** The graph's height, and the least number of messages that fills it. */
const HEIGHT = 20;
const FULL = 10;

/** Finds the instruments in the document. */
export function createScenesView(): ScenesView {
  const titles = new Map<string, string>();
  const starts = new Set<number>();
  const title = (id: string) => titles.get(id) ?? id;

  function showState(state: string, awake: boolean): void {
    setText(part(document, "state"), state);
    document.documentElement.classList.toggle("asleep", !awake);
  }

  function showWorker({ state, version, started, events, badge }: Scene): void {
    if (starts.size > 0 && !starts.has(started)) {
      setText(part(document, "announcement"), "The worker was started again");
    }
    starts.add(started);
    showState(state ?? "active", true);
    setText(part(document, "version"), version);
    setText(
      part(document, "awake"),
      formatTime((Date.now() - started) / 1000),
    );
    setText(part(document, "starts"), String(starts.size));
    setText(part(document, "badge"), badge === 0 ? "Nothing" : String(badge));
    setText(
      part(document, "events"),
      events.map(([type, count]) => `${count}\u00a0${type}`).join(", "),
    );
  }

  function showMessages({ messages }: Scene): void {
    const most = Math.max(FULL, ...messages);
    setText(part(document, "rate"), String(messages.at(-1)));
    part(document, "graph-bars").setAttribute(
      "d",
      messages.map((count, index) => {
        const height = Math.max(0.5, HEIGHT * count / most);
        return `M${index + 0.15} ${HEIGHT}v${-height}h.7v${height}z`;
      }).join(""),
    );
    const sum = messages.reduce((sum, count) => sum + count, 0);
    part(document, "graph").setAttribute(
      "aria-label",
      `${sum} messages in the last minute, at most ${
        Math.max(...messages)
      } in a second`,
    );
  }

  function showStorage({ caches, room }: Scene): void {
    const bytes = caches.reduce((sum, { bytes }) => sum + bytes, 0);
    const meter = part<HTMLElement>(document, "meter");
    const share = room ? room.usage / room.quota : 0;
    setText(part(document, "usage"), formatSize(room?.usage ?? bytes));
    setText(
      part(document, "quota"),
      room
        ? `of ${formatSize(room.quota)} that the browser allows`
        : "in caches",
    );
    setText(
      part(document, "room-note"),
      room ? "" : "This browser does not tell how much room there is",
    );
    meter.hidden = !room;
    meter.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    meter.setAttribute(
      "aria-valuetext",
      part(document, "usage").parentElement?.textContent ?? "",
    );
    meter.style.setProperty("--done", String(share));
    const largest = Math.max(1, ...caches.map(({ bytes }) => bytes));
    const rows = caches.map(({ name, entries, bytes }) => ({
      key: name,
      name: CACHES.find(([start]) => name.startsWith(start))?.[1] ?? name,
      how: formatSize(bytes),
      detail: `${entries} ${entries === 1 ? "entry" : "entries"} · ${
        name.replace(`${location.origin}/ `, "")
      }`,
      share: bytes / largest,
    }));
    showRows("caches", rows, "Nothing is stored");
  }

  function showTabs({ tabs }: Scene): void {
    const rows = tabs.map(({ id, data, own }): Row => {
      const { playing } = data ?? {};
      return {
        key: id,
        name: `${data?.shows ?? "A tab"}${own ? ", this tab" : ""}`,
        how: data?.state ?? "has not told",
        detail: playing
          ? `${playing.playing ? "Plays" : "Played"} ${title(playing.id)}`
          : "",
      };
    });
    showRows("tabs", rows, "No tab is open");
  }

  function showDownloads({ downloads }: Scene): void {
    const rows = downloads.map((
      { id, path, state, loaded, total, reason },
    ): Row => ({
      key: id,
      name: title(id),
      how: DOWNLOADS[state],
      detail: [
        state === "saved" || total === 0
          ? formatSize(loaded)
          : formatProgress(loaded, total),
        ...(path === "native" ? ["by the browser"] : ["by the app"]),
        ...(reason === undefined ? [] : [reason]),
      ].join(" · "),
      ...(state !== "saved" && { share: total === 0 ? 0 : loaded / total }),
      trouble: state === "paused",
    }));
    showRows("downloads", rows, "Nothing is downloaded");
  }

  function showOutbox({ outbox }: Scene): void {
    const rows = outbox.map((entry): Row => {
      const draft = draftOf(entry);
      const { attempts, due } = entry;
      const tried = attempts === 0
        ? "Not tried yet"
        : `Tried ${attempts === 1 ? "once" : `${attempts} times`}`;
      const again = due === undefined ? [] : [`again ${formatMoment(due)}`];
      return {
        key: entry.id,
        name: draft?.text ?? entry.url ?? entry.id,
        how: fateOf(entry),
        detail: [tried, ...again, reasonOf(entry)].join(" · "),
        trouble: fateOf(entry) === "refused",
      };
    });
    showRows("outbox", rows, "Everything is sent");
  }

  function showSchedules({ schedules }: Scene): void {
    const rows = schedules.map(({ name, last, next }): Row => ({
      key: name,
      name,
      how: next === undefined ? "" : formatMoment(next),
      detail: last === undefined ? "" : `Last ${formatMoment(last)}`,
    }));
    showRows("schedules", rows, "Nothing is planned");
  }

  return {
    showState,
    name(episodes) {
      for (const { id, title } of episodes) titles.set(id, title);
    },
    show(scene) {
      showWorker(scene);
      showMessages(scene);
      showStorage(scene);
      showTabs(scene);
      showDownloads(scene);
      showOutbox(scene);
      showSchedules(scene);
      showRequests(scene);
    },
  };
}

function showRequests({ requests, started }: Scene): void {
  fillList(
    part(document, "requests"),
    "request",
    requests.map((answered) => ({
      ...answered,
      // They are counted anew in each life.
      key: `${started} ${answered.id}`,
    })),
    (element, { path, route, strategy, from, took, at }) => {
      setText(part(element, "path"), path);
      setText(
        part(element, "route"),
        route === path ? strategy : `${route}, ${strategy}`,
      );
      setText(part(element, "from"), from ?? "…");
      setText(
        part(element, "took"),
        took === undefined ? "" : `${Math.max(1, Math.round(took))} ms`,
      );
      element.dataset.from = from ?? "";
      element.title = formatAgo(Date.now() - at);
    },
  );
}

function showRows(name: string, rows: Row[], nothing: string): void {
  const list = part<HTMLElement>(document, name);
  const none: Row = { key: "", name: nothing, how: "", detail: "" };
  fillList(
    list,
    "row",
    rows.length === 0 ? [none] : rows,
    (element, { key, name, how, detail, share, trouble = false }) => {
      setText(part(element, "name"), name);
      setText(part(element, "how"), how);
      setText(part(element, "detail"), detail);
      element.classList.toggle("none", key === "");
      element.classList.toggle("trouble", trouble);
      element.classList.toggle("measured", share !== undefined);
      element.style.setProperty("--done", String(share ?? 0));
    },
  );
}

/** Has an element for each item, which stays the same for as long as there is the item. */
function fillList<T extends { key: string }>(
  list: Element,
  template: string,
  items: readonly T[],
  fill: (element: HTMLElement, item: T) => void,
): void {
  const before = new Map(
    [...list.children].map((child) => [
      (child as HTMLElement).dataset.key,
      child as HTMLElement,
    ]),
  );
  let place: Element | null = list.firstElementChild;
  for (const item of items) {
    const element = before.get(item.key) ?? create(template);
    before.delete(item.key);
    element.dataset.key = item.key;
    fill(element, item);
    if (element === place) place = place.nextElementSibling;
    else list.insertBefore(element, place);
  }
  for (const gone of before.values()) gone.remove();
}

function create(template: string): HTMLElement {
  const { content } = document.querySelector<HTMLTemplateElement>(
    `#${template}`,
  ) ?? {};
  return content?.firstElementChild?.cloneNode(true) as HTMLElement;
}
