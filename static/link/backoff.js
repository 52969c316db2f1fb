/** Full jitter, so that a hub that comes back is not run over. */

const BASE_MS = 500;
const CAP_MS = 20_000;
const HEALTHY_MS = 10_000;

export function backoffMs(attempt, random = Math.random) {
  return Math.round(random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt));
}

export const isFresh = (livedMs) => livedMs >= HEALTHY_MS;
