// Copyright 2026 the @serviceworker/std authors. MIT license.

/** The second argument of `postMessage()`. */
export type TransferOptions = Transferable[] | {
  readonly transfer?: Transferable[] | undefined;
};

/** A message on its way: cloned when it was posted, with the ports that were moved. */
export interface Message {
  readonly data: unknown;
  readonly ports: MessagePort[];
}

/** Clones and transfers as `postMessage()` does. */
export function messageOf(
  message: unknown,
  options: TransferOptions = [],
): Message {
  const transfer = Array.isArray(options) ? options : options.transfer ?? [];
  const ports = transfer.filter((object) => object instanceof MessagePort);
  const cloned = structuredClone({ data: message, ports }, { transfer });
  return { data: cloned.data, ports: cloned.ports };
}

/** All channels of an origin, by their name. */
export class Channels {
  readonly #open = new Set<Channel>();

  /** Opens a channel for a page or a life of a worker. */
  open(name: string, task: (work: () => void) => void): Channel {
    const channel = new Channel(name, this.#open, task);
    this.#open.add(channel);
    return channel;
  }
}

/** A `BroadcastChannel`. */
export class Channel extends EventTarget {
  readonly name: string;
  readonly #others: Set<Channel>;
  readonly #task: (work: () => void) => void;
  #onmessage: ((event: MessageEvent) => void) | null = null;

  constructor(
    name: string,
    others: Set<Channel>,
    task: (work: () => void) => void,
  ) {
    super();
    this.name = name;
    this.#others = others;
    this.#task = task;
    this.addEventListener("message", (event) => {
      this.#onmessage?.call(this, event as MessageEvent);
    });
  }

  get onmessage(): ((event: MessageEvent) => void) | null {
    return this.#onmessage;
  }

  set onmessage(listener: ((event: MessageEvent) => void) | null) {
    this.#onmessage = listener;
  }

  postMessage(message: unknown): void {
    if (!this.#others.has(this)) {
      throw new DOMException(
        `Cannot post to channel "${this.name}": it is closed`,
        "InvalidStateError",
      );
    }
    for (const other of this.#others) {
      if (other === this || other.name !== this.name) continue;
      const data = structuredClone(message);
      other.#task(() => {
        if (!this.#others.has(other)) return;
        other.dispatchEvent(new MessageEvent("message", { data }));
      });
    }
    // Also when nobody listens.
    structuredClone(message);
  }

  close(): void {
    this.#others.delete(this);
  }
}
