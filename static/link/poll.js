import { parseCursor } from './position.js';
import { Refusal, followUrl, refusal } from './request.js';

const WAIT_S = 20;
const ANSWER_MS = (WAIT_S + 10) * 1000;
const RESTING_MS = 10_000;
/** The hub's `Retry-After` is heeded up to here; the waiting itself is done there, in `wait`. */
const LATE_MS = 2_000;

/**
 * Finite answers pass every proxy. The first asks for no wait: it shows at once that the way is open.
 * A hidden page asks now and then, without waiting, and so holds no connection.
 */
export function openPoll(context) {
  let run = null;

  function tune() {
    run?.abort();
    run = new AbortController();
    const mine = run;
    loop(context.carried(), mine.signal).catch((error) => {
      if (mine.signal.aborted) return;
      mine.abort();
      context.ended(error.why ?? { text: 'the request failed' });
    });
  }

  async function loop(channel, signal) {
    channel.resubscribed();
    let since = channel.cursor;
    for (let wait = 0; ; wait = context.minInterval() ? 0 : WAIT_S) {
      const started = context.now();
      const { answer, pauseMs } = await ask(channel, since, wait, signal);
      if (signal.aborted) return;
      context.heard();
      if (wait === 0) context.rtt(context.now() - started);
      context.healthy();
      if (answer) for (const message of messagesOf(answer, channel.project, channel.position)) context.message(channel, message);
      since = channel.cursor ?? answer?.cursor ?? since;
      // A spread keeps many pages from asking in step.
      const ms = context.minInterval() ? RESTING_MS : answer ? Math.min(pauseMs, LATE_MS) : Math.random() * 250;
      await pause(ms, signal);
    }
  }

  async function ask(channel, since, wait, signal) {
    const url = followUrl(context, channel, { since, wait, min_interval_ms: null });
    const headers = { Accept: 'application/json', ...(since && { 'If-None-Match': `"${since}"` }) };
    const limit = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]);
    const response = await context.fetch(url, { headers, signal: limit, cache: 'no-store' });
    const pauseMs = (Number(response.headers.get('retry-after')) || 0) * 1000;
    if (response.status === 304) return { answer: null, pauseMs };
    if (response.status !== 200) throw await refusal(response);
    const answer = await response.json().catch(() => null);
    // A sign-in page or a cut-off answer is a failure, not news.
    if (typeof answer?.cursor !== 'string') throw new Refusal({ text: 'something else than the hub answered' });
    return { answer, pauseMs };
  }

  tune();
  return { tune, resubscribe: tune, ping: () => {}, close: () => run.abort() };
}

/**
 * An answer as the messages of a stream. It is whole, so a number that is not in it was merged.
 */
export function messagesOf({ cursor, events, snapshot, reset }, project, position) {
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
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => { clearTimeout(timer); resolve(); }, { once: true });
  });
}
