/** The page: one hub, one view at a time, drawn at most ten times a second. */

import { createHub } from './hub-client.js';
import { isEnd } from './state.js';
import { chip, isLive } from './views/chip.js';
import { dashboard } from './views/dashboard.js';
import { el, show, text } from './views/dom.js';
import { jobView } from './views/job.js';
import { tab } from './views/tab.js';
import * as format from './format.js';

const DRAW_MS = 100;
const TICK_MS = 1_000;
const transport = new URLSearchParams(location.search).get('transport') ?? 'auto';

const hub = createHub({ base: document.baseURI.replace(/[?#].*$/, ''), transport });
const main = document.getElementById('main');
const stale = document.getElementById('stale');
const titles = tab(hub.store, document.querySelector('link[rel=icon]'), () => hub.now());
const waitingForLife = [];
let view = null;
let drawnAt = 0;
let drawing = null;

const page = {
  hub,
  draw: schedule,
  go(job) { location.hash = `#/j/${job}`; },
  hubNow: () => hub.now(),
  /** When the link is not live, time stands still where it was last heard. */
  view(job) {
    const { status } = hub.connection;
    const live = isLive(status, Date.now());
    return { isLive: live, now: live ? Date.now() : status.lastHeard, skew: status.skew, heard: hub.store.heard.get(job.id) };
  },
  whenLive(then) { waitingForLife.push(then); },
  cancelButton,
};

function cancelButton() {
  let job = null;
  const node = el('button', { type: 'button', class: 'quiet cancel', onclick: async () => {
    node.disabled = true;
    text(node, 'Cancelling…');
    try {
      await (await hub.job(job.id)).cancel();
    } catch (error) {
      if (error.code !== 'job_ended') text(node, error.message);
      else text(node, 'Cancel');
    } finally {
      node.disabled = job.state === 'cancelling';
    }
  } }, 'Cancel');
  return { node, update(newest) {
    job = newest;
    show(node, !isEnd(job));
    node.setAttribute('aria-label', `Cancel ${job.kind} ${job.project}`);
    if (job.state === 'cancelling') {
      node.disabled = true;
      text(node, 'Cancelling…');
    }
  } };
}

const linkChip = chip(page);
document.getElementById('chip').replaceWith(linkChip.button);
document.body.append(linkChip.popover);

function route() {
  const [, kind, id] = location.hash.split(/[/?]/);
  view?.close();
  view = kind === 'j' && id ? jobView(page, id) : dashboard(page);
  main.replaceChildren(view.node);
  scrollTo(0, 0);
  draw();
}

function draw() {
  clearTimeout(drawing);
  drawing = null;
  const now = Date.now();
  drawnAt = now;
  const { status } = hub.connection;
  if (status.state === 'live') while (waitingForLife.length) waitingForLife.shift()();
  const live = isLive(status, now);
  document.documentElement.classList.toggle('stale', !live);
  show(stale, !live);
  if (!live) text(stale, staleWords(status, now));
  view.update();
  linkChip.update();
  titles.update(view.title(), now);
}

function staleWords({ lastHeard, why, state }, now) {
  const age = lastHeard ? `Last heard ${format.duration(now - lastHeard)} ago; what you see may be older than it looks.`
    : 'No word from the hub yet.';
  return why && state !== 'restarting' ? `${age} (${why})` : age;
}

function schedule() {
  drawing ??= setTimeout(draw, Math.max(0, DRAW_MS - (Date.now() - drawnAt)));
}

hub.store.addEventListener('change', schedule);
hub.connection.onChange(schedule);
setInterval(schedule, TICK_MS);
addEventListener('hashchange', route);
document.addEventListener('visibilitychange', () => {
  hub.connection.hide(document.hidden);
  if (!document.hidden) hub.connection.wake();
});
addEventListener('pageshow', (event) => { if (event.persisted) hub.connection.wake(); });
addEventListener('online', () => hub.connection.online(true));
addEventListener('offline', () => hub.connection.online(false));

route();
// Painted from a plain answer first: right at once where no stream passes.
hub.snapshot().catch(() => { /* the link says what is wrong */ });
hub.connect();
