import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

import { visible } from '../../static/views/dom.js';
import { charts, chartWords } from '../../static/views/project/front.js';
import { doubts, foundWords, pieces, share } from '../../static/views/project/search.js';
import { every, hrefOf, many, outcome, parse, queryOf } from '../../static/views/project/words.js';

const ROOT = new URL('../../static/views/project/', import.meta.url);
const FIRST = ['view.js', 'front.js', 'jobs.js', 'listing.js', 'form.js', 'words.js', 'project.css'];
const MOST_FIRST_BYTES = 13_000;
const MOST_BYTES = 26_000;

const plain = (words) => words.replaceAll('\u00a0', ' ').replaceAll('\u202f', ' ');
const run = (kind, started, ended, state = 'succeeded') => ({ kind, state, started, ended, held_ms: 0, held_at: null });

test('a place in a project is read from the address and written back', () => {
  for (const [rest, part, item, query] of [['', '', '', {}], ['search?q=a%20b&lang=c', 'search', '', { q: 'a b', lang: 'c' }],
    ['search?q=what%3F', 'search', '', { q: 'what?' }], ['snapshots/a..b', 'snapshots', 'a..b', {}], ['?state=failed', '', '', { state: 'failed' }],
    ['search?q=a/b', 'search', '', { q: 'a/b' }]]) {
    assert.deepEqual(parse(rest), { part, item, query }, rest);
  }
  const q = 'a&b=c #%? \u{1f600}';
  const href = hrefOf('lab', 'search', { q, lang: '', path: undefined });
  assert.deepEqual(parse(href.replace('#/p/lab/', '')), { part: 'search', item: '', query: { q } });
  assert.equal(hrefOf('a b', ''), '#/p/a%20b');
  assert.equal(queryOf({ a: '', b: undefined }), '');
});

test('what hides or turns text round is shown by its number, and nothing else is touched', () => {
  assert.equal(visible('a\u202eb\u0000\u2066'), 'a⟨U+202E⟩b⟨U+0000⟩⟨U+2066⟩');
  assert.equal(visible('tab\t, née, שלום, 日本, \u{1f468}\u200d\u{1f469}'), 'tab\t, née, שלום, 日本, \u{1f468}\u200d\u{1f469}');
});

test('marks count code points, may touch, overlap and be empty, and no character is lost', () => {
  assert.deepEqual(pieces('\u{1f600} needle', [[2, 8]]), [['\u{1f600} ', false], ['needle', true]]);
  assert.deepEqual(pieces('aabb', [[0, 2], [2, 4]]), [['aa', true], ['bb', true]]);
  assert.deepEqual(pieces('plain', []), [['plain', false]]);
  for (const marks of [[[0, 3], [1, 5]], [[1, 1]], [[4, 9]]]) assert.equal(pieces('abcdef', marks).map(([part]) => part).join(''), 'abcdef');
});

test('charts have a row for each kind, oldest run first, as high as its share of the longest', () => {
  const jobs = [run('clone', 1, 8001), run('index', 1, 101), run('clone', 1, 4001, 'failed'), { ...run('clone', null, 5), state: 'cancelled' }];
  const [clone, index] = charts(jobs, 40);
  assert.deepEqual(clone.runs.map(({ ms, share: part }) => [ms, part]), [[4000, 0.5], [8000, 1]]);
  assert.equal(index.runs.length, 1);
  assert.equal(charts(Array(50).fill(run('clone', 1, 2)), 40)[0].runs.length, 40);
  assert.equal(plain(chartWords(clone.runs)), '2 runs, 4 s to 8 s, the newest 8 s');
  assert.equal(chartWords([]), 'No run yet');
});

test('coverage is never rounded up and doubts are told', () => {
  assert.equal(share({ indexed: 999, of: 1000 }), 99);
  assert.equal(share({ indexed: 0, of: 0 }), 0);
  const answer = { coverage: { indexed: 43, of: 100 }, complete: true, narrowed: true, changed: 0 };
  assert.deepEqual(doubts(answer, false), ['43 % indexed so far (43 of 100 files): there may be more.']);
  assert.deepEqual(doubts(answer, true), []);
  const late = doubts({ ...answer, complete: false, narrowed: false, changed: 1, skipped: [{ path: 'a\u202eb' }] }, true);
  assert.equal(late.length, 4);
  assert.match(late.at(-1), /a\u202eb/);
});

test('counts say whether they are all there is', () => {
  assert.equal(foundWords({ total: 3, total_exact: true }, 3, 'file'), '3 files');
  assert.equal(foundWords({ total: 50, total_exact: false }, 50, 'file'), 'The first 50 files, and there are more');
  assert.equal(foundWords({ total: 0, total_exact: true }, 0, 'path'), 'No path found');
  assert.deepEqual(['delivery', 'match', 'near miss', 'entry', 'job'].map((noun) => many(2, noun)), ['2 deliveries', '2 matches', '2 near misses', '2 entries', '2 jobs']);
  assert.equal(many(1, 'delivery'), '1 delivery');
});

test('what came of a job is one line, a dry run says would, and a strange result says nothing', () => {
  const of = (kind, result) => plain(outcome({ kind, result, error: null }));
  assert.equal(of('sync', { commitsFound: 1, linksCreated: 2 }), '1 new commit · 2 new links');
  assert.equal(of('prune', { dry_run: true, removed: ['a'], freed_bytes: 1200, kept: 1 }), 'would remove 1 snapshot · 1.2 kB would be freed · 1 kept');
  assert.equal(of('train', { loss: 1 }), '');
  assert.equal(of('index', {}), '');
  assert.equal(outcome({ kind: 'clone', error: { message: 'No.' } }), 'No.');
  assert.equal(plain(every(900)), 'every 15 min');
});

test('what opening a project costs, and all its parts', () => {
  const size = (name) => gzipSync(readFileSync(new URL(name, ROOT), 'utf8').replace(/^\s*(\/\/|\/\*\*.*\*\/$).*$/gm, ''), { level: 9 }).length;
  const sum = (names) => names.reduce((total, name) => total + size(name), 0);
  const [first, all] = [sum(FIRST), sum(readdirSync(ROOT))];
  assert.ok(first <= MOST_FIRST_BYTES, `${first} bytes at first`);
  assert.ok(all <= MOST_BYTES, `${all} bytes in all`);
});
