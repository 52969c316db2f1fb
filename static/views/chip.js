/** How the page is connected, in a word or two; what is behind it is fetched on a click. */

import * as format from '../format.js';
import { el, later, set, text } from './dom.js';

const CALM_MS = 1_000;
const FIRST_MS = 4_000;

export function isLive({ state, since }, now) {
  if (state === 'live') return true;
  if (state === 'unauthorised' || state === 'refused') return false;
  return now - since < (state === 'connecting' || state === 'idle' ? FIRST_MS : CALM_MS);
}

const RUNGS = { ws: ['live', 'Live'], sse: ['live', 'Live (stream)'], poll: ['slow', 'Live (polling, up to 2 s late)'] };

export function chipWords(status, now) {
  const { state, rung, retryAt, downSince } = status;
  if (rung && isLive(status, now) && state !== 'connecting' && state !== 'idle') return RUNGS[rung];
  const seconds = Math.max(0, Math.ceil((retryAt - now) / 1000));
  return {
    restarting: ['wait', 'Hub restarting'],
    offline: ['down', 'Offline'],
    unreachable: ['down', `Hub unreachable since ${format.shortClock(downSince ?? now)}`],
    refused: ['down', 'Not connected'],
    unauthorised: ['wait', 'Not signed in'],
    resting: ['wait', 'Resting'],
    reconnecting: ['wait', seconds ? `Reconnecting in ${seconds} s` : 'Reconnecting'],
  }[state] ?? ['wait', 'Connecting'];
}

export function chip(page) {
  const words = el('span');
  const node = el('button', { type: 'button', class: 'chip', 'aria-haspopup': 'dialog', onclick: open }, el('span', { class: 'dot' }), words);
  let popover = null;
  async function open() {
    try {
      popover ??= (await later(() => import('./popover.js'))).popover(page, node);
    } catch {
      return; // the files come from the hub, too: nothing more can be told than the chip does
    }
    popover.toggle();
  }
  // The popover says why the hub is not reached, so it must be here before that.
  setTimeout(() => later(() => import('./popover.js')).catch(() => {}), 5_000);
  return { node, open, update() {
    const [mood, short] = chipWords(page.hub.connection.status, Date.now());
    set(node, 'data-mood', mood);
    text(words, short);
    set(node, 'aria-label', `Connection: ${short}`);
    popover?.update();
  } };
}
