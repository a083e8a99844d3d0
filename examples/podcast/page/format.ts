// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * Numbers as people read them.
 *
 * @module
 */

const MEGABYTE = 1e6;
const MEGABYTES = new Intl.NumberFormat("en", {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const DAY = new Intl.DateTimeFormat("en", {
  day: "numeric",
  month: "long",
  year: "numeric",
  timeZone: "UTC",
});

const MOMENT = new Intl.DateTimeFormat("en", {
  day: "numeric",
  month: "short",
  hour: "numeric",
  minute: "2-digit",
  hourCycle: "h23",
});

/** As "12.4 MB". */
export function formatBytes(bytes: number): string {
  return `${MEGABYTES.format(bytes / MEGABYTE)} MB`;
}

/** As "3.1 of 12.4 MB". */
export function formatProgress(loaded: number, total: number): string {
  return `${MEGABYTES.format(loaded / MEGABYTE)} of ${formatBytes(total)}`;
}

/** As "5:07", or "1:00:12". */
export function formatTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60)];
  const two = (value: number) => String(value % 60).padStart(2, "0");
  return hours > 0
    ? `${hours}:${two(minutes)}:${two(whole)}`
    : `${minutes}:${two(whole)}`;
}

/** As "12 s left", or "3 min left". */
export function formatRemaining(seconds: number): string {
  return seconds < 90
    ? `${Math.max(1, Math.ceil(seconds))} s left`
    : `${Math.ceil(seconds / 60)} min left`;
}

/** As "November 7, 2026". */
export function formatDay(day: string | number): string {
  return DAY.format(new Date(day));
}

/** As "Nov 7, 14:05", here. */
export function formatMoment(time: number): string {
  return MOMENT.format(time);
}

/** As "12 kB", "12.4 MB" or "1.2 GB". */
export function formatSize(bytes: number): string {
  if (bytes < MEGABYTE) return `${Math.ceil(bytes / 1000)} kB`;
  if (bytes < 1000 * MEGABYTE) return formatBytes(bytes);
  return `${MEGABYTES.format(bytes / MEGABYTE / 1000)} GB`;
}

/** As "12 s ago", or "3 min ago". */
export function formatAgo(milliseconds: number): string {
  const seconds = Math.max(0, Math.round(milliseconds / 1000));
  return seconds < 90
    ? `${seconds} s ago`
    : `${Math.round(seconds / 60)} min ago`;
}
