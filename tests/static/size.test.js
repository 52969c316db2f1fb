import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join, posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

const ROOT = fileURLToPath(new URL('../../static/', import.meta.url));
const MOST_FIRST_BYTES = 30_000;
const MOST_BYTES = 110_000;
const MOST_SURFACE_BYTES = 8_000;

/** Of files that others ask for by themselves: pages and clients of other APIs, the element, pages without JavaScript. */
const APART = /^(surfaces|examples|status|docs|embed)\/|^job-progress\.js$/;

const files = readdirSync(ROOT, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
  .map((file) => join(file.parentPath ?? file.path, file.name).slice(ROOT.length).replaceAll('\\', '/'));
const read = (name) => readFileSync(join(ROOT, name), 'utf8');

/** As hub/web/page.py serves it: comments that have lines of their own are empty lines. */
const bare = (text) => text.replace(/^[ \t]*(?:\/\/.*|\/\*(?:[^*]|\*(?!\/))*\*\/[ \t]*)$/gm, (comment) => comment.replace(/[^\n]/g, ''));

/** Each file is packed by itself; in index.html stand the modules that come with it. */
function sizeOf(name) {
  const text = name === 'index.html' ? read(name).replace('<!-- modulepreload -->', [...statically('app.js')].slice(1)
    .map((module) => `<link rel="modulepreload" href="static/${module}">`).join('\n')) : bare(read(name));
  return gzipSync(text, { level: 9 }).length;
}

const IMPORT = /^(?:import|export)\s(?:[^;'=(]*\sfrom\s)?'(\.[^']+)'/gm;
const LATER = /\bimport\('(\.[^']+)'\)|new URL\('(\.[^'?]+)[^']*', import\.meta\.url\)/g;
const SHEET = /\bsheet\('([^']+)'\)|['"`](?:static\/)?((?:[\w-]+\/)*[\w-]+\.css)['"`]/g;
const named = (from, pattern) => [...read(from).matchAll(pattern)].map((match) => match[1] ?? match[2]);
const resolve = (from, name) => (name.startsWith('.') ? posix.normalize(posix.join(posix.dirname(from), name)) : name);

function reached(start, patterns, found = new Set([start])) {
  for (const pattern of patterns) {
    for (const name of named(start, pattern).map((each) => resolve(start, each))) {
      if (found.has(name) || !files.includes(name)) continue;
      found.add(name);
      reached(name, patterns, found);
    }
  }
  return found;
}
const statically = (start) => reached(start, [IMPORT]);
const sum = (names) => [...names].reduce((total, name) => total + sizeOf(name), 0);
const table = (names) => [...names].map((name) => `${String(sizeOf(name)).padStart(7)} ${name}`).sort().reverse().join('\n');

const first = new Set(['index.html', 'styles.css', ...statically('app.js')]);
/** A link of the tab's own: the shared worker has one already, where there are such workers. */
const own = [...statically('link/link.js')].filter((name) => !first.has(name));
const worker = ['hub-worker.js', ...own];
const all = new Set([...first, ...reached('app.js', [IMPORT, LATER, SHEET])]);

test('a first visit loads at most 30 kB: the page, its looks, the link, the dashboard and the frame of a job', (t) => {
  const later = [...all].filter((name) => !first.has(name) && !worker.includes(name));
  t.diagnostic(`first visit ${sum(first)} bytes\n${table(first)}
beside it, by the shared worker, once for all tabs: ${sum(worker)} bytes (a browser without such workers: ${sum(own)} in each tab)\n${table(worker)}
later, when it is wanted: ${sum(later)} bytes\n${table(later)}`);
  assert.ok(sum(first) <= MOST_FIRST_BYTES, `${sum(first)} bytes\n${table(first)}`);
});

test('everything that the page can load is at most 110 kB', () => assert.ok(sum(all) <= MOST_BYTES, `${sum(all)} bytes\n${table(all)}`));

test('every file is a part of the page, or of what others ask for, and the page loads nothing of the latter', () => {
  assert.deepEqual([...all].filter((name) => APART.test(name)), []);
  assert.deepEqual(files.filter((name) => !APART.test(name) && !all.has(name)), []);
});

test('a surface costs a page at most 8 kB with all that it needs', () => {
  for (const name of ['clone', 'sync', 'index', 'snapshot', 'ingest', 'modal', 'toasts']) {
    const size = gzipSync([...statically(`surfaces/${name}.js`)].map((each) => bare(read(each))).join('\n'), { level: 9 }).length;
    assert.ok(size <= MOST_SURFACE_BYTES, `${name}: ${size} bytes`);
  }
});
