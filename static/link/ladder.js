/**
 * Which way to the hub to try, when to try again, and what a failure teaches. Pure.
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
const BASE_MS = 500;
const CAP_MS = 20_000;
const HEALTHY_MS = 10_000;

/** Full jitter, so that a hub that comes back is not run over. */
export function backoffMs(attempt, random = Math.random) {
  return Math.round(random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt));
}

export const isFresh = (livedMs) => livedMs >= HEALTHY_MS;

export const newLadder = (forced = null) => ({ forced, blocked: {}, proven: {}, cuts: {}, boot: null });
export const height = (rung) => RUNGS.length - RUNGS.indexOf(rung);

/**
 * The rungs to try and when, best first: [{rung, after}] in ms from now.
 * The delays are for a path that says nothing: where the rung above fails, the next starts at once.
 */
export function plan(ladder, now, mayHold = true) {
  if (ladder.forced) return [{ rung: ladder.forced, after: 0 }];
  let after = 0;
  // All tabs together have six connections, so a page that is hidden, or the third, holds no stream.
  const open = RUNGS.filter((rung) => !isBlocked(ladder, rung, now) && (mayHold || rung !== 'sse'));
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
export function block(ladder, rung, why, now) {
  if (rung === 'poll') return ladder;
  // What has worked gets another chance: a cut in the handshake looks like a path that forbids it.
  const proven = { ...ladder.proven, [rung]: false };
  if (ladder.proven[rung]) return { ...ladder, proven };
  return { ...ladder, proven, blocked: { ...ladder.blocked, [rung]: { why, until: now + MEMORY_MS, tried: now } } };
}

/** The hub is full, which is no fault of the path: streams are asked for again when it says so. */
export function pause(ladder, { text: why, retryMs }, now) {
  const held = { why, until: now + Math.max(retryMs, 10_000), tried: now };
  return { ...ladder, blocked: { ws: held, sse: held } };
}

/** A healthy rung was cut off: after three short lives in a row the path does not suit it. */
export function cut(ladder, rung, lived, now) {
  if (rung === 'poll') return ladder;
  const count = lived < SHORT_LIFE_MS ? (ladder.cuts[rung] ?? 0) + 1 : 0;
  const next = { ...ladder, cuts: { ...ladder.cuts, [rung]: count % LIVES } };
  if (count < LIVES) return next;
  const { blocked, ...rest } = block({ ...next, proven: {} }, rung, `cut off after ${Math.round(lived / 1000)} s, ${LIVES} times`, now);
  return { ...rest, blocked: { ...blocked, [rung]: { ...blocked[rung], isCut: true } } };
}

/** The hub is down, which is why it was cut off. */
export function excuse(ladder) {
  const blocked = Object.entries(ladder.blocked).filter(([, { isCut }]) => !isCut);
  return { ...ladder, cuts: {}, blocked: Object.fromEntries(blocked) };
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

export const toMemory = ({ blocked, boot }) => (Object.keys(blocked).length ? JSON.stringify({ blocked, boot }) : null);

export function fromMemory(memory, now, forced = null) {
  let told;
  try {
    told = JSON.parse(memory);
  } catch {
    told = null; // foreign memory is no memory
  }
  const blocked = Object.entries(told?.blocked ?? {}).filter(([rung, held]) => RUNGS.includes(rung) && held?.until > now);
  return { ...newLadder(forced), blocked: Object.fromEntries(blocked), boot: told?.boot ?? null };
}
