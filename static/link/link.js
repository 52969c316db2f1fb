/**
 * Keeps one way to the hub open and moves between ways without loss or repeat.
 * Sessions (sessions.js) may overlap: all deliver to the same channels, and a channel takes every number once.
 */

import { backoffMs, isFresh } from './backoff.js';
import { Channel } from './channel.js';
import * as ladders from './ladder.js';
import { recall, remember } from './memory.js';
import { probe } from './probe.js';
import { Sessions } from './sessions.js';
import { LinkStatus } from './status.js';

const TICK_MS = 1_000;
const JUMP_MS = 5_000;
const PONG_MS = 3_000;
const POLL_SILENCE_MS = 35_000;
const LET_GO_MS = 5 * 60_000;
const HIDDEN_INTERVAL_MS = 2_000;
const PATIENCE = 2; // failed attempts before "reconnecting" becomes "unreachable"

export class Link {
  #env;
  #ladder;
  #sessions;
  #status;
  #feed = new Channel(null);
  #channels = new Map();
  #active = null;
  #attempt = 0;
  #retry = null;
  #ticker = null;
  #lastTick = 0;
  #hiddenAt = null;
  #isOffline = false;

  constructor(env) {
    this.#env = env;
    this.#ladder = ladders.fromMemory(recall(env.storage), env.now(), env.forced);
    this.#status = new LinkStatus(env.now);
    this.#sessions = new Sessions(env, {
      channels: () => this.#wanted(),
      minInterval: () => (this.#hiddenAt === null ? 0 : HIDDEN_INTERVAL_MS),
      healthy: (session) => this.#won(session),
      ended: (session, why) => this.#lost(session, why),
      message: (session, channel, message) => this.#message(session, channel, message),
      rtt: (ms) => this.#status.say({ rtt: ms }),
    });
  }

  get status() {
    const channels = [this.#feed, ...this.#channels.values()];
    const sum = (name) => channels.reduce((total, channel) => total + channel[name], 0);
    const { forced, blocked } = this.#ladder;
    return { ...this.#status.value, forced, blocked, events: sum('taken'), gaps: sum('gaps') };
  }

  onChange(listener) {
    this.#status.addEventListener('change', listener);
    return () => this.#status.removeEventListener('change', listener);
  }

  /** Listen to `project` (null: the feed) until the function returned is called. */
  follow(project, listener) {
    let channel = project === null ? this.#feed : this.#channels.get(project);
    if (!channel) this.#channels.set(project, channel = new Channel(project));
    channel.listeners.add(listener);
    this.#retune();
    return () => {
      channel.listeners.delete(listener);
      if (channel.listeners.size || this.#channels.get(project) !== channel) return;
      this.#channels.delete(project);
      this.#retune();
    };
  }

  /** Projects, or else the feed: never both, as on one stream nobody could tell whose `merged` is whose. */
  #wanted() {
    return this.#channels.size ? [...this.#channels.values()] : [this.#feed];
  }

  #retune() {
    this.#sessions.tune();
    if (this.#status.value.state === 'refused') this.#again(0);
  }

  start() {
    if (this.#ticker) return;
    this.#lastTick = this.#env.now();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    this.#climb();
  }

  stop() {
    clearInterval(this.#ticker);
    this.#ticker = null;
    this.#letGo('idle');
  }

  testAgain() {
    this.#attempt = 0;
    this.#learn(ladders.forget(this.#ladder));
    this.#again(0);
  }

  force(rung) {
    this.#ladder = { ...this.#ladder, forced: rung };
    this.testAgain();
  }

  /** Hidden pages ask for less, and after five minutes for nothing. */
  hide(hidden) {
    if (hidden === (this.#hiddenAt !== null)) return;
    this.#hiddenAt = hidden ? this.#env.now() : null;
    if (!this.#ticker) return;
    if (this.#active?.rung === 'ws') this.#sessions.start('ws'); // takes over once it works
    else if (this.#active || (!hidden && this.#status.value.state === 'resting')) this.#again(0);
  }

  wake() {
    if (this.#ticker) this.#tick(true);
  }

  online(isOnline) {
    this.#isOffline = !isOnline;
    if (!this.#ticker) return;
    if (isOnline && this.#active?.rung !== 'ws') this.testAgain();
    else this.#tick(true);
  }

  #climb() {
    clearTimeout(this.#retry);
    this.#retry = null;
    const steps = ladders.plan(this.#ladder, this.#env.now(), this.#hiddenAt !== null);
    for (const { rung, after } of steps) this.#sessions.plan(rung, after);
    if (['idle', 'resting'].includes(this.#status.value.state)) this.#status.say({ state: 'connecting' });
  }

  #won(session) {
    if (this.#active && ladders.height(this.#active.rung) > ladders.height(session.rung)) {
      this.#sessions.close(session);
      return;
    }
    this.#sessions.settle(session);
    this.#active = session;
    this.#learn(ladders.thrive(this.#ladder, session.rung, this.#status.value.boot));
    this.#status.tried(session.rung, true, 'works');
    this.#status.heard();
    this.#status.say({ state: 'live', rung: session.rung, why: null, retryAt: null });
  }

  #lost(session, why) {
    this.#sessions.close(session);
    const bye = why.bye ?? session.bye;
    if (bye) {
      if (!this.#active || session === this.#active) this.#goodbye(bye);
      return;
    }
    this.#status.tried(session.rung, false, why.text);
    if (session === this.#active) this.#fell(session, why);
    else if (why.final && !this.#active) this.#letGo('refused', why.text);
    else this.#judge(session.rung, why);
  }

  #fell(session, why) {
    const now = this.#env.now();
    const lived = now - session.healthyAt;
    this.#learn(ladders.cut(this.#ladder, session.rung, lived, now));
    if (isFresh(lived)) this.#attempt = 0;
    const ms = this.#env.random() * 500;
    this.#status.say({ state: 'reconnecting', why: why.text, retryAt: now + ms });
    this.#again(ms);
  }

  async #judge(rung, why) {
    const answer = await probe(this.#env);
    if (!this.#ticker) return;
    if (answer.verdict === 'fine') this.#stepDown(rung, why, answer);
    else if (this.#active) return;
    else if (answer.verdict === 'refused') this.#letGo('refused', answer.why);
    else this.#wait(answer.why);
  }

  #stepDown(rung, why, { boot, version, rtt }) {
    // A hub that is full says when to come back, and that is no fault of the path.
    const blockMs = why.full ? Math.max(why.retryMs, 10_000) : ladders.MEMORY_MS;
    const ladder = ladders.thrive(this.#ladder, null, boot);
    this.#learn(ladders.block(ladder, rung, why.text, this.#env.now(), blockMs));
    this.#status.say({ boot, version, rtt });
    if (this.#active || !this.#sessions.quiet || this.#retry) return;
    const { next } = this.#sessions;
    if (next) this.#sessions.start(next);
    else this.#wait(why.text);
  }

  #wait(why) {
    const ms = backoffMs(this.#attempt, this.#env.random);
    this.#attempt += 1;
    const calm = this.#status.value.state === 'restarting' ? 'restarting' : 'reconnecting';
    const patience = calm === 'restarting' ? 3 * PATIENCE : PATIENCE;
    const state = this.#isOffline ? 'offline' : this.#attempt > patience ? 'unreachable' : calm;
    this.#status.say({ state, why, retryAt: this.#env.now() + ms });
    this.#again(ms);
  }

  #again(ms) {
    this.#active = null;
    this.#sessions.closeAll();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#climb(), ms);
  }

  #goodbye(bye) {
    if (!bye.retry) {
      this.#letGo('refused', `the hub ended the stream: ${bye.reason}`);
      return;
    }
    const state = bye.reason === 'restarting' ? 'restarting' : 'reconnecting';
    this.#status.say({ state, why: bye.reason, retryAt: this.#env.now() + bye.reconnect_ms });
    this.#again(bye.reconnect_ms);
  }

  #letGo(state, why = null) {
    this.#active = null;
    this.#sessions.closeAll();
    clearTimeout(this.#retry);
    this.#retry = null;
    this.#status.say({ state, why, rung: null, retryAt: null });
  }

  #message(session, channel, message) {
    this.#status.heard();
    if (message.type === 'hello') this.#hello(message);
    else if (message.type === 'bye') session.bye = message;
    else if (message.type === 'heartbeat') {
      for (const wanted of this.#wanted()) if (wanted.accept(message)) session.way?.resubscribe(wanted);
    } else if (channel?.accept(message)) session.way?.resubscribe(channel);
  }

  #hello({ boot, version, epoch, server_ms: serverMs, heartbeat_s: heartbeatS }) {
    this.#learn(ladders.thrive(this.#ladder, null, boot));
    const skew = serverMs - this.#env.now();
    this.#status.say({ boot, version, epoch, skew, heartbeatMs: heartbeatS * 1000 });
  }

  /** By the wall clock: a background tab's timers run late, and a sleeping machine's not at all. */
  #tick(woken = false) {
    const now = this.#env.now();
    const suspicious = woken || now - this.#lastTick > JUMP_MS;
    this.#lastTick = now;
    if (this.#hiddenAt !== null && now - this.#hiddenAt > LET_GO_MS) {
      if (this.#status.value.state !== 'resting') this.#letGo('resting');
      return;
    }
    if (!this.#active) {
      if (suspicious && this.#retry) this.#again(this.#env.random() * 500);
      return;
    }
    if (isFresh(now - this.#active.healthyAt)) this.#attempt = 0;
    this.#tryUpgrade(now);
    this.#checkAlive(this.#active, now, suspicious);
  }

  #tryUpgrade(now) {
    const { rung } = this.#active;
    if (this.#hiddenAt !== null || this.#sessions.tries('ws') || !ladders.wantsUpgrade(this.#ladder, rung, now)) return;
    this.#learn(ladders.upgradeTried(this.#ladder, now));
    this.#sessions.start('ws');
  }

  #checkAlive(session, now, suspicious) {
    const silentMs = now - session.heardAt;
    const limit = session.rung === 'poll' ? POLL_SILENCE_MS : 2.5 * this.#status.value.heartbeatMs;
    if (silentMs > limit || (session.pingedAt && now - session.pingedAt > PONG_MS)) {
      this.#lost(session, { text: `silent for ${Math.round(silentMs / 1000)} s` });
    } else if (suspicious && session.rung === 'ws' && !session.pingedAt) {
      session.pingedAt = now;
      session.way.ping();
    }
  }

  #learn(ladder) {
    this.#ladder = ladder;
    remember(this.#env.storage, ladders.toMemory(ladder));
  }
}
