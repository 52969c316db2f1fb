import * as format from '../format.js';
import { isEnd } from '../state.js';
import { el, keyed, set, setTime, show, text } from './dom.js';
import { bar, facts, mark } from './parts.js';
import { startForm } from './start.js';

const RECENT = 12;
const EXAMPLE = 'https://github.com/octocat/Hello-World.git';

export function dashboard(page) {
  const { hub } = page;
  const start = startForm(page);
  const running = section('Running');
  const projects = section('Projects');
  const recent = section('Recent');
  const example = el('button', { type: 'button', class: 'example', onclick: () => start.fill(EXAMPLE) }, EXAMPLE);
  const empty = el('section', { class: 'empty' }, el('h2', {}, 'Paste a git URL and watch it arrive'),
    el('p', {}, 'The hub clones it on the server. You may close this page at any time: the work goes on, and so does the count.'),
    el('p', { class: 'hint' }, 'For example ', example));
  const loading = el('p', { class: 'hint loading' }, 'Asking the hub…');
  const node = el('div', {}, el('h1', { class: 'away' }, 'All jobs'), empty, start.node, loading, running.node,
    el('div', { class: 'columns' }, projects.node, recent.node));
  let items = [];
  let asked = '';

  /** Projects come with no stream: asked for again when a job of an unknown one shows up. */
  async function refresh() {
    const known = new Set(items.map((project) => project.id));
    const unknown = [...hub.store.jobs.values()].filter((job) => !known.has(job.project)).map((job) => job.project);
    const question = [...new Set(unknown)].join() || 'all';
    if (question === asked || (question === 'all' && asked)) return;
    asked = question;
    try {
      items = (await hub.projects()).items;
    } catch {
      asked = ''; // the link's chip tells of an unreachable hub; the next news asks again
    }
    page.draw();
  }

  function update() {
    refresh();
    const jobs = [...hub.store.jobs.values()].sort((a, b) => (a.id < b.id ? 1 : -1));
    const live = jobs.filter((job) => !isEnd(job)).sort(byTurn);
    const ended = jobs.filter(isEnd).sort((a, b) => b.ended - a.ended).slice(0, RECENT);
    const isNew = hub.store.isFilled && !jobs.length && !items.length;
    show(empty, isNew);
    show(loading, !hub.store.isFilled);
    start.update(items);
    running.update(live, (job) => job.id, () => card(page));
    projects.update([...items].reverse(), (project) => project.id, () => projectRow(page, jobsOf, start));
    recent.update(ended, (job) => job.id, () => recentRow(page));
  }
  const jobsOf = (project) => [...hub.store.jobs.values()].filter((job) => job.project === project);

  return { node, update, title: () => null, close() {} };
}

function byTurn(a, b) {
  const turn = (job) => (job.state === 'queued' ? 1 : 0);
  return turn(a) - turn(b) || (a.queue ?? 0) - (b.queue ?? 0) || (a.id < b.id ? -1 : 1);
}

function section(title) {
  const number = el('span', { class: 'number' });
  const list = el('ul', { class: `list ${title.toLowerCase()}` });
  const node = el('section', { hidden: true }, el('h2', {}, title, ' ', number), list);
  return { node, update(items, key, make) {
    show(node, items.length > 0);
    text(number, String(items.length));
    keyed(list, items, key, make);
  } };
}

function card(page) {
  const name = el('a', { class: 'name' });
  const kind = el('span', { class: 'kind' });
  const percent = el('span', { class: 'percent' });
  const sign = mark();
  const line = bar();
  const words = facts();
  const cancel = page.cancelButton();
  const node = el('li', { class: 'card job' },
    el('div', { class: 'head' }, name, kind, sign.node, el('span', { class: 'gap' }), percent), line.node,
    el('div', { class: 'foot' }, words.node, cancel.node));
  return { node, update(job) {
    set(node, 'data-state', job.state);
    set(name, 'href', `#/j/${job.id}`);
    text(name, job.project);
    text(kind, job.kind);
    sign.update(job.state);
    show(sign.node, job.state !== 'running');
    text(percent, job.state === 'queued' ? '' : `${format.percent(job)}\u00a0%`);
    show(line.node, job.state !== 'queued');
    line.update(job);
    words.update(job, page.view(job));
    cancel.update(job);
  } };
}

function projectRow(page, jobsOf, start) {
  const name = el('a', { class: 'name' });
  const origin = el('span', { class: 'origin' });
  const sign = mark();
  const usual = el('span', { class: 'usual' });
  let project;
  const again = el('button', { type: 'button', class: 'quiet', onclick: () => start.fill(project.name) }, 'Start…');
  const node = el('li', { class: 'row' }, el('div', { class: 'what' }, name, origin), usual, sign.node, again);
  return { node, update(item) {
    project = item;
    const jobs = jobsOf(item.id).sort((a, b) => (a.id < b.id ? 1 : -1));
    const last = jobs[0] ?? item.job;
    text(name, item.name);
    set(name, 'href', last ? `#/j/${last.id}` : null);
    text(origin, (item.url ?? item.path ?? '').replace(/^https?:\/\//, ''));
    show(sign.node, Boolean(last));
    if (last) sign.update(last.state, last.state === 'running' ? `${last.kind} ${format.percent(last)}\u00a0%` : undefined);
    text(usual, usually(jobs));
    set(again, 'aria-label', `Start a job on ${item.name}`);
  } };
}

function usually(jobs) {
  const times = jobs.filter((job) => job.state === 'succeeded').map((job) => job.ended - job.started).sort((a, b) => a - b);
  return times.length < 2 ? '' : `usually ${format.duration(times[times.length >> 1])}`;
}

function recentRow(page) {
  const sign = mark(true);
  const name = el('span', { class: 'name' });
  const cause = el('span', { class: 'origin' });
  const took = el('span', { class: 'usual' });
  const when = el('time', {});
  const link = el('a', { class: 'row' }, sign.node, el('div', { class: 'what' }, name, cause), took, when);
  const node = el('li', {}, link);
  return { node, update(job) {
    set(link, 'href', `#/j/${job.id}`);
    sign.update(job.state);
    text(name, job.project);
    text(cause, job.error?.message ?? job.kind);
    text(took, job.started && job.state === 'succeeded' ? format.duration(job.ended - job.started) : '');
    setTime(when, job.ended, format.relative(job.ended, page.hubNow()), format.moment(job.ended));
  } };
}
