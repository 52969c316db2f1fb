import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';

import { apart, createClone, isEnd, nameOf, phaseText, reduce } from '../../static/surfaces/clone.js';
import { FakeHub, FakeStream, json, settle } from './surfaces_fakes.js';

const URL_ = 'https://example.org/team/demo.git';
const REPO = { id: '7', path: '/srv/demo', name: 'demo', created_at: 'x', updated_at: 'x' };
const COMPLETE = { type: 'complete', repo: REPO, message: 'Cloned to /srv/demo' };
const ERROR = { type: 'error', message: 'Authentication failed', help_steps: ['Make a token.', 'Use it.'], can_retry_with_credentials: true };

/** The six counters, in libgit2's order. */
const counters = (...numbers) => ({
  type: 'progress',
  ...Object.fromEntries(['received_objects', 'total_objects', 'received_bytes', 'indexed_objects', 'total_deltas', 'indexed_deltas']
    .map((name, number) => [name, numbers[number]])),
});

let hub;
let states;
let clone;

beforeEach(() => {
  hub = new FakeHub();
  states = [];
  clone = create();
});

function create(more = {}) {
  return createClone({ ...hub.surroundings, onState: (state) => states.push(state), ...more });
}

test('the counters become a phase and a percent, as the hub weighs them', () => {
  const story = [
    [counters(0, 0, 0, 0, 0, 0), 'connecting', null, 'Connecting'],
    [counters(0, 200, 0, 0, 0, 0), 'receiving', 2, 'Receiving objects'],
    [counters(100, 200, 5_000, 80, 20, 0), 'receiving', 32, 'Receiving objects'],
    [counters(200, 200, 9_000, 160, 40, 0), 'resolving', 62, 'Resolving deltas'],
    [counters(200, 200, 9_000, 180, 40, 20), 'resolving', 74, 'Resolving deltas'],
    [counters(200, 200, 9_000, 200, 40, 40), 'writing', 87, 'Writing files'],
    [COMPLETE, 'done', 100, 'Done'],
  ];
  let state = { ...clone.state, phase: 'connecting' };
  for (const [event, phase, percent, words] of story) {
    state = reduce(state, event);
    assert.deepEqual([state.phase, state.percent, phaseText(state)], [phase, percent, words]);
  }
  assert.equal(isEnd(state), true);
});

test('a repository without deltas goes from receiving to writing', () => {
  const state = reduce(clone.state, counters(200, 200, 9_000, 200, 0, 0));
  assert.deepEqual([state.phase, state.percent], ['writing', 87]);
});

test('the percent never falls, whatever the counters do, and is 100 only at the end', () => {
  let state = clone.state;
  const seen = [];
  for (let step = 0; step < 300; step += 1) {
    state = reduce(state, counters((step * 7) % 230, 200, 1, 0, step % 50, (step * 3) % 60));
    seen.push(state.percent);
  }
  assert.deepEqual(seen, seen.toSorted((a, b) => a - b));
  assert.ok(seen.at(-1) <= 99);
});

test('the URL goes into the query; events arrive; the end closes the source for good', () => {
  clone.start(` ${URL_} `);
  assert.equal(hub.source.url.href, 'http://hub.example/prefix/repos/clone-progress?url=https%3A%2F%2Fexample.org%2Fteam%2Fdemo.git');
  assert.equal(clone.state.phase, 'connecting');
  hub.source.tell('message', counters(100, 200, 5_000, 80, 20, 0));
  assert.equal(clone.state.counts.received_bytes, 5_000);
  hub.source.tell('complete', COMPLETE);
  assert.equal(hub.source.readyState, 2);
  assert.deepEqual([clone.state.phase, clone.state.percent, clone.state.message, clone.state.repo], ['done', 100, 'Cloned to /srv/demo', REPO]);
  assert.equal(hub.sources.length, 1);
});

test('after an end nothing changes: no second end, no late trouble of the connection', () => {
  clone.start(URL_);
  const { source } = hub;
  source.tell('clone_error', { type: 'error', message: 'Directory already exists: /srv/demo' });
  const end = clone.state;
  assert.equal(end.message, 'Directory already exists: /srv/demo');
  source.readyState = 1; // as if a last event had been on its way
  source.tell('complete', COMPLETE);
  source.cut(true);
  assert.equal(clone.state, end);
  assert.equal(hub.sources.length, 1);
});

for (const [errorEvent, query] of [['clone_error', null], ['error', 'error']]) {
  test(`a failure comes as ${errorEvent} and is told apart from a connection that breaks`, () => {
    clone = create({ errorEvent });
    clone.start(URL_);
    assert.equal(hub.source.url.searchParams.get('error_event'), query);
    hub.source.cut();
    assert.deepEqual([clone.state.phase, clone.state.isReconnecting, phaseText(clone.state)], ['connecting', true, 'Reconnecting']);
    hub.source.tell('message', counters(1, 2, 3, 1, 0, 0));
    assert.equal(clone.state.isReconnecting, false);
    hub.source.tell(errorEvent, ERROR);
    assert.deepEqual([clone.state.phase, clone.state.message], ['failed', 'Authentication failed']);
    assert.deepEqual(clone.state.helpSteps, ERROR.help_steps);
    assert.equal(clone.state.canRetryWithCredentials, true);
    assert.equal(hub.source.readyState, 2);
  });
}

