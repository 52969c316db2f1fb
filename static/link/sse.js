/** Server-sent events by fetch, which unlike EventSource shows statuses and survives a 502. */

import { SseParser } from '../sse-parser.js';
import { followUrl, refusal } from './request.js';

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
