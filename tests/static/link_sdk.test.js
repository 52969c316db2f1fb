import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';

import '../../static/link/link.js'; // at hand, as in a page that has been live
import { HubError, createHub } from '../../static/hub-client.js';

const EPOCH = '0a1b2c3d';
const STATE = { id: 'j', project: 'p', kind: 'clone', state: 'running', seq: 4, percent: 10, stages: [], params: {} };
const log = (seq, message) => ({ type: 'log', project: 'p', job: 'j', kind: 'clone', seq, at: seq, level: 'info', message });
const end = (seq) => ({ type: 'job', project: 'p', job: 'j', kind: 'clone', seq, at: seq, state: 'succeeded', params: {}, attempt: 1 });
const PAST = [log(2, 'two'), log(3, 'three'), log(4, 'four')];

let socket;
let asked;
let answers;
let hub;

beforeEach(() => {
  asked = [];
  socket = null;
  answers = { 'POST projects/p/jobs': { ...STATE, state: 'queued' }, 'GET jobs/j': STATE, 'POST jobs/j/cancel': { ...STATE, state: 'cancelling' } };
  class WebSocket {
    readyState = 0;

    constructor(url) {
      socket = this;
      this.url = url;
      queueMicrotask(() => {
        this.readyState = 1;
        this.tell({ type: 'hello', epoch: EPOCH, boot: 'b', version: '1', server_ms: 0, heartbeat_s: 10 });
        this.tell({ type: 'snapshot', project: 'p', cursor: `${EPOCH}-4`, jobs: [STATE] });
      });
    }

    send(text) { if (JSON.parse(text).op === 'ping') this.tell({ type: 'pong' }); }

    tell(message) { this.onmessage?.({ data: JSON.stringify(message) }); }

    close() { this.readyState = 3; }
  }
  async function fetch(address, { method = 'GET', headers, body, signal } = {}) {
    signal?.throwIfAborted();
    const { pathname, search, searchParams } = new URL(address);
    const path = pathname.replace('/api/v1/', '');
    asked.push({ method, path, search, headers, body: body && JSON.parse(body) });
    if (path === 'projects/p/events') {
      const since = searchParams.get('since');
      if (since === `${EPOCH}-0`) return Response.json({ cursor: `${EPOCH}-4`, events: [], snapshot: { type: 'snapshot', cursor: `${EPOCH}-4`, jobs: [STATE] }, reset: 'too_old' });
      return Response.json({ cursor: `${EPOCH}-4`, events: PAST.filter(({ seq }) => seq > Number(since.split('-')[1])) });
    }
    if (path === 'projects/p/history') {
      const next = searchParams.get('cursor') ? null : 'more';
      return Response.json({ items: next ? PAST.slice(0, 2) : PAST.slice(2), total: 3, next });
    }
    const answer = answers[`${method} ${path}`];
    return answer ? Response.json(answer) : Response.json({ error: { code: 'not_found', message: 'There is no such thing.' } }, { status: 404 });
  }
  hub = createHub({ base: 'http://hub.example/', fetch, WebSocket, storage: null });
});

afterEach(() => hub.close());

const LIMIT_MS = 5_000;

/** What the hub says before it has shown the present state would be of no socket, or of one that nobody hears. */
async function followed() {
  const late = Date.now() + LIMIT_MS;
  while (socket?.readyState !== 1) {
    assert.ok(Date.now() < late, 'no socket was opened');
    await new Promise((resolve) => { setImmediate(resolve); });
  }
}

async function gathered(job, options, then) {
  const seen = [];
  const reading = (async () => {
    const signal = AbortSignal.timeout(LIMIT_MS); // an end that never comes fails the test
    for await (const event of job.events({ signal, ...options })) seen.push(event.message ?? event.reason ?? event.state);
  })();
  await followed();
  then();
  await reading;
  return seen;
}

const live = () => {
  socket.tell(log(5, 'five'));
  socket.tell(end(6));
};

test('a job is started once for each key, followed to its end, and what it came to is told', async () => {
  const job = await hub.start('p', 'clone', { depth: 1 }, { key: 'k-1' });
  assert.deepEqual(asked[0].body, { kind: 'clone', params: { depth: 1 } });
  assert.equal(asked[0].headers['Idempotency-Key'], 'k-1');
  assert.deepEqual(await gathered(job, {}, live), ['five', 'succeeded']);
  assert.equal((await job.done).state, 'succeeded');
  assert.deepEqual(await gathered(job, {}, () => {}), []);
});

test('from a cursor on: what was missed, then what comes, each once', async () => {
  const job = await hub.job('j');
  assert.deepEqual(await gathered(job, { since: `${EPOCH}-2` }, live), ['three', 'four', 'five', 'succeeded']);
});

test('from the beginning: all that is kept, page by page, and no more than that', async () => {
  const job = await hub.job('j');
  assert.deepEqual(await gathered(job, { since: 0 }, live), ['two', 'three', 'four', 'five', 'succeeded']);
  assert.deepEqual(asked.filter(({ path }) => path.endsWith('history')).map(({ search }) => new URLSearchParams(search).get('order')), ['asc', 'asc']);
});

test('a cursor that is too old is told as such, and the rest follows', async () => {
  const job = await hub.job('j');
  assert.deepEqual(await gathered(job, { since: `${EPOCH}-0` }, live), ['too_old', 'five', 'succeeded']);
});

test('a second reader of a project that is followed begins at once', async () => {
  const job = await hub.job('j');
  const [one, two] = [gathered(job, {}, () => {}), gathered(job, { since: `${EPOCH}-3` }, () => {})];
  await followed();
  live();
  assert.deepEqual([await one, await two], [['five', 'succeeded'], ['four', 'five', 'succeeded']]);
});

test('everything that waits can be given up', async () => {
  const job = await hub.job('j');
  const abort = new AbortController();
  const reading = assert.rejects(gathered(job, { signal: abort.signal }, () => {}), { name: 'AbortError' });
  const ending = assert.rejects(job.end({ signal: abort.signal }), { name: 'AbortError' });
  await followed();
  abort.abort();
  await Promise.all([reading, ending]);
  const { signal } = abort;
  for (const call of [() => hub.start('p', 'clone', {}, { signal }), () => job.cancel({ signal }), () => hub.projects({ signal }), () => hub.diagnose({ signal })]) {
    await assert.rejects(call(), { name: 'AbortError' });
  }
});

test('a project that is gone ends its readers', async () => {
  const job = await hub.job('j');
  assert.deepEqual(await gathered(job, {}, () => socket.tell({ type: 'reset', project: 'p', reason: 'gone' })), []);
});

test('a refusal is an error with the words of the hub', async () => {
  await assert.rejects(hub.job('x'), (error) => error instanceof HubError && error.code === 'not_found' && error.status === 404);
  assert.equal((await (await hub.job('j')).cancel()).state, 'cancelling');
});
