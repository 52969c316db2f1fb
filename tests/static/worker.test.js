import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';

import { createHub } from '../../static/hub-client.js';

const EPOCH = '0a1b2c3d';
const HELLO = { type: 'hello', epoch: EPOCH, boot: 'boot-1', version: '1', server_ms: 0, heartbeat_s: 10 };

/** A hub of one project `p` and its feed, for WebSockets and plain answers. */
class FakeHub {
  sockets = [];
  asked = [];
  log = [];
  refuses = false;

  constructor() {
    const hub = this;
    globalThis.WebSocket = class {
      readyState = 0;
      follows = new Set();

      constructor(url) {
        this.url = new URL(url);
        hub.sockets.push(this);
        queueMicrotask(() => hub.#open(this));
      }

      send(text) {
        const { op, id, project = null, since } = JSON.parse(text);
        if (op === 'ping') this.tell({ type: 'pong', id });
        else if (op === 'unsubscribe') this.follows.delete(project);
        else hub.#subscribe(this, project, since);
        if (op !== 'ping') this.tell({ type: `${op}d`, id, project });
      }

      tell(message) { queueMicrotask(() => this.onmessage?.({ data: JSON.stringify(message) })); }

      close() { this.readyState = 3; }
    };
    globalThis.fetch = async (address, { headers = {} } = {}) => {
      const url = new URL(address);
      hub.asked.push({ url, headers });
      if (url.pathname === '/healthz') return Response.json({ status: 'ok', boot: 'boot-1', version: '1' });
      if (headers.Accept === 'text/event-stream') return new Response('', { status: 502 });
      const since = url.searchParams.get('since');
      return Response.json({ cursor: hub.cursor, events: since ? hub.after(since) : [], ...(!since && { snapshot: hub.snapshot('p') }) });
    };
  }

  get cursor() { return `${EPOCH}-${this.log.length}`; }

  get open() { return this.sockets.filter((socket) => socket.readyState === 1); }

  after(since) { return this.log.slice(Number(since.split('-')[1])); }

  snapshot(project) { return { type: 'snapshot', project, cursor: this.cursor, jobs: [] }; }

  #open(socket) {
    if (socket.readyState === 3) return;
    if (this.refuses) {
      socket.onclose?.({ code: 1006, reason: '' });
      return;
    }
    socket.readyState = 1;
    socket.tell(HELLO);
    this.#subscribe(socket, socket.url.pathname.includes('/projects/') ? 'p' : null, socket.url.searchParams.get('since'));
  }

  #subscribe(socket, project, since) {
    socket.follows.add(project);
    if (!since) socket.tell(this.snapshot(project));
    else for (const event of this.after(since)) socket.tell(event);
  }

  publish(message) {
    const seq = this.log.length + 1;
    const event = { type: 'log', project: 'p', job: 'j', kind: 'clone', seq, at: seq, level: 'info', message };
    this.log.push(event);
    for (const socket of this.open) socket.tell(event);
  }
}

/** Tabs reach the worker by real message ports; `mute` is a worker that died: it hears and says nothing any more. */
let workers;
let broken;

function surroundings() {
  const connect = globalThis.onconnect;
  globalThis.SharedWorker = class {
    constructor() {
      if (broken === 'refused') throw new Error('not here');
      const { port1, port2 } = new MessageChannel();
      this.port = port1;
      workers.push({ near: port1, far: port2 });
      if (broken === 'missing') queueMicrotask(() => this.onerror?.({}));
      else if (broken !== 'silent') globalThis.onconnect({ ports: [port2] });
    }
  };
  return connect;
}

let fake;
let tabs;
let number = 0;

beforeEach(async () => {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval', 'Date'], now: 1_000_000 });
  fake = new FakeHub();
  tabs = [];
  workers = [];
  broken = null;
  await restartWorker();
});

async function restartWorker() {
  number += 1;
  await import(`../../static/hub-worker.js?${number}`);
  surroundings();
}

afterEach(async () => {
  for (const { hub } of tabs) hub.close();
  await turns();
  for (const { near, far } of workers) {
    near.close();
    far.close();
  }
  mock.timers.reset();
});

