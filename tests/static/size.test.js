import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';

const ROOT = new URL('../../static/', import.meta.url);
const MOST_BYTES = 30_000;

/** Comments are for readers of the source; a server may leave them out. */
const bare = (text) => text.replace(/^\s*\/\/.*$/gm, '').replace(/^\s*\/\*\*[\s\S]*?\*\/$/gm, '');

test('the whole page and SDK are at most 30 kB, gzipped, comments aside', () => {
  const files = readdirSync(ROOT, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const texts = files.map((file) => bare(readFileSync(`${file.parentPath ?? file.path}/${file.name}`, 'utf8')));
  const size = gzipSync(texts.join('\n'), { level: 9 }).length;
  assert.ok(size <= MOST_BYTES, `${size} bytes`);
});
