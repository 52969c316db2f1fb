import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import '../../static/link/http.js'; // at hand, as in a page that has been live
import '../../static/link/link.js';
import '../../static/link/slots.js';
import { createHub } from '../../static/hub-client.js';

const HELLO = { type: 'hello', epoch: '0a1b2c3d', boot: 'boot-1', version: '1', server_ms: 0, heartbeat_s: 10 };
const EMPTY = { type: 'snapshot', project: null, cursor: '0a1b2c3d-0', jobs: [] };

/** A hub that answers as `path` says: {ws: 'live' | 'refused' | 'silent', sse: 'live' | 'held', health: 'fine' | 'down'}. */
class FakeHub {
  path = { ws: 'live', sse: 'live', health: 'fine' };
  boot = 'boot-1';
  sockets = [];
  asked = [];

  constructor() {
    const hub = this;
    this.WebSocket = class {
      readyState = 0;
      sent = [];

      constructor(url) {
        this.url = url;
        hub.asked.push('ws');
        hub.sockets.push(this);
        queueMicrotask(() => hub.#answer(this));
      }

      send(text) {
        const frame = JSON.parse(text);
        this.sent.push(frame);
        if (frame.op === 'ping') queueMicrotask(() => this.tell({ type: 'pong' }));
      }

      tell(message) { this.onmessage?.({ data: JSON.stringify(message) }); }

      close(code = 1006) {
        this.readyState = 3;
        this.onclose?.({ code, reason: '' });
      }
    };
    this.fetch = async (address, { headers = {}, signal } = {}) => {
      const url = new URL(address);
      const kind = url.pathname === '/healthz' ? 'health' : headers.Accept === 'text/event-stream' ? 'sse' : 'poll';
      hub.asked.push(kind);
      if (hub.path.health === 'down') throw new TypeError('failed to fetch');
      if (hub.path.rights === 'none' && kind !== 'health') {
        return Response.json({ error: { code: 'unauthorised', message: 'Sign in.' } }, { status: 401 });
      }
      if (hub.path.room === 'none' && kind === 'sse') {
        return Response.json({ error: { code: 'too_many_watchers', message: 'Full.' } }, { status: 503, headers: { 'retry-after': '20' } });
      }
      if (kind === 'health') return Response.json({ status: 'ok', boot: hub.boot, version: '1' });
      if (kind === 'sse') return hub.#stream(signal);
      if (url.searchParams.get('wait') !== '0') return new Promise((_, reject) => { signal.onabort = () => reject(signal.reason); });
      return Response.json({ cursor: '0a1b2c3d-0', events: [], snapshot: EMPTY });
    };
  }

  #answer(socket) {
    if (this.path.health === 'down' || this.path.ws === 'refused') socket.close();
    if (this.path.rights === 'none') socket.close(4500);
    if (this.path.ws !== 'live' || this.path.rights === 'none' || this.path.health === 'down') return;
    socket.readyState = 1;
    socket.tell({ ...HELLO, boot: this.boot });
    socket.tell(EMPTY);
  }

