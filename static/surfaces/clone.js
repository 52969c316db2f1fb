/**
 * Surface A: clone a repository and watch it.
 *
 *   const clone = createClone({ onState: (state) => draw(state) });
 *   clone.start('https://example.org/team/project.git');
 *   clone.retry({ username, password });   // when state.canRetryWithCredentials
 */

import { SurfaceError, address, listen, openStream, read, steady, surroundings } from './sse.js';

const PATH = 'repos/clone-progress';
const COUNTERS = ['received_objects', 'total_objects', 'received_bytes', 'indexed_objects', 'total_deltas', 'indexed_deltas'];
/** Shares of the whole, as the hub's own clone job has them; the rest is writing files. */
const CONNECTED = 2;
const RECEIVING = 60;
const RESOLVING = 25;
const LOST = 'The connection was lost. What had begun goes on at the hub.';

/** `percent` null: not known yet. `lost`: nobody knows here how it ended. */
const NEW = {
  phase: 'idle', url: null, percent: null, counts: null, isReconnecting: false, message: '', repo: null, helpSteps: [],
  canRetryWithCredentials: false,
};

export const isEnd = ({ phase }) => ['done', 'failed', 'lost'].includes(phase);

const PHASES = {
  idle: '', connecting: 'Connecting', receiving: 'Receiving objects', resolving: 'Resolving deltas', writing: 'Writing files',
  done: 'Done', failed: 'Failed', lost: 'Connection lost',
};
export const phaseText = ({ phase, isReconnecting }) => (isReconnecting ? 'Reconnecting' : PHASES[phase]);

/** Fold what the hub sent. What follows an end changes nothing. Pure. */
export function reduce(state, event) {
  if (isEnd(state)) return state;
  if (event.type === 'progress') return progressed(state, event);
  if (event.type === 'complete') {
    return { ...state, phase: 'done', percent: 100, isReconnecting: false, repo: event.repo, message: event.message };
  }
  if (event.type !== 'error') return state;
  return {
    ...state,
    phase: 'failed',
    isReconnecting: false,
    message: event.message,
    helpSteps: event.help_steps ?? [],
    canRetryWithCredentials: event.can_retry_with_credentials ?? false,
  };
}

function progressed(state, event) {
  const counts = Object.fromEntries(COUNTERS.map((name) => [name, event[name]]));
  const { received_objects: received, total_objects: total, indexed_deltas: indexed, total_deltas: deltas } = counts;
  const isReceived = total > 0 && received >= total;
  const phase = total === 0 ? 'connecting' : !isReceived ? 'receiving' : indexed < deltas ? 'resolving' : 'writing';
  // The number of deltas grows while objects arrive, so they count only once all are here.
  const resolved = !isReceived ? 0 : deltas > 0 ? indexed / deltas : 1;
  const percent = total === 0 ? state.percent
    : steady(state.percent, CONNECTED + RECEIVING * Math.min(1, received / total) + RESOLVING * Math.min(1, resolved));
  return { ...state, phase, counts, percent, isReconnecting: false };
}

/** The folder's name, as the hub takes it from the URL. */
export function nameOf(url) {
  const path = url.replace(/\/+$/, '').replace(/\.git$/, '');
  return path.slice(Math.max(path.lastIndexOf('/'), path.includes('/') ? -1 : path.lastIndexOf(':')) + 1);
}

/** -> {url, credentials}: an address ends up in logs and histories, so a secret in it is taken out. null: there is none. */
export function apart(typed) {
  const url = URL.canParse(typed) ? new URL(typed) : null;
  const isWeb = url?.protocol === 'http:' || url?.protocol === 'https:';
  if (!isWeb || !(url.username || url.password)) return { url: typed, credentials: null };
  const [user, password] = [decodeURIComponent(url.username), decodeURIComponent(url.password)];
  url.username = '';
  url.password = '';
  // https://TOKEN@host is how tokens are pasted.
  return { url: url.href, credentials: password ? { username: user, password } : { token: user } };
}

/** `errorEvent`: how the hub calls the event of a failure, 'clone_error' or 'error'. `onState(state)`: at every change. */
export function createClone({ errorEvent = 'clone_error', onState = () => {}, ...rest } = {}) {
  const env = surroundings(rest);
  const query = errorEvent === 'error' ? { error_event: 'error' } : {};
  let state = NEW;
  let release = () => {};

  function put(next) {
    if (next === state) return;
    state = next;
    // Left open, an EventSource would come back after the end and start the clone again.
    if (isEnd(state)) release();
    onState(state);
  }

  function take(event) {
    put(reduce(state, event));
  }

  function lose(error) {
    if (!isEnd(state)) put({ ...state, phase: 'lost', isReconnecting: false, message: error?.message ?? LOST });
  }

  function begin(url, stop) {
    release();
    release = stop;
    put({ ...NEW, phase: 'connecting', url });
  }

  function start(typed) {
    const { url, credentials } = apart(typed.trim());
    if (credentials) return post(url, credentials);
    begin(url, () => source.close());
    const takers = { message: take, complete: take, [errorEvent]: take };
    const source = listen(env, address(env, PATH, { url, ...query }), takers, (isFinal, error) => {
      if (isFinal) lose(error);
      else if (!isEnd(state)) put({ ...state, isReconnecting: true });
    });
    return Promise.resolve();
  }

  /** By POST, so that the secrets are in no address; the hub keeps them for this run only. */
  async function post(url, credentials) {
    const stop = new AbortController();
    begin(url, () => stop.abort());
    try {
      const response = await openStream(env, 'POST', address(env, PATH, query), { body: { url, credentials }, signal: stop.signal });
      if (response) for await (const { data } of read(response, { signal: stop.signal })) take(data);
      if (!stop.signal.aborted) lose(null);
    } catch (error) {
      if (stop.signal.aborted) return;
      if (!(error instanceof SurfaceError)) throw error;
      if (error.status) take({ type: 'error', message: error.message });
      else lose(error);
    }
  }

  return {
    get state() { return state; },
    start,
    retry: (credentials) => post(state.url, credentials),
    /** Stop watching. The clone goes on. */
    close() {
      release();
      put(NEW);
    },
  };
}
