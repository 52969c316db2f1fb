import * as format from '../format.js';
import { NAMES, reportText } from '../link/diagnosis.js';
import { copyButton, el, set, show, text } from './dom.js';

export const CALM_MS = 1_000;
const FIRST_MS = 4_000;

export function isLive({ state, since }, now) {
  if (state === 'live') return true;
  return now - since < (state === 'connecting' || state === 'idle' ? FIRST_MS : CALM_MS);
}

export function chipWords(status, now) {
  const { state, rung, retryAt, downSince } = status;
  if (state === 'live' || (isLive(status, now) && state !== 'connecting' && state !== 'idle')) {
    return { ws: ['live', 'Live'], sse: ['live', 'Live (stream)'] }[rung] ?? ['slow', 'Live (polling, up to 2 s late)'];
  }
  const seconds = Math.max(0, Math.ceil((retryAt - now) / 1000));
  return {
    restarting: ['wait', 'Hub restarting'],
    offline: ['down', 'Offline'],
    unreachable: ['down', `Hub unreachable since ${format.shortClock(downSince ?? now)}`],
    refused: ['down', 'Not connected'],
    resting: ['wait', 'Resting'],
    reconnecting: ['wait', seconds ? `Reconnecting in ${seconds} s` : 'Reconnecting'],
  }[state] ?? ['wait', 'Connecting'];
}

export function chip(page) {
  const { hub } = page;
  const words = el('span', {});
  const button = el('button', { type: 'button', class: 'chip', popovertarget: 'link' }, el('span', { class: 'dot' }), words);
  const headline = el('p', { class: 'cause' });
  const why = el('p', { class: 'hint' });
  const ways = Object.fromEntries(Object.keys(NAMES).map((rung) => [rung, el('dd', {})]));
  const numbers = el('dd', {});
  const force = el('select', { onchange: () => hub.connection.force(force.value || null) },
    el('option', { value: '' }, 'best that works'), Object.entries(NAMES).map(([value, name]) => el('option', { value }, name)));
  const again = el('button', { type: 'button', class: 'quiet', onclick: () => hub.connection.testAgain() }, 'Test again');
  const report = copyButton('Copy report', async () => reportText(await hub.diagnose()));
  const popover = el('div', { id: 'link', class: 'card', popover: 'auto', role: 'dialog', 'aria-label': 'Connection to the hub' }, headline, why,
    el('dl', {}, Object.entries(ways).flatMap(([rung, node]) => [el('dt', {}, NAMES[rung]), node]), el('dt', {}, 'Received'), numbers),
    el('label', {}, el('span', {}, 'Way to the hub'), force), el('div', { class: 'actions' }, again, report));

  function update() {
    const now = Date.now();
    const status = hub.connection.status;
    const [mood, short] = chipWords(status, now);
    set(button, 'data-mood', mood);
    text(words, short);
    if (!popover.matches(':popover-open')) return;
    text(headline, short);
    text(why, status.why ?? '');
    show(why, Boolean(status.why));
    for (const rung of Object.keys(NAMES)) {
      set(ways[rung], 'data-ok', status.tried[rung] ? String(status.tried[rung].ok) : null);
      text(ways[rung], wayWords(rung, status, now));
    }
    text(numbers, numberWords(status, now));
  }

  popover.addEventListener('toggle', () => update());
  return { button, popover, update };
}

function wayWords(rung, { tried, rung: used, blocked, state }, now) {
  const attempt = tried[rung];
  if (state === 'live' && rung === used) return 'in use';
  const held = blocked[rung];
  if (held && held.until > now) return `${held.why}; left out until ${format.shortClock(held.until)}`;
  return attempt ? (attempt.ok ? 'works' : attempt.text) : 'not needed';
}

function numberWords({ events, gaps, lastHeard, rtt }, now) {
  const age = now - lastHeard > 2_000 ? `, the last ${format.duration(now - lastHeard)} ago` : '';
  const trip = rtt === null ? '' : `, ${Math.round(rtt)} ms away`;
  return `${format.count(events)} events${age}, ${gaps ? `${gaps} gaps, all filled` : 'no gaps'}${trip}`;
}
