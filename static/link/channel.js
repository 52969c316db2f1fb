/**
 * What a link tells: how it is, and what happens in the channels that are followed. Those are projects, or else the feed
 * of all (`project` null), each with its place in the numbering, its jobs and its listeners.
 */

import { isEnd, reduce } from '../state.js';

const MOST_JOBS = 500;
const CALM = ['live', 'idle', 'resting', 'connecting'];

export function parseCursor(cursor) {
  const match = /^([0-9a-f]{8})-([0-9]{1,18})$/.exec(cursor ?? '');
  return match ? { epoch: match[1], seq: Number(match[2]) } : null;
}

export const cursorOf = (position) => (position ? `${position.epoch}-${position.seq}` : null);

/**
 * What to do with a message at `position` (null: not known yet) -> {verdict, position}.
 * `gap`: numbers are missing, subscribe again with the cursor.
 * Every number is accounted for on every transport: `merged` comes before the event that follows a skip.
 */
export function advance(position, message) {
  switch (message.type) {
    case 'snapshot': return { verdict: 'take', position: parseCursor(message.cursor) };
    case 'reset': return { verdict: 'take', position: null };
    case 'merged':
      if (!position || message.upto <= position.seq) return { verdict: 'drop', position };
      return { verdict: 'take', position: { ...position, seq: message.upto } };
    default:
  }
  if (message.seq === undefined) return { verdict: 'take', position };
  if (!position) return { verdict: 'drop', position };
  if (message.seq <= position.seq) return { verdict: 'drop', position };
  if (message.seq > position.seq + 1) return { verdict: 'gap', position };
  return { verdict: 'take', position: { ...position, seq: message.seq } };
}

export function isBehind(position, cursor) {
  const theirs = parseCursor(cursor);
  return Boolean(position && theirs && theirs.epoch === position.epoch && theirs.seq > position.seq);
}

export class Channel {
  position = null;
  listeners = new Set();
  jobs = null; // id -> state, once a snapshot came
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

  /** For who begins to listen later; null: nothing is known yet. */
  get snapshot() {
    return this.jobs && { type: 'snapshot', project: this.project, cursor: this.cursor, jobs: [...this.jobs.values()] };
  }

  /** Tell what is news; true when numbers are missing and it must be subscribed again. */
  accept(message) {
    if (message.type === 'heartbeat') return this.#check(message.cursors?.[this.project]);
    if (this.project !== null) {
      const { verdict, position } = advance(this.position, message);
      if (verdict === 'gap') return this.#gap();
      if (verdict === 'drop') return false;
      this.position = position;
      this.#recovering = false;
    }
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
    this.#fold(message);
    for (const listener of [...this.listeners]) listener(message);
  }

  #fold(message) {
    const { type, job, jobs } = message;
    if (type === 'snapshot') {
      const known = this.project === null ? this.jobs : null; // two ways to the feed may overlap
      this.jobs = new Map(jobs.map((state) => {
        const mine = known?.get(state.id);
        return [state.id, mine?.seq > state.seq ? mine : state];
      }));
    } else if (this.jobs && job !== undefined) {
      this.jobs.set(job, reduce(this.jobs.get(job) ?? null, message));
      if (this.jobs.size > MOST_JOBS) this.jobs.delete([...this.jobs.values()].find(isEnd)?.id);
    }
  }
}

export class Channels {
  #feed = new Channel(null);
  #projects = new Map();

  get(project) {
    return project === null ? this.#feed : this.#projects.get(project);
  }

  /** Projects, or else the feed: never both, as on one stream nobody could tell whose `merged` is whose. */
  get wanted() {
    const projects = [...this.#projects.values()].filter((channel) => !channel.isGone);
    return projects.length ? projects : [this.#feed];
  }

  sum(name) {
    return [this.#feed, ...this.#projects.values()].reduce((total, channel) => total + channel[name], 0);
  }

  /** -> what ends it. Who comes late is told the present state at once; `changed` is called when other channels are wanted. */
  follow(project, listener, changed) {
    let channel = this.get(project);
    if (!channel) this.#projects.set(project, channel = new Channel(project));
    channel.listeners.add(listener);
    if (project !== null) this.#feed.jobs = null; // it is not heard meanwhile
    if (channel.snapshot) listener(channel.snapshot);
    changed();
    return () => {
      if (!channel.listeners.delete(listener) || channel.listeners.size || project === null) return;
      if (this.#projects.get(project) === channel) this.#projects.delete(project);
      changed();
    };
  }
}

/** What the chip shows; `change` is dispatched. */
export class LinkStatus extends EventTarget {
  value;
  #now;

  constructor(now) {
    super();
    this.#now = now;
    this.value = {
      state: 'idle', rung: null, since: now(), downSince: null, why: null, retryAt: null, lastHeard: null, rtt: null,
      skew: 0, heartbeatMs: 10_000, boot: null, version: null, epoch: null, tried: {}, forced: null, blocked: {}, shared: 0,
    };
  }

  onChange(listener) {
    this.addEventListener('change', listener);
    return () => this.removeEventListener('change', listener);
  }

  say(change) {
    const now = this.#now();
    const { state, downSince, lastHeard } = this.value;
    const next = { ...this.value, ...change };
    if (next.state !== state) next.since = now;
    next.downSince = CALM.includes(next.state) ? null : downSince ?? lastHeard ?? now;
    this.show(next);
  }

  show(value) {
    this.value = value;
    this.dispatchEvent(new Event('change'));
  }

  tried(rung, ok, text) {
    this.value.tried = { ...this.value.tried, [rung]: { ok, text, at: this.#now() } };
  }

  heard() {
    this.value.lastHeard = this.#now();
  }
}
