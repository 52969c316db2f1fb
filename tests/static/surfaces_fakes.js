/** A hub for the surfaces' clients: answers that the test gives, streams and EventSources that it drives. */

import { mock } from 'node:test';

export const BASE = 'http://hub.example/prefix/';

/** What clients ask is in `asked`; `answers`: 'METHOD path' -> (options, url) => Response, or an Error to be thrown. */
export class FakeHub {
  asked = [];
  answers = {};
  sources = [];

  constructor() {
    const hub = this;
    this.fetch = async (address, options = {}) => {
      const url = new URL(address);
      const name = `${options.method ?? 'GET'} ${url.pathname.replace('/prefix/', '/')}`;
      hub.asked.push({ name, url, ...options, body: options.body && JSON.parse(options.body) });
      const answer = hub.answers[name];
      const given = typeof answer === 'function' ? answer(options, url) : answer;
      if (given instanceof Error || !given) throw given ?? new TypeError(`nobody answers ${name}`);
      return given;
    };
    this.EventSource = class extends EventTarget {
      readyState = 0;

      constructor(url) {
        super();
        this.url = new URL(url);
        hub.sources.push(this);
      }

      open() {
        this.readyState = 1;
        this.dispatchEvent(new Event('open'));
      }

      /** An event of the server's. */
      tell(name, data) {
        if (this.readyState === 2) return;
        this.readyState = 1;
        this.dispatchEvent(new MessageEvent(name, { data: typeof data === 'string' ? data : JSON.stringify(data) }));
      }

      /** The connection's trouble: for good, or until the browser comes back by itself. */
      cut(isFinal = false) {
        this.readyState = isFinal ? 2 : 0;
        this.dispatchEvent(new Event('error'));
      }

      close() { this.readyState = 2; }
    };
  }

  get surroundings() {
    return { base: BASE, fetch: this.fetch, EventSource: this.EventSource };
  }

  names(from = 0) {
    return this.asked.slice(from).map(({ name }) => name);
  }

  get source() {
    return this.sources.at(-1);
  }
}

/** An answer that streams. `answer` is given as what the hub answers; then `tell`, `write`, `end`, `cut`. */
export class FakeStream {
  isLeft = false;
  #controller = null;

  constructor({ status = 200, headers = {} } = {}) {
    this.answer = ({ signal } = {}) => {
      const body = new ReadableStream({
        start: (controller) => { this.#controller = controller; },
        cancel: () => { this.isLeft = true; },
      });
      signal?.addEventListener('abort', () => {
        this.isLeft = true;
        this.#controller.error(signal.reason);
      });
      return new Response(body, { status, headers: { 'content-type': 'text/event-stream', ...headers } });
    };
  }

  write(piece) {
    this.#controller.enqueue(typeof piece === 'string' ? new TextEncoder().encode(piece) : piece);
  }

  tell(data, { event, id } = {}) {
    this.write(`${id ? `id: ${id}\n` : ''}${event ? `event: ${event}\n` : ''}data: ${JSON.stringify(data)}\n\n`);
  }

  end() { this.#controller.close(); }
  cut() { this.#controller.error(new TypeError('network error')); }
}

/** A whole stream in one answer, cut into `pieces` of bytes. */
export function streamOf(pieces) {
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece);
      controller.close();
    },
  });
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
}

export const json = (body, status = 200) => () => Response.json(body, { status });

/** Let what has been promised happen; `setImmediate` is not mocked. */
export async function settle() {
  for (let turn = 0; turn < 30; turn += 1) await new Promise((resolve) => { setImmediate(resolve); });
}

/** Let so many milliseconds pass on the mocked clock, at most `step` at once. */
export async function pass(ms, step = 500) {
  await settle();
  for (let left = ms; left > 0; left -= step) {
    mock.timers.tick(Math.min(step, left));
    await settle();
  }
}

export const mockClock = () => mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
