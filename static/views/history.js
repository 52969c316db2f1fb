/** The lower part of the dashboard: projects, and jobs that have ended, narrowed by what the URL says. */

import * as format from '../format.js';
import { isEnd } from '../state.js';
import { sparkline } from './charts.js';
import { button, el, say, set, setTime, show, text } from './dom.js';
import { section } from './dashboard.js';
import { mark, tookMs } from './parts.js';

const PAGE = 12;
const SPARKS = 12;
const FEWEST = 3;
const INDEXED = new Set(['index', 'ingest']);
const MOST_COVERAGES = 30;
const MOST_PROJECTS = 1_000;
const MOST_ROWS = 20;

export function history(page, start, rest) {
  const { hub } = page;
  const projects = section('Projects');
  let isWhole = false;
  const whole = button('', () => {
    isWhole = true;
    update();
    projects.list.children[MOST_ROWS]?.querySelector('a').focus();
  });
  projects.node.append(whole);
  const recent = recentJobs(page, rest);
  const node = el('div', { class: 'columns' }, projects.node, recent.node);
  const known = { items: [], usual: new Map(), coverage: new Map(), isAsked: false, ended: -1 };

  /** Projects and figures come with no stream: asked for again when a job of an unknown project shows up, or one ends. */
  async function refresh() {
    const jobs = [...hub.store.jobs.values()];
    const ids = new Set(known.items.map((project) => project.id));
    const ended = jobs.filter(isEnd).length;
    const strangers = jobs.filter((job) => !ids.has(job.project)).map((job) => job.project);
    const question = `${ended} ${[...new Set(strangers)].sort()}`;
    if (known.question === question) return;
    known.question = question;
    try {
      known.items = await everyProject(hub);
      known.isAsked = true;
      start.update(known.items);
      page.draw();
      const { items } = await hub.request('GET', 'statistics');
      known.usual = new Map();
      for (const each of items) {
        const before = known.usual.get(each.project);
        if (each.duration_s && !(before?.runs > each.runs)) known.usual.set(each.project, each);
      }
      const indexed = new Set(items.filter((each) => INDEXED.has(each.kind) && each.states.succeeded).map((each) => each.project));
      for (const project of known.items.map(({ id }) => id).filter((id) => indexed.has(id)).slice(0, MOST_COVERAGES)) {
        try {
          known.coverage.set(project, (await hub.request('GET', `projects/${encodeURIComponent(project)}/index?limit=1`)).coverage);
        } catch (error) {
          if (!error.status) throw error;
          known.coverage.delete(project); // there was an index once
        }
      }
      page.draw();
    } catch (error) {
      if (error.status) return; // asked again at the next end of a job
      // The chip tells of an unreachable hub.
      known.question = null;
      page.whenLive(page.draw);
    }
  }

  function update() {
    if (!known.isBusy) {
      known.isBusy = true;
      refresh().finally(() => { known.isBusy = false; });
    }
    const byProject = new Map();
    for (const job of [...recent.known(), ...hub.store.jobs.values()]) {
      if (!byProject.has(job.project)) byProject.set(job.project, new Map());
      byProject.get(job.project).set(job.id, job);
    }
    const rows = known.items.map((project) => {
      const jobs = [...byProject.get(project.id)?.values() ?? []].sort((a, b) => b.created - a.created);
      return { project, jobs, last: jobs[0] ?? project.job, usual: known.usual.get(project.id), coverage: known.coverage.get(project.id) };
    }).sort((a, b) => (b.last?.created ?? b.project.created) - (a.last?.created ?? a.project.created));
    projects.update(isWhole ? rows : rows.slice(0, MOST_ROWS), (row) => row.project.id, () => projectRow(page, start), rows.length);
    show(whole, !isWhole && rows.length > MOST_ROWS);
    text(whole, `Show all ${format.count(rows.length)}`);
    recent.update();
  }

  return { node, isEmpty: () => known.isAsked && !known.items.length && !recent.total(), move: recent.move, update };
}

