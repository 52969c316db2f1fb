import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const ROOT = new URL('../../static/', import.meta.url);
const MOST_BYTES = 30_000;
const MOST_SURFACE_BYTES = 8_000;

const read = (url) => readFileSync(url, 'utf8');

/** Comments are for readers of the source; a server may leave them out. */
const bare = (text) => text.replace(/^\s*\/\/.*$/gm, '').replace(/^\s*\/\*\*[\s\S]*?\*\/$/gm, '');

const packed = (urls) => gzipSync([...urls].map((url) => bare(read(url))).join('\n'), { level: 9 }).length;

/** `start` and all that a browser loads with it. */
function loaded(start, found = new Set()) {
  if (found.has(start.href)) return found;
  found.add(start.href);
  const text = read(start);
  const names = start.href.endsWith('.html') ? [...text.matchAll(/(?:src|rel="stylesheet" href)="([^"]+)"/g)]
    : [...text.matchAll(/\b(?:from|import) '(\.[^']+)'/g)];
  const base = start.href === new URL('index.html', ROOT).href ? new URL('../', ROOT) : start;
  for (const [, name] of names) loaded(new URL(name, base), found);
  return found;
}

const urls = (found) => [...found].map((href) => new URL(href));
const page = loaded(new URL('index.html', ROOT));

test('the whole page and SDK are at most 30 kB, gzipped, comments aside', () => {
  const size = packed(urls(page));
  assert.ok(size <= MOST_BYTES, `${size} bytes`);
});

test('every file is a part of the page, of a surface or of an example, and the page loads nothing of the latter two', () => {
  const files = readdirSync(ROOT, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile())
    .map((file) => pathToFileURL(join(file.parentPath ?? file.path, file.name)).href);
  const apart = (href) => /\/static\/(surfaces|examples|status)\/|\/job-progress\.js$/.test(href);
  assert.deepEqual([...page].filter(apart), []);
  assert.deepEqual(files.filter((href) => !apart(href) && !page.has(href)), []);
});

test('a surface costs a page at most 8 kB, gzipped, with all that it needs', () => {
  for (const name of ['clone', 'sync', 'index', 'snapshot', 'ingest', 'modal', 'toasts']) {
    const size = packed(urls(loaded(new URL(`surfaces/${name}.js`, ROOT))));
    assert.ok(size <= MOST_SURFACE_BYTES, `${name}: ${size} bytes`);
  }
});
