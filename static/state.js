/**
 * A job's state, folded from its events by a pure function: the twin of `reduce` in hub/core/job.py.
 * Both replay tests/fixtures/story.jsonl. A state is the API's state object, so a snapshot's can be folded further.
 */

export const ENDS = new Set(['succeeded', 'failed', 'cancelled', 'interrupted']);
export const isEnd = (state) => ENDS.has(state.state);

const PROGRESS_FIELDS = ['current', 'total', 'unit', 'percent', 'rate', 'eta_s', 'stalled_s', 'message', 'detail'];

/**
 * The state after `event`; `state` is null for a job's first event.
 * An event that is not newer than the state, or comes after the job's end, changes nothing (same object back).
 */
export function reduce(state, event) {
  state ??= first(event);
  if (event.seq <= state.seq || isEnd(state)) return state;
  switch (event.type) {
    case 'job': return onJob(state, event);
    case 'stage': return onStage(state, event);
    case 'progress': return onProgress(state, event);
    case 'log': return { ...state, seq: event.seq };
    default: return state;
  }
}

function first(event) {
  return {
    id: event.job, project: event.project, kind: event.kind, state: 'queued', seq: 0, params: {}, stages: [],
    stage: null, step: 0, steps: 0, percent: 0, current: 0, total: null, unit: '', rate: null, eta_s: null,
    stalled_s: null, usual_s: null, message: '', detail: {}, error: null, result: null, queue: null, created: event.at,
    started: null, ended: null, held_at: null, held_ms: 0, attempt: 1, retry_of: null, resumed: false, resumable: false,
    scheduled_by: null, retry: null, starts_at: null, silence_s: null,
  };
}

function onJob(state, event) {
  const ended = ENDS.has(event.state);
  state = held(state, event);
  let stages = state.stages.length ? state.stages : (event.stages ?? []).map(waiting);
  if (ended) stages = leave(stages, event.at, event.state === 'succeeded' ? 'done' : event.state);
  return placed({
    ...state,
    state: event.state,
    seq: event.seq,
    params: event.params,
    stages,
    error: event.error ?? null,
    result: event.result ?? null,
    queue: event.queue ?? null,
    started: state.started ?? (event.state === 'running' ? event.at : null),
    ended: ended ? event.at : null,
    usual_s: state.usual_s ?? event.usual_s ?? null,
    attempt: event.attempt,
    retry_of: event.retry_of ?? null,
    resumed: event.resumed ?? false,
    resumable: event.resumable ?? false,
    retry: event.retry ?? null,
    starts_at: event.starts_at ?? null,
    scheduled_by: event.scheduled_by ?? null,
    silence_s: event.silence_s ?? state.silence_s,
    percent: event.state === 'succeeded' ? 100 : state.percent,
    rate: ended ? null : state.rate,
    eta_s: ended ? null : state.eta_s,
    stalled_s: ended ? null : state.stalled_s,
  });
}

/** The state with its clock stopped, or going again, as the job becomes what the event says. */
function held(state, { state: becomes, at }) {
  if (becomes === 'paused' || (becomes === 'queued' && state.started !== null)) {
    return { ...state, held_at: state.held_at ?? at };
  }
  if (state.held_at === null || (ENDS.has(becomes) && state.state === 'paused')) return state;
  const passed = state.started === null ? 0 : Math.max(at - state.held_at, 0);
  const stages = state.stages.map((stage) => (
    stage.state === 'running' ? { ...stage, held_ms: stage.held_ms + passed } : stage
  ));
  return { ...state, stages, held_at: null, held_ms: state.held_ms + passed };
}

function onStage(state, event) {
  const { stage: left, ...counts } = event.left ?? {};
  let stages = state.stages.map((stage) => (stage.stage === left ? { ...stage, ...counts } : stage));
  stages = leave(stages, event.at, 'done');
  if (!stages.some((stage) => stage.stage === event.stage)) stages = [...stages, waiting({ ...event, weight: 1 })];
  stages = stages.map((stage) => (
    stage.stage === event.stage ? { ...stage, state: 'running', started: event.at, ended: null, held_ms: 0 } : stage
  ));
  return placed({ ...state, seq: event.seq, stages });
}

function onProgress(state, event) {
  const { current, total, unit } = event;
  const stages = state.stages.map((stage) => (
    stage.stage === event.stage ? { ...stage, current, total, unit } : stage
  ));
  const progress = Object.fromEntries(PROGRESS_FIELDS.map((name) => [name, event[name] ?? null]));
  const isPlaced = stages.some((stage) => stage.started !== null);
  return { ...state, ...progress, seq: event.seq, stages, stage: isPlaced ? state.stage : event.stage || null };
}

function placed(state) {
  const entered = state.stages.filter((stage) => stage.started !== null);
  const undone = entered.filter((stage) => stage.state !== 'done');
  const [first, ...rest] = undone.length ? undone : entered;
  const stage = rest.reduce((last, next) => (next.started >= last.started ? next : last), first);
  const step = stage ? state.stages.indexOf(stage) + 1 : 0;
  return { ...state, stage: stage?.stage ?? state.stage, step, steps: state.stages.length };
}

function waiting({ stage, title, weight }) {
  return {
    stage, title, weight, state: 'waiting', started: null, ended: null, current: null, total: null, unit: null, held_ms: 0,
  };
}

function leave(stages, at, how) {
  return stages.map((stage) => (stage.state === 'running' ? { ...stage, state: how, ended: at } : stage));
}