  #stream(signal) {
    const hub = this;
    const text = this.path.sse === 'live' ? `data: ${JSON.stringify({ ...HELLO, boot: this.boot })}\n\n` : '';
    const body = new ReadableStream({
      start(controller) {
        if (text) controller.enqueue(new TextEncoder().encode(text));
        hub.stream = (message) => controller.enqueue(new TextEncoder().encode(`data: ${JSON.stringify(message)}\n\n`));
        signal.addEventListener('abort', () => controller.error(signal.reason));
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  }
}

class Storage {
  items = {};
  getItem(name) { return this.items[name] ?? null; }
  setItem(name, value) { this.items[name] = value; }
  removeItem(name) { delete this.items[name]; }
}

let fake;
let hub;
let storage;

beforeEach(() => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
  fake = new FakeHub();
  storage = new Storage();
});

afterEach(() => {
  hub.close();
  mock.timers.reset();
});

function connect(more = {}) {
  hub = createHub({ base: 'http://hub.example/', fetch: fake.fetch, WebSocket: fake.WebSocket, storage, now: () => Date.now(), random: () => 1, ...more });
  hub.connect();
}

/** Promises settle between two steps of the clock; `setImmediate` is not mocked. */
async function pass(ms) {
  for (let left = ms; left >= 0; left -= 100) {
    for (let turn = 0; turn < 8; turn += 1) await new Promise((resolve) => { setImmediate(resolve); });
    if (left > 0) mock.timers.tick(Math.min(100, left));
  }
}

const now = () => `${hub.connection.status.state} ${hub.connection.status.rung}`;

test('WebSocket that works is all that is tried', async () => {
  connect();
  await pass(6000);
  assert.equal(now(), 'live ws');
  assert.deepEqual(fake.asked, ['ws']);
});

test('refused while the hub is fine: down a rung at once, and remembered', async () => {
  fake.path.ws = 'refused';
  connect();
  await pass(200);
  assert.equal(now(), 'live sse');
  assert.deepEqual(fake.asked, ['ws', 'health', 'health', 'sse']);
  assert.match(storage.items['hub.link'], /"ws"/);
});

test('refused while the hub is down: nothing is held against the path', async () => {
  fake.path.health = 'down';
  connect();
  await pass(300);
  assert.equal(hub.connection.status.state, 'reconnecting');
  await pass(8000);
  assert.equal(hub.connection.status.state, 'unreachable');
  assert.equal(storage.items['hub.link'], undefined);
  fake.path.health = 'fine';
  await pass(20_000);
  assert.equal(now(), 'live ws');
});

test('a silent WebSocket is overtaken by the stream after 2 s, and given up after 10', async () => {
  fake.path.ws = 'silent';
  connect();
  await pass(1900);
  assert.deepEqual(fake.asked, ['ws']);
  await pass(300);
  assert.equal(now(), 'live sse');
  await pass(9000);
  assert.equal(now(), 'live sse');
  assert.match(hub.connection.status.blocked.ws.why, /no answer/);
});

test('a stream that is held back for 3 s gives way to polling', async () => {
  Object.assign(fake.path, { ws: 'refused', sse: 'held' });
  connect();
  await pass(3500);
  assert.equal(now(), 'live poll');
  assert.match(hub.connection.status.blocked.sse.why, /holds the stream back/);
});

test('five minutes later WebSocket is tried beside the stream and takes over', async () => {
  fake.path.ws = 'refused';
  connect();
  await pass(500);
  fake.path.ws = 'live';
  for (let seconds = 0; seconds < 299; seconds += 1) {
    mock.timers.tick(1000);
    await pass(0);
    if (hub.connection.status.rung === 'ws') assert.fail(`too early: ${seconds} s`);
  }
  await pass(3000);
  assert.equal(now(), 'live ws');
});

test('bye says when to come back', async () => {
  connect();
  await pass(200);
  fake.sockets[0].tell({ type: 'bye', reason: 'restarting', retry: true, reconnect_ms: 3000 });
  fake.sockets[0].close(4000);
  await pass(2500);
  assert.equal(hub.connection.status.state, 'restarting');
  assert.equal(fake.sockets.length, 1);
  await pass(1000);
  assert.equal(now(), 'live ws');
});

test('a bye for good ends it', async () => {
  connect();
  await pass(200);
  fake.sockets[0].tell({ type: 'bye', reason: 'forbidden', retry: false, reconnect_ms: 0 });
  fake.sockets[0].close(4501);
  await pass(60_000);
  assert.equal(hub.connection.status.state, 'refused');
  assert.equal(fake.sockets.length, 1);
});

test('silence of two and a half heartbeats is the end of a connection', async () => {
  connect();
  await pass(24_000);
  assert.equal(fake.sockets.length, 1);
  await pass(4000);
  assert.equal(fake.sockets.length, 2);
  assert.equal(now(), 'live ws');
});

test('hidden for five minutes it lets go, and catches up when seen', async () => {
  connect();
  await pass(200);
  hub.connection.hide(true);
  await pass(200);
  assert.match(fake.sockets.at(-1).url, /min_interval_ms=2000/);
  for (let second = 0; second < 305; second += 1) {
    mock.timers.tick(1000);
    fake.sockets.at(-1).tell({ type: 'heartbeat', cursors: {} });
  }
  assert.equal(hub.connection.status.state, 'resting');
  hub.connection.hide(false);
  await pass(200);
  assert.equal(now(), 'live ws');
  assert.doesNotMatch(fake.sockets.at(-1).url, /min_interval_ms/);
});

test('without WebSocket in the surroundings it streams', async () => {
  connect({ WebSocket: class { constructor() { throw new Error('none here'); } }, storage: null });
  await pass(300);
  assert.equal(now(), 'live sse');
});

for (const ws of ['live', 'refused']) {
  test(`without a right it stands still, says so, and comes back when asked to (WebSocket ${ws})`, async () => {
    Object.assign(fake.path, { ws, rights: 'none' });
    connect();
    await pass(2000);
    const tries = fake.asked.length;
    assert.equal(hub.connection.status.state, 'unauthorised');
    await pass(120_000);
    assert.equal(fake.asked.length, tries);
    assert.equal(storage.items['hub.link'], undefined);
    Object.assign(fake.path, { ws: 'live', rights: 'all' });
    hub.connection.testAgain();
    await pass(200);
    assert.equal(now(), 'live ws');
  });
}

test('a page that is seen again asks once whether somebody has signed in meanwhile', async () => {
  fake.path.rights = 'none';
  connect();
  await pass(2000);
  const tries = fake.asked.length;
  hub.connection.wake();
  await pass(60_000);
  assert.deepEqual([hub.connection.status.state, fake.asked.length], ['unauthorised', tries + 1]);
  fake.path.rights = 'all';
  hub.connection.wake();
  await pass(500);
  assert.equal(now(), 'live ws');
});

test('a right that ends ends the link', async () => {
  connect();
  await pass(200);
  fake.sockets[0].tell({ type: 'bye', reason: 'unauthorised', retry: false, reconnect_ms: 0 });
  fake.sockets[0].close(4500);
  await pass(60_000);
  assert.deepEqual([hub.connection.status.state, fake.sockets.length], ['unauthorised', 1]);
});

test('a hub that is full is polled until it has room, and nothing is held against the path', async () => {
  Object.assign(fake.path, { ws: 'refused', room: 'none' });
  connect();
  await pass(1000);
  assert.equal(now(), 'live poll');
  Object.assign(fake.path, { ws: 'live', room: 'enough' });
  await pass(25_000);
  assert.equal(now(), 'live ws');
});

test('a stream that a proxy passes on in heaps gives way to polling', async () => {
  fake.path.ws = 'refused';
  connect();
  await pass(500);
  fake.stream({ type: 'heartbeat', server_ms: Date.now(), cursors: {} });
  await pass(9000);
  assert.equal(now(), 'live sse');
  fake.stream({ type: 'heartbeat', server_ms: Date.now() - 4000, cursors: {} });
  await pass(3000);
  assert.equal(now(), 'live poll');
  assert.match(hub.connection.status.blocked.sse.why, /heaps/);
});

test('the hub says when to come back, and being seen again does not make it sooner', async () => {
  connect();
  await pass(200);
  fake.sockets[0].tell({ type: 'bye', reason: 'restarting', retry: true, reconnect_ms: 5000 });
  fake.sockets[0].close(4000);
  await pass(200);
  hub.connection.wake();
  await pass(4000);
  assert.equal(fake.sockets.length, 1);
  await pass(1000);
  assert.equal(now(), 'live ws');
});

test('a clock that jumps, either way, has the socket asked whether it lives', async () => {
  let ahead = 0;
  connect({ now: () => Date.now() + ahead });
  await pass(200);
  const pings = () => fake.sockets[0].sent.filter(({ op }) => op === 'ping').length;
  for (const jump of [20_000, -3_600_000]) {
    const before = pings();
    ahead += jump;
    await pass(2000);
    assert.equal(pings(), before + 1);
  }
  assert.deepEqual([now(), fake.sockets.length], ['live ws', 1]);
});

test('of the tabs that have a link of their own two may stream; a third asks each two seconds, until a place is free', async () => {
  fake.path.ws = 'refused';
  const leases = new Storage();
  globalThis.document = {};
  globalThis.localStorage = leases;
  const others = [];
  try {
    for (let tab = 0; tab < 3; tab += 1) {
      others.push(createHub({ base: 'http://hub.example/', fetch: fake.fetch, WebSocket: fake.WebSocket, storage: null, now: () => Date.now(), random: () => 1 }));
      others.at(-1).connect();
      await pass(3000);
    }
    const rungs = () => others.map(({ connection }) => connection.status.rung);
    assert.deepEqual(rungs(), ['sse', 'sse', 'poll']);
    const asked = fake.asked.length;
    await pass(10_000);
    assert.ok(fake.asked.length - asked <= 6, `${fake.asked.length - asked}`);
    others[0].connection.hide(true);
    await pass(3000);
    assert.deepEqual(rungs(), ['poll', 'sse', 'sse']);
  } finally {
    for (const other of others) other.close();
    delete globalThis.document;
    delete globalThis.localStorage;
    connect();
  }
});

test('an address or a transport that there is not is refused with a reason', () => {
  connect();
  assert.throws(() => createHub(), /needs the address/);
  assert.throws(() => createHub({ base: 'http://hub.example/', transport: 'pigeon' }), /pigeon/);
});
