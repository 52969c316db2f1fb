/**
 * Surface E: take in a repository from a forge and watch it.
 *
 *   const ingest = createIngest({ onState: (state) => draw(stagesOf(state)) });
 *   ingest.start({ source: 'github', repository: 'owner/name' });
 *   ingest.follow(jobId);   // somewhere else, the same job
 */

import { SurfaceError, address, isFinal, openStream, pause, read, steady, surroundings, waitMs } from './sse.js';

export const SOURCES = ['github', 'gitlab', 'bitbucket', 'local'];
/** Each with the share of the whole that it covers. */
export const STAGES = [['Cloning', 0, 25], ['Parsing', 25, 65], ['Indexing', 65, 100]];
/** Two and a half keep-alives. */
const SILENCE_MS = 40_000;
const ENDED = 'The hub says that this job has ended, and not how.';

/** `phase`: idle, starting, running, complete, failed or lost; `stage`: the one that works, or worked last. */
const NEW = {
  phase: 'idle', stage: null, message: '', percent: null, jobId: null, metadata: {}, timestamp: null, isReconnecting: false,
};

export const isEnd = ({ phase }) => ['complete', 'failed', 'lost'].includes(phase);

/** Fold what the hub sent. What follows an end changes nothing. Pure. */
export function reduce(state, { stage, message, percentage, timestamp, metadata = {} }) {
  if (isEnd(state)) return state;
  const jobId = metadata.jobId ?? state.jobId;
  const next = { ...state, message, timestamp, jobId, isReconnecting: false, metadata: { ...state.metadata, ...metadata } };
  if (stage === 'Complete') return { ...next, phase: 'complete', percent: 100 };
  next.percent = steady(state.percent, percentage);
  return stage === 'Failed' ? { ...next, phase: 'failed' } : { ...next, phase: 'running', stage };
}

/** -> [{name, state, percent}]: waiting, running, done or failed, and how far within itself. Pure. */
export function stagesOf({ phase, stage, percent }) {
  const at = STAGES.findIndex(([name]) => name === stage);
  return STAGES.map(([name, from, to], number) => {
    const isPast = phase === 'complete' || number < at;
    const present = phase === 'failed' ? 'failed' : phase === 'lost' ? 'waiting' : 'running';
    const share = Math.floor((100 * ((percent ?? 0) - from)) / (to - from));
    return {
      name,
      state: isPast ? 'done' : number === at ? present : 'waiting',
      percent: isPast ? 100 : number === at ? Math.min(99, Math.max(0, share)) : 0,
    };
  });
}

export function createIngest({ onState = () => {}, ...rest } = {}) {
  const env = surroundings(rest);
  let state = NEW;
  let stop = new AbortController();

  function put(next) {
    if (next === state) return;
    state = next;
    onState(state);
  }

  function begin(jobId) {
    stop.abort();
    stop = new AbortController();
    put({ ...NEW, phase: 'starting', jobId });
    return stop.signal;
  }

  /** Read one stream until the job's end, or until the stream breaks off. -> the last event's id */
  async function take(response, signal, lastId) {
    const jobId = response.headers.get('x-job-id');
    if (jobId && jobId !== state.jobId) put({ ...state, jobId });
    try {
      for await (const { id, data } of read(response, { signal, silenceMs: SILENCE_MS })) {
        lastId = id;
        put(reduce(state, data));
        if (isEnd(state)) break;
      }
    } catch (error) {
      if (!signal.aborted && !(error instanceof SurfaceError)) throw error;
    }
    return lastId;
  }

  function fail(signal, phase, error) {
    if (signal.aborted) return;
    if (!(error instanceof SurfaceError)) throw error;
    put({ ...state, phase, isReconnecting: false, message: error.message });
  }

  /** `token` goes into the body of this one request and is kept nowhere. */
  async function start({ source, repository, branch, token, incremental }) {
    const signal = begin(null);
    const body = { repository, branch, token, incremental };
    let lastId;
    try {
      const url = address(env, `api/v1/ingest/${encodeURIComponent(source)}`, { stream: true });
      const response = await openStream(env, 'POST', url, { body, signal });
      if (!response) throw new SurfaceError(ENDED);
      lastId = await take(response, signal, '');
    } catch (error) {
      fail(signal, 'failed', error);
      return;
    }
    if (!signal.aborted && !isEnd(state)) await comeBack(signal, lastId);
  }

  async function follow(jobId) {
    await join(begin(jobId), '', 0);
  }

  /** By the job, not by the repository again: had it ended meanwhile, that would start it a second time. */
  async function comeBack(signal, lastId) {
    if (state.jobId === null) fail(signal, 'lost', new SurfaceError('The connection broke off, and the hub had named no job.'));
    else await join(signal, lastId, 1);
  }

  async function join(signal, lastId, failures) {
    while (!signal.aborted && !isEnd(state)) {
      if (failures) {
        put({ ...state, isReconnecting: true });
        await pause(waitMs(failures), signal);
        if (signal.aborted) return;
      }
      failures += 1;
      try {
        const url = address(env, `api/v1/ingest/${encodeURIComponent(state.jobId)}/stream`);
        const response = await openStream(env, 'GET', url, { lastId, signal });
        if (!response) throw new SurfaceError(ENDED, { status: 404 });
        const before = state;
        lastId = await take(response, signal, lastId);
        if (state !== before) failures = 1;
      } catch (error) {
        if (signal.aborted) return;
        if (error instanceof SurfaceError && !isFinal(error)) continue;
        fail(signal, 'lost', error);
      }
    }
  }

  return {
    get state() { return state; },
    start,
    follow,
    /** Stop watching. The job goes on. */
    close() {
      stop.abort();
      put(NEW);
    },
  };
}
