import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { SurfaceError, address, ask, isFinal, openStream, pause, read, steady, surroundings, waitMs } from '../../static/surfaces/sse.js';
import { BASE, FakeHub, FakeStream, mockClock, pass, settle, streamOf } from './surfaces_fakes.js';

const STREAM = '\uFEFF: keep-alive\n\nid: 1\ndata: {"text": "ünïcode – 🙂"}\r\n\r\nevent: progress\rid: 2\rdata: {"a":\rdata: 1}\r\r: keep-alive\n\n'
  + 'id: 3\r\nevent: end\r\ndata: [3]\r\n\r\ndata: "never ended';
const EVENTS = [
  { event: 'message', id: '1', data: { text: 'ünïcode – 🙂' } }, { event: 'progress', id: '2', data: { a: 1 } }, { event: 'end', id: '3', data: [3] },
];

async function all(events) {
  const found = [];
  for await (const event of events) found.push(event);
  return found;
}

beforeEach(mockClock);
afterEach(() => mock.timers.reset());

test('a stream cut at any byte, also inside a character and between CR and LF, gives the same events', async () => {
  const bytes = new TextEncoder().encode(STREAM);
  for (let at = 0; at <= bytes.length; at += 1) {
    assert.deepEqual(await all(read(streamOf([bytes.slice(0, at), bytes.slice(at)]))), EVENTS, `cut at ${at}`);
  }
  assert.deepEqual(await all(read(streamOf([...bytes].map((byte) => Uint8Array.of(byte))))), EVENTS, 'byte by byte');
});

test('a stream that breaks off says so, and one that is left is closed', async () => {
  const broken = new FakeStream();
  const reading = all(read(broken.answer()));
  broken.cut();
  await assert.rejects(reading, { name: 'SurfaceError', message: 'The connection broke off.' });

  const left = new FakeStream();
  const events = read(left.answer());
  left.tell({ a: 1 });
  assert.deepEqual((await events.next()).value.data, { a: 1 });
  await events.return();
  assert.equal(left.isLeft, true);
});

test('silence ends a stream where that is wanted, and a keep-alive comment is no silence', async () => {
  const stream = new FakeStream();
  let error = null;
  all(read(stream.answer(), { silenceMs: 40_000 })).catch((thrown) => { error = thrown; });
  await pass(39_000);
  stream.write(': keep-alive\n\n');
  await pass(39_000);
  assert.equal(error, null);
  await pass(2_000);
  assert.equal(error.message, 'Nothing came any more.');
  assert.equal(stream.isLeft, true);

  let isOver = false;
  all(read(new FakeStream().answer())).finally(() => { isOver = true; });
  await pass(3_600_000, 600_000);
  assert.equal(isOver, false);
});

test('an event that is no JSON is an error', async () => {
  await assert.rejects(all(read(streamOf([new TextEncoder().encode('data: <html>\n\n')]))), { message: 'The hub sent what cannot be read.' });
});

test('a refusal says what the hub said, in whichever shape', async () => {
  const hub = new FakeHub();
  const cases = [
    [{ error: { code: 'x', message: 'No such project.' } }, 'No such project.'],
    [{ error: 'Conflict', details: 'Git sync already in progress.' }, 'Git sync already in progress.'],
    [{ message: 'Repository not found: 7' }, 'Repository not found: 7'],
    [{ error: 'Missing url' }, 'Missing url'],
    [{ detail: 5 }, 'Something answered 400.'],
  ];
  for (const [body, words] of cases) {
    hub.answers['GET /x'] = () => Response.json(body, { status: 400 });
    await assert.rejects(ask(hub, 'GET', `${BASE}x`), { name: 'SurfaceError', status: 400, message: words, body });
  }
  hub.answers['GET /x'] = () => new Response('<html>', { status: 502 });
  await assert.rejects(ask(hub, 'GET', `${BASE}x`), { status: 502, message: 'Something answered 502.', body: null });
  hub.answers['GET /x'] = new TypeError('failed to fetch');
  await assert.rejects(ask(hub, 'GET', `${BASE}x`), { status: 0, message: 'The hub cannot be reached.' });
});

test('what is no event stream is refused, 204 is the end of one, and the last id is said', async () => {
  const hub = new FakeHub();
  hub.answers['GET /x'] = () => new Response('<html>', { headers: { 'content-type': 'text/html' } });
  await assert.rejects(openStream(hub, 'GET', `${BASE}x`), { message: 'The answer is no event stream.' });
  hub.answers['GET /x'] = () => new Response(null, { status: 204 });
  assert.equal(await openStream(hub, 'GET', `${BASE}x`, { lastId: '0a1b-7' }), null);
  assert.deepEqual(hub.asked.at(-1).headers, { Accept: 'text/event-stream', 'Last-Event-ID': '0a1b-7' });
});

test('an abort is an abort, and no error of the hub', async () => {
  const hub = new FakeHub();
  const stop = new AbortController();
  hub.answers['GET /x'] = () => stop.signal.reason;
  stop.abort();
  await assert.rejects(ask(hub, 'GET', `${BASE}x`, { signal: stop.signal }), { name: 'AbortError' });
});

test('addresses keep the prefix under which the hub is, which is where the file came from', () => {
  const env = surroundings({ base: BASE });
  assert.equal(address(env, 'repos/x', { url: 'a b', not: undefined }), `${BASE}repos/x?url=a+b`);
  assert.match(surroundings().base, /^file:.*\/$/);
  assert.equal(surroundings().base, new URL('../../', import.meta.url).href);
});

test('the wait doubles from 1 s up to 30 s', () => {
  assert.deepEqual([1, 2, 3, 4, 5, 6, 7, 50].map(waitMs), [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
});

test('a pause can be cut short', async () => {
  const stop = new AbortController();
  let isOver = false;
  pause(5_000, stop.signal).then(() => { isOver = true; });
  await pass(1_000);
  assert.equal(isOver, false);
  stop.abort();
  await settle();
  assert.equal(isOver, true);
  await pause(5_000, stop.signal);
});

test('statuses after which asking again cannot help', () => {
  assert.deepEqual([0, 400, 404, 408, 410, 429, 500, 502].filter((status) => isFinal(new SurfaceError('', { status }))), [400, 404, 410]);
});

test('a percent is floored, never falls, and is 99 until the end', () => {
  assert.deepEqual([steady(null, 12.9), steady(20, 12), steady(20, 99.9), steady(20, 180)], [12, 20, 99, 99]);
});
