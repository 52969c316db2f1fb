/** Every job that is known, folded from whatever way the news came; `change` is dispatched. */

import { parseCursor } from './link/position.js';
import { isEnd, reduce } from './state.js';

export class Store extends EventTarget {
  jobs = new Map();
  /** job id -> when (local ms) its progress last moved here: how "stalled" is told from "slow". */
  heard = new Map();
  isFilled = false;
  #epoch = null;
  #now;

  constructor(now) {
    super();
    this.#now = now;
  }

  take(message) {
    if (message.type === 'snapshot') this.#fill(message);
    else if (message.type === 'reset' && message.reason === 'gone') this.#forget(message.project);
    else if (message.job !== undefined) this.#fold(message);
    else return;
    this.dispatchEvent(new Event('change'));
  }

  put(state) {
    this.#keep(state);
    this.dispatchEvent(new Event('change'));
  }

  #forget(project) {
    for (const [id, job] of this.jobs) if (job.project === project) this.jobs.delete(id);
  }

  #fold(event) {
    const before = this.jobs.get(event.job) ?? null;
    const after = reduce(before, event);
    if (after === before) return;
    this.jobs.set(event.job, after);
    this.heard.set(event.job, this.#now());
  }

  #fill({ project, cursor, jobs }) {
    // The feed's cursor is in no project's numbering.
    const epoch = project === null ? this.#epoch : parseCursor(cursor)?.epoch ?? null;
    if (this.#epoch && epoch !== this.#epoch) this.jobs.clear(); // the numbering started over
    this.#epoch = epoch;
    const named = new Set(jobs.map((job) => job.id));
    for (const [id, job] of this.jobs) {
      // Ended while nobody listened; asked for when shown.
      if ((project === null || job.project === project) && !named.has(id) && !isEnd(job)) this.jobs.delete(id);
    }
    const upto = project === null ? undefined : parseCursor(cursor)?.seq;
    for (const job of jobs) this.#keep(job, upto);
    if (project === null) this.isFilled = true;
  }

  /**
   * A snapshot may be older than what a faster way told; a state never goes back. One that is true up to the number
   * `upto` is newer all the same: the hub has forgotten, in a crash, what was told before.
   */
  #keep(state, upto = state.seq) {
    const known = this.jobs.get(state.id);
    if (known && isEnd(known) && !isEnd(state)) return;
    if (known && known.seq > upto && !isEnd(state)) return;
    this.jobs.set(state.id, state);
    this.heard.set(state.id, this.#now());
  }
}
