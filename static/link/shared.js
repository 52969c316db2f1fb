/**
 * The link that all tabs of a browser share: a port to hub-worker.js, and a link of this tab's own where there is no such
 * worker. Each tab keeps its own place in every project, so that whatever becomes of the worker, nothing is lost or told twice.
 */

import { Channels, LinkStatus, parseCursor } from './channel.js';
import { keep, kept } from './memory.js';
import { plainHttp } from './request.js';

/** The hub fills in what its files amount to: tabs of another version are not served by this one's worker. */
const WORKER = new URL('../hub-worker.js?v=REVISION', import.meta.url);
const WELCOME_MS = 5_000;
const SILENT_MS = 6_000;
const ANSWER_MS = 2_000;
const TICK_MS = 1_000;

let link = null;
/** Most tabs never need it, as the worker has one. */
const linkModule = () => (link ??= import('./link.js').catch((error) => { link = null; throw error; }));

/** A browser that is asked all the same tells it as a breach of the page's policy. */
const isForeign = () => Boolean(globalThis.location) && WORKER.origin !== globalThis.location.origin;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

export class SharedLink {
  #env;
  #channels = new Channels();
  #status;
  #own = null;
  #coming = null; // what a link of this tab's own has to be told once it is loaded; null: none is on its way
  #port = null;
  #welcome = null;
  #ticker = null;
  #lastTick = 0;
  #heardAt = 0;
  #hidden = false;
  #known = new Set(); // channels that the worker was asked for
  #fresh = new Set(); // those of them whose first snapshot has not come
  #mending = new Map(); // channel -> what came meanwhile

