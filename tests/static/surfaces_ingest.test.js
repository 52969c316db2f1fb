import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { SOURCES, createIngest, isEnd, reduce, stagesOf } from '../../static/surfaces/ingest.js';
import { FakeHub, FakeStream, json, mockClock, pass, settle } from './surfaces_fakes.js';

const POST = 'POST /api/v1/ingest/github';
const JOB = 'GET /api/v1/ingest/job-7/stream';
const WISH = { source: 'github', repository: 'owner/name', branch: 'main', token: 't0ken', incremental: true };
const NAMED = { headers: { 'x-job-id': 'job-7' } };
const at = (stage, percentage, message = '', metadata = undefined) => (
  { stage, message, percentage, timestamp: '2026-11-21T10:00:00Z', ...(metadata && { metadata }) }
);
const COMPLETE = at('Complete', 100, 'Complete', { jobId: 'job-7', files: 200, symbols: 900, duration: 12.5 });

let hub;
let states;
let ingest;

beforeEach(() => {
  mockClock();
  hub = new FakeHub();
  states = [];
  ingest = createIngest({ ...hub.surroundings, onState: (state) => states.push(state) });
});

afterEach(() => {
  ingest.close();
  mock.timers.reset();
});

function streaming(name, options = NAMED) {
  const stream = new FakeStream(options);
  hub.answers[name] = stream.answer;
  return stream;
}

test('a repository is posted, and the answer is the stream', async () => {
  const stream = streaming(POST);
  const running = ingest.start(WISH);
  await settle();
  assert.deepEqual(hub.asked[0].body, { repository: 'owner/name', branch: 'main', token: 't0ken', incremental: true });
  assert.equal(hub.asked[0].url.search, '?stream=true');
  assert.deepEqual([ingest.state.phase, ingest.state.jobId], ['starting', 'job-7']);
  stream.tell(at('Cloning', 10, 'Receiving'), { event: 'progress', id: 'a-1' });
  stream.tell(at('Parsing', 35, 'Parsing file 50/200'), { event: 'progress', id: 'a-2' });
  await settle();
  assert.deepEqual([ingest.state.phase, ingest.state.stage, ingest.state.percent, ingest.state.message],
    ['running', 'Parsing', 35, 'Parsing file 50/200']);
  stream.tell(COMPLETE, { event: 'progress', id: 'a-3' });
  await running;
  assert.deepEqual([ingest.state.phase, ingest.state.percent, ingest.state.metadata.symbols], ['complete', 100, 900]);
  assert.equal(stream.isLeft, true);
  assert.doesNotMatch(JSON.stringify(states), /t0ken/);
});

test('the stages, each with its own share', () => {
  const of = (...events) => stagesOf(events.reduce(reduce, ingest.state)).map(({ name, state, percent }) => `${name} ${state} ${percent}`);
  assert.deepEqual(of(), ['Cloning waiting 0', 'Parsing waiting 0', 'Indexing waiting 0']);
  assert.deepEqual(of(at('Cloning', 5)), ['Cloning running 20', 'Parsing waiting 0', 'Indexing waiting 0']);
  assert.deepEqual(of(at('Parsing', 35)), ['Cloning done 100', 'Parsing running 25', 'Indexing waiting 0']);
  assert.deepEqual(of(at('Parsing', 65)), ['Cloning done 100', 'Parsing running 99', 'Indexing waiting 0']);
  assert.deepEqual(of(at('Indexing', 65)), ['Cloning done 100', 'Parsing done 100', 'Indexing running 0']);
  assert.deepEqual(of(at('Indexing', 80), COMPLETE), ['Cloning done 100', 'Parsing done 100', 'Indexing done 100']);
  assert.deepEqual(of(at('Parsing', 45), at('Failed', 45, 'Parsing failed: x')), ['Cloning done 100', 'Parsing failed 50', 'Indexing waiting 0']);
  assert.deepEqual(of(COMPLETE), ['Cloning done 100', 'Parsing done 100', 'Indexing done 100']);
});

test('the percent never falls, keeps its last value in a failure, and is 100 only when complete', () => {
  let state = reduce(ingest.state, at('Parsing', 50.9));
  assert.equal(state.percent, 50);
  state = reduce(state, at('Cloning', 20));
  assert.equal(state.percent, 50);
  assert.equal(reduce(state, at('Indexing', 100)).percent, 99);
  const failed = reduce(state, at('Failed', 0, 'Indexing failed: the disk is full'));
  assert.deepEqual([failed.phase, failed.percent, failed.message, isEnd(failed)], ['failed', 50, 'Indexing failed: the disk is full', true]);
  assert.equal(reduce(failed, COMPLETE), failed);
});

