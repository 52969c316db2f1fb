/**
 * Keeps one way to the hub open and moves between ways without loss or repeat.
 * Sessions (sessions.js) may overlap: all deliver to the same channels, and a channel takes every number once.
 */

import { Channels, LinkStatus } from './channel.js';
import * as ladders from './ladder.js';
import { Course, Recovery } from './recovery.js';
import { plainHttp } from './request.js';
import { Sessions } from './sessions.js';

const TICK_MS = 1_000;
const JUMP_MS = 5_000;
const LET_GO_MS = 5 * 60_000;
const HIDDEN_INTERVAL_MS = 2_000;

const NO_SLOTS = { isHeld: false, claim() {}, release() {} };

export class Link {
  #env;
  #course;
  #recovery;
  #sessions;
  #status;
  #channels;
  #ticker = null;
  #lastTick = 0;
  #hiddenAt = null;
  #couldHold = true;

  /** `channels`: what another link has followed so far, to go on with. */
  constructor(env, channels = new Channels()) {
    this.#env = env;
    this.#channels = channels;
    this.#course = new Course(env);
    this.#status = new LinkStatus(env.now);
    this.#sessions = new Sessions(env, {
      channels: () => this.#channels.wanted,
      minInterval: () => (this.#hiddenAt === null ? 0 : HIDDEN_INTERVAL_MS),
      mayHold: () => this.#mayHold,
      healthy: (session) => this.#won(session),
      ended: (session, why) => this.#recovery.lost(session, why),
      gone: (channel) => this.#recovery.gone(channel),
      message: (session, channel, message) => this.#message(session, channel, message),
      rtt: (ms) => this.#status.say({ rtt: ms }),
    });
    this.#recovery = new Recovery(env, {
      course: this.#course, status: this.#status, sessions: this.#sessions, climb: () => this.#climb(),
    });
  }

  get status() {
    const { forced, blocked } = this.#course.ladder;
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
    if (this.#status.value.state === 'refused') this.#recovery.again(0);
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
    this.#recovery.letGo('idle');
  }

  testAgain() {
    this.#recovery.calm();
    this.#course.learn(ladders.forget(this.#course.ladder));
    this.#recovery.again(0);
  }

  force(rung) {
    this.#course.ladder = { ...this.#course.ladder, forced: rung };
    this.testAgain();
  }

  /** Hidden pages ask for less, and after five minutes for nothing. */
  hide(hidden) {
    if (hidden === (this.#hiddenAt !== null)) return;
    this.#hiddenAt = hidden ? this.#env.now() : null;
    if (!this.#ticker) return;
    if (hidden) this.#env.slots?.release();
    if (this.#course.active?.rung === 'ws') this.#sessions.start('ws'); // takes over once it works
    else if (this.#course.active || (!hidden && this.#status.value.state === 'resting')) this.#recovery.again(0);
  }

  wake() {
    if (this.#ticker) this.#tick(true);
  }

  online(isOnline) {
    this.#recovery.isOffline = !isOnline;
    if (!this.#ticker) return;
    if (isOnline && this.#course.active?.rung !== 'ws') this.testAgain();
    else this.#tick(true);
  }

  #climb() {
    this.#recovery.begin();
    if (this.#hiddenAt === null) this.#env.slots?.claim();
    this.#couldHold = this.#mayHold;
    const steps = ladders.plan(this.#course.ladder, this.#env.now(), this.#mayHold);
    for (const { rung, after } of steps) this.#sessions.plan(rung, after);
    if (['idle', 'resting'].includes(this.#status.value.state)) this.#status.say({ state: 'connecting' });
  }

  #won(session) {
    if (this.#course.active && ladders.height(this.#course.active.rung) > ladders.height(session.rung)) {
      this.#sessions.close(session);
      return;
    }
    this.#sessions.settle(session);
    this.#course.active = session;
    if (session.rung === 'ws') this.#env.slots?.release();
    this.#course.learn(ladders.thrive(this.#course.ladder, session.rung, this.#status.value.boot));
    this.#status.tried(session.rung, true, 'works');
    this.#status.heard();
    this.#status.say({ state: 'live', rung: session.rung, why: null, retryAt: null });
    plainHttp().catch(() => {}); // to have it when it is wanted
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
    this.#course.learn(ladders.thrive(this.#course.ladder, null, boot));
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
      if (this.#status.value.state !== 'resting') this.#recovery.letGo('resting');
      return;
    }
    if (!this.#course.active) {
      const { state } = this.#status.value;
      if (woken && state === 'unauthorised') this.#recovery.again(0); // somebody may have signed in, in another tab
      else if (suspicious && this.#recovery.isWaiting && state !== 'restarting') this.#recovery.again(this.#env.random() * 500);
      return;
    }
    if (ladders.isFresh(now - this.#course.active.healthyAt)) this.#recovery.calm();
    this.#tryUpgrade(now);
    this.#keepSlot();
    const text = this.#course.active && this.#sessions.fault(this.#course.active, suspicious, this.#status.value.heartbeatMs);
    if (text) this.#recovery.lost(this.#course.active, { text });
  }

  /** Has another tab taken the place of this one's stream, or left one free? */
  #keepSlot() {
    if (!this.#env.slots || this.#hiddenAt !== null || this.#course.active.rung === 'ws') return;
    this.#env.slots.claim();
    if (this.#mayHold !== this.#couldHold) this.#recovery.again(0);
  }

  #tryUpgrade(now) {
    const { rung } = this.#course.active;
    if (this.#hiddenAt !== null || this.#sessions.tries('ws') || !ladders.wantsUpgrade(this.#course.ladder, rung, now)) return;
    this.#course.learn(ladders.upgradeTried(this.#course.ladder, now));
    this.#sessions.start('ws');
  }
}
