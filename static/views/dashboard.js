/** Everything that runs and waits, the line that starts more, and below that what was (history.js). */

import * as format from '../format.js';
import { isEnd } from '../state.js';
import { button, el, keyed, later, set, show, text } from './dom.js';
import { actions, bar, facts, mark } from './parts.js';

const EXAMPLE = 'https://github.com/octocat/Hello-World.git';
const KINDS = ['clone', 'ingest', 'index', 'sync', 'snapshot', 'verify', 'prune', 'restore'];

export function dashboard(page, rest) {
  const { hub } = page;
  const start = startLine(page);
  const running = section('Running');
  const queue = section('Waiting');
  const example = button(EXAMPLE, () => start.fill(EXAMPLE), { class: 'example' });
  const empty = el('section', { class: 'empty', hidden: true }, el('h2', {}, 'Paste a git URL and watch it arrive'),
    el('p', {}, 'The hub clones it on the server. You may close this page at any time: the work goes on, and so does the count.'),
    el('p', { class: 'hint' }, 'For example ', example));
  const loading = el('p', { class: 'hint loading' }, 'Asking the hub…');
  const below = el('div');
  const node = el('div', {}, el('h1', { class: 'away' }, 'All jobs'), empty, start.node, loading, running.node, queue.node, below);
  let history = null;
  let wanted = rest;

  // Fetched once the hub has answered: what runs is seen first.
  async function recall() {
    recall.asked = true;
    try {
      const module = await later(() => import('./history.js'));
      history = module.history(page, start, wanted);
      below.replaceChildren(history.node);
      page.draw();
    } catch {
      page.whenLive(recall);
    }
  }

  return {
    node,
    update() {
      const { isFilled, jobs: known } = hub.store;
      const jobs = [...known.values()].filter((job) => !isEnd(job));
      show(loading, !isFilled);
      if (isFilled && !recall.asked) recall();
      running.update(jobs.filter((job) => job.state !== 'queued').sort(byAge), (job) => job.id, () => card(page));
      queue.update(jobs.filter((job) => job.state === 'queued').sort(byTurn), (job) => job.id, () => card(page));
      history?.update();
      show(empty, isFilled && !known.size && history?.isEmpty());
    },
    title: () => null,
    close() {},
    move(to) {
      wanted = to;
      history?.move(to);
    },
  };
}

const byAge = (a, b) => (a.id < b.id ? -1 : 1);
const byTurn = (a, b) => (a.starts_at ?? 0) - (b.starts_at ?? 0) || (a.queue ?? 0) - (b.queue ?? 0) || byAge(a, b);

export function section(title, ...extra) {
  const number = el('span', { class: 'number' });
  const list = el('ul', { class: `list ${title.toLowerCase()}` });
  const node = el('section', { hidden: true }, el('div', { class: 'head' }, el('h2', {}, title, ' ', number), extra), list);
  return { node, list, update(items, key, make, total = items.length) {
    show(node, total);
    text(number, format.count(total));
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
  const acts = actions(page);
  const node = el('li', { class: 'card job' },
    el('div', { class: 'head' }, name, kind, sign.node, el('span', { class: 'gap' }), percent), line.node,
    el('div', { class: 'foot' }, words.node, acts.node));
  return { node, update(job) {
    const waits = job.state === 'queued' && !job.held_at;
    set(node, 'data-state', job.state);
    set(name, 'href', `#/j/${encodeURIComponent(job.id)}`);
    text(name, job.project);
    text(kind, job.attempt > 1 ? `${job.kind}, attempt ${job.attempt}` : job.kind);
    sign.update(job.state);
    show(sign.node, job.state !== 'running');
    text(percent, format.isKnown(job) ? `${format.percent(job)}\u00a0%` : '');
    show(line.node, !waits);
    line.update(job);
    words.update(job, page.view(job));
    acts.update(job);
  } };
}

/** One line; what is typed is read, and what may be chosen besides is made, by start.js, fetched when it is first touched. */
function startLine(page) {
  const source = el('input', { id: 'source', name: 'source', list: 'projects', autocomplete: 'off', autocapitalize: 'off',
    spellcheck: 'false', placeholder: 'https://example.org/team/project.git', 'aria-describedby': 'source-says', enterkeyhint: 'go' });
  const kind = el('select', { name: 'kind', 'aria-label': 'Kind of job' }, KINDS.map((name) => el('option', {}, name)));
  const submit = el('button', { class: 'primary' }, 'Start');
  const says = el('p', { id: 'source-says', class: 'says', role: 'alert' });
  const list = el('datalist', { id: 'projects' });
  const options = el('details', { class: 'options' }, el('summary', {}, 'Options'));
  const form = el('form', { class: 'start card', novalidate: true }, el('label', { for: 'source' }, 'Start a job'),
    el('div', { class: 'line' }, source, kind, submit), says, options, list);
  const parts = { projects: [], form, source, kind, submit, says, options };
  const starter = async () => {
    try {
      return await (starter.made ??= later(() => import('./start.js')).then((module) => module.starter(page, parts)));
    } catch (error) {
      starter.made = null;
      throw error;
    }
  };
  const prepare = () => starter().catch(() => {}); // asked for again, and then told, on submit
  for (const sign of ['focusin', 'pointerenter']) form.addEventListener(sign, prepare, { once: true });
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    try {
      (await starter()).start();
    } catch {
      text(says, 'The hub cannot be reached.');
    }
  });
  return {
    node: form,
    fill(value, of = kind.value) {
      source.value = value;
      kind.value = of;
      kind.dispatchEvent(new Event('change'));
      source.focus();
    },
    update(items) {
      parts.projects = items;
      list.replaceChildren(...items.map((project) => el('option', { value: project.name }, project.url ?? project.path ?? project.id)));
    },
  };
}
