import * as format from '../../format.js';
import { el, set, show, svg, text } from '../dom.js';
import { mark, stateWord, tookMs } from '../parts.js';
import { filters } from './form.js';
import { listing, moment, row, said, table } from './listing.js';
import { many, outcome, queryOf } from './words.js';

const RUNS = 40;
const DAYS = 90;
const TIMES = ['Kind', `The last ${RUNS}`, 'Runs', 'Good', 'Usually', 'Nine in ten within', 'Trend'];
const ENDS = ['succeeded', 'failed', 'cancelled', 'interrupted'];
const KINDS = ['clone', 'index', 'ingest', 'sync', 'snapshot', 'restore', 'verify', 'prune'];
const STATES = ['running', 'queued', 'paused', ...ENDS];
const JOBS = ['Job', 'What came of it', 'Took', 'Asked for', 'By'];

/** How long jobs take, and all that were. */
export function front({ page, id, go, project }) {
  const times = table('How long jobs take', TIMES);
  const wrong = el('p', { class: 'says', role: 'alert' });
  const history = el('section', { hidden: true }, el('h2', {}, 'How long jobs take'), times.node, wrong);
  const narrowed = filters([['kind', 'Kind', [['', 'every kind'], ...KINDS.map((kind) => [kind])]],
    ['state', 'State', [['', 'every state'], ...STATES.map((state) => [state, stateWord(state)])]], ['since', 'Since', 'date']], 'Jobs', (values) => go('', values));
  const frame = table('Jobs', JOBS);
  const jobs = listing(page, { frame, noun: 'job', make: row(JOBS, jobRow), empty: () => el('p', {}, asked ? 'No job is like that.' : `Nothing has run here yet. ${project().url || project().path ? 'Start a job above.' : 'Another program may publish here.'}`) });
  const files = el('p', { class: 'deeds exports' });
  let asked = '';

  async function measure() {
    const who = `project=${encodeURIComponent(id)}`;
    try {
      const [runs, usual] = await Promise.all([page.hub.request('GET', `jobs?${who}&state=${ENDS}&limit=400`), page.hub.request('GET', `statistics?${who}&days=${DAYS}`)]);
      const byKind = Object.fromEntries(usual.items.map((item) => [item.kind, item]));
      times.body.replaceChildren(...charts(runs.items, RUNS).map((kind) => timesRow(kind, byKind[kind.kind])));
      show(history, runs.items.length > 0);
      text(wrong, '');
    } catch (error) {
      show(history, true);
      text(wrong, error.message);
    }
  }

  const link = (words, path) => el('a', { class: 'button quiet', href: `api/v1/${path}`, download: '' }, words);
  return {
    node: el('div', {}, history, el('section', {}, el('h2', {}, 'Jobs'), narrowed.node, jobs.node, files)),
    move(item, query) {
      narrowed.set(query);
      asked = queryOf({ kind: query.kind, state: query.state, since: query.since });
      const which = `jobs?project=${encodeURIComponent(id)}${asked.replace('?', '&')}`;
      jobs.ask(which);
      const events = `projects/${encodeURIComponent(id)}/history?order=asc&format=`;
      files.replaceChildren('These jobs: ', link('CSV', `${which}&format=csv`), link('NDJSON', `${which}&format=ndjson`), ' All events: ', link('CSV', `${events}csv`), link('NDJSON', `${events}ndjson`));
      measure();
    },
    again() {
      jobs.again();
      measure();
    },
  };
}

function timesRow({ kind, runs }, usual) {
  const seconds = (value) => (value === undefined || value === null ? '' : format.duration(value * 1000));
  const trend = usual?.trend;
  const cells = [kind, chart(kind, runs), String(usual?.runs ?? ''), usual ? `${Math.floor(usual.success_share * 100)}\u00a0%` : '', seconds(usual?.duration_s?.p50),
    seconds(usual?.duration_s?.p90), trend ? trend.direction : ''];
  return el('tr', {}, cells.map((inside, at) => el(at ? 'td' : 'th', at ? { 'data-head': at > 1 ? TIMES[at] : null } : { scope: 'row' }, inside)));
}

function chart(kind, runs) {
  return svg('svg', { class: 'runs', viewBox: `0 0 ${RUNS * 5} 32`, role: 'img', 'aria-label': `${kind}: ${chartWords(runs)}` },
    svg('path', { class: 'floor', d: `M0 31.5H${RUNS * 5}` }),
    runs.map(({ job, ms, share }, at) => {
      const high = 2 + 28 * share;
      return svg('rect', { 'data-state': job.state, x: at * 5, y: 31 - high, width: 4, height: high, rx: 1 },
        svg('title', {}, `${stateWord(job.state)}, ${format.duration(ms)}, ${format.moment(job.ended)}`));
    }));
}

function jobRow(job) {
  const sign = mark();
  sign.update(job.state);
  const by = [job.scheduled_by && 'schedule', job.attempt > 1 && `try ${job.attempt}`].filter(Boolean).join(', ');
  return [el('a', { class: 'what-job', href: `#/j/${encodeURIComponent(job.id)}` }, el('b', {}, job.kind), sign.node), said('came', outcome(job)),
    job.ended && job.started ? format.duration(tookMs(job)) : '', moment(job.created), by];
}

/** Of jobs, newest first: {kind, runs}, oldest run first with its `share` of the longest. */
export function charts(jobs, most) {
  const kinds = new Map();
  for (const job of jobs) {
    const runs = kinds.get(job.kind) ?? kinds.set(job.kind, []).get(job.kind);
    if (job.ended && job.started && runs.length < most) runs.unshift({ job, ms: tookMs(job) });
  }
  return [...kinds].map(([kind, runs]) => {
    const longest = Math.max(1, ...runs.map(({ ms }) => ms));
    return { kind, runs: runs.map((run) => ({ ...run, share: run.ms / longest })) };
  });
}

export function chartWords(runs) {
  if (!runs.length) return 'No run yet';
  const all = runs.map(({ ms }) => ms);
  return `${many(runs.length, 'run')}, ${format.duration(Math.min(...all))} to ${format.duration(Math.max(...all))}, the newest ${format.duration(all.at(-1))}`;
}
