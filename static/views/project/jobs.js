import * as format from '../../format.js';
import { isEnd } from '../../state.js';
import { el, keyed, set, show, text } from '../dom.js';
import { actions, bar, facts, mark, tookMs } from '../parts.js';
import { newKey } from '../source.js';
import { action, deeds } from './form.js';
import { outcome } from './words.js';

/** Kinds that make sense for a project; one without an origin is told of by other programs. */
export const kindsOf = ({ url, path }) => (url ? ['clone', 'index', 'ingest', 'sync', 'snapshot'] : path ? ['index', 'sync', 'snapshot'] : []);

/** Starts jobs of a project; pressed again when no answer came, it starts nothing twice. */
export function starter(page, id) {
  let pending = {};
  return async (kind, params = {}, retry = undefined) => {
    const body = { kind, params, retry };
    const wish = JSON.stringify(body);
    if (pending.wish !== wish) pending = { wish, key: newKey() };
    try {
      const job = await page.hub.request('POST', `projects/${encodeURIComponent(id)}/jobs`, { body, headers: { 'Idempotency-Key': pending.key } });
      page.hub.store.put(job);
      pending = {};
    } catch (error) {
      if (error.status) pending = {};
      throw error;
    }
  };
}

export function startButtons(project, start) {
  const names = kindsOf(project);
  if (!names.length) return el('p', { class: 'hint' }, 'Its jobs run elsewhere and publish here.');
  return deeds(...names.map((kind) => action(kind, () => start(kind), { class: 'quiet kind-of' })),
    action('Options…', async () => (await import('./kinds.js')).startDialog(project, start)));
}

/** The jobs that go on, and the one that ended last. */
export function nowRunning(page) {
  const node = el('ul', { class: 'list running', 'aria-label': 'Jobs now' });
  return { node, update(jobs) {
    const live = jobs.filter((job) => !isEnd(job));
    const last = jobs.filter(isEnd).sort((a, b) => b.ended - a.ended)[0];
    keyed(node, [...live, ...(last ? [last] : [])], (job) => job.id, () => card(page));
  } };
}

function card(page) {
  const kind = el('a', { class: 'name' });
  const percent = el('span', { class: 'percent' });
  const sign = mark();
  const line = bar();
  const words = facts();
  const came = el('p', { class: 'said hint' });
  const does = actions(page);
  const node = el('li', { class: 'card job' }, el('div', { class: 'head' }, kind, sign.node, el('span', { class: 'gap' }), percent), line.node,
    el('div', { class: 'foot' }, words.node, came, does.node));
  return { node, update(job) {
    const over = isEnd(job);
    set(node, 'data-state', over ? 'queued' : job.state);
    set(kind, 'href', `#/j/${encodeURIComponent(job.id)}`);
    text(kind, job.kind);
    sign.update(job.state);
    show(line.node, !over && job.state !== 'queued');
    line.update(job);
    words.update(job, page.view(job));
    if (over) show(words.node, false);
    text(percent, job.state === 'running' && format.isKnown(job) ? `${format.percent(job)}\u00a0%` : '');
    text(came, over ? [outcome(job), `${format.relative(job.ended, page.hubNow())}${job.started ? `, took ${format.duration(tookMs(job))}` : ''}`].filter(Boolean).join(' · ') : '');
    does.update(job);
  } };
}