test('a stream that breaks is taken up again by the job and its last id, not by posting again', async () => {
  const stream = streaming(POST);
  ingest.start(WISH);
  await settle();
  stream.tell(at('Parsing', 40), { id: 'a-2' });
  await settle();
  hub.answers[JOB] = new TypeError('failed to fetch');
  stream.cut();
  await settle();
  assert.deepEqual([ingest.state.isReconnecting, ingest.state.percent], [true, 40]);
  await pass(1_000);
  await pass(2_000);
  assert.deepEqual(hub.names(), [POST, JOB, JOB]);
  assert.equal(hub.asked[1].headers['Last-Event-ID'], 'a-2');
  const again = streaming(JOB);
  await pass(4_000);
  again.tell(at('Parsing', 38), { id: 'a-3' });
  await settle();
  assert.deepEqual([ingest.state.isReconnecting, ingest.state.percent], [false, 40]);
  again.end();
  await settle();
  const last = streaming(JOB);
  await pass(1_000);
  assert.equal(hub.asked.at(-1).headers['Last-Event-ID'], 'a-3');
  last.tell(COMPLETE);
  await pass(60_000, 5_000);
  assert.deepEqual([ingest.state.phase, hub.names().length], ['complete', 5]);
});

test('the job\'s name is also read from the metadata; without any name a broken stream is lost', async () => {
  const named = streaming(POST, {});
  ingest.start(WISH);
  await settle();
  named.tell(at('Cloning', 5, '', { jobId: 'job-7' }));
  await settle();
  assert.equal(ingest.state.jobId, 'job-7');
  const nameless = streaming(POST, {});
  ingest.start(WISH);
  await settle();
  nameless.tell(at('Cloning', 5));
  await settle();
  nameless.end();
  await pass(60_000, 5_000);
  assert.deepEqual([ingest.state.phase, hub.names()], ['lost', [POST, POST]]);
});

test('a second client follows the job by its name', async () => {
  const stream = streaming(JOB);
  ingest.follow('job-7');
  await settle();
  assert.equal('Last-Event-ID' in hub.asked[0].headers, false);
  stream.tell(at('Indexing', 70, 'Indexing'));
  await settle();
  assert.deepEqual([ingest.state.stage, ingest.state.percent], ['Indexing', 70]);
  stream.tell(COMPLETE);
  await settle();
  assert.equal(ingest.state.phase, 'complete');
});

test('a stream that opens and ends without a word is asked for ever less often', async () => {
  hub.answers[JOB] = () => {
    const stream = new FakeStream(NAMED);
    const answer = stream.answer();
    stream.end();
    return answer;
  };
  ingest.follow('job-7');
  await pass(15_000);
  assert.equal(hub.asked.length, 5);
});

test('silence of 40 s is a broken stream', async () => {
  streaming(JOB);
  ingest.follow('job-7');
  await pass(39_500);
  assert.equal(ingest.state.isReconnecting, false);
  await pass(500);
  assert.equal(ingest.state.isReconnecting, true);
});

test('refusals are said and not repeated', async () => {
  const words = 'Invalid source: X. Supported sources: github, gitlab, bitbucket, local';
  hub.answers['POST /api/v1/ingest/X'] = json({ error: words }, 400);
  await ingest.start({ ...WISH, source: 'X' });
  assert.deepEqual([ingest.state.phase, ingest.state.message], ['failed', words]);
  hub.answers[JOB] = json({ error: { message: 'There is no job job-7.' } }, 404);
  await ingest.follow('job-7');
  assert.deepEqual([ingest.state.phase, ingest.state.message], ['lost', 'There is no job job-7.']);
  hub.answers[JOB] = () => new Response(null, { status: 204 });
  await ingest.follow('job-7');
  assert.deepEqual([ingest.state.phase, hub.asked.length], ['lost', 3]);
  assert.deepEqual(SOURCES, ['github', 'gitlab', 'bitbucket', 'local']);
});

test('closing leaves the stream, and the job goes on', async () => {
  const stream = streaming(POST);
  ingest.start(WISH);
  await settle();
  ingest.close();
  await pass(60_000, 5_000);
  assert.deepEqual([stream.isLeft, ingest.state.phase, hub.names()], [true, 'idle', [POST]]);
});
