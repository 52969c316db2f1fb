import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Store } from '../../static/store.js';

const job = (seq, percent, more = {}) => ({ id: 'j', project: 'p', kind: 'clone', state: 'running', seq, percent, stages: [], ...more });
const snapshot = (project, cursor, ...jobs) => ({ type: 'snapshot', project, cursor, jobs });

function filled(...messages) {
  const store = new Store(() => 0);
  for (const message of messages) store.take(message);
  return store.jobs.get('j');
}

test('a snapshot of the feed that is older than what is known changes nothing', () => {
  assert.equal(filled(snapshot('p', '0123abcd-20', job(20, 40)), snapshot(null, 'ffffffff-3', job(10, 20))).percent, 40);
});

test('a snapshot after a crash takes back what the hub has forgotten, but nobody is shown less than before', () => {
  const job20 = filled(snapshot('p', '0123abcd-20', job(20, 40, { current: 8 })), snapshot('p', '0123abcd-1001', job(10, 20, { current: 4 })));
  assert.deepEqual([job20.current, job20.percent], [4, 40]);
});

test('what an end says holds, whatever was shown before', () => {
  const failed = job(21, 30, { state: 'failed', ended: 5 });
  assert.equal(filled(snapshot('p', '0123abcd-20', job(20, 40)), snapshot('p', '0123abcd-21', failed)).percent, 30);
});

test('a project that is gone takes its jobs along', () => {
  assert.equal(filled(snapshot('p', '0123abcd-20', job(20, 40)), { type: 'reset', project: 'p', reason: 'gone' }), undefined);
});

const progress = (seq, rate) => ({ type: 'progress', project: 'p', job: 'j', kind: 'clone', seq, at: seq * 50, percent: 1, rate, unit: 'files' });

test('the rates of a long job are thinned out, never forgotten from the start on', () => {
  const store = new Store(() => 0);
  store.take(snapshot('p', '0123abcd-1', job(1, 0)));
  for (let seq = 2; seq < 20_000; seq += 1) store.take(progress(seq, seq % 7));
  const samples = store.rates.get('j');
  assert.ok(samples.length > 100 && samples.length <= 240, `${samples.length}`);
  assert.equal(samples[0].at, 100);
  assert.ok(samples.at(-1).at > 19_000 * 50);
  assert.ok(samples.every(({ at }, n) => n === 0 || at > samples[n - 1].at));
});

test('rates of another stage, or of another unit, are another curve', () => {
  const store = new Store(() => 0);
  store.take(snapshot('p', '0123abcd-1', job(1, 0)));
  for (const [seq, more] of [[2, { stage: 'write' }], [3, { stage: 'write' }], [4, { stage: 'parse' }], [5, { stage: 'parse', unit: 'bytes' }]]) {
    store.take({ ...progress(seq, 1), ...more });
    assert.equal(store.rates.get('j').length, seq === 3 ? 2 : 1);
  }
});

test('a page that is open for weeks keeps a bounded number of jobs, and all that run', () => {
  const store = new Store(() => 0);
  store.take(snapshot('p', '0123abcd-1', { ...job(1, 0), id: 'first' }));
  for (let seq = 2; seq < 3_000; seq += 1) {
    store.take({ type: 'job', project: 'p', job: `j${seq}`, kind: 'clone', seq, at: seq, state: 'succeeded', params: {}, attempt: 1 });
  }
  assert.equal(store.jobs.size, 2_000);
  assert.ok(store.jobs.has('first') && store.jobs.has('j2999') && !store.jobs.has('j2'));
});