  constructor(env) {
    this.#env = env;
    this.#status = new LinkStatus(env.now);
    globalThis.addEventListener?.('pagehide', () => this.#leave());
  }

  get status() {
    if (this.#own) return this.#own.status;
    const { value } = this.#status;
    return { ...value, events: this.#channels.sum('taken'), gaps: (value.gaps ?? 0) + this.#channels.sum('gaps') };
  }

  onChange(listener) {
    return this.#status.onChange(listener);
  }

  follow(project, listener) {
    return this.#channels.follow(project, listener, () => (this.#own ? this.#own.retune() : this.#send()));
  }

  start() {
    if (this.#ticker) return;
    this.#status.say({ state: 'connecting' });
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#open();
  }

  stop() {
    clearInterval(this.#ticker);
    this.#ticker = null;
    this.#leave();
    this.#own?.stop();
    this.#own = null;
    this.#coming = null;
    this.#status.say({ state: 'idle', rung: null });
  }

  testAgain() { this.#do('testAgain'); }

  force(rung) { this.#do('force', rung); }

  online(isOnline) { this.#do('online', isOnline); }

  hide(hidden) {
    this.#hidden = hidden;
    if (this.#own) this.#own.hide(hidden);
    else this.#send();
  }

  /** Seen again, or the machine has slept: a page that comes back from the browser's cache has left the worker. */
  wake() {
    if (this.#ticker && !this.#own && !this.#coming && !this.#port) this.#open();
    this.#do('wake');
    this.#doubt();
  }

  #do(verb, ...words) {
    this.#coming?.push([verb, words]);
    if (this.#own) this.#own[verb](...words);
    else this.#port?.postMessage({ op: 'do', verb, words });
  }

  #open() {
    this.#leave();
    this.#heardAt = this.#lastTick = this.#env.now();
    this.#welcome = setTimeout(() => this.#goAlone(), WELCOME_MS); // a slow one is joined when it comes
    try {
      if (isForeign()) throw new TypeError('a page has no shared worker of another origin');
      const worker = new this.#env.SharedWorker(WORKER, { type: 'module', name: 'progress-hub' });
      const { port } = worker;
      worker.onerror = () => { if (port === this.#port) this.#alone(); };
      port.onmessage = ({ data }) => { if (port === this.#port) this.#take(data); };
      this.#port = port;
      this.#send();
    } catch {
      this.#alone(); // none in this browser, or not for a page of another origin
    }
  }

  #leave() {
    clearTimeout(this.#welcome);
    this.#port?.postMessage({ op: 'leave' });
    this.#port?.close();
    this.#port = null;
    this.#known.clear();
  }

  #alone() {
    this.#leave();
    this.#goAlone();
  }

  async #goAlone() {
    if (!this.#ticker || this.#own || this.#coming) return;
    const coming = this.#coming = [];
    const Link = await this.#loaded(coming);
    if (coming !== this.#coming) return; // stopped, or welcomed after all
    this.#coming = null;
    this.#own = new Link(this.#env, this.#channels);
    this.#own.onChange(() => this.#status.show(this.#own?.status ?? this.#status.value));
    this.#own.hide(this.#hidden);
    this.#own.start();
    for (const [verb, words] of coming) this.#own[verb](...words);
  }

  /** The code of it, which is the hub's, too, and may not be had while that is down. */
  async #loaded(coming) {
    while (coming === this.#coming) {
      try {
        return (await linkModule()).Link;
      } catch {
        if (coming !== this.#coming) return null;
        this.#status.say({ state: 'unreachable', rung: null, why: 'the hub cannot be reached', retryAt: this.#env.now() + ANSWER_MS });
        await pause(ANSWER_MS);
      }
    }
    return null;
  }

  #join() {
    const own = this.#own;
    this.#own = null;
    own.stop();
    this.#known.clear();
    this.#send();
  }

  /** Say all that the worker has to know of this tab. */
  #send() {
    if (!this.#port) return;
    const { base, token, watch, job, forced, storage } = this.#env;
    const { wanted } = this.#channels;
    for (const channel of wanted) if (!this.#known.has(channel)) this.#fresh.add(channel);
    this.#known = new Set(wanted);
    this.#port.postMessage({
      op: 'sit', key: { base, token, watch, job, forced }, memory: kept(storage), hidden: this.#hidden,
      wanted: wanted.map(({ project }) => project),
    });
  }

  #take({ status, asks, again, project, message, memory }) {
    clearTimeout(this.#welcome);
    this.#heardAt = this.#env.now();
    this.#coming = null;
    if (this.#own) this.#join();
    if (memory !== undefined) keep(this.#env.storage, memory);
    if (status) this.#status.show(status);
    if (status?.state === 'live') linkModule().catch(() => {}); // to have it when worker and hub go together
    if (asks) this.#port.postMessage({ op: 'here' });
    if (again) {
      this.#known.clear();
      this.#send();
    }
    if (message) this.#deliver(this.#channels.get(project), message);
  }

  #deliver(channel, message) {
    if (!channel) return;
    const queue = this.#mending.get(channel);
    if (queue) queue.push(message);
    else if (this.#isMissed(channel, message) ?? channel.accept(message)) this.#mend(channel);
  }

  /** What the worker shows first is where it is, which for a tab that has a place already is only a place to get to. */
  #isMissed(channel, { type, cursor }) {
    if (type !== 'snapshot' || !this.#fresh.delete(channel) || !channel.cursor) return undefined;
    return parseCursor(cursor)?.epoch === channel.position.epoch ? cursor !== channel.cursor : undefined;
  }

  /** Get from the hub what this tab alone has missed. */
  async #mend(channel) {
    const queue = [];
    this.#mending.set(channel, queue);
    try {
      const { ask, messagesOf } = await plainHttp();
      const { answer } = await ask(this.#env, channel);
      if (answer) for (const message of messagesOf(answer, channel)) channel.accept(message);
    } catch {
      await pause(ANSWER_MS); // the next message finds the gap again
    }
    this.#mending.delete(channel);
    channel.resubscribed();
    for (const message of queue) this.#deliver(channel, message);
  }

  #tick() {
    if (this.#own || this.#coming) return;
    const now = this.#env.now();
    if (now - this.#lastTick > SILENT_MS) this.wake(); // a clock that jumps says nothing of the worker
    else if (this.#port && now - this.#heardAt > SILENT_MS) this.#open();
    this.#lastTick = now;
  }

  /** A worker that lives answers at once. */
  #doubt() {
    this.#heardAt = this.#env.now() - SILENT_MS + ANSWER_MS;
  }
}
