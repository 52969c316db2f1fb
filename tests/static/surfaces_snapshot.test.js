import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { createSnapshot, filesText, isEnd, isRunning, reduce, stepText } from '../../static/surfaces/snapshot.js';
import { visibility } from '../../static/surfaces/modal.js';
import { FakeHub, FakeStream, json, mockClock, pass, settle } from './surfaces_fakes.js';

const STREAM = 'GET /api/v1/projects/demo/progress/stream';
const POLL = 'GET /api/v1/projects/demo/progress';
const START = 'POST /api/v1/projects/demo/snapshot';
const DOWN = new TypeError('failed to fetch');

const told = (step, stepNumber, progress, message, more = {}) => ({
  projectId: 'demo', step, stepNumber, totalSteps: 6, progress, fileCount: 0, totalSize: 0, totalSizeText: '', message,
  timestamp: '2026-11-21T10:00:00Z', ...more,
});
const IDLE = told('idle', 0, 0, 'No snapshot generation in progress');
const BROWSING = told('browsing', 3, 40, 'Browsing files in folder...');
const UPLOADING = told('uploading', 5, 70, 'Uploading snapshot to cloud storage...', { fileCount: 120, totalSize: 3_400_000, totalSizeText: '3.4 MB' });
const COMPLETED = told('completed', 6, 100, 'Snapshot generation completed successfully', { snapshotUrl: '/s/1' });
const FAILED = told('failed', 5, 70, 'Snapshot generation failed: no space', { error: 'no space' });

let hub;
let states;
let snapshot;

beforeEach(() => {
  mockClock();
  hub = new FakeHub();
  hub.answers[STREAM] = DOWN;
  hub.answers[START] = json({}, 202);
  states = [];
  snapshot = createSnapshot({ project: 'demo', ...hub.surroundings, onState: (state) => states.push(state) });
});

afterEach(() => {
  snapshot.close();
  mock.timers.reset();
});

function streaming() {
  const stream = new FakeStream();
  hub.answers[STREAM] = stream.answer;
  return stream;
}

const count = (name) => hub.names().filter((asked) => asked === name).length;

test('comes back after 1, 2, 4, 8 and 16 s, then polls each second, and tries the stream again every 30 s', async () => {
  hub.answers[POLL] = json(UPLOADING);
  snapshot.watch();
  await settle();
  assert.equal(count(STREAM), 1);
  for (const [number, seconds] of [1, 2, 4, 8, 16].entries()) {
    assert.deepEqual([snapshot.state.link, snapshot.state.retryMs], ['reconnecting', seconds * 1_000]);
    await pass(seconds * 1_000 - 1);
    assert.equal(count(STREAM), number + 1, `not before ${seconds} s`);
    await pass(1);
    assert.equal(count(STREAM), number + 2);
  }
  assert.deepEqual([snapshot.state.link, count(POLL)], ['polling', 1]);
  assert.deepEqual([snapshot.state.percent, snapshot.state.step], [70, 'uploading']);
  for (let second = 2; second <= 30; second += 1) {
    await pass(1_000);
    assert.equal(count(POLL), second);
  }
  assert.equal(count(STREAM), 6);
  await pass(1_000);
  assert.equal(count(STREAM), 7);
  await pass(30_000);
  assert.deepEqual([count(STREAM), snapshot.state.link], [8, 'polling']);
});

test('a message of the stream starts the count again', async () => {
  snapshot.watch();
  await pass(3_000);
  assert.deepEqual([count(STREAM), snapshot.state.retryMs], [3, 4_000]);
  const stream = streaming();
  await pass(4_000);
  stream.tell(BROWSING);
  await settle();
  assert.deepEqual([snapshot.state.link, snapshot.state.percent], ['live', 40]);
  hub.answers[STREAM] = DOWN;
  stream.end();
  await settle();
  assert.deepEqual([snapshot.state.link, snapshot.state.retryMs], ['reconnecting', 1_000]);
});

test('a stream that works again ends the polling', async () => {
  hub.answers[POLL] = json(BROWSING);
  snapshot.watch();
  await pass(31_000);
  assert.equal(snapshot.state.link, 'polling');
  const stream = streaming();
  await pass(30_000);
  const polls = count(POLL);
  assert.equal(snapshot.state.link, 'polling', 'opening proves nothing');
  stream.tell(UPLOADING);
  await settle();
  assert.deepEqual([snapshot.state.link, snapshot.state.percent], ['live', 70]);
  await pass(10_000);
  assert.ok(count(POLL) <= polls + 1);
});

test('polling bears a hub that is away and a proxy that answers in its place', async () => {
  snapshot.watch();
  await pass(31_000);
  hub.answers[POLL] = DOWN;
  await pass(3_000);
  hub.answers[POLL] = () => new Response('<html>');
  await pass(3_000);
  assert.equal(snapshot.state.link, 'polling');
  hub.answers[POLL] = json(COMPLETED);
  await pass(1_000);
  assert.deepEqual([snapshot.state.step, snapshot.state.percent, snapshot.state.link], ['completed', 100, 'closed']);
  const asked = hub.asked.length;
  await pass(120_000, 5_000);
  assert.equal(hub.asked.length, asked);
});

test('a stream that opens and says nothing for 10 s has failed', async () => {
  const stream = streaming();
  snapshot.watch();
  await pass(9_500);
  assert.equal(snapshot.state.link, 'connecting');
  await pass(500);
  assert.equal(snapshot.state.link, 'reconnecting');
  assert.equal(stream.isLeft, true);
});

