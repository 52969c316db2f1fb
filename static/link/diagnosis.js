/** What is known of the way to the hub, as data and as text for whoever runs the network. */

import { probe } from './request.js';

export const NAMES = { ws: 'WebSocket', sse: 'Event stream', poll: 'Polling' };

/** -> {at, base, hub: the answer of probe(), link: the link's status} */
export async function diagnose(env, link, { signal } = {}) {
  return { at: new Date(env.now()).toISOString(), base: env.base, hub: await probe(env, { times: 1, signal }), link };
}

export function reportText({ at, base, hub, link }) {
  const health = hub.verdict === 'fine' ? `fine, version ${hub.version}, ${hub.rtt} ms` : `${hub.verdict}: ${hub.why}`;
  const tabs = link.shared > 1 ? `, shared by ${link.shared} tabs` : '';
  return [`Connection to ${base} at ${at}`, `Health: ${health}`,
    `Link: ${link.state}${link.rung ? ` by ${NAMES[link.rung]}` : ''}${tabs}, ${link.events} events, ${link.gaps} gaps`,
    ...Object.entries(link.tried).map(([rung, { ok, text }]) => `${NAMES[rung]}: ${ok ? 'works' : text}`)].join('\n');
}
