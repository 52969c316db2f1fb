/** What follows a failure: is the hub down or one way to it blocked, what is left to try, and how long to wait before. */

import * as ladders from './ladder.js';
import { keep, kept } from './memory.js';
import { probe } from './request.js';
import { HELD } from './sessions.js';

const PATIENCE = 2; // failed attempts before "reconnecting" becomes "unreachable"

/** The session in use, null while there is none, and what has been learned of the ways. */
export class Course {
  active = null;
  ladder;
  #storage;

  constructor({ storage, now, forced }) {
    this.#storage = storage;
    this.ladder = ladders.fromMemory(kept(storage), now(), forced);
  }

  learn(ladder) {
    this.ladder = ladder;
    keep(this.#storage, ladders.toMemory(ladder));
  }
}

export class Recovery {
  isOffline = false;
  #env;
  #course;
  #status;
  #sessions;
  #climb;
  #attempt = 0;
  #round = 0;
  #retry = null;

  /** `climb` begins anew. */
  constructor(env, { course, status, sessions, climb }) {
    this.#env = env;
    this.#course = course;
    this.#status = status;
    this.#sessions = sessions;
    this.#climb = climb;
  }

  get isWaiting() {
    return this.#retry !== null;
  }

  /** It is well: the next failure is the first one. */
  calm() {
    this.#attempt = 0;
  }

  /** What was asked before is of the past. */
  begin() {
    this.#round += 1;
    clearTimeout(this.#retry);
    this.#retry = null;
  }

  again(ms) {
    this.#course.active = null;
    this.#sessions.closeAll();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(this.#climb, ms);
  }

  letGo(state, why = null) {
    this.#course.active = null;
    this.#sessions.closeAll();
    this.begin();
    this.#status.say({ state, why, rung: null, retryAt: null });
  }

  lost(session, why) {
    const course = this.#course;
    this.#sessions.close(session);
    const bye = why.bye ?? session.bye;
    if (course.active && session !== course.active && (bye || why.status === 401)) return;
    if (why.status === 401 || bye?.reason === 'unauthorised') {
      course.learn(ladders.forget(course.ladder)); // what failed for want of a right says nothing of the path
      this.letGo('unauthorised', why.text ?? null);
      return;
    }
    if (bye) {
      this.#goodbye(bye);
      return;
    }
    this.#status.tried(session.rung, false, why.text);
    if (session === course.active) this.#fell(session, why);
    else if (why.final && !course.active) this.letGo('refused', why.text);
    else this.#judge(session.rung, why);
  }

  /** The hub has no such project (any more): the others go on. */
  gone(channel) {
    channel.isGone = true;
    channel.accept({ type: 'reset', project: channel.project, reason: 'gone' });
    this.#course.learn(ladders.forget(this.#course.ladder)); // a WebSocket to it was refused, too, and that is no fault of the path
    this.again(0);
  }

  #goodbye(bye) {
    if (bye.reason === 'gone') {
      this.again(0);
      return;
    }
    if (!bye.retry) {
      this.letGo('refused', `the hub ended the stream: ${bye.reason}`);
      return;
    }
    const state = bye.reason === 'restarting' ? 'restarting' : 'reconnecting';
    this.#status.say({ state, why: bye.reason, retryAt: this.#env.now() + bye.reconnect_ms });
    this.again(bye.reconnect_ms);
  }

  #fell(session, why) {
    const now = this.#env.now();
    const lived = now - session.healthyAt;
    const { ladder } = this.#course;
    this.#course.learn(why.text === HELD ? ladders.block({ ...ladder, proven: {} }, session.rung, HELD, now)
      : ladders.cut(ladder, session.rung, lived, now));
    if (ladders.isFresh(lived)) this.calm();
    const ms = this.#env.random() * 500;
    this.#status.say({ state: 'reconnecting', why: why.text, retryAt: now + ms });
    this.again(ms);
  }

  async #judge(rung, why) {
    const round = this.#round;
    const answer = await probe(this.#env);
    if (round !== this.#round) return;
    if (answer.verdict === 'fine') this.#stepDown(rung, why, answer);
    else if (this.#course.active) return;
    else if (answer.verdict === 'refused') this.letGo('refused', answer.why);
    else {
      this.#course.learn(ladders.excuse(this.#course.ladder));
      this.#wait(answer.why);
    }
  }

  #stepDown(rung, why, { boot, version, rtt }) {
    // A hub that is full says when to come back, and that is no fault of the path.
    const ladder = ladders.thrive(this.#course.ladder, null, boot);
    const now = this.#env.now();
    this.#course.learn(why.full ? ladders.pause(ladder, why, now) : ladders.block(ladder, rung, why.text, now));
    this.#status.say({ boot, version, rtt });
    if (this.#course.active || !this.#sessions.quiet || this.#retry) return;
    const { next } = this.#sessions;
    if (next) this.#sessions.start(next);
    else this.#wait(why.text);
  }

  #wait(why) {
    const ms = ladders.backoffMs(this.#attempt, this.#env.random);
    this.#attempt += 1;
    const calm = this.#status.value.state === 'restarting' ? 'restarting' : 'reconnecting';
    const patience = calm === 'restarting' ? 3 * PATIENCE : PATIENCE;
    const state = this.isOffline ? 'offline' : this.#attempt > patience ? 'unreachable' : calm;
    this.#status.say({ state, why, retryAt: this.#env.now() + ms });
    this.again(ms);
  }
}
