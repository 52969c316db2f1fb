import assert from 'node:assert/strict';
import { test } from 'node:test';

import { Channel, advance, cursorOf, isBehind, parseCursor } from '../../static/link/channel.js';

const at = (seq) => ({ epoch: '0a1b2c3d', seq });
const event = (seq) => ({ type: 'log', project: 'p', job: 'j', seq });
const snapshot = (seq) => ({ type: 'snapshot', project: 'p', cursor: cursorOf(at(seq)), jobs: [] });

test('a cursor is read and written, and nothing else is taken for one', () => {
  assert.deepEqual(parseCursor('0a1b2c3d-42'), at(42));
  assert.equal(cursorOf(at(42)), '0a1b2c3d-42');
  for (const wrong of ['', null, undefined, '42', '0a1b2c3d-', '0A1B2C3D-1', '0a1b2c3d-1x']) assert.equal(parseCursor(wrong), null);
});

test('the next number is taken, a known one dropped, a later one is a gap', () => {
  assert.deepEqual(advance(at(4), event(5)), { verdict: 'take', position: at(5) });
  assert.deepEqual(advance(at(4), event(4)), { verdict: 'drop', position: at(4) });
  assert.deepEqual(advance(at(4), event(1)), { verdict: 'drop', position: at(4) });
  assert.deepEqual(advance(at(4), event(6)), { verdict: 'gap', position: at(4) });
});

test('merged moves the position over the numbers it stands for, and never back', () => {
  assert.deepEqual(advance(at(4), { type: 'merged', count: 3, upto: 7 }), { verdict: 'take', position: at(7) });
  assert.deepEqual(advance(at(4), { type: 'merged', count: 3, upto: 4 }), { verdict: 'drop', position: at(4) });
});

test('a snapshot sets the position, a reset forgets it, and no event is news without one', () => {
  assert.deepEqual(advance(null, snapshot(9)).position, at(9));
  assert.equal(advance(at(4), { type: 'reset' }).position, null);
  assert.equal(advance(null, event(1)).verdict, 'drop');
});

test('a heartbeat shows what never came, but only within the same epoch', () => {
  assert.equal(isBehind(at(4), '0a1b2c3d-5'), true);
  assert.equal(isBehind(at(4), '0a1b2c3d-4'), false);
  assert.equal(isBehind(at(4), 'ffffffff-9'), false);
  assert.equal(isBehind(null, '0a1b2c3d-5'), false);
});

function channelAt(seq) {
  const channel = new Channel('p');
  const taken = [];
  channel.listeners.add((message) => taken.push(message.seq ?? message.type));
  channel.accept(snapshot(seq));
  return { channel, taken };
}

test('two streams that overlap deliver every number once', () => {
  const { channel, taken } = channelAt(0);
  for (const seq of [1, 2, 1, 2, 3, 3, 4]) channel.accept(event(seq));
  assert.deepEqual(taken, ['snapshot', 1, 2, 3, 4]);
});

test('a gap asks once to subscribe again and goes on where it was', () => {
  const { channel, taken } = channelAt(2);
  assert.equal(channel.accept(event(5)), true);
  assert.equal(channel.cursor, '0a1b2c3d-2');
  assert.equal(channel.accept(event(6)), false);
  for (const seq of [3, 4, 5, 6]) channel.accept(event(seq));
  assert.deepEqual(taken, ['snapshot', 3, 4, 5, 6]);
  assert.equal(channel.gaps, 1);
});

test('a gap that the cursor does not close is closed by a snapshot', () => {
  const { channel } = channelAt(2);
  assert.equal(channel.accept(event(5)), true);
  channel.resubscribed();
  assert.equal(channel.accept(event(5)), true);
  assert.equal(channel.cursor, null);
});

test('the feed takes everything and has no cursor', () => {
  const feed = new Channel(null);
  const taken = [];
  feed.listeners.add((message) => taken.push(message.seq));
  feed.accept(event(7));
  feed.accept(event(9));
  assert.deepEqual(taken, [7, 9]);
  assert.equal(feed.cursor, null);
});