/** Page by page, the hub's own order being that of their making. */
async function everyProject(hub) {
  const items = [];
  let next;
  do {
    const answer = await hub.request('GET', `projects?limit=100${next ? `&cursor=${encodeURIComponent(next)}` : ''}`);
    items.push(...answer.items);
    ({ next } = answer);
  } while (next && items.length < MOST_PROJECTS);
  return items;
}

function projectRow(page, start) {
  const name = el('a', { class: 'name' });
  const origin = el('span', { class: 'origin' });
  const sign = mark();
  const job = el('a', { class: 'last' }, sign.node);
  const notes = el('span', { class: 'usual' });
  const spark = sparkline((runs) => `The last ${runs.length} runs took ${runs.map((run) => format.duration(run.ms)).join(', ')}`);
  let row = {};
  let drawn = '';
  const again = button('Start…', () => start.fill(row.project.name, row.last?.kind));
  const node = el('li', { class: 'row' }, el('div', { class: 'what' }, name, origin, notes), spark.node, job, again);
  return { node, update(newest) {
    row = newest;
    const { project, jobs, last, usual, coverage } = row;
    text(name, project.name);
    set(name, 'href', `#/p/${encodeURIComponent(project.id)}`);
    say(origin, (project.url ?? project.path ?? '').replace(/^https?:\/\//, ''));
    show(job, last);
    if (last) {
      set(job, 'href', `#/j/${encodeURIComponent(last.id)}`);
      set(job, 'title', `${last.kind}, ${format.moment(last.ended ?? last.created)}`);
      sign.update(last.state, last.state === 'running' && format.isKnown(last) ? `${last.kind} ${format.percent(last)}\u00a0%` : `${last.kind} ${END_WORDS[last.state] ?? last.state}`);
    }
    const share = coverage?.of ? Math.floor((coverage.indexed / coverage.of) * 100) : null;
    say(notes, [usual && `usually ${format.duration(usual.duration_s.p50 * 1000)}`, share !== null && `${share}\u00a0% indexed`]
      .filter(Boolean).join(' · '));
    const runs = jobs.filter((each) => each.ended && each.started && each.kind === (usual?.kind ?? last.kind)).slice(0, SPARKS).reverse()
      .map((each) => ({ ms: tookMs(each), state: each.state }));
    const some = runs.length >= FEWEST;
    node.classList.toggle('sparkless', !some);
    set(spark.node, 'aria-hidden', !some && 'true');
    const told = runs.map((run) => run.ms).join();
    if (some && told !== drawn) {
      drawn = told;
      spark.update(runs);
    }
    set(again, 'aria-label', `Start a job on ${project.name}`);
  } };
}

const END_WORDS = { succeeded: 'done', queued: 'waiting' };
const ENDS = { '': 'Any end', succeeded: 'Done', failed: 'Failed', cancelled: 'Cancelled', interrupted: 'Interrupted' };
const NAMES = ['kind', 'state', 'project'];

/** Jobs that have ended, those that the hub lists and those that end while one looks. Filters live in the URL. */
function recentJobs(page, rest) {
  const { hub } = page;
  const filters = Object.fromEntries(NAMES.map((name) => [name, el('select', { 'aria-label': `Only this ${name}`, onchange: choose })]));
  const more = button('Show more', () => list());
  const none = el('p', { class: 'hint none', role: 'status' });
  const row = section('Recent', el('div', { class: 'filters' }, Object.values(filters)));
  row.node.append(none, more);
  const listed = new Map();
  let wanted = {};
  let next = null;
  let total = 0;
  let turn = 0;

  function choose() {
    const query = new URLSearchParams(NAMES.map((name) => [name, filters[name].value]).filter(([, value]) => value));
    location.replace(query.size ? `#/?${query}` : '#/');
  }

  function move(to) {
    const query = new URLSearchParams(to);
    wanted = Object.fromEntries(NAMES.map((name) => [name, query.get(name) ?? '']));
    listed.clear();
    next = null;
    list();
  }

  async function list() {
    turn += 1;
    const mine = turn;
    const query = new URLSearchParams({ limit: PAGE, state: wanted.state || 'succeeded,failed,cancelled,interrupted' });
    for (const name of ['kind', 'project']) if (wanted[name]) query.set(name, wanted[name]);
    if (next) query.set('cursor', next);
    try {
      const answer = await hub.request('GET', `jobs?${query}`);
      if (mine !== turn) return;
      for (const job of answer.items) listed.set(job.id, job);
      next = answer.next ?? null;
      total = answer.total;
      text(none, '');
    } catch (error) {
      if (mine !== turn) return;
      if (!error.status) page.whenLive(list);
      text(none, error.message);
    }
    page.draw();
  }

  const fits = (job) => isEnd(job) && NAMES.every((name) => !wanted[name] || job[name] === wanted[name]);

  function update() {
    const jobs = new Map(listed);
    let ended = 0;
    for (const job of hub.store.jobs.values()) {
      if (!fits(job)) continue;
      if (!jobs.has(job.id) && (!next || job.ended >= oldest())) ended += 1;
      if (jobs.has(job.id) || !next || job.ended >= oldest()) jobs.set(job.id, job);
    }
    const shown = [...jobs.values()].sort((a, b) => b.ended - a.ended);
    row.update(shown, (job) => job.id, () => recentRow(page), Math.max(total, shown.length, listed.size + ended));
    const narrowed = NAMES.some((name) => wanted[name]);
    if (narrowed) show(row.node, true);
    if (!shown.length && narrowed && !none.textContent) text(none, 'No job fits. Choose something else, or wait for one that does.');
    else if (shown.length && none.textContent.startsWith('No job')) text(none, '');
    show(more, next);
    offer('kind', [...hub.store.jobs.values(), ...shown].map((job) => job.kind), 'Any kind');
    offer('project', [...hub.store.jobs.values(), ...shown].map((job) => job.project), 'Any project');
  }
  const oldest = () => Math.min(...[...listed.values()].map((job) => job.ended));

  /** What has been seen may be chosen; a list never shrinks under one's hand. */
  function offer(name, values, any) {
    const select = filters[name];
    const all = new Set([...select.options].map((option) => option.value));
    for (const value of ['', ...(wanted[name] ? [wanted[name]] : []), ...values]) {
      if (all.has(value)) continue;
      all.add(value);
      select.append(el('option', { value }, value || any));
    }
    if (document.activeElement !== select) select.value = wanted[name];
  }
  for (const [value, words] of Object.entries(ENDS)) filters.state.append(el('option', { value }, words));
  move(rest);
  return { node: row.node, move(to) {
    move(to);
    filters.state.value = wanted.state;
  }, update() {
    update();
    if (document.activeElement !== filters.state) filters.state.value = wanted.state;
  }, known: () => listed.values(), total: () => total };
}

function recentRow(page) {
  const sign = mark(true);
  const name = el('span', { class: 'name' });
  const cause = el('span', { class: 'origin' });
  const took = el('span', { class: 'usual' });
  const when = el('time');
  const link = el('a', { class: 'row' }, sign.node, el('div', { class: 'what' }, name, cause), took, when);
  const node = el('li', {}, link);
  return { node, update(job) {
    set(link, 'href', `#/j/${encodeURIComponent(job.id)}`);
    sign.update(job.state);
    text(name, job.project);
    text(cause, job.error ? `${job.kind}: ${job.error.message}` : job.kind);
    text(took, job.started && job.state === 'succeeded' ? format.duration(tookMs(job)) : '');
    setTime(when, job.ended, format.relative(job.ended, page.hubNow()), format.moment(job.ended));
  } };
}