test('a failure without advice has none', () => {
  clone.start(URL_);
  hub.source.tell('clone_error', { type: 'error', message: 'No.' });
  assert.deepEqual([clone.state.helpSteps, clone.state.canRetryWithCredentials], [[], false]);
});

test('a source that the browser gives up is lost, which is neither done nor failed', () => {
  clone.start(URL_);
  hub.source.tell('message', counters(100, 200, 5_000, 80, 20, 0));
  hub.source.cut(true);
  assert.deepEqual([clone.state.phase, clone.state.percent], ['lost', 32]);
  assert.match(clone.state.message, /goes on at the hub/);
});

test('an event that cannot be read ends the watching, and the source with it', () => {
  clone.start(URL_);
  hub.source.tell('message', '<html>');
  assert.deepEqual([clone.state.phase, hub.source.readyState], ['lost', 2]);
});

test('a retry posts the credentials, reads the same events, and keeps no secret', async () => {
  clone.start(URL_);
  hub.source.tell('clone_error', ERROR);
  const stream = new FakeStream();
  hub.answers['POST /repos/clone-progress'] = stream.answer;
  const retrying = clone.retry({ username: 'ada', password: 's3cret' });
  await settle();
  assert.deepEqual(hub.asked[0].body, { url: URL_, credentials: { username: 'ada', password: 's3cret' } });
  assert.equal(hub.asked[0].url.search, '');
  assert.deepEqual([clone.state.phase, clone.state.canRetryWithCredentials], ['connecting', false]);
  stream.write(': keep-alive\n\n');
  stream.tell(counters(100, 200, 5_000, 80, 20, 0), { id: 'a-1' });
  await settle();
  assert.equal(clone.state.percent, 32);
  stream.tell(COMPLETE, { event: 'complete', id: 'a-2' });
  stream.end();
  await retrying;
  assert.equal(clone.state.phase, 'done');
  assert.doesNotMatch(JSON.stringify(states), /s3cret/);
});

test('a retry whose stream ends too early is lost, one that is refused has failed', async () => {
  hub.answers['POST /repos/clone-progress'] = () => { const stream = new FakeStream(); const answer = stream.answer(); stream.end(); return answer; };
  clone.start(URL_);
  await clone.retry({ token: 'x' });
  assert.equal(clone.state.phase, 'lost');
  hub.answers['POST /repos/clone-progress'] = json({ error: 'Missing url' }, 400);
  await clone.retry({ token: 'x' });
  assert.deepEqual([clone.state.phase, clone.state.message], ['failed', 'Missing url']);
});

test('a secret in a pasted URL goes into a body and into no address', async () => {
  assert.deepEqual(apart('https://ada:p%40ss@example.org/demo.git'), { url: 'https://example.org/demo.git', credentials: { username: 'ada', password: 'p@ss' } });
  assert.deepEqual(apart('https://t0ken@example.org/demo.git'), { url: 'https://example.org/demo.git', credentials: { token: 't0ken' } });
  for (const plain of [URL_, 'ssh://git@example.org/demo.git', 'git@example.org:team/demo.git', '/srv/demo']) {
    assert.deepEqual(apart(plain), { url: plain, credentials: null });
  }
  hub.answers['POST /repos/clone-progress'] = new FakeStream().answer;
  clone.start('https://t0ken@example.org/demo.git');
  await settle();
  assert.equal(hub.sources.length, 0);
  assert.deepEqual(hub.asked[0].body.credentials, { token: 't0ken' });
  assert.doesNotMatch(JSON.stringify(states), /t0ken/);
});

test('starting another clone leaves the first, and closing leaves the last', async () => {
  clone.start(URL_);
  const [first] = hub.sources;
  const stream = new FakeStream();
  hub.answers['POST /repos/clone-progress'] = stream.answer;
  clone.retry({ token: 'x' });
  await settle();
  assert.equal(first.readyState, 2);
  clone.close();
  await settle();
  assert.deepEqual([stream.isLeft, clone.state.phase], [true, 'idle']);
});

test('the name of a repository as the hub takes it from the URL', () => {
  const cases = {
    'https://example.org/team/demo.git': 'demo', 'https://example.org/team/demo/': 'demo', 'https://example.org/demo.git//': 'demo',
    'git@example.org:team/demo.git': 'demo', 'git@example.org:demo.git': 'demo', 'example.org:demo': 'demo', 'demo': 'demo',
    'https://example.org/git.git.git': 'git.git', '': '',
  };
  for (const [url, name] of Object.entries(cases)) assert.equal(nameOf(url), name, url);
});
