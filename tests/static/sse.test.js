import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SseParser } from '../../static/link/sse.js';

const STREAM = '\uFEFFretry: 2000\n\nid: 0a1b2c3d-1\ndata: {"a": 1}\n\n: a comment\r\ndata:two\r\ndata: lines\r\n\r\nid: 3\rdata: ünïcode – 🙂\r\r'
  + 'event: ignored\ndata\n\nid: with\0null\ndata: last\n\ndata: never ended';
const EVENTS = [
  { id: '0a1b2c3d-1', data: '{"a": 1}' }, { id: '0a1b2c3d-1', data: 'two\nlines' }, { id: '3', data: 'ünïcode – 🙂' },
  { id: '3', data: 'last' },
];

const parse = (pieces) => {
  const parser = new SseParser();
  return pieces.flatMap((piece) => parser.push(piece));
};

test('a stream in one piece', () => assert.deepEqual(parse([STREAM]), EVENTS));

test('a stream split anywhere, in two or in single characters', () => {
  for (let at = 0; at <= STREAM.length; at += 1) {
    assert.deepEqual(parse([STREAM.slice(0, at), STREAM.slice(at)]), EVENTS, `split at ${at}`);
  }
  assert.deepEqual(parse([...STREAM]), EVENTS);
});

test('bytes split anywhere, even inside a character', () => {
  const bytes = new TextEncoder().encode(STREAM);
  for (let at = 0; at <= bytes.length; at += 1) {
    const decoder = new TextDecoder();
    const pieces = [bytes.slice(0, at), bytes.slice(at)].map((piece) => decoder.decode(piece, { stream: true }));
    assert.deepEqual(parse(pieces), EVENTS, `split at byte ${at}`);
  }
});
