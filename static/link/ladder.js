/**
 * Which way to the hub to try, and what a failure teaches. Pure.
 *
 * A rung is blocked when it failed while the hub itself answered; a hub that is down blocks nothing.
 */

export const RUNGS = ['ws', 'sse', 'poll'];
export const HEDGE_MS = 2_000;
export const LIMIT_MS = { ws: 10_000, sse: 3_000, poll: 8_000 };
export const MEMORY_MS = 30 * 60_000;
export const RETRY_MS = 5 * 60_000;
const SHORT_LIFE_MS = 25_000;
const LIVES = 3;

export const newLadder = (forced = null) => ({ forced, blocked: {}, proven: {}, cuts: {}, boot: null });
export const height = (rung) => RUNGS.length - RUNGS.indexOf(rung);

/**
 * The rungs to try and when, best first: [{rung, after}] in ms from now.
 * The delays are for a path that says nothing: where the rung above fails, the next starts at once.
 */
export function plan(ladder, now, hidden = false) {
  if (ladder.forced) return [{ rung: ladder.forced, after: 0 }];
  let after = 0;
  // A hidden page holds no stream: all tabs together have six connections.
  const open = RUNGS.filter((rung) => !isBlocked(ladder, rung, now) && !(hidden && rung === 'sse'));
  return open.map((rung) => {
    const step = { rung, after };
    after += rung === 'ws' ? HEDGE_MS : LIMIT_MS.sse;
    return step;
  });
}

export function isBlocked(ladder, rung, now) {
  const block = ladder.blocked[rung];
  return Boolean(block) && now < block.until;
}

/** A rung failed before it was healthy, although the hub answers. */
export function block(ladder, rung, why, now, forMs = MEMORY_MS) {
  if (rung === 'poll') return ladder;
  // What has worked gets another chance: a cut in the handshake looks like a path that forbids it.
  const proven = { ...ladder.proven, [rung]: false };
  if (ladder.proven[rung]) return { ...ladder, proven };
  return { ...ladder, proven, blocked: { ...ladder.blocked, [rung]: { why, until: now + forMs, tried: now } } };
}

/** A healthy rung was cut off: after three short lives in a row the path does not suit it. */
export function cut(ladder, rung, lived, now) {
  if (rung === 'poll') return ladder;
  const count = lived < SHORT_LIFE_MS ? (ladder.cuts[rung] ?? 0) + 1 : 0;
  const next = { ...ladder, cuts: { ...ladder.cuts, [rung]: count % LIVES } };
  return count < LIVES ? next : block({ ...next, proven: {} }, rung, `cut off after ${Math.round(lived / 1000)} s, ${LIVES} times`, now);
}

/** A rung works: whatever was held against it is past. A new boot of the hub forgives every rung. */
export function thrive(ladder, rung, boot) {
  if (boot && ladder.boot && boot !== ladder.boot) return { ...newLadder(ladder.forced), boot };
  const blocked = { ...ladder.blocked };
  delete blocked[rung];
  const proven = rung ? { ...ladder.proven, [rung]: true } : ladder.proven;
  return { ...ladder, blocked, proven, boot: boot ?? ladder.boot };
}

export const forget = (ladder) => ({ ...newLadder(ladder.forced), boot: ladder.boot });

/** May WebSocket be tried beside the rung in use? */
export function wantsUpgrade(ladder, rung, now) {
  if (ladder.forced || rung === 'ws') return false;
  const held = ladder.blocked.ws;
  return !held || now >= held.tried + RETRY_MS || now >= held.until;
}

export function upgradeTried(ladder, now) {
  const held = ladder.blocked.ws;
  return held ? { ...ladder, blocked: { ...ladder.blocked, ws: { ...held, tried: now } } } : ladder;
}

export function toMemory(ladder) {
  return Object.keys(ladder.blocked).length ? { blocked: ladder.blocked, boot: ladder.boot } : null;
}

export function fromMemory(memory, now, forced = null) {
  const ladder = newLadder(forced);
  if (!memory || typeof memory.blocked !== 'object') return ladder;
  const blocked = Object.fromEntries(
    Object.entries(memory.blocked).filter(([rung, held]) => RUNGS.includes(rung) && held?.until > now),
  );
  return { ...ladder, blocked, boot: memory.boot ?? null };
}
