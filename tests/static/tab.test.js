import assert from 'node:assert/strict';
import { test } from 'node:test';

import { chipWords, isLive } from '../../static/views/chip.js';
import { summary } from '../../static/views/away.js';
import { ringOf, titleOf } from '../../static/views/tab.js';
import { announcement, speaker } from '../../static/views/voice.js';

const job = (more = {}) => ({ kind: 'clone', project: 'demo', state: 'running', percent: 43.9, stage: 'a', step: 1, stages: [{ title: 'Connecting' }], ...more });

test('the title tells one job, or how many run', () => {
  assert.equal(titleOf(job(), []), '43 % clone demo');
  assert.equal(titleOf(null, [job()]), '43 % clone demo');
  assert.equal(titleOf(null, [job(), job()]), '(2) Progress Hub');
  assert.equal(titleOf(null, []), 'Progress Hub');
  assert.equal(titleOf(job({ percent: 0 }), []), 'Running: clone demo');
  assert.equal(titleOf(job({ state: 'failed' }), []), 'Failed: clone demo');
});

test('the icon is a picture in an address', () => assert.match(ringOf(job()), /^data:image\/svg\+xml,%3Csvg/));

test('stages, quarters and ends are worth saying, ticks are not', () => {
  const words = (before, after) => announcement(before && job(before), job(after))?.words ?? null;
  assert.equal(words({ percent: 24 }, { percent: 26 }), 'clone demo: 25 percent');
  assert.equal(words({ percent: 26 }, { percent: 49 }), null);
  assert.equal(words({ stage: null, step: 0 }, {}), 'clone demo: Connecting');
  assert.equal(words({}, { state: 'succeeded' }), 'clone demo: Done');
  assert.equal(words(null, {}), null);
  assert.equal(words({ stage: null }, { stage: 'unplanned', step: 0, percent: 43.9 }), null);
  const failed = job({ state: 'failed', created: 500, error: { message: 'No host.' } });
  assert.equal(announcement(undefined, failed, 400).words, 'clone demo: Failed. No host.');
  assert.equal(announcement(undefined, failed, 600), null);
  assert.deepEqual(announcement(job(), job({ state: 'failed', error: { message: 'No host.' } })), { words: 'clone demo: Failed. No host.', isAlert: true });
});

test('it speaks every ten seconds at most, the newest, but an end at once', () => {
  const [polite, alert] = [{ textContent: '' }, { textContent: '' }];
  const voice = speaker(polite, alert);
  const say = (words, now, isOver = false) => voice.say({ words, isAlert: false }, isOver, now);
  say('one', 20_000);
  say('two', 21_000);
  say('three', 22_000);
  assert.equal(polite.textContent, 'one');
  voice.tick(30_000);
  assert.equal(polite.textContent, 'three');
  say('done', 31_000, true);
  assert.equal(polite.textContent, 'done');
  voice.say({ words: 'failed', isAlert: true }, true, 31_000);
  assert.equal(alert.textContent, 'failed');
});

test('the chip names the way, the wait and the trouble; a blink is nobody\'s business', () => {
  const status = (more) => ({ state: 'live', rung: 'ws', since: 0, retryAt: null, downSince: null, ...more });
  const words = (more, now = 60_000) => chipWords(status(more), now)[1];
  assert.equal(words({}), 'Live');
  assert.equal(words({ rung: 'sse' }), 'Live (stream)');
  assert.equal(words({ rung: 'poll' }), 'Live (polling, up to 2 s late)');
  assert.equal(words({ state: 'reconnecting', retryAt: 62_400 }), 'Reconnecting in 3 s');
  assert.equal(words({ state: 'reconnecting', since: 59_500, retryAt: 62_400 }), 'Live');
  assert.equal(words({ state: 'restarting' }), 'Hub restarting');
  assert.equal(words({ state: 'offline' }), 'Offline');
  assert.match(words({ state: 'unreachable', downSince: 0 }), /^Hub unreachable since \d\d:\d\d$/);
  assert.equal(words({ state: 'unauthorised', rung: null }), 'Not signed in');
  assert.equal(words({ state: 'reconnecting', rung: null, since: 59_900 }), 'Reconnecting');
  assert.equal(isLive({ state: 'reconnecting', since: 0 }, 60_000), false);
});

test('who was away reads what ended, began and moved, failures first, and nothing of what stood still', () => {
  const jobs = (...each) => new Map(each.map((state) => [state.id, { project: 'demo', kind: 'clone', step: 1, ...state }]));
  const still = { id: 'still', project: 'demo', kind: 'clone', state: 'running', percent: 1, step: 1 };
  const before = jobs({ id: 'a', state: 'running', percent: 10 }, { id: 'b', state: 'running', percent: 20 }, { id: 'c', state: 'running', percent: 30 });
  before.set('still', still);
  const after = jobs({ id: 'a', state: 'succeeded', percent: 100 }, { id: 'b', state: 'failed', percent: 20, error: { message: 'No host.' } },
    { id: 'c', state: 'running', percent: 30.5, step: 3 }, { id: 'd', state: 'queued', percent: 0 });
  after.set('still', still);
  assert.deepEqual(summary(before, after).map(({ job, words }) => `${job.id} ${words}`),
    ['b failed: No host.', 'a is done', 'd was asked for and waits', 'c went from 30 to 30\u00a0%, 2 stages further']);
  assert.deepEqual(summary(before, new Map(before)), []);
});
