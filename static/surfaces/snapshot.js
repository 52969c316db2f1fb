/**
 * Surface D: make a snapshot of a project and watch it, whatever the network does.
 *
 *   const snapshot = createSnapshot({ project: 'demo', onState: (state) => modal.update(state) });
 *   snapshot.watch();
 *   snapshot.start();
 */

import { bytes } from '../format.js';
import { SurfaceError, address, ask, isFinal, openStream, pause, read, surroundings, waitMs } from './sse.js';

/** Streams that failed in a row; after the fifth reconnect it polls, and tries the stream again every 30 s. */
const MOST_FAILURES = 5;
const POLL_MS = 1_000;
const FIRST_MS = 10_000;
/** Two and a half keep-alives. */
const SILENCE_MS = 40_000;
const CONFLICT = 409;

/**
 * `step`: idle, starting (asked for, not answered yet) or as the hub says; `link`: closed, connecting, live, reconnecting
 * or polling; `trouble`: why the link could not be opened for good.
 */
const NEW = {
  step: 'idle', stepNumber: 0, totalSteps: 6, percent: 0, message: '', fileCount: 0, totalSize: 0, totalSizeText: '',
  snapshotUrl: null, error: null, timestamp: null, link: 'closed', retryMs: null, trouble: null,
};

export const isEnd = ({ step }) => step === 'completed' || step === 'failed';
export const isRunning = (state) => state.step !== 'idle' && !isEnd(state);

/** Fold what the hub said, by stream or by poll. Within a run the percent never falls. Pure. */
export function reduce(state, told) {
  const isSameRun = isRunning(state) && told.step !== 'idle';
  return {
    ...state,
    step: told.step,
    stepNumber: told.stepNumber,
    totalSteps: told.totalSteps,
    percent: Math.max(isSameRun ? state.percent : 0, told.progress),
    message: told.message,
    fileCount: told.fileCount ?? 0,
    totalSize: told.totalSize ?? 0,
    totalSizeText: told.totalSizeText ?? '',
    snapshotUrl: told.snapshotUrl ?? null,
    error: told.error ?? null,
    timestamp: told.timestamp ?? null,
  };
}

export const stepText = ({ stepNumber, totalSteps }) => (stepNumber ? `Step ${stepNumber} of ${totalSteps}` : '');

export function filesText({ fileCount, totalSize, totalSizeText }) {
  return fileCount ? `${fileCount} files • ${totalSizeText || bytes(totalSize)}` : '';
}

export function createSnapshot({ project, onState = () => {}, ...rest }) {
  const env = surroundings(rest);
  const path = `api/v1/projects/${encodeURIComponent(project)}`;
  let state = NEW;
  let stop = new AbortController();

  function put(change) {
    state = { ...state, ...change };
    onState(state);
  }

  function take(told, change) {
    put({ ...reduce(state, told), ...change });
    if (isEnd(state)) close();
  }

  function close() {
    stop.abort();
    if (state.link !== 'closed') put({ link: 'closed', retryMs: null });
  }

  function refuse(error) {
    put({ trouble: error.message });
    close();
  }

  async function watch() {
    stop.abort();
    const { signal } = stop = new AbortController();
    put({ link: 'connecting', trouble: null });
    let polling = null;
    for (let failures = 0; !signal.aborted;) {
      await stream(signal, () => {
        failures = 0;
        polling?.abort();
        polling = null;
      });
      if (signal.aborted) return;
      failures += 1;
      const retryMs = waitMs(failures);
      if (failures <= MOST_FAILURES) put({ link: 'reconnecting', retryMs });
      else if (!polling) poll(AbortSignal.any([signal, (polling = new AbortController()).signal]));
      await pause(retryMs, signal);
    }
  }

  /** One stream to its end, however it ends. That it opens proves nothing: a proxy may hold every event back. */
  async function stream(signal, onMessage) {
    const attempt = new AbortController();
    const either = AbortSignal.any([signal, attempt.signal]);
    const limit = setTimeout(() => attempt.abort(), FIRST_MS);
    try {
      const response = await openStream(env, 'GET', address(env, `${path}/progress/stream`), { signal: either });
      if (!response) return;
      for await (const { data } of read(response, { signal: either, silenceMs: SILENCE_MS })) {
        if (signal.aborted) return;
        clearTimeout(limit);
        onMessage();
        take(data, { link: 'live', retryMs: null });
      }
    } catch (error) {
      if (either.aborted) return;
      if (!(error instanceof SurfaceError)) throw error;
      if (isFinal(error)) refuse(error);
    } finally {
      clearTimeout(limit);
    }
  }

  async function poll(signal) {
    put({ link: 'polling', retryMs: null });
    while (!signal.aborted) {
      try {
        const response = await ask(env, 'GET', address(env, `${path}/progress`), { signal });
        const told = await response.json().catch(() => null); // cut off, or a proxy's page: the next second asks again
        if (told && !signal.aborted) take(told, { link: 'polling' });
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof SurfaceError)) throw error;
        if (isFinal(error)) refuse(error);
      }
      await pause(POLL_MS, signal);
    }
  }

  /** Start one, or join the one that runs. */
  async function start() {
    if (isRunning(state)) return;
    stop.abort();
    const { signal } = stop = new AbortController();
    put({ ...NEW, step: 'starting', message: 'Starting…' });
    try {
      await ask(env, 'POST', address(env, `${path}/snapshot`), { signal });
    } catch (error) {
      if (signal.aborted) return;
      if (!(error instanceof SurfaceError)) throw error;
      if (error.status !== CONFLICT) {
        put({ step: 'failed', error: error.message, message: `Snapshot generation failed: ${error.message}` });
        return;
      }
    }
    if (!signal.aborted) await watch();
  }

  return {
    get state() { return state; },
    watch,
    start,
    /** Stop watching. The snapshot goes on. */
    close,
  };
}
