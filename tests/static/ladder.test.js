import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as ladders from '../../static/link/ladder.js';
import { keep, kept } from '../../static/link/memory.js';

const MINUTE = 60_000;
const rungs = (ladder, now = 0, hidden = false) => ladders.plan(ladder, now, !hidden).map(({ rung, after }) => [rung, after]);

test('WebSocket begins at once, the stream beside it at 2 s, polling 3 s after that', () => {
  assert.deepEqual(rungs(ladders.newLadder()), [['ws', 0], ['sse', 2000], ['poll', 5000]]);
});

test('what is blocked is left out for half an hour, and the next begins at once', () => {
  let ladder = ladders.block(ladders.newLadder(), 'ws', 'refused', 0);
  assert.deepEqual(rungs(ladder), [['sse', 0], ['poll', 3000]]);
  ladder = ladders.block(ladder, 'sse', 'held back', 0);
  assert.deepEqual(rungs(ladder), [['poll', 0]]);
  assert.deepEqual(rungs(ladder, 31 * MINUTE).length, 3);
});

test('a way that has worked is blocked only by a second failure in a row', () => {
  let ladder = ladders.block(ladders.thrive(ladders.newLadder(), 'ws', 'boot'), 'ws', 'x', 0);
  assert.equal(ladders.isBlocked(ladder, 'ws', 1), false);
  assert.equal(ladders.isBlocked(ladders.block(ladder, 'ws', 'x', 0), 'ws', 1), true);
  ladder = ladders.block(ladders.thrive(ladder, 'ws', 'boot'), 'ws', 'x', 0);
  assert.equal(ladders.isBlocked(ladder, 'ws', 1), false);
});

test('polling is never blocked', () => {
  const ladder = ladders.newLadder();
  assert.equal(ladders.block(ladder, 'poll', 'anything', 0), ladder);
});

test('a hidden page holds no stream', () => {
  assert.deepEqual(rungs(ladders.newLadder(), 0, true), [['ws', 0], ['poll', 2000]]);
});

test('a forced rung is the only one', () => {
  assert.deepEqual(rungs(ladders.newLadder('sse')), [['sse', 0]]);
});

test('a WebSocket that is cut off three times in a row soon after it worked does not suit the path', () => {
  let ladder = ladders.newLadder();
  for (const lived of [5000, 5000]) ladder = ladders.cut(ladder, 'ws', lived, 0);
  assert.equal(ladders.isBlocked(ladder, 'ws', 1), false);
  assert.equal(ladders.isBlocked(ladders.cut(ladder, 'ws', 5000, 0), 'ws', 1), true);
  ladder = ladders.cut(ladder, 'ws', 60_000, 0);
  assert.equal(ladders.isBlocked(ladders.cut(ladder, 'ws', 5000, 0), 'ws', 1), false, 'a long life wipes the slate');
});

test('cuts by a hub that turns out to be down are not held against the path', () => {
  let ladder = ladders.block(ladders.newLadder(), 'sse', 'held back', 0);
  for (let time = 0; time < 3; time += 1) ladder = ladders.cut(ladder, 'ws', 5000, 0);
  assert.equal(ladders.isBlocked(ladder, 'ws', 1), true);
  ladder = ladders.excuse(ladder);
  assert.deepEqual([ladders.isBlocked(ladder, 'ws', 1), ladders.isBlocked(ladder, 'sse', 1)], [false, true]);
});

test('a new boot of the hub forgives everything, the same boot nothing', () => {
  let ladder = ladders.thrive(ladders.block(ladders.newLadder(), 'ws', 'x', 0), 'sse', 'boot-1');
  assert.equal(ladders.isBlocked(ladders.thrive(ladder, null, 'boot-1'), 'ws', 1), true);
  ladder = ladders.thrive(ladder, null, 'boot-2');
  assert.equal(ladders.isBlocked(ladder, 'ws', 1), false);
  assert.equal(ladder.boot, 'boot-2');
});

test('on a lower rung WebSocket is tried again every five minutes, or at once when nothing is held against it', () => {
  let ladder = ladders.block(ladders.newLadder(), 'ws', 'x', 0);
  assert.equal(ladders.wantsUpgrade(ladder, 'sse', 4 * MINUTE), false);
  assert.equal(ladders.wantsUpgrade(ladder, 'sse', 5 * MINUTE), true);
  ladder = ladders.upgradeTried(ladder, 5 * MINUTE);
  assert.equal(ladders.wantsUpgrade(ladder, 'sse', 6 * MINUTE), false);
  assert.equal(ladders.wantsUpgrade(ladders.forget(ladder), 'poll', 6 * MINUTE), true);
  assert.equal(ladders.wantsUpgrade(ladder, 'ws', 99 * MINUTE), false);
  assert.equal(ladders.wantsUpgrade({ ...ladder, forced: 'poll' }, 'poll', 99 * MINUTE), false);
});

test('memory outlives the page but not its time, and foreign memory is no memory', () => {
  const ladder = ladders.block(ladders.newLadder(), 'ws', 'x', 0);
  const memory = ladders.toMemory(ladder);
  assert.equal(ladders.isBlocked(ladders.fromMemory(memory, MINUTE), 'ws', MINUTE), true);
  assert.deepEqual(ladders.fromMemory(memory, 31 * MINUTE).blocked, {});
  assert.equal(ladders.toMemory(ladders.newLadder()), null);
  for (const foreign of [null, 'null', '{}', '{"blocked":3}', '{"blocked":{"ws":null}}', '{"blocked":{"pigeon":{"until":9e15}}}', '{', '7']) {
    assert.deepEqual(ladders.fromMemory(foreign, 0).blocked, {});
  }
  const denied = { getItem() { throw new Error('denied'); }, setItem() { throw new Error('denied'); } };
  keep(denied, memory);
  assert.equal(kept(denied), null);
});

test('the wait grows to 20 s and no further, and is spread over all of it', () => {
  assert.deepEqual([0, 1, 2, 5, 6, 60].map((attempt) => ladders.backoffMs(attempt, () => 1)), [500, 1000, 2000, 16_000, 20_000, 20_000]);
  assert.equal(ladders.backoffMs(6, () => 0), 0);
  assert.equal(ladders.backoffMs(6, () => 0.5), 10_000);
});

test('ten healthy seconds are a fresh start', () => {
  assert.equal(ladders.isFresh(9_999), false);
  assert.equal(ladders.isFresh(10_000), true);
});
