/** What the surfaces' clients share: where the hub is, how it is asked, and how its event streams are read. */

import { SseParser } from '../sse-parser.js';

export { SseParser };

const HUB = new URL('../../', import.meta.url);
const MOST_WAIT_MS = 30_000;

/** The hub said no, or the way to it broke. `status`: of the HTTP answer, 0 without one; `body`: its JSON or null. */
export class SurfaceError extends Error {
  constructor(message, { status = 0, body = null } = {}) {
    super(message);
    Object.assign(this, { name: 'SurfaceError', status, body });
  }
}

/** `base`: the hub's address with any prefix; by default the hub that this file came from. */
export function surroundings({ base = HUB, fetch = globalThis.fetch, EventSource = globalThis.EventSource } = {}) {
  return { base: String(base), fetch, EventSource };
}

export function address({ base }, path, query = {}) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  return url.href;
}

/** -> Response. Throws SurfaceError for every status but 2xx; an abort throws what it was aborted with. */
export async function ask({ fetch }, method, url, { body, headers = {}, signal } = {}) {
  const options = { method, headers: { Accept: 'application/json', ...headers }, signal, cache: 'no-store' };
  if (body !== undefined) {
    options.body = JSON.stringify(body);
    options.headers['Content-Type'] = 'application/json';
  }
  let response;
  try {
    response = await fetch(url, options);
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new SurfaceError('The hub cannot be reached.');
  }
  if (!response.ok) throw await refusal(response);
  return response;
}

/** Surfaces say why in shapes of their own: {error: {message}}, {error, details}, {message}, {error}. */
async function refusal(response) {
  const { status } = response;
  const body = await response.json().catch(() => null); // a proxy's page, or nothing
  const words = [body?.error?.message, body?.details, body?.message, body?.error].find((text) => text && typeof text === 'string');
  return new SurfaceError(words ?? `Something answered ${status}.`, { status, body });
}

/** Ask for a stream. null: 204, there is nothing after `lastId`. */
export async function openStream(env, method, url, { lastId = '', headers = {}, ...options } = {}) {
  const wanted = { Accept: 'text/event-stream', ...(lastId && { 'Last-Event-ID': lastId }), ...headers };
  const response = await ask(env, method, url, { ...options, headers: wanted });
  if (response.status === 204) return null;
  if ((response.headers.get('content-type') ?? '').startsWith('text/event-stream')) return response;
  await response.body?.cancel();
  throw new SurfaceError('The answer is no event stream.', { status: response.status });
}

/**
 * The events {event, id, data} of a stream, `data` parsed from JSON, until the server ends it; leaving the loop closes it.
 * Nothing for `silenceMs`, keep-alive comments included, means that the connection is dead. Throws SurfaceError.
 */
export async function* read(response, { signal, silenceMs = null } = {}) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true }); // a BOM is the parser's business
  const parser = new SseParser();
  try {
    for (;;) {
      const { value, done } = await piece(reader, signal, silenceMs);
      if (done) return;
      for (const event of parser.push(decoder.decode(value, { stream: true }))) yield { ...event, data: parse(event.data) };
    }
  } finally {
    reader.cancel().catch(() => { /* it broke before, and the read has told */ });
  }
}

async function piece(reader, signal, silenceMs) {
  let isSilent = false;
  const timer = silenceMs && setTimeout(() => {
    isSilent = true;
    reader.cancel(); // which ends the read
  }, silenceMs);
  try {
    const got = await reader.read();
    if (!isSilent) return got;
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new SurfaceError('The connection broke off.');
  } finally {
    clearTimeout(timer);
  }
  throw new SurfaceError('Nothing came any more.');
}

export function parse(data) {
  try {
    return JSON.parse(data);
  } catch {
    throw new SurfaceError('The hub sent what cannot be read.');
  }
}

/**
 * An EventSource; `takers`: event name -> what takes its data. Both a server's event `error` and a connection's trouble
 * are called "error": only the former has data. `onCut(isFinal, error)`: final when the browser will not come back.
 */
export function listen({ EventSource }, url, takers, onCut) {
  const source = new EventSource(url);
  for (const [name, take] of Object.entries(takers)) {
    source.addEventListener(name, ({ data }) => {
      if (typeof data !== 'string') return;
      let told;
      try {
        told = parse(data);
      } catch (error) {
        source.close();
        onCut(true, error);
        return;
      }
      take(told);
    });
  }
  source.addEventListener('error', ({ data }) => {
    if (typeof data !== 'string') onCut(source.readyState === 2, null);
  });
  return source;
}

/** Asking again cannot help. */
export const isFinal = ({ status }) => status >= 400 && status < 500 && status !== 408 && status !== 429;

/** The wait after so many failures in a row: 1, 2, 4, 8, 16 and then 30 s. */
export const waitMs = (failures) => Math.min(MOST_WAIT_MS, 1_000 * 2 ** (failures - 1));

/** Resolves after `ms`, or at once when aborted. */
export function pause(ms, signal) {
  return new Promise((resolve) => {
    const timer = setTimeout(done, ms);
    function done() {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    }
    signal?.addEventListener('abort', done, { once: true });
    if (signal?.aborted) done();
  });
}

/** What a bar shows: floored, never below `shown`, and 100 only for what is done. */
export const steady = (shown, percent) => Math.max(shown ?? 0, Math.min(99, Math.floor(percent)));
