import { followUrl } from './request.js';

/** Healthy once `hello` came *and* a ping was answered: an opened socket proves nothing. */
export function openWs(context) {
  const first = context.carried();
  const socket = new context.WebSocket(followUrl(context, first).replace(/^http/, 'ws'));
  const subscribed = new Map([[first.project, first]]);
  let open = false;
  let pinged = 0;
  let serial = 0;
  let bye = null;
  // While the feed is on, everything is the feed's; `feedOp` is the request that last changed that.
  let feed = first.project === null ? first : null;
  let feedOp = 0;

  function send(frame) {
    serial += 1;
    if (frame.project === null) feedOp = serial;
    if (socket.readyState === 1) socket.send(JSON.stringify({ id: serial, ...frame }));
  }

  function subscribe(channel) {
    const { project, cursor } = channel;
    subscribed.set(project, channel);
    if (project === null) feed = channel;
    send({ op: 'subscribe', project, since: cursor ?? undefined, min_interval_ms: context.minInterval() });
  }

  function tune() {
    if (!open) return;
    const wanted = new Map(context.channels().map((channel) => [channel.project, channel]));
    for (const project of [...subscribed.keys()]) {
      if (wanted.get(project) === subscribed.get(project)) continue;
      subscribed.delete(project);
      send({ op: 'unsubscribe', project });
    }
    for (const [project, channel] of wanted) if (!subscribed.has(project)) subscribe(channel);
  }

  function ping() {
    pinged = context.now();
    send({ op: 'ping' });
  }

  socket.onmessage = ({ data }) => {
    context.heard();
    const message = JSON.parse(data);
    if (message.type === 'hello') {
      open = true;
      first.resubscribed();
      ping();
      tune();
    } else if (message.type === 'pong') {
      context.rtt(context.now() - pinged);
      context.healthy();
    } else if (message.type === 'bye') bye = message;
    else if (message.type === 'subscribed') subscribed.get(message.project)?.resubscribed();
    else if (message.type === 'unsubscribed' && message.id === feedOp) feed = null;
    context.message(feed ?? subscribed.get(message.project) ?? null, message);
  };

  socket.onclose = ({ code, reason }) => {
    context.ended(bye ? { bye } : { text: reason || 'refused or cut off on the way', final: code >= 4500 && code <= 4999 });
  };

  return {
    tune,
    ping,
    resubscribe: subscribe,
    close() {
      socket.onmessage = null;
      socket.onclose = null;
      socket.close();
    },
  };
}
