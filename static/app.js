/** The page: one hub, one view at a time, drawn at most ten times a second. */

import { createHub } from './hub-client.js';
import { chip, isLive } from './views/chip.js';
import { dashboard } from './views/dashboard.js';
import { button, el, later, say, show } from './views/dom.js';
import { jobView } from './views/job.js';
import * as format from './format.js';

const DRAW_MS = 100;
const TICK_MS = 1_000;
const AWAY_MS = 60_000;
const SIGN_IN = 'sign-in';
const transport = new URLSearchParams(location.search).get('transport') ?? 'auto';

const hub = createHub({ base: document.baseURI.replace(/[?#].*$/, ''), transport });
const main = document.getElementById('main');
const stale = document.getElementById('stale');
const openedAt = Date.now();
const waitingForLife = [];
let view = null;
let shown = null;
let drawnAt = 0;
let drawing = null;
let hidden = null;
let asked = false;
let tell = null;

const page = {
  hub,
  draw: schedule,
  go(job) { location.hash = `#/j/${encodeURIComponent(job)}`; },
  hubNow: () => hub.now(),
  /** When the link is not live, time stands still where it was last heard. */
  view(job) {
    const { status } = hub.connection;
    const live = isLive(status, Date.now());
    return { isLive: live, now: live ? Date.now() : status.lastHeard, skew: status.skew, heard: hub.store.heard.get(job.id) };
  },
  whenLive(then) { waitingForLife.push(then); },
  shown: () => view,
  /** After a sign-in: to the place that was asked for. */
  enter() {
    shown = '';
    route();
    hub.snapshot().catch(() => {}); // the link tells
  },
  toast(...words) { later(() => import('./views/toasts.js')).then((module) => module.toast(...words), () => {}); },
};

page.chip = chip(page);
document.getElementById('chip').replaceWith(page.chip.node);

/** `#/j/{job}`, `#/p/{project}[/rest]`; `rest` keeps its query: "search?q=word". Anything else is the dashboard. */
function route() {
  const [, kind, id, rest] = location.hash.match(/^#\/([jp])\/([^/?]+)\/?(.*)/) ?? [, '', '', location.hash.split('?')[1] ?? ''];
  const place = kind + id;
  // A view that can move inside itself keeps its state and its focus.
  if (place === shown && view.move) view.move(rest);
  else {
    open(place, kind === 'j' ? jobView(page, nameOf(id), rest) : kind ? loaded(nameOf(id), rest) : dashboard(page, rest));
  }
  draw();
}

function nameOf(id) {
  try {
    return decodeURIComponent(id);
  } catch {
    return id; // a lone percent sign; the hub says that it knows no such thing
  }
}

function open(place, next) {
  view?.close();
  if (shown !== null) main.focus({ preventScroll: true });
  shown = place;
  view = next;
  main.replaceChildren(view.node);
  view.start?.();
  scrollTo(0, 0);
}

/** The view of a project, fetched when it is first wanted; words instead of an empty page when it cannot be. */
function loaded(id, rest) {
  const node = el('div', {}, el('p', { class: 'hint loading' }, 'Loading…'));
  let real = null;
  let make = null;
  let wanted = rest;
  function enter() {
    real?.close();
    real = make(page, id, wanted);
    node.replaceChildren(real.node);
  }
  async function load() {
    try {
      make = (await import('./views/project/view.js')).projectView;
      if (wanted === null) return;
      enter();
    } catch (error) {
      if (wanted === null) return;
      node.replaceChildren(el('div', { class: 'empty', role: 'alert' }, el('h2', {}, 'This part of the page could not be loaded'),
        el('p', {}, 'Jobs go on all the same.'), el('p', { class: 'hint' }, error.message), button('Reload', () => location.reload())));
    }
    schedule();
  }
  load();
  return {
    node,
    update: () => real?.update(),
    title: () => real?.title() ?? id,
    close() {
      wanted = null;
      real?.close();
    },
    move(to) {
      wanted = to;
      if (real?.move) real.move(to);
      else if (make) enter();
    },
  };
}

function draw() {
  clearTimeout(drawing);
  drawing = null;
  const now = Date.now();
  drawnAt = now;
  const { status } = hub.connection;
  if (status.state === 'live') for (const then of waitingForLife.splice(0)) then();
  if (status.state === 'live') asked = false;
  else if (status.state === 'refused' || status.state === 'unauthorised') whoAsks();
  const live = isLive(status, now);
  document.documentElement.classList.toggle('stale', !live);
  show(stale, !live && shown !== SIGN_IN);
  if (!live) say(stale, staleWords(status, now));
  view.update();
  page.chip.update();
  tell?.(view.title(), now);
}

function staleWords({ lastHeard, why, state }, now) {
  const age = lastHeard ? `Last heard ${format.duration(now - lastHeard)} ago; what you see may be older than it looks.`
    : 'No word from the hub yet.';
  return why && state !== 'restarting' ? `${age} (${why})` : age;
}

function schedule() {
  drawing ??= setTimeout(draw, Math.max(0, DRAW_MS - (Date.now() - drawnAt)));
}

/** The hub turned the link away; if that is because it wants a token, it is asked for. */
async function whoAsks() {
  if (asked || shown === SIGN_IN) return;
  asked = true;
  try {
    const form = await (await later(() => import('./views/session.js'))).whoAsks(page);
    if (form) open(SIGN_IN, form);
    schedule();
  } catch {
    setTimeout(() => { asked = false; }, 5 * TICK_MS);
  }
}

function look() {
  hub.connection.hide(document.hidden);
  if (document.hidden) {
    hidden = { since: Date.now(), jobs: new Map(hub.store.jobs) };
    return;
  }
  hub.connection.wake();
  const before = hidden;
  hidden = null;
  if (!before || Date.now() - before.since < AWAY_MS) return;
  page.whenLive(() => later(() => import('./views/away.js')).then((module) => module.away(page, before.jobs, before.since), () => {}));
  schedule();
}

/** Letters are for typing in fields. */
function press(event) {
  if (event.key.length > 1 || event.target.closest?.('input, select, textarea, dialog')) return;
  if (event.key === '/' && !event.ctrlKey) event.preventDefault(); // some browsers search then
  keys((module) => module.press(page, event));
}

function keys(then) {
  later(() => import('./views/shortcuts.js')).then(then, () => {});
}

hub.store.addEventListener('change', schedule);
hub.connection.onChange(schedule);
setInterval(schedule, TICK_MS);
addEventListener('hashchange', route);
addEventListener('keydown', press);
document.getElementById('keys').addEventListener('click', () => keys((module) => module.help()));
document.addEventListener('visibilitychange', look);
addEventListener('pageshow', (event) => { if (event.persisted) hub.connection.wake(); });
addEventListener('online', () => hub.connection.online(true));
addEventListener('offline', () => hub.connection.online(false));

route();
// Painted from a plain answer first: right at once where no stream passes.
hub.snapshot().catch((error) => { if (error.status === 401) whoAsks(); });
hub.connect();
import('./views/tab.js').then(({ tab }) => { tell = tab(hub.store, () => (hub.connection.status.state === 'live' ? openedAt + hub.connection.status.skew : null)); }, () => {});
