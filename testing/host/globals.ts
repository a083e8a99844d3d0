// Copyright 2026 the @serviceworker/std authors. MIT license.

import type { HostContext } from "../host.ts";

/** Has global names mean, in calls made by a worker, what its own scope holds. */
export class Globals {
  readonly #target: object;
  readonly #context: HostContext;
  readonly #replaced = new Map<
    PropertyKey,
    PropertyDescriptor | undefined
  >();

  constructor(target: object, context: HostContext) {
    this.#target = target;
    this.#context = context;
  }

  install(names: Iterable<PropertyKey>): void {
    for (const name of names) {
      if (!this.#replaced.has(name)) this.#install(name);
    }
  }

  uninstall(): void {
    for (const [name, original] of this.#replaced) {
      if (original) Object.defineProperty(this.#target, name, original);
      else Reflect.deleteProperty(this.#target, name);
    }
    this.#replaced.clear();
  }

  #install(name: PropertyKey): void {
    const target = this.#target;
    const original = Reflect.getOwnPropertyDescriptor(target, name);
    if (original?.configurable === false) return;
    const inherited: unknown = Reflect.get(target, name);
    this.#replaced.set(name, original);
    // Whatever is named here may itself have been replaced.
    const scope = () => this.#context.getStore() as object | undefined;
    Object.defineProperty(target, name, {
      configurable: true,
      enumerable: original?.enumerable ?? false,
      get: () => {
        const own = scope();
        if (own) return Reflect.get(own, name);
        if (!original) return inherited;
        return original.get ? original.get.call(target) : original.value;
      },
      set: (value: unknown) => {
        const own = scope();
        if (own) Reflect.set(own, name, value);
        else if (original?.set) original.set.call(target, value);
        else if (original) original.value = value;
      },
    });
  }
}
