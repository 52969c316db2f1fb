import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { createSync, isRunning, percentOf, syncText, toastOf } from '../../static/surfaces/sync.js';
import { FakeHub, json, mockClock, pass, settle } from './surfaces_fakes.js';

const POST = 'POST /api/sync/git';
const ACCEPTED = json({ message: 'Git sync initiated', status: 'accepted' }, 202);
const CONFLICT = json({ error: 'Conflict', details: 'Git sync already in progress. Please wait for it to complete.' }, 409);
const scanning = (reposProcessed, totalRepos, commitsFound = 0, reposScanned = 0) => (
  { phase: 'scanning', reposScanned, totalRepos, commitsFound, reposProcessed }
);
const correlating = (sessionsCorrelated, totalCorrelatableSessions, linksCreated) => (
  { phase: 'correlating', sessionsCorrelated, totalCorrelatableSessions, commitsFound: 40, linksCreated }
);
const DONE = { phase: 'done', reposScanned: 3, commitsFound: 40, linksCreated: 12 };
const FAILED = { phase: 'error', message: 'The disk is full.' };

let hub;
let texts;
let toasts;
let sync;

beforeEach(() => {
  mockClock();
  hub = new FakeHub();
  hub.answers[POST] = ACCEPTED;
  [texts, toasts] = [[], []];
  sync = createSync({ ...hub.surroundings, onState: (state) => texts.push(syncText(state)), onToast: (toast) => toasts.push(toast) });
});

afterEach(() => {
  sync.close();
  mock.timers.reset();
});

const tell = (event) => hub.source.tell(event.phase, event);

test('the page says exactly this', async () => {
  await sync.trigger();
  for (const event of [scanning(0, 0), scanning(0, 5), scanning(2, 5, 7, 1), scanning(5, 5, 40, 3), correlating(0, 0, 0), correlating(0, 8, 0),
    correlating(3, 8, 12)]) tell(event);
  assert.deepEqual(texts, ['Starting sync...', 'Scanning repos...', 'Scanning repo 0/5...', 'Scanning repo 2/5...', 'Scanning repo 5/5...',
    'Linking commits... (0 links)', 'Linking sessions 0/8... (0 links)', 'Linking sessions 3/8... (12 links)']);
  tell(DONE);
  assert.equal(texts.at(-1), '');
});

test('a hub that tells only of repositories with commits is understood', async () => {
  await sync.trigger();
  tell({ phase: 'scanning', reposScanned: 2, totalRepos: 5, commitsFound: 7 });
  assert.equal(texts.at(-1), 'Scanning repo 2/5...');
});

test('one note when it is done, with the counts', async () => {
  await sync.trigger();
  assert.equal(hub.source.url.pathname, '/prefix/api/sync/git/progress');
  tell(scanning(1, 1));
  tell(DONE);
  assert.deepEqual(toasts, [{ phase: 'done', title: 'Sync completed', text: '3 repos | 40 commits | 12 links', canRetry: false }]);
  assert.equal(hub.source.readyState, 2);
  await pass(60_000);
  assert.deepEqual([hub.sources.length, toasts.length, sync.state.phase], [1, 1, 'done']);
});

test('one note when it fails, and a retry is a new run with a note of its own', async () => {
  await sync.trigger();
  tell(scanning(1, 2));
  tell(FAILED);
  assert.deepEqual(toasts, [{ phase: 'error', title: 'Sync failed', text: 'The disk is full.', canRetry: true }]);
  await sync.trigger();
  assert.equal(sync.state.message, null);
  tell({ phase: 'error' });
  assert.deepEqual(toasts.map(({ text }) => text), ['The disk is full.', 'Unknown error']);
  await sync.trigger();
  tell(DONE);
  assert.deepEqual([toasts.length, hub.sources.length], [3, 3]);
});

test('the words of the notes', () => {
  assert.equal(toastOf({ phase: 'error', message: '' }).text, 'Unknown error');
  assert.equal(toastOf({ phase: 'scanning' }), null);
});

test('while one runs it is joined', async () => {
  hub.answers[POST] = CONFLICT;
  await sync.trigger();
  assert.equal(sync.state.phase, 'starting');
  tell(correlating(3, 8, 12));
  tell(DONE);
  assert.equal(toasts.length, 1);
});

test('a second press while it runs asks for nothing', async () => {
  await Promise.all([sync.trigger(), sync.trigger()]);
  tell(scanning(0, 0));
  await sync.trigger();
  assert.deepEqual(hub.names(), [POST]);
  assert.equal(hub.sources.length, 1);
});

