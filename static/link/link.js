/**
 * Keeps one way to the hub open and moves between ways without loss or repeat.
 * Sessions (sessions.js) may overlap: all deliver to the same channels, and a channel takes every number once.
 */

import { Channels, LinkStatus } from './channel.js';
import * as ladders from './ladder.js';
import { probe } from './request.js';
import { HELD, Sessions, plainHttp } from './sessions.js';

const TICK_MS = 1_000;
const JUMP_MS = 5_000;
const LET_GO_MS = 5 * 60_000;
const HIDDEN_INTERVAL_MS = 2_000;
const PATIENCE = 2; // failed attempts before "reconnecting" becomes "unreachable"

const NO_SLOTS = { isHeld: false, claim() {}, release() {} };

export class Link {
  #env;
  #ladder;
  #sessions;
  #status;
  #channels;
  #active = null;
  #attempt = 0;
  #round = 0;
  #retry = null;
  #ticker = null;
  #lastTick = 0;
  #hiddenAt = null;
  #isOffline = false;
  #couldHold = true;

  /** `channels`: what another link has followed so far, to go on with. */
  constructor(env, channels = new Channels()) {
    this.#env = env;
    this.#channels = channels;
    this.#ladder = ladders.fromMemory(ladders.kept(env.storage), env.now(), env.forced);
    this.#status = new LinkStatus(env.now);
    this.#sessions = new Sessions(env, {
      channels: () => this.#channels.wanted,
      minInterval: () => (this.#hiddenAt === null ? 0 : HIDDEN_INTERVAL_MS),
      mayHold: () => this.#mayHold,
      healthy: (session) => this.#won(session),
      ended: (session, why) => this.#lost(session, why),
      gone: (channel) => this.#gone(channel),
      message: (session, channel, message) => this.#message(session, channel, message),
      rtt: (ms) => this.#status.say({ rtt: ms }),
    });
  }

  get status() {
    const { forced, blocked } = this.#ladder;
    return { ...this.#status.value, forced, blocked, events: this.#channels.sum('taken'), gaps: this.#channels.sum('gaps') };
  }

  onChange(listener) {
    return this.#status.onChange(listener);
  }

  /** Listen to `project` (null: the feed) until the function returned is called. */
  follow(project, listener) {
    return this.#channels.follow(project, listener, () => this.retune());
  }

  /** What is known of a project that is followed, for one more who comes; null: nothing yet. */
  snapshot(project) {
    const channel = this.#channels.get(project);
    return this.#channels.wanted.includes(channel) ? channel.snapshot : null;
  }

  retune() {
    this.#sessions.tune();
    if (this.#status.value.state === 'refused') this.#again(0);
  }

  get #mayHold() {
    return this.#hiddenAt === null && (this.#env.slots?.isHeld ?? true);
  }

  start() {
    if (this.#ticker) return;
    this.#lastTick = this.#env.now();
    this.#ticker = setInterval(() => this.#tick(), TICK_MS);
    if (this.#env.slots === undefined) this.#findSlots();
    this.#climb();
  }

  /** Where tabs do not share this link, they have to agree on who may stream; until then none does. */
  async #findSlots() {
    this.#env.slots = NO_SLOTS;
    const { slotsOf } = await import('./slots.js').catch(() => ({ slotsOf: () => NO_SLOTS }));
    this.#env.slots = slotsOf(this.#env.now);
    if (this.#ticker) this.#tick();
  }

  stop() {
    clearInterval(this.#ticker);
    this.#ticker = null;
    this.#env.slots?.release();
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
    if (hidden) this.#env.slots?.release();
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
    this.#round += 1;
    clearTimeout(this.#retry);
    this.#retry = null;
    if (this.#hiddenAt === null) this.#env.slots?.claim();
    this.#couldHold = this.#mayHold;
    const steps = ladders.plan(this.#ladder, this.#env.now(), this.#mayHold);
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
    if (session.rung === 'ws') this.#env.slots?.release();
    this.#learn(ladders.thrive(this.#ladder, session.rung, this.#status.value.boot));
    this.#status.tried(session.rung, true, 'works');
    this.#status.heard();
    this.#status.say({ state: 'live', rung: session.rung, why: null, retryAt: null });
    plainHttp().catch(() => {}); // to have it when it is wanted
  }

  #lost(session, why) {
    this.#sessions.close(session);
    const bye = why.bye ?? session.bye;
    if (this.#active && session !== this.#active && (bye || why.status === 401)) return;
    if (why.status === 401 || bye?.reason === 'unauthorised') {
      this.#learn(ladders.forget(this.#ladder)); // what failed for want of a right says nothing of the path
      this.#letGo('unauthorised', why.text ?? null);
      return;
    }
    if (bye) {
      this.#goodbye(bye);
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
    this.#learn(why.text === HELD ? ladders.block({ ...this.#ladder, proven: {} }, session.rung, HELD, now)
      : ladders.cut(this.#ladder, session.rung, lived, now));
    if (ladders.isFresh(lived)) this.#attempt = 0;
    const ms = this.#env.random() * 500;
    this.#status.say({ state: 'reconnecting', why: why.text, retryAt: now + ms });
    this.#again(ms);
  }

  async #judge(rung, why) {
    const round = this.#round;
    const answer = await probe(this.#env);
    if (!this.#ticker || round !== this.#round) return; // what was asked is of the past
    if (answer.verdict === 'fine') this.#stepDown(rung, why, answer);
    else if (this.#active) return;
    else if (answer.verdict === 'refused') this.#letGo('refused', answer.why);
    else {
      this.#learn(ladders.excuse(this.#ladder));
      this.#wait(answer.why);
    }
  }

  #stepDown(rung, why, { boot, version, rtt }) {
    // A hub that is full says when to come back, and that is no fault of the path.
    const ladder = ladders.thrive(this.#ladder, null, boot);
    this.#learn(why.full ? ladders.pause(ladder, why, this.#env.now()) : ladders.block(ladder, rung, why.text, this.#env.now()));
    this.#status.say({ boot, version, rtt });
    if (this.#active || !this.#sessions.quiet || this.#retry) return;
    const { next } = this.#sessions;
    if (next) this.#sessions.start(next);
    else this.#wait(why.text);
  }

  #wait(why) {
    const ms = ladders.backoffMs(this.#attempt, this.#env.random);
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

  /** The hub has no such project (any more): the others go on. */
  #gone(channel) {
    channel.isGone = true;
    channel.accept({ type: 'reset', project: channel.project, reason: 'gone' });
    this.#learn(ladders.forget(this.#ladder)); // a WebSocket to it was refused, too, and that is no fault of the path
    this.#again(0);
  }

  #goodbye(bye) {
    if (bye.reason === 'gone') {
      this.#again(0);
      return;
    }
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
    if (message.type === 'hello') this.#hello(session, message);
    else if (message.type === 'bye') session.bye = message;
    else if (message.type === 'heartbeat') {
      this.#sessions.clock(session, message.server_ms);
      for (const wanted of this.#channels.wanted) if (wanted.accept(message)) session.way?.resubscribe(wanted);
    } else if (channel?.accept(message)) session.way?.resubscribe(channel);
  }

  #hello(session, { boot, version, epoch, server_ms: serverMs, heartbeat_s: heartbeatS }) {
    this.#sessions.clock(session, serverMs);
    this.#learn(ladders.thrive(this.#ladder, null, boot));
    const skew = serverMs - this.#env.now();
    this.#status.say({ boot, version, epoch, skew, heartbeatMs: heartbeatS * 1000 });
  }

  /** By the wall clock: a background tab's timers run late, and a sleeping machine's not at all. */
  #tick(woken = false) {
    const now = this.#env.now();
    const jumped = Math.abs(now - this.#lastTick) > JUMP_MS;
    const suspicious = woken || jumped;
    if (jumped) this.#sessions.forgetClocks();
    this.#lastTick = now;
    if (this.#hiddenAt !== null && now - this.#hiddenAt > LET_GO_MS) {
      if (this.#status.value.state !== 'resting') this.#letGo('resting');
      return;
    }
    if (!this.#active) {
      if (suspicious && this.#retry && this.#status.value.state !== 'restarting') this.#again(this.#env.random() * 500);
      return;
    }
    if (ladders.isFresh(now - this.#active.healthyAt)) this.#attempt = 0;
    this.#tryUpgrade(now);
    this.#keepSlot();
    const text = this.#active && this.#sessions.fault(this.#active, suspicious, this.#status.value.heartbeatMs);
    if (text) this.#lost(this.#active, { text });
  }

  /** Has another tab taken the place of this one's stream, or left one free? */
  #keepSlot() {
    if (!this.#env.slots || this.#hiddenAt !== null || this.#active.rung === 'ws') return;
    this.#env.slots.claim();
    if (this.#mayHold !== this.#couldHold) this.#again(0);
  }

  #tryUpgrade(now) {
    const { rung } = this.#active;
    if (this.#hiddenAt !== null || this.#sessions.tries('ws') || !ladders.wantsUpgrade(this.#ladder, rung, now)) return;
    this.#learn(ladders.upgradeTried(this.#ladder, now));
    this.#sessions.start('ws');
  }

  #learn(ladder) {
    this.#ladder = ladder;
    ladders.keep(this.#env.storage, ladders.toMemory(ladder));
  }
}
