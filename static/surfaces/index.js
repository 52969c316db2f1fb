/**
 * Surface C: index a folder and watch it.
 *
 *   for await (const event of indexStream('/srv/project', { signal })) console.log(event.message);
 *
 * or, for a page, `createIndex`, which folds the events into a state.
 */

import { SurfaceError, address, ask, openStream, read, steady, surroundings } from './sse.js';

const PATH = 'mcp/index/stream';
const CUT = 'The stream ended before the indexing did.';

/** The hub's events {type, stage, current, total, message, timestamp_ms}, the end included. Throws SurfaceError when cut. */
export async function* indexStream(projectPath, { forceReindex = false, signal, ...rest } = {}) {
  const env = surroundings(rest);
  const body = { project_path: projectPath, force_reindex: forceReindex };
  const response = await openStream(env, 'POST', address(env, PATH), { body, signal });
  if (response) {
    // No limit of time: a folder may be as large as it likes.
    for await (const { data } of read(response, { signal })) {
      yield data;
      if (data.type !== 'progress') return;
    }
  }
  throw new SurfaceError(CUT);
}

export async function cancelIndex(projectPath, { signal, ...rest } = {}) {
  const env = surroundings(rest);
  await ask(env, 'DELETE', address(env, PATH, { project_path: projectPath }), { signal });
}

/** `phase`: idle, running, cancelling, done, failed, cancelled or lost; `percent` null: not known. */
const NEW = { phase: 'idle', path: null, stage: null, current: 0, total: 0, percent: null, message: '', timestamp: null };

export const isEnd = ({ phase }) => ['done', 'failed', 'cancelled', 'lost'].includes(phase);

/** Fold what the hub sent. What follows an end changes nothing. Pure. */
export function reduce(state, { type, stage, current, total, message, timestamp_ms: timestamp }) {
  if (isEnd(state)) return state;
  const next = { ...state, stage, current, total, message, timestamp };
  if (type === 'complete') return { ...next, phase: 'done', percent: 100 };
  if (type === 'error') return { ...next, phase: state.phase === 'cancelling' ? 'cancelled' : 'failed' };
  // Only files are counted; before them a bar has nothing to say.
  if (stage === 'indexing' && total > 0) next.percent = steady(state.percent, (100 * current) / total);
  return next;
}

export function createIndex({ onState = () => {}, ...rest } = {}) {
  let state = NEW;
  let stop = new AbortController();

  function put(next) {
    if (next === state) return;
    state = next;
    onState(state);
  }

  async function start(path, { forceReindex = false } = {}) {
    stop.abort();
    const { signal } = stop = new AbortController();
    put({ ...NEW, phase: 'running', path });
    try {
      for await (const event of indexStream(path, { ...rest, forceReindex, signal })) put(reduce(state, event));
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof SurfaceError)) throw error;
      put({ ...state, phase: error.status ? 'failed' : 'lost', message: error.message });
    }
  }

  /** The stream then brings the end. Throws SurfaceError when the hub refuses. */
  async function cancel() {
    if (state.phase !== 'running') return;
    put({ ...state, phase: 'cancelling' });
    try {
      await cancelIndex(state.path, rest);
    } catch (error) {
      if (state.phase === 'cancelling') put({ ...state, phase: 'running' });
      throw error;
    }
  }

  return {
    get state() { return state; },
    start,
    cancel,
    /** Stop watching. The indexing goes on. */
    close() {
      stop.abort();
      put(NEW);
    },
  };
}
