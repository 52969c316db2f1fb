/** The ways to the hub that are being tried or used, and the best of them, WebSocket. */

import { LIMIT_MS, RUNGS, height } from './ladder.js';
import { followUrl, plainHttp } from './request.js';

const OPEN = { ws: openWs, sse: (context) => later('openSse', context), poll: (context) => later('openPoll', context) };

function later(open, context) {
  let way = null;
  let closed = false;
  plainHttp().then((ways) => { if (!closed) way = ways[open](context); }, () => context.ended({ text: 'a part of the page could not be loaded' }));
  return {
    tune: () => way?.tune(),
    resubscribe: (channel) => way?.resubscribe(channel),
    ping() {},
    close() {
      closed = true;
      way?.close();
    },
  };
}

export const HELD = 'held back on the way, and let through in heaps';
const LATE_MS = 3_000;
const PONG_MS = 3_000;
const POLL_SILENCE_MS = 35_000;

export class Sessions {
  #env;
  #hooks;
  #open = new Set();
  #planned = new Map(); // rung -> timer of its start
  #quickest = Infinity; // ms by which this clock is ahead of the hub's, and the way there

  constructor(env, hooks) {
    this.#env = env;
    this.#hooks = hooks;
  }

  get quiet() {
    return !this.#open.size;
  }

  get next() {
    return RUNGS.find((rung) => this.#planned.has(rung));
  }

  tries(rung) {
    return [...this.#open].some((session) => session.rung === rung);
  }

  plan(rung, ms) {
    clearTimeout(this.#planned.get(rung));
    this.#planned.set(rung, setTimeout(() => this.start(rung), ms));
  }

  start(rung) {
    this.#unplan(rung);
    const session = { rung, healthyAt: null, heardAt: this.#env.now(), pingedAt: null, bye: null, way: null };
    const held = rung === 'sse' ? 'nothing came through; something on the path holds the stream back' : 'no answer';
    const text = `${held} (${LIMIT_MS[rung] / 1000} s)`;
    session.deadline = setTimeout(() => this.#hooks.ended(session, { text }), LIMIT_MS[rung]);
    this.#open.add(session);
    try {
      session.way = OPEN[rung](this.#context(session));
    } catch (error) {
      this.#hooks.ended(session, { text: error.message }); // no WebSocket here, or an address it does not take
    }
  }

  #context(session) {
    const { now } = this.#env;
    const { healthy, ended, message } = this.#hooks;
    const alive = () => this.#open.has(session);
    return {
      ...this.#env,
      ...this.#hooks,
      heard: () => { session.heardAt = now(); session.pingedAt = null; },
      healthy: () => { if (alive() && session.healthyAt === null) this.#thrive(session, healthy); },
      message: (channel, content) => { if (alive()) message(session, channel, content); },
      ended: (why) => { if (alive()) ended(session, why); },
    };
  }

  #thrive(session, healthy) {
    clearTimeout(session.deadline);
    session.healthyAt = this.#env.now();
    healthy(session);
  }

  /** What tells the hub's time was sent as it was made; if it is much slower than the quickest, a proxy kept it until its buffer was full. */
  clock(session, serverMs) {
    const offset = this.#env.now() - serverMs;
    this.#quickest = Math.min(this.#quickest, offset);
    session.isHeld = session.rung === 'sse' && offset - this.#quickest > LATE_MS;
  }

  forgetClocks() {
    this.#quickest = Infinity;
  }

  /** What is wrong with it, by the wall clock; `doubted`: ask it whether it lives. */
  fault(session, doubted, heartbeatMs) {
    const now = this.#env.now();
    const silentMs = now - session.heardAt;
    if (session.isHeld) return HELD;
    const limit = session.rung === 'poll' ? POLL_SILENCE_MS : 2.5 * heartbeatMs;
    if (silentMs > limit || (session.pingedAt && now - session.pingedAt > PONG_MS)) return `silent for ${Math.round(silentMs / 1000)} s`;
    if (doubted && session.rung === 'ws' && !session.pingedAt) {
      session.pingedAt = now;
      session.way.ping();
    }
    return null;
  }

  tune() {
    for (const session of this.#open) session.way?.tune();
  }

  close(session) {
    clearTimeout(session.deadline);
    this.#open.delete(session);
    session.way?.close();
  }

  /** End every try, running or planned, that is no better than `keep`. */
  settle(keep, limit = height(keep.rung)) {
    for (const session of this.#open) if (session !== keep && height(session.rung) <= limit) this.close(session);
    for (const rung of this.#planned.keys()) if (height(rung) <= limit) this.#unplan(rung);
  }

  closeAll() {
    this.settle(null, Infinity);
  }

  #unplan(rung) {
    clearTimeout(this.#planned.get(rung));
    this.#planned.delete(rung);
  }
}

/** Healthy once `hello` came *and* a ping was answered: an opened socket proves nothing. */
function openWs(context) {
  const first = context.channels().at(-1);
  const { token } = context; // a browser cannot send a header with it
  const url = followUrl(context, first, { access_token: token, min_interval_ms: context.minInterval() || null });
  const socket = new context.WebSocket(url.replace(/^http/, 'ws'));
  const subscribed = new Map([[first.project, first]]);
  const asked = new Map(); // id of a subscribe -> its channel
  let open = false;
  let pinged = 0;
  let serial = 0;
  let bye = null;
  // While the feed is on, everything is the feed's; `feedOp` is the request that last changed that.
  let feed = first.project === null ? first : null;
  let feedOp = 0;

  function send(frame) {
    serial += 1;
    if (frame.project === null) feedOp = serial;
    if (socket.readyState === 1) socket.send(JSON.stringify({ id: serial, ...frame }));
  }

  function subscribe(channel) {
    const { project, cursor } = channel;
    subscribed.set(project, channel);
    if (project === null) feed = channel;
    send({ op: 'subscribe', project, since: cursor ?? undefined, job: context.job ?? undefined, min_interval_ms: context.minInterval() });
    asked.set(serial, channel);
  }

  function tune() {
    if (!open) return;
    const wanted = new Map(context.channels().map((channel) => [channel.project, channel]));
    for (const project of [...subscribed.keys()]) {
      if (wanted.get(project) === subscribed.get(project)) continue;
      subscribed.delete(project);
      send({ op: 'unsubscribe', project });
    }
    for (const [project, channel] of wanted) if (!subscribed.has(project)) subscribe(channel);
  }

  function ping() {
    pinged = context.now();
    send({ op: 'ping' });
  }

  socket.onmessage = ({ data }) => {
    context.heard();
    const message = JSON.parse(data);
    const { type, id, project } = message;
    if (type === 'hello') {
      open = true;
      first.resubscribed();
      ping();
      tune();
    } else if (type === 'pong') {
      context.rtt(context.now() - pinged);
      context.healthy();
    } else if (type === 'bye') bye = message;
    else if (type === 'subscribed') subscribed.get(project)?.resubscribed();
    else if (type === 'unsubscribed' && id === feedOp) feed = null;
    else if (type === 'error' && message.error?.code === 'not_found' && asked.has(id)) context.gone(asked.get(id));
    if (type === 'subscribed' || type === 'error') asked.delete(id);
    context.message(feed ?? subscribed.get(project) ?? null, message);
  };

  socket.onclose = ({ code, reason }) => {
    const status = { 4500: 401, 4501: 403 }[code];
    const text = reason || 'refused or cut off on the way';
    context.ended(bye ? { bye, status } : { text, status, final: code >= 4500 && code <= 4999 });
  };

  return {
    tune,
    ping,
    resubscribe: subscribe,
    close() {
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    },
  };
}
