import * as format from '../format.js';
import { isEnd } from '../state.js';
import { el, keyed, set, show, text } from './dom.js';
import { failure } from './failure.js';
import { messages } from './messages.js';
import { bar, countWords, facts, icon, leftWords, mark } from './parts.js';

export function jobView(page, id) {
  const { hub } = page;
  const abort = new AbortController();
  const name = el('h1', {});
  const sign = mark();
  const about = el('p', { class: 'about' });
  const origin = el('p', { class: 'origin' });
  const cancel = page.cancelButton();
  const percent = el('p', { class: 'huge', 'aria-hidden': 'true' });
  const left = el('p', { class: 'remaining' });
  const line = bar(true);
  const words = facts();
  const stages = el('ol', { class: 'stages' });
  const failed = failure(page);
  const result = el('dl', { class: 'result' });
  const outcome = el('section', { class: 'card', hidden: true }, el('h2', {}, 'Result'), result);
  const log = messages(page);
  const body = el('div', { hidden: true },
    el('header', { class: 'title' }, el('div', {}, name, about, origin), sign.node, cancel.node),
    failed.node,
    el('section', { class: 'card hero', 'aria-label': 'Progress' }, el('div', { class: 'head' }, percent, left), line.node, words.node, stages),
    outcome, log.node);
  const missing = el('p', { class: 'empty', role: 'alert', hidden: true });
  const loading = el('p', { class: 'hint loading' }, 'Asking the hub…');
  const node = el('div', { class: 'single' }, el('a', { class: 'back', href: '#/' }, 'All jobs'), loading, missing, body);
  let unwatch = () => {};

  async function load() {
    try {
      const { project } = await hub.job(id, { signal: abort.signal });
      unwatch();
      unwatch = hub.watch(project, (message) => log.take(message, id));
      if (abort.signal.aborted) unwatch();
      const { url, path } = await hub.project(project, { signal: abort.signal });
      text(origin, url ?? path);
    } catch (error) {
      if (abort.signal.aborted) return;
      text(missing, error.message);
      show(missing, true);
      show(loading, false);
      if (!error.status) page.whenLive(() => { show(missing, false); load(); });
    }
  }

  function update() {
    const job = hub.store.jobs.get(id);
    if (!job) return;
    const view = page.view(job);
    show(loading, false);
    show(body, true);
    set(node, 'data-state', job.state);
    text(name, job.project);
    sign.update(job.state);
    text(about, aboutWords(job, view));
    cancel.update(job);
    text(percent, job.state === 'queued' ? '' : String(format.percent(job)));
    text(left, leftWords(job, view));
    line.update(job);
    words.update(job, view);
    keyed(stages, job.stages, (stage) => stage.stage, () => stageRow());
    for (const stage of job.stages) stages.parts.get(stage.stage).tick(stage, view.now + view.skew);
    failed.update(job);
    log.update(isEnd(job));
    showResult(outcome, result, job);
  }

  load();
  return {
    node, update,
    title: () => hub.store.jobs.get(id),
    close() {
      abort.abort();
      unwatch();
    },
  };
}

function aboutWords(job, { now, skew }) {
  const parts = [job.kind, ...Object.entries(job.params).map(([name, value]) => (value === true ? name : `${name} ${value}`))];
  if (job.attempt > 1) parts.push(`attempt ${job.attempt}`);
  if (job.started) {
    parts.push(`started ${format.shortClock(job.started)}`);
    if (!isEnd(job)) parts.push(format.duration(now + skew - job.started));
  } else parts.push(`asked for at ${format.shortClock(job.created)}`);
  return parts.join(' · ');
}

function stageRow() {
  const sign = icon();
  const title = el('span', { class: 'what' });
  const state = el('span', { class: 'away' });
  const counts = el('span', { class: 'counts' });
  const took = el('span', { class: 'took' });
  const node = el('li', {}, sign.node, title, state, counts, took);
  return {
    node,
    update(stage) {
      set(node, 'data-state', stage.state);
      set(node, 'aria-current', stage.state === 'running' && 'step');
      sign.update(stage.state);
      text(title, stage.title);
      text(state, stage.state);
      text(counts, countWords(stage));
    },
    tick(stage, hubNow) {
      text(took, stage.started ? format.duration((stage.ended ?? hubNow) - stage.started) : '');
    },
  };
}

/** What is not named here is shown as it is. */
const RESULTS = {
  path: ['Where', String],
  head: ['Commit', (value) => value ?? 'none: the repository is empty'],
  branch: ['Branch', (value) => value ?? ''],
  files: ['Files', format.count],
  objects: ['Objects', format.count],
  bytes: ['Received', format.bytes],
  updated: ['How', (value) => (value ? 'updated the clone that was there' : 'cloned anew')],
  bare: ['Bare', (value) => (value ? 'yes' : '')],
  engine: ['Engine', String],
};

function showResult(section, list, job) {
  show(section, Boolean(job.result));
  if (!job.result || list.dataset.of === job.id) return;
  list.dataset.of = job.id;
  const names = [...Object.keys(RESULTS).filter((name) => name in job.result),
    ...Object.keys(job.result).filter((name) => !(name in RESULTS))];
  for (const name of names) {
    const [label, words] = RESULTS[name] ?? [name, (value) => (typeof value === 'object' ? JSON.stringify(value) : String(value))];
    const value = words(job.result[name]);
    if (value !== '') list.append(el('div', { class: `of-${name}` }, el('dt', {}, label), el('dd', {}, value)));
  }
}
