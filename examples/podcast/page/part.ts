// Copyright 2026 the @serviceworker/std authors. MIT license.

/**
 * The places in the document that the scripts fill.
 *
 * @module
 */

/** Finds the element marked with `data-part="<name>"`. */
export function part<E extends Element>(root: ParentNode, name: string): E {
  const element = root.querySelector<E>(`[data-part="${name}"]`);
  if (element) return element;
  throw new Error(`Cannot find the part: the page has no "${name}"`);
}

/** Shows another icon in a button. */
export function setIcon(button: Element, name: string): void {
  button.querySelector("use")?.setAttribute("href", `#icon-${name}`);
}

/** Sets a text, if it differs: a screen reader may read what is set. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}
