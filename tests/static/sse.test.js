import assert from 'node:assert/strict';
import { test } from 'node:test';

import { SseParser } from '../../static/sse-parser.js';

const STREAM = '\uFEFFretry: 2000\n\nid: 0a1b2c3d-1\ndata: {"a": 1}\n\n: a comment\r\ndata:two\r\ndata: lines\r\n\r\nid: 3\rdata: ünïcode – 🙂\r\r'
  + 'event: named\ndata\n\nevent: without data\n\nid: with\0null\ndata: last\nretry: soon\nunknown: field\n\nid: 4\n\ndata:  spaced\n\ndata: never ended';
const EVENTS = [
  { event: 'message', id: '0a1b2c3d-1', data: '{"a": 1}' }, { event: 'message', id: '0a1b2c3d-1', data: 'two\nlines' },
  { event: 'message', id: '3', data: 'ünïcode – 🙂' }, { event: 'named', id: '3', data: '' }, { event: 'message', id: '3', data: 'last' },
  { event: 'message', id: '4', data: ' spaced' },
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

test('what the server asks for as the wait before a reconnect is kept, when it is a number', () => {
  const parser = new SseParser();
  assert.equal(parser.retryMs, null);
  parser.push(STREAM);
  assert.equal(parser.retryMs, 2000);
});
