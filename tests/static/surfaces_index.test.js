import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { cancelIndex, createIndex, indexStream, isEnd, reduce } from '../../static/surfaces/index.js';
import { FakeHub, FakeStream, json, settle, streamOf } from './surfaces_fakes.js';

const PATH = '/srv/ünïcode 🙂';
const POST = 'POST /mcp/index/stream';
const DELETE = 'DELETE /mcp/index/stream';
const event = (stage, message, current = 0, total = 0, type = 'progress') => ({ type, stage, current, total, message, timestamp_ms: 1 });
const STORY = [
  event('starting', `Starting indexing for: ${PATH}`), event('collecting', 'Collecting source files...'),
  event('loading_storage', 'Loading indexed data from storage...'), event('indexing', 'Indexing', 3, 9),
  event('indexing', 'Done: 9 files', 9, 9, 'complete'),
];

let hub;
let states;
let index;

beforeEach(() => {
  hub = new FakeHub();
  states = [];
  index = createIndex({ ...hub.surroundings, onState: (state) => states.push(state) });
});

async function all(events) {
  const found = [];
  for await (const one of events) found.push(one);
  return found;
}

test('an answer cut at any byte, CRLF and comments in it, gives the same events', async () => {
  const text = STORY.map((one, number) => `: keep-alive\r\n\r\nid: ${number}\r\ndata: ${JSON.stringify(one)}\r\n\r\n`).join('');
  const bytes = new TextEncoder().encode(text);
  for (let at = 0; at <= bytes.length; at += 1) {
    hub.answers[POST] = () => streamOf([bytes.slice(0, at), bytes.slice(at)]);
    assert.deepEqual(await all(indexStream(PATH, hub.surroundings)), STORY, `cut at ${at}`);
  }
  assert.deepEqual(hub.asked[0].body, { project_path: PATH, force_reindex: false });
});

test('the stream is left at its end, and what would follow is not read', async () => {
  const stream = new FakeStream();
  hub.answers[POST] = stream.answer;
  const reading = all(indexStream(PATH, { ...hub.surroundings, forceReindex: true }));
  await settle();
  for (const one of [...STORY, event('indexing', 'late')]) stream.tell(one);
  assert.deepEqual(await reading, STORY);
  assert.equal(stream.isLeft, true);
  assert.equal(hub.asked[0].body.force_reindex, true);
});

test('a stream without an end is an error', async () => {
  for (const stop of ['end', 'cut']) {
    const stream = new FakeStream();
    hub.answers[POST] = stream.answer;
    const reading = all(indexStream(PATH, hub.surroundings));
    await settle();
    stream[stop]();
    await assert.rejects(reading, { name: 'SurfaceError', status: 0 });
  }
});

test('a signal stops the reading, not the indexing', async () => {
  const stream = new FakeStream();
  hub.answers[POST] = stream.answer;
  const stop = new AbortController();
  const reading = all(indexStream(PATH, { ...hub.surroundings, signal: stop.signal }));
  await settle();
  stop.abort();
  await assert.rejects(reading, { name: 'AbortError' });
  assert.equal(stream.isLeft, true);
  assert.deepEqual(hub.names(), [POST]);
});

test('the events become phases, and only files make a percent', () => {
  const seen = [];
  STORY.reduce((state, one) => {
    const next = reduce(state, one);
    seen.push([next.phase, next.stage, next.percent, next.message]);
    return next;
  }, { ...index.state, phase: 'running' });
  assert.deepEqual(seen, [
    ['running', 'starting', null, `Starting indexing for: ${PATH}`], ['running', 'collecting', null, 'Collecting source files...'],
    ['running', 'loading_storage', null, 'Loading indexed data from storage...'], ['running', 'indexing', 33, 'Indexing'],
    ['done', 'indexing', 100, 'Done: 9 files'],
  ]);
});

test('the percent does not fall when more files are found, and is not 100 before the end', () => {
  let state = reduce({ ...index.state, phase: 'running' }, event('indexing', '', 5, 10));
  state = reduce(state, event('indexing', '', 6, 60));
  assert.equal(state.percent, 50);
  state = reduce(state, event('indexing', '', 60, 60));
  assert.equal(state.percent, 99);
  assert.equal(reduce(state, event('indexing', '', 0, 0)).percent, 99);
});

test('what is fresh is skipped and done', async () => {
  const stream = new FakeStream();
  hub.answers[POST] = stream.answer;
  const running = index.start(PATH);
  await settle();
  stream.tell(event('starting', `Starting indexing for: ${PATH}`));
  stream.tell(event('skipping', 'Already indexed', 1, 1));
  stream.tell(event('indexing', 'Done: 9 files', 9, 9, 'complete'));
  await running;
  assert.deepEqual(states.map(({ phase, stage, percent }) => [phase, stage, percent]),
    [['running', null, null], ['running', 'starting', null], ['running', 'skipping', null], ['done', 'indexing', 100]]);
});

test('a failure has its message, and nothing follows it', async () => {
  const stream = new FakeStream();
  hub.answers[POST] = stream.answer;
  const running = index.start(PATH);
  await settle();
  stream.tell(event('error', 'Error: The disk is full.', 0, 0, 'error'));
  await running;
  assert.deepEqual([index.state.phase, index.state.message, isEnd(index.state)], ['failed', 'Error: The disk is full.', true]);
  assert.equal(reduce(index.state, STORY.at(-1)), index.state);
});

test('cancelling asks for it by the path, waits for the stream\'s end, and is no failure', async () => {
  const stream = new FakeStream();
  hub.answers[POST] = stream.answer;
  hub.answers[DELETE] = json({});
  const running = index.start(PATH);
  await settle();
  await index.cancel();
  assert.equal(hub.asked.at(-1).url.searchParams.get('project_path'), PATH);
  assert.equal(index.state.phase, 'cancelling');
  await index.cancel();
  assert.deepEqual(hub.names(), [POST, DELETE]);
  stream.tell(event('error', 'Error: Cancelled', 0, 0, 'error'));
  await running;
  assert.deepEqual([index.state.phase, index.state.message], ['cancelled', 'Error: Cancelled']);
});

test('a cancel that is refused changes nothing; one that comes too late finds it done', async () => {
  const stream = new FakeStream();
  hub.answers[POST] = stream.answer;
  hub.answers[DELETE] = json({ error: 'Nothing is being indexed there.' }, 404);
  const running = index.start(PATH);
  await settle();
  await assert.rejects(index.cancel(), { status: 404, message: 'Nothing is being indexed there.' });
  assert.equal(index.state.phase, 'running');
  hub.answers[DELETE] = json({});
  await index.cancel();
  stream.tell(STORY.at(-1));
  await running;
  assert.equal(index.state.phase, 'done');
  await assert.rejects(cancelIndex('/x', { ...hub.surroundings, fetch: async () => { throw new TypeError(); } }), { status: 0 });
});

test('a refusal has failed, a stream that breaks off is lost', async () => {
  hub.answers[POST] = json({ error: { message: 'Not here.' } }, 403);
  await index.start(PATH);
  assert.deepEqual([index.state.phase, index.state.message], ['failed', 'Not here.']);
  const stream = new FakeStream();
  hub.answers[POST] = stream.answer;
  const running = index.start(PATH);
  await settle();
  stream.tell(event('indexing', '', 5, 10));
  await settle();
  stream.end();
  await running;
  assert.deepEqual([index.state.phase, index.state.percent], ['lost', 50]);
});