test('a refusal and a hub that is away are a failed run', async () => {
  hub.answers[POST] = json({ error: { message: 'Sync is switched off.' } }, 503);
  await sync.trigger();
  hub.answers[POST] = new TypeError('failed to fetch');
  await sync.trigger();
  assert.deepEqual(toasts.map(({ text }) => text), ['Sync is switched off.', 'The hub cannot be reached.']);
  assert.equal(hub.sources.length, 0);
});

test('the end of a run that nobody here saw makes no note', () => {
  sync.watch();
  tell(FAILED);
  assert.deepEqual([toasts, sync.state.phase, sync.state.message], [[], 'error', 'The disk is full.']);
});

test('whoever goes on watching after a run is told its end again, and makes no second note of it', async () => {
  await sync.trigger();
  tell(DONE);
  sync.watch();
  tell(DONE);
  assert.deepEqual([hub.sources.length, toasts.length], [2, 1]);
});

test('a run that others start shows, and makes a note', () => {
  sync.watch();
  assert.deepEqual([texts, sync.state.phase], [[], 'idle']);
  tell(scanning(1, 4));
  assert.deepEqual([texts, isRunning(sync.state)], [['Scanning repo 1/4...'], true]);
  tell(DONE);
  assert.equal(toasts.length, 1);
});

test('a connection that breaks is opened anew, after 1, 2, 4 s, and a word from the hub starts the count again', async () => {
  await sync.trigger();
  tell(scanning(1, 4));
  for (const [seconds, sources] of [[1, 2], [2, 3], [4, 4]]) {
    hub.source.cut();
    assert.equal(hub.source.readyState, 2, 'never left to the browser, which would come back by the last id');
    assert.equal(sync.state.isReconnecting, true);
    await pass(seconds * 1_000 - 1);
    assert.equal(hub.sources.length, sources - 1);
    await pass(1);
    assert.equal(hub.sources.length, sources);
  }
  tell(scanning(2, 4));
  assert.equal(sync.state.isReconnecting, false);
  hub.source.cut(true);
  await pass(1_000);
  assert.equal(hub.sources.length, 5);
  tell(DONE);
  assert.equal(toasts.length, 1);
});

test('a hub that was restarted in the middle has forgotten the run, and that is said', async () => {
  await sync.trigger();
  tell(scanning(1, 4));
  hub.source.cut();
  await pass(1_000);
  hub.source.open();
  await pass(9_500);
  assert.deepEqual(toasts, []);
  await pass(500);
  assert.deepEqual(toasts.map(({ text }) => text), ['The hub no longer knows this sync.']);
  assert.equal(hub.source.readyState, 2);
});

test('an idle hub may be silent for as long as it likes, also after a break', async () => {
  sync.watch();
  hub.source.cut();
  await pass(1_000);
  hub.source.open();
  await pass(600_000, 10_000);
  assert.deepEqual([toasts, sync.state.phase], [[], 'idle']);
});

test('a stream of a run that is on stays open however long nothing changes', async () => {
  await sync.trigger();
  hub.source.open();
  tell(scanning(1, 4));
  await pass(600_000, 10_000);
  assert.deepEqual([toasts, hub.sources.length], [[], 1]);
});

test('closing ends the coming back', async () => {
  await sync.trigger();
  hub.source.cut();
  sync.close();
  await pass(60_000);
  assert.equal(hub.sources.length, 1);
});

test('a percent for each phase, where there is a total', () => {
  const of = (event) => percentOf({ ...sync.state, ...event });
  assert.deepEqual([of(scanning(0, 0)), of(scanning(1, 3)), of(scanning(3, 3)), of(correlating(1, 2, 0)), of(correlating(0, 0, 0)), of(DONE)],
    [null, 33, 99, 50, null, 100]);
});

test('the status, and the interval with its limits as the hub sees them', async () => {
  hub.answers['GET /api/status'] = json({ lastGitSyncAt: null, gitSyncIntervalSecs: 60 });
  assert.deepEqual(await sync.status(), { lastGitSyncAt: null, gitSyncIntervalSecs: 60 });
  hub.answers['PUT /api/settings/git-sync-interval'] = json({});
  await sync.setInterval(60);
  assert.deepEqual(hub.asked.at(-1).body, { intervalSecs: 60 });
  hub.answers['PUT /api/settings/git-sync-interval'] = json({ error: 'Bad Request', details: 'intervalSecs must be 10 to 3600.' }, 400);
  await assert.rejects(sync.setInterval(5), { status: 400, message: 'intervalSecs must be 10 to 3600.' });
});

