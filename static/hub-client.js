/**
 * The hub's SDK for browsers and Node: no DOM, no dependency.
 *
 *   const hub = createHub({ base: 'https://hub.example/' });
 *   const job = await hub.start('demo', 'clone', { depth: 1 }, { key });
 *   for await (const event of job.events()) console.log(event.type);
 *   console.log((await job.done).state);
 */

import { parseCursor } from './link/channel.js';
import { address, errorOf, headersOf, plainHttp } from './link/request.js';
import { SharedLink } from './link/shared.js';
import { Store } from './store.js';
import { isEnd } from './state.js';

export { reduce, isEnd } from './state.js';

/** The hub said no. `code` is the hub's word, `status` the HTTP status (0: no answer at all). */
export class HubError extends Error {
  constructor({ code, message, detail = {}, status }) {
    super(message);
    Object.assign(this, { name: 'HubError', code, detail, status });
  }
}

/**
 * `base`: the hub's address, any prefix included; `token`: of an account, `watch`: of a watch link, and `job`: the only one
 * to follow, which a link to one job asks for; `transport`: 'auto', 'ws', 'sse' or 'poll'; `share`: false for a link of this page's own. The rest is for other surroundings:
 * {fetch, WebSocket, SharedWorker, storage, slots, now, random}.
 */
