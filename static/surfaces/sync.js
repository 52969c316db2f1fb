/**
 * Surface B: bring the commits of every repository up to date, and tell once how it went.
 *
 *   const sync = createSync({ onState: (state) => line(syncText(state)), onToast: (toast) => show(toast) });
 *   sync.watch();     // a run that others started shows, too
 *   sync.trigger();
 */

import { SurfaceError, address, ask, listen, pause, surroundings, waitMs } from './sse.js';

const FORGOTTEN_MS = 10_000;
const FORGOTTEN = 'The hub no longer knows this sync.';
const CONFLICT = 409;

/** `phase`: idle, starting, scanning, correlating, done or error; the counts are those that the hub sent last. */
const NEW = {
  phase: 'idle', isReconnecting: false, reposScanned: 0, totalRepos: 0, reposProcessed: 0, sessionsCorrelated: 0,
  totalCorrelatableSessions: 0, commitsFound: 0, linksCreated: 0, message: null,
};

export const isRunning = ({ phase }) => ['starting', 'scanning', 'correlating'].includes(phase);

/** The page's line. Pure. */
export function syncText(state) {
  const { phase, reposProcessed, totalRepos, sessionsCorrelated, totalCorrelatableSessions, linksCreated } = state;
  if (phase === 'starting') return 'Starting sync...';
  if (phase === 'scanning') return totalRepos ? `Scanning repo ${reposProcessed}/${totalRepos}...` : 'Scanning repos...';
  if (phase !== 'correlating') return '';
  const links = `(${linksCreated} links)`;
  return totalCorrelatableSessions ? `Linking sessions ${sessionsCorrelated}/${totalCorrelatableSessions}... ${links}`
    : `Linking commits... ${links}`;
}

/** What to show when a run has ended: {phase, title, text, canRetry}; null before. Pure. */
export function toastOf({ phase, reposScanned, commitsFound, linksCreated, message }) {
  if (phase === 'done') {
    const text = `${reposScanned} repos | ${commitsFound} commits | ${linksCreated} links`;
    return { phase, title: 'Sync completed', text, canRetry: false };
  }
  if (phase === 'error') return { phase, title: 'Sync failed', text: message || 'Unknown error', canRetry: true };
  return null;
}

/** How far the present phase is, floored; null: not known. Pure. */
export function percentOf({ phase, reposProcessed, totalRepos, sessionsCorrelated, totalCorrelatableSessions }) {
  if (phase === 'done') return 100;
  const [part, whole] = phase === 'scanning' ? [reposProcessed, totalRepos]
    : phase === 'correlating' ? [sessionsCorrelated, totalCorrelatableSessions] : [0, 0];
  return whole ? Math.min(99, Math.floor((100 * part) / whole)) : null;
}

/** `onState(state)`: at every change; `onToast(toast)`: once for each run that was started or seen here. */
export function createSync({ onState = () => {}, onToast = () => {}, ...rest } = {}) {
  const env = surroundings(rest);
  let state = NEW;
  let source = null;
  let stop = new AbortController();
  let isExpected = false; // an end that comes now is of a run that was started or seen here, not of one long past
  let failures = 0;
  let forgotten = null;

  function put(next) {
    state = next;
    onState(state);
  }

  function end(next) {
    detach();
    put(next);
    if (isExpected) onToast(toastOf(next));
    isExpected = false;
  }

  function take(event) {
    clearTimeout(forgotten);
    failures = 0;
    const { phase } = event;
    const next = { ...state, ...event, isReconnecting: false };
    // An older hub tells only of the repositories in which it found commits.
    if (phase === 'scanning') next.reposProcessed = event.reposProcessed ?? event.reposScanned;
    if (phase === 'done' || phase === 'error') return end(next);
    isExpected = true;
    return put(next);
  }

  function fail(message) {
    isExpected = true;
    end({ ...state, phase: 'error', isReconnecting: false, message });
  }

  function detach() {
    clearTimeout(forgotten);
    stop.abort();
    source?.close();
    source = null;
  }

  function attach() {
    detach();
    stop = new AbortController();
    open(stop.signal);
  }

  function open(signal) {
    const takers = { scanning: take, correlating: take, done: take, error: take };
    source = listen(env, address(env, 'api/sync/git/progress'), takers, () => again(signal));
    if (failures) source.addEventListener('open', () => doubt());
  }

  /** Always a new stream, which begins with the present state: by its last id it would wait for the next change. */
  async function again(signal) {
    source.close();
    clearTimeout(forgotten);
    failures += 1;
    if (isRunning(state)) put({ ...state, isReconnecting: true });
    await pause(waitMs(failures), signal);
    if (!signal.aborted) open(signal);
  }

  /** A hub that was restarted in the middle of a run is idle, and an idle one says nothing. */
  function doubt() {
    clearTimeout(forgotten);
    if (isRunning(state)) forgotten = setTimeout(() => fail(FORGOTTEN), FORGOTTEN_MS);
  }

  async function trigger() {
    if (isRunning(state)) return;
    detach();
    isExpected = true;
    failures = 0;
    put({ ...NEW, phase: 'starting' });
    const mine = stop = new AbortController();
    try {
      await ask(env, 'POST', address(env, 'api/sync/git'), { signal: mine.signal });
    } catch (error) {
      if (mine.signal.aborted) return;
      if (!(error instanceof SurfaceError)) throw error;
      if (error.status !== CONFLICT) {
        fail(error.message);
        return;
      }
    }
    if (!mine.signal.aborted) attach();
  }

  return {
    get state() { return state; },
    trigger,
    /** Show a run that is on or will be. How an earlier one ended is put into the state, and no toast is made of it. */
    watch() {
      if (!source && !isRunning(state)) attach();
    },
    close: detach,
    async status({ signal } = {}) {
      return (await ask(env, 'GET', address(env, 'api/status'), { signal })).json();
    },
    /** `seconds` between two syncs in the background, 10 to 3600; throws SurfaceError for others. */
    async setInterval(seconds, { signal } = {}) {
      const url = address(env, 'api/settings/git-sync-interval');
      await ask(env, 'PUT', url, { body: { intervalSecs: seconds }, signal });
    },
  };
}
