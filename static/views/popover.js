/** What the chip stands for: which ways to the hub were tried, what became of each, and what has come through. */

import * as format from '../format.js';
import { NAMES, reportText } from '../link/diagnosis.js';
import { chipWords } from './chip.js';
import { button, copyButton, el, say, set, text } from './dom.js';
import { session } from './session.js';

export function popover(page, opener) {
  const { hub } = page;
  const headline = el('h2', { class: 'cause' });
  const why = el('p', { class: 'hint' });
  const ways = Object.fromEntries(Object.keys(NAMES).map((rung) => [rung, el('dd')]));
  const rows = ['Last word', 'Received', 'Round trip'].map((name) => [name, el('dd')]);
  const force = el('select', { onchange: () => hub.connection.force(force.value || null) },
    el('option', { value: '' }, 'the best that works'), Object.entries(NAMES).map(([value, name]) => el('option', { value }, name)));
  const again = button('Test again', () => hub.connection.testAgain());
  const report = copyButton('Copy report', async () => reportText(await hub.diagnose()));
  const who = session(page);
  const node = el('div', { id: 'link', class: 'card', popover: 'auto', role: 'dialog', 'aria-label': 'Connection to the hub' }, headline, why,
    el('dl', {}, Object.entries(ways).flatMap(([rung, way]) => [el('dt', {}, NAMES[rung]), way]),
      rows.flatMap(([name, value]) => [el('dt', {}, name), value])),
    el('label', {}, el('span', {}, 'Way to the hub'), force), el('div', { class: 'actions' }, again, report), who.node);
  document.body.append(node);

  function update() {
    if (!node.matches(':popover-open')) return;
    const now = Date.now();
    const status = hub.connection.status;
    text(headline, chipWords(status, now)[1]);
    say(why, EXPLAINED[status.state === 'live' ? status.rung : status.state] ?? (status.state === 'live' ? '' : status.why));
    for (const rung of Object.keys(NAMES)) {
      const [ok, words] = wayWords(rung, status, now);
      set(ways[rung], 'data-ok', ok);
      text(ways[rung], words);
    }
    const values = [heardWords(status, now), countWords(status), status.rtt === null ? 'not measured' : `${Math.round(status.rtt)} ms`];
    rows.forEach(([, value], at) => text(value, values[at]));
    if (document.activeElement !== force) force.value = status.forced ?? '';
  }

  node.addEventListener('toggle', ({ newState }) => {
    set(opener, 'aria-expanded', String(newState === 'open'));
    update();
    if (newState === 'open') who.update();
  });
  return { update, toggle() { node.togglePopover(); } };
}

const EXPLAINED = {
  restarting: 'It said so itself. Jobs that can go on do so once it is back.',
  resting: 'Nobody looked for five minutes.',
  sse: 'Something on the way lets no WebSocket through. Nothing is lost.',
  poll: 'Something on the way lets no stream through, so the page asks again and again. Nothing is lost, it is only a little later.',
};

/** -> [true, false or null, words] */
function wayWords(rung, { tried, rung: used, blocked, state, forced }, now) {
  const attempt = tried[rung];
  if (state === 'live' && rung === used) return [true, 'in use'];
  const held = blocked[rung];
  if (held && held.until > now) return [false, `${held.why}; tried again after ${format.shortClock(held.until)}`];
  if (attempt) return attempt.ok ? [true, state === 'live' ? 'works' : 'worked'] : [false, `${attempt.text}, at ${format.shortClock(attempt.at)}`];
  return [null, forced ? 'not asked for' : state === 'live' ? 'not needed' : 'not tried yet'];
}

function heardWords({ lastHeard }, now) {
  if (!lastHeard) return 'none so far';
  const age = now - lastHeard;
  return age < 2_000 ? 'just now' : `${format.duration(age)} ago`;
}

const countWords = ({ events, gaps }) => `${format.count(events)} ${events === 1 ? 'event' : 'events'}, ${
  gaps ? `${format.count(gaps)} ${gaps === 1 ? 'gap' : 'gaps'}, all filled` : 'no gaps'}`;
