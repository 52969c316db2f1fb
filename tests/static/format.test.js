import assert from 'node:assert/strict';
import { test } from 'node:test';

import * as format from '../../static/format.js';

const plain = (words) => words.replaceAll('\u00a0', ' ').replaceAll('\u202f', ' ');
const each = (shape, cases) => cases.forEach(([given, wanted]) => assert.equal(plain(shape(given)), wanted, String(given)));

test('a percent is floored and never 100 before the job succeeded', () => {
  const of = (percent, state = 'running') => format.percent({ state, percent });
  assert.equal(of(43.9), 43);
  assert.equal(of(99.6), 99);
  assert.equal(of(99.9), 99);
  assert.equal(of(100), 99);
  assert.equal(of(50, 'failed'), 50);
  assert.equal(of(100, 'succeeded'), 100);
});

test('a share that nobody knows is no number', () => {
  const known = (more) => format.isKnown({ state: 'running', percent: 0, ...more });
  assert.equal(known({}), false);
  assert.equal(known({ percent: 0.2 }), true);
  assert.equal(known({ state: 'failed' }), true);
  assert.equal(known({ state: 'queued' }), false);
});

test('sizes are short, bytes alone are a word, and they step up where rounding would give a thousand', () => {
  each(format.bytes, [[0, '0 bytes'], [1, '1 byte'], [999, '999 bytes'], [999.6, '1 kB'], [1200, '1.2 kB'], [999_499, '999 kB'],
    [999_950, '1 MB'], [12_400_000, '12.4 MB'], [1.2e9, '1.2 GB'], [5e15, '5,000 TB']]);
});

test('rates', () => {
  assert.equal(plain(format.rate(3_200_000, 'bytes')), '3.2 MB/s');
  assert.equal(format.rate(1204.4, 'objects'), '1,204 objects/s');
  assert.equal(format.rate(0.52, 'files'), '0.5 files/s');
  assert.equal(plain(format.rate(512, 'bytes')), '512 bytes/s');
  assert.equal(format.rate(null, 'files'), '');
});

test('amounts with and without a total', () => {
  assert.equal(format.amount(1204, 2800, 'objects'), '1,204 of 2,800 objects');
  assert.equal(format.amount(1204, null, 'objects'), '1,204 objects');
  assert.equal(plain(format.amount(12e6, 80e6, 'bytes')), '12 MB of 80 MB');
});

test('durations show two units at most', () => {
  each(format.duration, [[0, '< 0.1 s'], [30, '< 0.1 s'], [100, '0.1 s'], [400, '0.4 s'], [949, '0.9 s'], [960, '1 s'], [42_400, '42 s'], [60_000, '1 min'], [72_000, '1 min 12 s'],
    [7_500_000, '2 h 5 min'], [3_600_000, '1 h'], [3_605_000, '1 h'], [273_600_000, '3 d 4 h'], [-5, '< 0.1 s']]);
});

test('what is left is rounded, falls with the clock, and is silent rather than absurd', () => {
  const of = (low, high, sinceMs) => plain(format.eta([low, high], sinceMs));
  assert.equal(of(18, 34), '20 to 40 s left');
  assert.equal(of(31, 34), 'about 40 s left');
  assert.equal(of(31, 34, 5_000), 'about 30 s left');
  assert.equal(of(3, 25), '10 to 30 s left');
  assert.equal(of(3, 25, 4_000), 'about 30 s left');
  assert.equal(of(1, 4), 'a few seconds left');
  assert.equal(of(1, 4, 60_000), 'a few seconds left');
  assert.equal(of(65, 200), '1 min 10 s to 4 min left');
  assert.equal(of(200, 400), '4 to 7 min left');
  assert.equal(of(1e7, 1e8), '');
  assert.equal(format.eta(null), '');
});

test('moments are relative under a day and dates after', () => {
  const now = Date.UTC(2026, 10, 21, 12);
  const of = (s) => format.relative(now - s * 1000, now);
  assert.deepEqual([of(0), of(44), of(60), of(600), of(3600), of(7200)],
    ['just now', 'just now', '1 minute ago', '10 minutes ago', '1 hour ago', '2 hours ago']);
  assert.match(of(90_000), /2026/);
});

test('names of counters become words', () => {
  assert.deepEqual(['received_bytes', 'commitsFound', 'left_out', 'bytes', 'longest_wait_s'].map(format.label),
    ['Received', 'Commits found', 'Left out', 'Size', 'Longest wait']);
});
