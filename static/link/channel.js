/** A project that is followed, or the feed (`project` null). */

import { advance, cursorOf, isBehind } from './position.js';

export class Channel {
  position = null;
  listeners = new Set();
  taken = 0;
  gaps = 0;
  #recovering = false;
  #gapAt = null;

  constructor(project) {
    this.project = project;
  }

  /** The feed has none: its resume is always a snapshot. */
  get cursor() {
    return this.project === null ? null : cursorOf(this.position);
  }

  /** Tell what is news; true when numbers are missing and it must be subscribed again. */
  accept(message) {
    if (message.type === 'heartbeat') return this.#check(message.cursors?.[this.project]);
    if (this.project === null) {
      this.#tell(message);
      return false;
    }
    const { verdict, position } = advance(this.position, message);
    if (verdict === 'gap') return this.#gap();
    if (verdict === 'drop') return false;
    this.position = position;
    this.#recovering = false;
    this.#tell(message);
    return false;
  }

  resubscribed() {
    this.#recovering = false;
  }

  #check(cursor) {
    return isBehind(this.position, cursor) && this.#gap();
  }

  #gap() {
    if (this.#recovering) return false;
    this.#recovering = true;
    this.gaps += 1;
    const at = this.cursor;
    if (at === this.#gapAt) this.position = null;
    this.#gapAt = at;
    return true;
  }

  #tell(message) {
    if (message.seq !== undefined) this.taken += 1;
    for (const listener of [...this.listeners]) listener(message);
  }
}