test('a stream that goes silent for 40 s has failed; keep-alives keep an idle one', async () => {
  const stream = streaming();
  snapshot.watch();
  await settle();
  stream.tell(IDLE);
  for (let seconds = 0; seconds < 300; seconds += 15) {
    await pass(15_000, 5_000);
    stream.write(': keep-alive\n\n');
  }
  await settle();
  assert.equal(snapshot.state.link, 'live');
  await pass(40_000, 5_000);
  assert.equal(snapshot.state.link, 'reconnecting');
});

for (const end of [COMPLETED, FAILED]) {
  test(`${end.step} is the end: the stream is left and not asked for again`, async () => {
    const stream = streaming();
    snapshot.watch();
    await settle();
    stream.tell(UPLOADING);
    stream.tell(end);
    await pass(60_000, 5_000);
    assert.deepEqual([snapshot.state.step, snapshot.state.link, count(STREAM)], [end.step, 'closed', 1]);
    assert.equal(stream.isLeft, true);
  });
}

test('a project that nobody knows is not asked for again', async () => {
  hub.answers[STREAM] = json({ error: { message: 'There is no project "demo".' } }, 404);
  snapshot.watch();
  await pass(60_000, 5_000);
  assert.deepEqual([snapshot.state.trouble, snapshot.state.link, hub.asked.length], ['There is no project "demo".', 'closed', 1]);
});

test('within a run the percent never falls; a new run begins at its own', () => {
  let state = reduce(snapshot.state, UPLOADING);
  state = reduce(state, { ...BROWSING, progress: 33 });
  assert.deepEqual([state.step, state.percent], ['browsing', 70]);
  state = reduce(state, { ...FAILED, progress: 50 });
  assert.deepEqual([state.step, state.percent, state.stepNumber, isEnd(state)], ['failed', 70, 5, true]);
  assert.equal(reduce(state, told('waiting', 1, 3, '')).percent, 3);
  assert.equal(reduce(reduce(snapshot.state, UPLOADING), IDLE).percent, 0);
});

test('the words of the modal', () => {
  const state = reduce(snapshot.state, UPLOADING);
  assert.equal(stepText(state), 'Step 5 of 6');
  assert.equal(filesText(state), '120 files • 3.4 MB');
  assert.equal(filesText({ ...state, totalSizeText: '' }).replace('\u00a0', ' '), '120 files • 3.4 MB');
  assert.deepEqual([stepText(snapshot.state), filesText(snapshot.state)], ['', '']);
});

test('starting one asks once and then watches; one that runs already is joined', async () => {
  const stream = streaming();
  snapshot.start();
  snapshot.start();
  await settle();
  assert.deepEqual(hub.names(), [START, STREAM]);
  assert.equal(snapshot.state.step, 'starting');
  stream.tell(told('waiting', 1, 0, 'Waiting for folder scan to complete...'));
  await settle();
  assert.equal(isRunning(snapshot.state), true);
  snapshot.close();
  hub.answers[START] = json({ error: 'Conflict' }, 409);
  const other = createSnapshot({ project: 'demo', ...hub.surroundings });
  other.start();
  await settle();
  assert.equal(other.state.link, 'connecting');
  other.close();
});

test('a start that is refused is a failure with the cause', async () => {
  hub.answers[START] = json({ error: { message: 'There is no project "demo".' } }, 404);
  snapshot.start();
  await settle();
  assert.deepEqual([snapshot.state.step, snapshot.state.message], ['failed', 'Snapshot generation failed: There is no project "demo".']);
  assert.deepEqual(hub.names(), [START]);
});

test('the modal opens by itself and closes 2 s after it is completed', async () => {
  const seen = [];
  const modal = visibility((isVisible) => seen.push(isVisible));
  modal.update({ step: 'idle' });
  assert.deepEqual(seen, []);
  modal.update({ step: 'waiting' });
  modal.update({ step: 'uploading' });
  assert.deepEqual(seen, [true]);
  modal.update({ step: 'completed' });
  modal.update({ step: 'completed' });
  await pass(1_999);
  assert.deepEqual(seen, [true]);
  await pass(1);
  assert.deepEqual(seen, [true, false]);
});

test('the modal stays when it failed, until somebody closes it', async () => {
  const seen = [];
  const modal = visibility((isVisible) => seen.push(isVisible));
  modal.update({ step: 'uploading' });
  modal.update({ step: 'failed' });
  await pass(600_000, 60_000);
  assert.deepEqual(seen, [true]);
  modal.close();
  assert.deepEqual(seen, [true, false]);
});

test('a modal that was put away stays away while it works, and comes back for the next run or for a failure', async () => {
  const seen = [];
  const modal = visibility((isVisible) => seen.push(isVisible));
  modal.update({ step: 'waiting' });
  modal.close();
  modal.update({ step: 'uploading' });
  modal.update({ step: 'completed' });
  await pass(5_000);
  assert.deepEqual(seen, [true, false]);
  modal.update({ step: 'waiting' });
  modal.close();
  modal.update({ step: 'failed' });
  assert.deepEqual(seen, [true, false, true, false, true]);
});

test('an end that is met on arrival opens nothing, and a new run in the 2 s keeps the modal open', async () => {
  const seen = [];
  const modal = visibility((isVisible) => seen.push(isVisible));
  modal.update({ step: 'failed' });
  modal.update({ step: 'completed' });
  assert.deepEqual(seen, []);
  modal.update({ step: 'waiting' });
  modal.update({ step: 'completed' });
  await pass(1_000);
  modal.update({ step: 'waiting' });
  await pass(5_000);
  assert.deepEqual(seen, [true]);
});

test('a modal that somebody opened to see how it ended is not taken away', async () => {
  const seen = [];
  const modal = visibility((isVisible) => seen.push(isVisible));
  modal.update({ step: 'completed' });
  modal.open();
  modal.update({ step: 'completed' });
  await pass(60_000, 5_000);
  assert.deepEqual(seen, [true]);
});