export function createHub({ base, token = null, watch = null, job = null, transport = 'auto', share = true, ...surroundings } = {}) {
  const place = base ?? globalThis.document?.baseURI;
  if (!place) throw new TypeError('createHub needs the address of the hub: { base: "https://hub.example/" }');
  if (!['auto', 'ws', 'sse', 'poll'].includes(transport)) throw new TypeError(`There is no transport ${transport}.`);
  return new Hub({
    base: new URL(place).href.replace(/[?#].*$/, ''),
    token,
    watch,
    job,
    forced: transport === 'auto' ? null : transport,
    fetch: globalThis.fetch?.bind(globalThis),
    WebSocket: globalThis.WebSocket,
    SharedWorker: share && !surroundings.fetch ? globalThis.SharedWorker : null,
    storage: sessionStorageIfAny(),
    slots: globalThis.document ? undefined : null, // looked for when they are needed
    now: Date.now,
    random: Math.random,
    ...surroundings,
  });
}

function sessionStorageIfAny() {
  try {
    return globalThis.sessionStorage ?? null;
  } catch {
    return null; // reading the very property throws where storage is forbidden
  }
}

class Hub {
  #env;

  constructor(env) {
    this.#env = env;
    this.connection = new SharedLink(env);
    this.store = new Store(env.now);
  }

  connect() {
    this.connection.follow(null, (message) => this.store.take(message));
    this.connection.start();
  }

  close() {
    this.connection.stop();
  }

  /** Follow one project, its log lines too, until the function returned is called. */
  watch(project, listener = () => {}) {
    const stop = this.connection.follow(project, (message) => {
      this.store.take(message);
      listener(message);
    });
    this.connection.start();
    return stop;
  }

  now() {
    return this.#env.now() + this.connection.status.skew;
  }

  /** What is known of the way to the hub, for whoever runs the network; link/diagnosis.js has it as text. */
  async diagnose({ signal } = {}) {
    const { diagnose } = await import('./link/diagnosis.js');
    return diagnose(this.#env, this.connection.status, { signal });
  }

  async start(project, kind, params = {}, { key, signal } = {}) {
    const headers = key ? { 'Idempotency-Key': key } : {};
    const path = `projects/${encodeURIComponent(project)}/jobs`;
    return this.#jobFrom(await this.request('POST', path, { body: { kind, params }, headers, signal }));
  }

  createProject(fields, { signal } = {}) {
    return this.request('POST', 'projects', { body: fields, signal });
  }

  project(id, { signal } = {}) {
    return this.request('GET', `projects/${encodeURIComponent(id)}`, { signal });
  }

  projects({ signal } = {}) {
    return this.request('GET', 'projects?limit=100', { signal });
  }

  history(project, query, { signal } = {}) {
    return this.request('GET', `projects/${encodeURIComponent(project)}/history?${new URLSearchParams(query)}`, { signal });
  }

  async snapshot({ signal } = {}) {
    const answer = await this.request('GET', 'events', { signal });
    this.store.take({ ...answer.snapshot, type: 'snapshot', project: null });
  }

  async job(id, { signal } = {}) {
    return this.#jobFrom(await this.request('GET', `jobs/${encodeURIComponent(id)}`, { signal }));
  }

  #jobFrom(state) {
    this.store.put(state);
    return new Job(this, state);
  }

  /** What happened in a job after the cursor `since` -> {messages, next: the cursor after them}; at most 5,000 at once. */
  async since(project, job, since, { signal } = {}) {
    const channel = { project, cursor: since, position: parseCursor(since) };
    const { ask, messagesOf } = await plainHttp();
    const { answer } = await ask(this.#env, channel, { job, signal });
    return { messages: answer ? messagesOf(answer, channel) : [], next: answer?.cursor ?? since };
  }

  /** Any call of the API: `path` without `api/v1/` -> its JSON. Throws a HubError. */
  async request(method, path, { body, headers = {}, signal } = {}) {
    const options = { method, headers: headersOf(this.#env, { Accept: 'application/json', ...headers }), signal, cache: 'no-store' };
    if (body !== undefined) {
      options.body = JSON.stringify(body);
      options.headers['Content-Type'] = 'application/json';
    }
    let response;
    try {
      response = await this.#env.fetch(address(this.#env, `api/v1/${path}`), options);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new HubError({ code: 'unreachable', message: 'The hub cannot be reached.', status: 0 });
    }
    if (response.ok) return response.status === 204 ? null : response.json();
    const error = await errorOf(response) ?? { code: 'bad_answer', message: `Something answered ${response.status}.` };
    throw new HubError({ ...error, status: response.status });
  }
}

/** One job. `snapshot` is its newest known state object, `done` its end. */
class Job {
  #hub;
  #done = null;

  constructor(hub, { id, project, kind }) {
    this.#hub = hub;
    Object.assign(this, { id, project, kind });
  }

  get snapshot() {
    return this.#hub.store.jobs.get(this.id);
  }

  /** Resolves to the final state object. */
  get done() {
    this.#done ??= this.end();
    return this.#done;
  }

  /** The same, with a way out. */
  async end({ signal } = {}) {
    for await (const _ of this.events({ signal })) { /* the store folds them */ }
    return this.snapshot;
  }

  cancel({ signal } = {}) {
    return this.#act('cancel', undefined, signal);
  }

  /** -> the new job; `params` replaces options or adds credentials. */
  async retry(params = {}, { signal } = {}) {
    return new Job(this.#hub, await this.#act('retry', { params }, signal));
  }

  async #act(verb, body, signal) {
    const state = await this.#hub.request('POST', `jobs/${encodeURIComponent(this.id)}/${verb}`, { body, signal });
    this.#hub.store.put(state);
    return state;
  }

  /**
   * The job's events, its end as the last one; nothing when it has ended. From now on, or from `since`: a cursor, or 0 for
   * all that the hub has kept. A `reset` among them says that what was asked for is not kept any more.
   */
  async* events({ since = null, signal } = {}) {
    const waiting = [];
    let wake = () => {};
    let upto = 0;
    const stop = this.#hub.watch(this.project, (message) => {
      waiting.push(message);
      wake();
    });
    const aborted = () => wake();
    signal?.addEventListener('abort', aborted);
    try {
      let past = since === null ? [] : null;
      for (;;) {
        signal?.throwIfAborted();
        // What follows is on its way once the first snapshot is here, so the past ends where that begins.
        if (past === null && waiting.some(({ type }) => type === 'snapshot')) past = await this.#past(since, signal);
        const news = past ? [...past.splice(0), ...waiting.splice(0)] : [];
        for (const message of news) {
          if (message.type === 'reset' && message.reason === 'gone') return;
          if (message.job !== this.id || message.seq <= upto) {
            if (message.type === 'reset') yield message;
            continue;
          }
          upto = message.seq;
          yield message;
          if (message.type === 'job' && isEnd(message)) return;
        }
        if (past && this.snapshot && isEnd(this.snapshot)) return;
        if (!waiting.length) await new Promise((resolve) => { wake = resolve; });
      }
    } finally {
      signal?.removeEventListener('abort', aborted);
      stop();
    }
  }

  async #past(since, signal) {
    const found = [];
    for (let cursor = since; ;) {
      const { messages, next } = await this.#page(since, cursor, signal);
      found.push(...messages);
      if (!messages.length || !next || next === cursor) return found;
      cursor = next;
    }
  }

  async #page(since, cursor, signal) {
    if (since !== 0) return this.#hub.since(this.project, this.id, cursor, { signal });
    const query = { job: this.id, order: 'asc', limit: 500, ...(cursor && { cursor }) };
    const { items, next } = await this.#hub.history(this.project, query, { signal });
    return { messages: items, next };
  }
}
