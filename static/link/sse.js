/** Server-sent events by fetch, which unlike EventSource shows statuses and survives a 502. */

import { followUrl, refusal } from './request.js';

/** Feed it text in any pieces; it gives whole events. Follows the HTML standard, section 9.2.6. */
export class SseParser {
  #rest = '';
  #skipLf = false;
  #started = false;
  #data = [];
  #id = '';

  push(text) {
    if (!this.#started && text) {
      this.#started = true;
      text = text.replace(/^\uFEFF/, '');
    }
    if (this.#skipLf && text) {
      this.#skipLf = false;
      if (text[0] === '\n') text = text.slice(1);
    }
    const lines = (this.#rest + text).split(/\r\n|\r|\n/);
    // A CR at the very end may be the first half of a CRLF whose LF comes with the next piece.
    if (text.endsWith('\r')) this.#skipLf = true;
    this.#rest = lines.pop();
    return lines.map((line) => this.#line(line)).filter(Boolean);
  }

  #line(line) {
    if (line === '') {
      const data = this.#data.join('\n');
      this.#data = [];
      return data ? { id: this.#id, data } : null;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'data') this.#data.push(value);
    if (field === 'id' && !value.includes('\0')) this.#id = value;
    return null;
  }
}

/** One stream at a time, of the newest channel: all tabs together have six connections. */
export function openSse(context) {
  let stream = null;

  function tune() {
    stream?.abort();
    stream = new AbortController();
    read(context.carried(), stream.signal).then(
      () => fail(stream, { text: 'the stream ended' }),
      fail.bind(null, stream),
    );
  }

  function fail(mine, error) {
    if (mine.signal.aborted || mine !== stream) return;
    stream.abort();
    context.ended(error.why ?? { text: error.text ?? 'the connection failed' });
  }

  async function read(channel, signal) {
    channel.resubscribed();
    const headers = { Accept: 'text/event-stream' };
    const url = followUrl(context, channel);
    const response = await context.fetch(url, { headers, signal, cache: 'no-store' });
    const type = response.headers.get('content-type') ?? '';
    if (response.status !== 200 || !type.startsWith('text/event-stream')) throw await refusal(response);
    const decoder = new TextDecoder();
    const parser = new SseParser();
    const reader = response.body.getReader();
    for (;;) {
      const { value, done } = await reader.read();
      if (done || signal.aborted) return;
      context.heard();
      for (const event of parser.push(decoder.decode(value, { stream: true }))) {
        deliver(channel, JSON.parse(event.data), signal);
      }
    }
  }

  function deliver(channel, message, signal) {
    if (signal.aborted) return;
    context.healthy();
    context.message(channel, message);
  }

  tune();
  return { tune, resubscribe: tune, ping: () => {}, close: () => stream.abort() };
}
