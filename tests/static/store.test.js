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

test('a snapshot after a crash takes back what the hub has forgotten', () => {
  assert.equal(filled(snapshot('p', '0123abcd-20', job(20, 40)), snapshot('p', '0123abcd-1001', job(10, 20))).percent, 20);
});

test('a project that is gone takes its jobs along', () => {
  assert.equal(filled(snapshot('p', '0123abcd-20', job(20, 40)), { type: 'reset', project: 'p', reason: 'gone' }), undefined);
});
