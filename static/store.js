/** Every job that is known, folded from whatever way the news came; `change` is dispatched. */

import { parseCursor } from './link/channel.js';
import { isEnd, reduce } from './state.js';

const MOST_SAMPLES = 240;
const MOST_CURVES = 50;
const MOST_JOBS = 2_000;

export class Store extends EventTarget {
  jobs = new Map();
  /** job id -> when (local ms) its progress last moved here: how "stalled" is told from "slow". */
  heard = new Map();
  /** job id -> [{at, value}] of its rate in one stage, with `unit`, for the curve: what was seen, thinned out as it grows. */
  rates = new Map();
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
    const after = risen(before, reduce(before, event));
    if (after === before) return;
    this.jobs.set(event.job, after);
    // Words are not movement.
    if (event.type !== 'log') this.heard.set(event.job, this.#now());
    if (event.type === 'progress' && event.rate !== null) this.#sample(event);
    if (isEnd(after)) this.#letGo(event.job);
  }

  #sample({ job, at, rate, unit, stage }) {
    let samples = this.rates.get(job);
    if (samples?.unit !== unit || samples.stage !== stage) this.rates.set(job, samples = Object.assign([], { unit, stage, stepMs: 0 }));
    if (samples.length && at - samples.at(-1).at < samples.stepMs) return;
    samples.push({ at, value: rate });
    if (samples.length <= MOST_SAMPLES) return;
    const half = samples.filter((_, n) => n % 2 === 0);
    this.rates.set(job, Object.assign(half, { unit, stage, stepMs: (half.at(-1).at - half[0].at) / half.length }));
  }

  /** Of jobs that have ended, the newest curves are kept, and a bounded number of states. */
  #letGo(id) {
    const samples = this.rates.get(id);
    if (samples) {
      this.rates.delete(id);
      this.rates.set(id, samples);
      for (const old of [...this.rates.keys()].slice(0, -MOST_CURVES)) this.rates.delete(old);
    }
    if (this.jobs.size <= MOST_JOBS) return;
    const ended = [...this.jobs.values()].filter(isEnd).sort((a, b) => a.ended - b.ended);
    for (const job of ended.slice(0, this.jobs.size - MOST_JOBS)) {
      this.jobs.delete(job.id);
      this.heard.delete(job.id);
    }
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
    this.jobs.set(state.id, risen(known, state));
    this.heard.set(state.id, this.#now());
  }
}

/** Nobody is ever shown less than before of one run, not even by a hub that forgot some of it in a crash. */
function risen(before, after) {
  return before && !isEnd(after) && after.percent < before.percent ? { ...after, percent: before.percent } : after;
}
