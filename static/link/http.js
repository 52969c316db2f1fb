/** The two ways by plain requests. Loaded once a link lives, or when no WebSocket comes about. */

import { SseParser } from '../sse-parser.js';
import { parseCursor } from './channel.js';
import { errorOf, followUrl, headersOf } from './request.js';

/** How many connections one link holds open, as all tabs of a browser together have six; the rest is asked for in turn. */
const HELD = 2;
const WAIT_S = 20;
const ANSWER_MS = (WAIT_S + 10) * 1000;
const RESTING_MS = 10_000;
/** The hub's `Retry-After` is heeded up to here; the waiting itself is done there, in `wait`. */
const LATE_MS = 2_000;

/** `why.final`: asking again cannot help; `why.full`: the hub says to poll. */
class Refusal extends Error {
  constructor(why) {
    super(why.text);
    this.why = why;
  }
}

async function refusal(response) {
  const { status } = response;
  const error = await errorOf(response);
  const seconds = Number(response.headers.get('retry-after')) || 0;
  return new Refusal({
    text: error?.message ?? `answered ${status}`,
    status,
    final: [400, 401, 403, 404, 410].includes(status) && Boolean(error),
    full: status === 503 && Boolean(error),
    retryMs: seconds * 1000,
  });
}

/** Server-sent events by fetch, which unlike EventSource shows statuses and survives a 502. */
export const openSse = (context) => strands(context, (channel, isHeld, signal) => (
  isHeld ? stream(context, channel, signal) : polling(context, channel, false, signal)));

/** Finite answers pass every proxy. */
export const openPoll = (context) => strands(context, polling.bind(null, context));

/** One run for each channel, of which the newest may hold a connection. */
function strands(context, carry) {
  const runs = new Map(); // channel -> {isHeld, abort}

  function begin(channel, isHeld) {
    runs.get(channel)?.abort.abort();
    const abort = new AbortController();
    runs.set(channel, { isHeld, abort });
    channel.resubscribed();
    carry(channel, isHeld, abort.signal).catch((error) => {
      if (abort.signal.aborted) return;
      const why = error.why ?? { text: 'the connection failed' };
      if (why.final && why.status === 404) context.gone(channel);
      else context.ended(why);
    });
  }

  function tune() {
    const wanted = context.channels();
    const held = context.mayHold() ? wanted.slice(-HELD) : [];
    for (const [channel, { isHeld, abort }] of runs) {
      if (wanted.includes(channel) && isHeld === held.includes(channel)) continue;
      abort.abort();
      runs.delete(channel);
    }
    for (const channel of wanted) if (!runs.has(channel)) begin(channel, held.includes(channel));
  }

  tune();
  return {
    tune,
    resubscribe: (channel) => begin(channel, runs.get(channel)?.isHeld ?? false),
    ping() {},
    close() { for (const { abort } of runs.values()) abort.abort(); },
  };
}

async function stream(context, channel, signal) {
  const headers = headersOf(context, { Accept: 'text/event-stream' });
  const response = await context.fetch(followUrl(context, channel), { headers, signal, cache: 'no-store' });
  if (response.status === 204) return polling(context, channel, true, signal); // the one job that is followed has ended
  const type = response.headers.get('content-type') ?? '';
  if (response.status !== 200 || !type.startsWith('text/event-stream')) throw await refusal(response);
  const decoder = new TextDecoder();
  const parser = new SseParser();
  const reader = response.body.getReader();
  for (;;) {
    const { value, done } = await reader.read();
    if (signal.aborted) return undefined;
    if (done) throw new Refusal({ text: 'the stream ended' });
    context.heard();
    for (const event of parser.push(decoder.decode(value, { stream: true }))) {
      const message = JSON.parse(event.data);
      if (signal.aborted) return undefined;
      context.healthy();
      context.message(channel, message);
    }
  }
}

/** The first asks for no wait: it shows at once that the way is open. Who may not hold a connection never waits. */
async function polling(context, channel, isHeld, signal) {
  let since = channel.cursor;
  for (let wait = 0; ; wait = isHeld ? WAIT_S : 0) {
    const started = context.now();
    const { answer, pauseMs } = await ask(context, channel, { since, wait, signal });
    if (signal.aborted) return;
    context.heard();
    if (wait === 0) context.rtt(context.now() - started);
    context.healthy();
    if (answer) for (const message of messagesOf(answer, channel)) context.message(channel, message);
    since = channel.cursor ?? answer?.cursor ?? since;
    // A spread keeps many pages from asking in step.
    const spread = Math.random() * 250;
    const ms = context.minInterval() ? RESTING_MS : !isHeld ? LATE_MS - spread : answer ? Math.min(pauseMs, LATE_MS) : spread;
    await pause(ms, signal);
  }
}

/** -> {answer: null when there is no news, pauseMs: what the hub asks for}; throws a Refusal. */
export async function ask(context, channel, { since = channel.cursor, wait = 0, signal, ...query } = {}) {
  const headers = headersOf(context, { Accept: 'application/json', ...(since && { 'If-None-Match': `"${since}"` }) });
  const limit = AbortSignal.any([AbortSignal.timeout(ANSWER_MS), ...(signal ? [signal] : [])]);
  const url = followUrl(context, channel, { since, wait, ...query });
  const response = await context.fetch(url, { headers, signal: limit, cache: 'no-store' });
  const pauseMs = (Number(response.headers.get('retry-after')) || 0) * 1000;
  if (response.status === 304) return { answer: null, pauseMs };
  if (response.status !== 200) throw await refusal(response);
  const answer = await response.json().catch(() => null);
  // A sign-in page or a cut-off answer is a failure, not news.
  if (typeof answer?.cursor !== 'string') throw new Refusal({ text: 'something else than the hub answered' });
  return { answer, pauseMs };
}

/** An answer as the messages of a stream. It is whole, so a number that is not in it was merged. */
export function messagesOf({ cursor, events, snapshot, reset }, { project, position }) {
  const messages = [];
  if (reset) messages.push({ type: 'reset', project, reason: reset.reason ?? reset });
  if (snapshot) messages.push({ ...snapshot, type: 'snapshot', project });
  let last = (snapshot ? parseCursor(snapshot.cursor) : position)?.seq ?? 0;
  const account = (upto) => {
    if (project !== null && upto > last) messages.push({ type: 'merged', project, count: upto - last, upto });
  };
  for (const event of events) {
    account(event.seq - 1);
    messages.push(event);
    last = Math.max(last, event.seq);
  }
  account(parseCursor(cursor)?.seq ?? 0);
  return messages;
}

function pause(ms, signal) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end); // the signal lives as long as the polling does
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
  });
}