function tab({ project = 'p', storage = null, ...options } = {}) {
  const hub = createHub({ base: 'http://hub.example/', storage, slots: null, ...options });
  const opened = { hub, said: [], messages: [] };
  const listener = (message) => {
    opened.messages.push(message);
    if (message.type === 'log') opened.said.push(message.message);
  };
  if (project) hub.watch(project, listener);
  else hub.connect();
  tabs.push(opened);
  return opened;
}

async function turns(count = 12) {
  for (let turn = 0; turn < count; turn += 1) await new Promise((resolve) => { setImmediate(resolve); });
}

async function pass(ms, step = 500) {
  for (let left = ms; left > 0; left -= step) {
    await turns();
    mock.timers.tick(Math.min(step, left));
  }
  await turns();
}

const state = ({ hub }) => `${hub.connection.status.state} ${hub.connection.status.rung}`;

test('tabs on one project share one socket, and hear the same', async () => {
  const [a, b] = [tab(), tab()];
  await pass(500);
  assert.deepEqual([state(a), state(b)], ['live ws', 'live ws']);
  assert.equal(fake.sockets.length, 1);
  fake.publish('one');
  await turns();
  const late = tab();
  await pass(500);
  fake.publish('two');
  await turns();
  assert.deepEqual([a.said, b.said, late.said], [['one', 'two'], ['one', 'two'], ['two']]);
  assert.equal(late.messages[0].type, 'snapshot');
  assert.equal(late.messages[0].cursor, `${EPOCH}-1`);
  assert.deepEqual([late.hub.connection.status.shared, fake.sockets.length], [3, 1]);
});

test('the feed has a socket of its own while others follow projects, and none when nobody wants it', async () => {
  const feed = tab({ project: null });
  await pass(500);
  const on = tab();
  await pass(500);
  assert.deepEqual(fake.open.map((socket) => [...socket.follows]).sort(), [['p'], [null]].sort());
  fake.publish('one');
  await pass(500);
  assert.deepEqual(on.said, ['one']);
  feed.hub.close();
  await pass(500);
  assert.deepEqual(fake.open.map((socket) => [...socket.follows]), [['p']]);
  on.hub.close();
  await pass(500);
  assert.equal(fake.open.length, 0);
});

test('other rights are other links: a token goes with a socket in its address and with requests in a header', async () => {
  tab({ token: 'hub_a' });
  tab({ token: 'hub_b' });
  tab({ watch: 'link' });
  await pass(500);
  assert.deepEqual(fake.open.map(({ url }) => url.search), ['?access_token=hub_a', '?access_token=hub_b', '?watch=link']);
  await tabs[0].hub.projects();
  assert.equal(fake.asked.at(-1).headers.Authorization, 'Bearer hub_a');
  assert.equal(fake.asked.at(-1).url.searchParams.has('access_token'), false);
  await tabs[2].hub.projects();
  assert.equal(fake.asked.at(-1).url.searchParams.get('watch'), 'link');
});

test('the link is slowed down only when all tabs are hidden, and let go after five minutes of that', async () => {
  const [a, b] = [tab(), tab()];
  await pass(500);
  a.hub.connection.hide(true);
  await pass(500);
  assert.equal(fake.sockets.length, 1);
  b.hub.connection.hide(true);
  await pass(500);
  assert.equal(fake.open.at(-1).url.searchParams.get('min_interval_ms'), '2000');
  for (let second = 0; second < 302; second += 1) {
    fake.open.at(-1)?.tell({ type: 'heartbeat', cursors: {} });
    await turns(3);
    mock.timers.tick(1000);
  }
  await turns();
  assert.equal(fake.open.length, 0);
  fake.publish('meanwhile');
  b.hub.connection.hide(false);
  b.hub.connection.wake();
  await pass(1000);
  assert.equal(state(b), 'live ws');
  assert.deepEqual([a.said, b.said], [['meanwhile'], ['meanwhile']]);
});

