/**
 * Which two tabs may hold streams, where tabs do not share one link: a browser has six connections for all of them.
 * Leases in localStorage, as plain-http pages have no Web Locks. Two tabs that claim in the same moment both write;
 * the one whose name stays has it, and the other sees that within a second.
 */

const NAMES = ['hub.stream.0', 'hub.stream.1'];
const LEASE_MS = 5_000;

class Slots {
  #storage;
  #now;
  #me = Math.random().toString(36).slice(2);
  #mine = null;

  constructor(storage, now) {
    storage.getItem(NAMES[0]); // throws where it is forbidden
    this.#storage = storage;
    this.#now = now;
  }

  get isHeld() {
    return this.#mine !== null && this.#read(this.#mine)?.tab === this.#me;
  }

  /** Take a free one, or keep the one there is; call it each second. */
  claim() {
    const now = this.#now();
    const until = now + LEASE_MS;
    // A lease from the future is one of before the clock was set back.
    const isFree = (name) => { const at = this.#read(name)?.until ?? 0; return at < now || at > until; };
    if (!this.isHeld) this.#mine = NAMES.find(isFree) ?? null;
    try {
      if (this.#mine) this.#storage.setItem(this.#mine, JSON.stringify({ tab: this.#me, until }));
    } catch {
      this.#mine = null; // a full storage: polling does without
    }
  }

  release() {
    if (this.isHeld) this.#storage.removeItem(this.#mine);
    this.#mine = null;
  }

  #read(name) {
    return JSON.parse(this.#storage.getItem(name));
  }
}

/** null outside of pages, where nothing counts connections; where nothing can be agreed on, nobody holds a stream. */
export function slotsOf(now) {
  if (!globalThis.document) return null;
  try {
    return new Slots(globalThis.localStorage, now);
  } catch {
    return { isHeld: false, claim() {}, release() {} };
  }
}
