import { LIMIT_MS, RUNGS, height } from './ladder.js';
import { openPoll } from './poll.js';
import { openSse } from './sse.js';
import { openWs } from './ws.js';

const OPEN = { ws: openWs, sse: openSse, poll: openPoll };

export class Sessions {
  #env;
  #hooks;
  #open = new Set();
  #planned = new Map(); // rung -> timer of its start

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
    const { base, fetch, WebSocket, now } = this.#env;
    const { channels, minInterval, healthy, ended, message, rtt } = this.#hooks;
    const alive = () => this.#open.has(session);
    return {
      base, fetch, WebSocket, now, channels, minInterval, rtt,
      carried: () => channels().at(-1),
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