test('a tab that died without a word is given up after a minute, and one that was only frozen comes back and lacks nothing', async () => {
  let stopped = null;
  const [a, frozen] = [tab(), tab({ now: () => stopped ?? Date.now() })];
  await pass(500);
  const port = workers[1].near;
  const hear = port.onmessage;
  port.onmessage = () => {};
  stopped = Date.now();
  for (let second = 0; second < 70; second += 1) {
    fake.open[0].tell({ type: 'heartbeat', cursors: {} });
    await turns(3);
    mock.timers.tick(1000);
    if (second === 30) fake.publish('while frozen');
  }
  assert.deepEqual([a.hub.connection.status.shared, a.said], [1, ['while frozen']]);
  port.onmessage = hear;
  stopped = null;
  await pass(4000);
  fake.publish('after');
  await pass(500);
  assert.deepEqual(frozen.said, ['while frozen', 'after']);
  assert.deepEqual([a.hub.connection.status.shared, workers.length, fake.sockets.length], [2, 2, 1]);
});

test('a worker that dies is started anew by the tabs, which go on where they were', async () => {
  const [a, b] = [tab(), tab()];
  await pass(500);
  fake.publish('one');
  await turns();
  for (const { far } of workers) far.close();
  for (const socket of fake.open) socket.close();
  await restartWorker();
  fake.publish('two');
  await pass(9000);
  fake.publish('three');
  await pass(500);
  assert.deepEqual([a.said, b.said], [['one', 'two', 'three'], ['one', 'two', 'three']]);
  assert.equal(fake.open.length, 1);
  assert.deepEqual([state(a), a.hub.connection.status.gaps], ['live ws', 0]);
});

for (const [how, wait] of [['refused', 0], ['missing', 0], ['silent', 5000]]) {
  test(`where the worker is ${how}, the tab has a link of its own`, async () => {
    broken = how;
    const only = tab();
    await pass(wait + 500);
    assert.equal(state(only), 'live ws');
    fake.publish('one');
    await turns();
    assert.deepEqual(only.said, ['one']);
    assert.equal(only.hub.connection.status.shared, 0);
  });
}

test('what a tab asks for while its own link is being loaded is done once it is here, and a tab that is closed by then gets none', async () => {
  broken = 'refused';
  const [forced, closed] = [tab(), tab()];
  forced.hub.connection.force('poll');
  closed.hub.close();
  await pass(1000);
  assert.equal(state(forced), 'live poll');
  assert.deepEqual([state(closed), fake.sockets.length], ['idle null', 0]);
});

test('a worker that is slow to start is joined when it comes, and what the tab had of its own ends', async () => {
  broken = 'silent';
  const only = tab();
  await pass(5500);
  fake.publish('one');
  await turns();
  assert.deepEqual([state(only), only.hub.connection.status.shared], ['live ws', 0]);
  globalThis.onconnect({ ports: [workers[0].far] });
  await pass(1000);
  fake.publish('two');
  await pass(500);
  assert.deepEqual([state(only), only.hub.connection.status.shared, fake.open.length], ['live ws', 1, 1]);
  assert.deepEqual(only.said, ['one', 'two']);
});

test('a worker that dies and cannot be started again loses nothing either', async () => {
  const only = tab();
  await pass(500);
  fake.publish('one');
  await turns();
  workers[0].far.close();
  for (const socket of fake.open) socket.close();
  broken = 'silent';
  fake.publish('two');
  await pass(14_000);
  fake.publish('three');
  await pass(500);
  assert.deepEqual(only.said, ['one', 'two', 'three']);
  assert.equal(only.messages.filter(({ type }) => type === 'snapshot').length, 1);
});

test('what is blocked is told to the tabs, which keep it over reloads, and from there to the next worker', async () => {
  const items = new Map();
  const storage = { getItem: (name) => items.get(name) ?? null, setItem: (name, text) => items.set(name, text), removeItem: (name) => items.delete(name) };
  fake.refuses = true;
  const only = tab({ storage });
  await pass(6000);
  assert.equal(state(only), 'live poll');
  assert.match(items.get('hub.link'), /"ws"/);
  only.hub.close();
  await restartWorker();
  const sockets = fake.sockets.length;
  const next = tab({ storage });
  await pass(1000);
  assert.equal(state(next), 'live poll');
  assert.equal(fake.sockets.length, sockets);
});

test('a clock that jumps ahead gives nobody up', async () => {
  const [a] = [tab(), tab()];
  await pass(500);
  mock.timers.setTime(Date.now() + 3_600_000);
  await pass(8000);
  assert.equal(a.hub.connection.status.shared, 2);
  assert.equal(state(a), 'live ws');
});
