/**
 * The hub's SDK for browsers and Node: no DOM, no dependency.
 *
 *   const hub = createHub({ base: 'https://hub.example/' });
 *   const job = await hub.start('demo', 'clone', { depth: 1 }, { key });
 *   for await (const event of job.events()) console.log(event.type);
 *   console.log((await job.done).state);
 */

import { Link } from './link/link.js';
import { errorOf } from './link/request.js';
import { diagnose } from './link/diagnosis.js';
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
 * `base`: the hub's address, any prefix included; `transport`: 'auto', 'ws', 'sse' or 'poll'.
 * The rest is for other surroundings: {fetch, WebSocket, storage, now, random}.
 */
export function createHub({ base, transport = 'auto', ...surroundings } = {}) {
  return new Hub({
    base: new URL(base ?? globalThis.document?.baseURI).href,
    forced: transport === 'auto' ? null : transport,
    fetch: surroundings.fetch ?? globalThis.fetch.bind(globalThis),
    WebSocket: surroundings.WebSocket ?? globalThis.WebSocket,
    storage: surroundings.storage ?? sessionStorageIfAny(),
    now: surroundings.now ?? Date.now,
    random: surroundings.random ?? Math.random,
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
    this.connection = new Link(env);
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

  diagnose() {
    return diagnose(this.#env, this.connection.status);
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

  async request(method, path, { body, headers = {}, signal } = {}) {
    const options = { method, headers: { Accept: 'application/json', ...headers }, signal, cache: 'no-store' };
    if (body !== undefined) {
      options.body = JSON.stringify(body);
      options.headers['Content-Type'] = 'application/json';
    }
    let response;
    try {
      response = await this.#env.fetch(new URL(`api/v1/${path}`, this.#env.base).href, options);
    } catch (error) {
      if (signal?.aborted) throw error;
      throw new HubError({ code: 'unreachable', message: 'The hub cannot be reached.', status: 0 });
    }
    if (response.ok) return response.json();
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
    this.#done ??= (async () => {
      for await (const _ of this.events()) { /* the store folds them */ }
      return this.snapshot;
    })();
    return this.#done;
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

  /** The job's events from now on, and its end as the last one; nothing when it has ended. */
  async* events({ signal } = {}) {
    const waiting = [];
    let wake = () => {};
    const stop = this.#hub.watch(this.project, (message) => {
      if (message.job === this.id || message.type === 'snapshot') waiting.push(message);
      wake();
    });
    signal?.addEventListener('abort', () => wake(), { once: true });
    try {
      for (;;) {
        signal?.throwIfAborted();
        while (waiting.length) {
          const message = waiting.shift();
          if (message.type !== 'snapshot') yield message;
          if (message.type === 'job' && isEnd(message)) return;
        }
        if (this.snapshot && isEnd(this.snapshot)) return;
        await new Promise((resolve) => { wake = resolve; });
      }
    } finally {
      stop();
    }
  }
}
