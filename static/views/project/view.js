/** A project: what runs, and in parts by the address what was, what is in it, and what is set. */

import * as format from '../../format.js';
import { isEnd } from '../../state.js';
import { el, set, sheet, show, text, visible } from '../dom.js';
import { front } from './front.js';
import { nowRunning, startButtons, starter } from './jobs.js';
import { hrefOf, parse } from './words.js';

/** Fetched when they are first wanted; the last one is what makes it. */
const PARTS = {
  '': ['Jobs', () => ({ front }), 'front'],
  search: ['Search', () => import('./search.js'), 'search'],
  commits: ['Commits', () => import('./commits.js'), 'commits'],
  links: ['Links', () => import('./commits.js'), 'links'],
  snapshots: ['Snapshots', () => import('./snapshots.js'), 'snapshots'],
  settings: ['Settings', () => import('./settings.js'), 'settings'],
};
const COUNTED = { commits: 'commits', links: 'links' };

await Promise.all(['later.css', 'views/project/project.css'].map(sheet));

export function projectView(page, id, rest) {
  const { hub } = page;
  const abort = new AbortController();
  const name = el('h1', {}, id);
  const origin = el('p', { class: 'origin said' });
  const begin = el('div', {});
  const running = nowRunning(page);
  const links = Object.fromEntries(Object.entries(PARTS).map(([key, [words]]) => {
    const count = el('span', { class: 'number' });
    return [key, { count, link: el('a', { href: hrefOf(id, key) }, words, count) }];
  }));
  const nav = el('nav', { class: 'parts' }, ...Object.values(links).map(({ link }) => link));
  const place = el('div', {});
  const body = el('div', { hidden: true }, begin, running.node, nav, place);
  const missing = el('div', { class: 'empty', role: 'alert', hidden: true });
  const loading = el('p', { class: 'hint loading' }, 'Asking the hub…');
  const node = el('div', { class: 'project' }, el('a', { class: 'back', href: '#/' }, 'All jobs'), el('header', { class: 'title' }, el('div', {}, name, origin)), loading, missing, body);
  const begun = starter(page, id);
  const jobs = () => [...hub.store.jobs.values()].filter((job) => job.project === id);
  let project = null;
  let at = parse(rest);
  let part = null;
  let partName = null;
  let ends = null;

  async function load() {
    try {
      const found = await hub.request('GET', `projects/${encodeURIComponent(id)}`, { signal: abort.signal });
      const isFirst = !project;
      project = found;
      if (project.job) hub.store.put(project.job);
      if (isFirst) shown();
      head();
    } catch (error) {
      if (abort.signal.aborted || (project && error.status !== 404)) return;
      show(loading, false);
      show(body, false);
      show(missing, true);
      missing.replaceChildren(el('h2', {}, error.status === 404 ? (project ? 'This project was deleted' : 'There is no such project') : 'This project cannot be shown'), el('p', {}, error.message));
      if (!error.status || error.status >= 500) page.whenLive(() => { show(missing, false); load(); });
    }
  }

  function shown() {
    show(loading, false);
    show(missing, false);
    show(body, true);
    begin.replaceChildren(startButtons(project, start));
    draw();
    page.draw();
  }

  function head() {
    text(name, project.name);
    text(origin, project.url ?? project.path ?? 'published from elsewhere');
    set(nav, 'aria-label', `Parts of ${project.name}`);
    tabs();
  }

  function tabs() {
    for (const [key, { link, count }] of Object.entries(links)) {
      const n = project.counts?.[COUNTED[key]];
      text(count, n ? ` ${format.count(n)}` : '');
      set(link, 'aria-current', key === partName && 'page');
      if (key === partName) nav.scrollLeft = link.offsetLeft - nav.offsetLeft - 60;
    }
  }

  async function draw() {
    const wanted = at.part in PARTS ? at.part : '';
    if (wanted === partName) {
      part?.move(at.item, at.query);
      return;
    }
    partName = wanted;
    part = null;
    tabs();
    const [, load, make] = PARTS[wanted];
    try {
      const module = await load();
      if (partName !== wanted) return;
      part = module[make]({ page, id, start, jobs, project: () => project, go: (to, query) => { location.hash = hrefOf(id, to, query); } });
      place.replaceChildren(part.node);
      part.move(at.item, at.query);
      page.draw();
    } catch (error) {
      partName = null;
      place.replaceChildren(el('p', { class: 'none', role: 'alert' }, `This part could not be loaded: ${error.message}`));
    }
  }

  async function start(...wanted) {
    await begun(...wanted);
    running.node.scrollIntoView({ block: 'nearest' });
  }

  load();
  return {
    node,
    move(to) {
      at = parse(to);
      if (!project) return;
      const before = document.activeElement;
      draw();
      // What was pressed is gone with its part: go on where the new one begins.
      if (before !== document.body && !before.offsetParent) [...place.querySelectorAll('[tabindex="-1"]')].find((one) => one.offsetParent)?.focus();
    },
    update() {
      if (!project) return;
      const all = jobs();
      running.update(all);
      const over = all.filter(isEnd).map((job) => job.id).sort().join() + all.length;
      if (ends !== null && over !== ends) {
        load();
        part?.again();
      }
      ends = over;
      part?.update?.();
      const now = page.hubNow();
      for (const time of node.querySelectorAll('time[data-at]')) text(time, format.relative(Number(time.dataset.at), now));
      for (const time of node.querySelectorAll('time[data-due]')) text(time, time.dataset.due > now ? `in ${format.duration(time.dataset.due - now)}` : 'now');
    },
    title: () => jobs().find((job) => !isEnd(job)) ?? (project ? `${visible(project.name)} · ${PARTS[partName ?? ''][0]}` : null),
    close: () => abort.abort(),
  };
}
