/** One job: how far, how long, which stage; what it said; and its result, or why it ended without one. */

import * as format from '../format.js';
import { isEnd } from '../state.js';
import { button, el, keyed, later, say, set, sheet, show, text } from './dom.js';
import { actions, bar, countWords, facts, icon, leftWords, mark } from './parts.js';

export function jobView(page, id, rest) {
  const { hub } = page;
  const abort = new AbortController();
  const name = el('h1');
  const project = el('a');
  const sign = mark();
  const about = el('p', { class: 'about' });
  const origin = el('p', { class: 'origin' });
  const acts = actions(page);
  const notify = button('Notify me', async () => (await later(() => import('./notify.js'))).notifyOf(page, id, notify));
  const percent = el('p', { class: 'huge', 'aria-hidden': 'true' });
  const left = el('p', { class: 'remaining' });
  const line = bar(true);
  const words = facts();
  const now = el('p', { class: 'now' });
  const detail = el('p', { class: 'facts detail' });
  const drawn = el('div', { class: 'throughput' });
  const stages = el('ol', { class: 'stages' });
  const hero = el('section', { class: 'card hero', 'aria-label': 'Progress' }, el('div', { class: 'head' }, percent, left), line.node, words.node, now,
    detail, drawn, stages);
  const end = el('div');
  const place = el('div');
  const body = el('div', { hidden: true },
    el('header', { class: 'title' }, el('div', {}, name, about, origin), sign.node, el('div', { class: 'bar-of-acts' }, acts.node, notify)), end, hero, place);
  const missing = el('p', { class: 'empty', role: 'alert', hidden: true });
  const loading = el('p', { class: 'hint loading' }, 'Asking the hub…');
  const node = el('div', { class: 'single' }, el('a', { class: 'back', href: '#/' }, 'All jobs'), loading, missing, body);
  name.append(project);
  let log = null;
  let wanted = rest;
  let unwatch = () => {};
  let outcome = null;
  let isDressed = false;
  let isKnown = false;
  let chart = null;
  let at = 0;

  async function load() {
    try {
      const [found, said] = await Promise.all([hub.job(id, { signal: abort.signal }), later(() => import('./messages.js'))]);
      if (!log) {
        log = said.messages(page, id, wanted);
        place.append(log.node);
      }
      unwatch();
      unwatch = hub.watch(found.project, log.take);
      if (abort.signal.aborted) unwatch();
      log.open(found.project);
      const { url, path } = await hub.project(found.project, { signal: abort.signal });
      text(origin, url ?? path ?? '');
    } catch (error) {
      if (abort.signal.aborted) return;
      if (!hub.store.jobs.get(id)) {
        say(missing, error.message);
        show(loading, false);
        show(body, false);
      }
      if (!error.status) page.whenLive(() => { say(missing); load(); });
    }
  }

  /** Fetched when it ends: the cause and what to do, or the result. */
  async function conclude(job) {
    if (outcome || !isEnd(job)) return;
    outcome = { update() {} };
    try {
      const module = await later(() => import('./outcome.js'));
      outcome = module.outcome(page, (n) => log?.last(n) ?? []);
      end.replaceChildren(outcome.node);
      // The last lines stand next to the cause.
      if (job.state === 'failed') end.after(place);
      page.draw();
    } catch {
      outcome = null;
      page.whenLive(page.draw);
    }
  }

  async function draw(job) {
    const samples = hub.store.rates.get(id);
    if (samples?.length < 5 || !samples || drawn.samples === samples.length + samples.at(-1).at) return;
    drawn.samples = samples.length + samples.at(-1).at;
    if (!chart) {
      const module = await later(() => import('./charts.js')).catch(() => null); // no picture, then; the numbers are there
      if (!module || chart) return;
      chart = module.curve();
      drawn.append(chart.node);
    }
    const values = samples.map((sample) => sample.value);
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    const [low, high, usual] = [Math.min(...values), Math.max(...values), mean].map((value) => format.rate(value, samples.unit));
    chart.update(samples, `Throughput over ${format.duration(samples.at(-1).at - samples[0].at)}: ${low} to ${high}, ${usual} on average`);
    show(drawn, job.state !== 'queued');
  }

  function update() {
    const job = hub.store.jobs.get(id);
    if (!job) {
      // Forgotten, or its project was deleted: the hub knows.
      if (isKnown) load();
      isKnown = false;
      return;
    }
    isKnown = true;
    const view = page.view(job);
    show(loading, !isDressed);
    show(body, isDressed);
    set(node, 'data-state', job.state);
    text(project, job.project);
    set(project, 'href', `#/p/${encodeURIComponent(job.project)}`);
    sign.update(job.state);
    text(about, aboutWords(job, view));
    acts.update(job);
    show(notify, !isEnd(job));
    text(percent, format.isKnown(job) ? String(format.percent(job)) : '');
    text(left, leftWords(job, view) || usualWords(job));
    line.update(job);
    words.update(job, view);
    say(now, isEnd(job) || job.message === job.stages[job.step - 1]?.title ? '' : job.message);
    say(detail, job.state === 'succeeded' ? '' : detailWords(job)); // the result tells then
    keyed(stages, job.stages, (stage) => stage.stage, () => stageRow((stage) => log?.seek(stage)));
    for (const stage of job.stages) stages.parts.get(stage.stage).tick(stage, isEnd(job) ? job.ended : (job.held_at ?? view.now + view.skew));
    show(stages, job.stages.length);
    if (isDressed && at !== job.step) {
      at = job.step;
      stages.scrollTop = (stages.children[at - 1]?.offsetTop ?? 0) - 90; // of many, the one that it is in is seen
    }
    conclude(job);
    outcome?.update(job);
    log?.update(job);
    draw(job);
  }

  load();
  sheet('later.css').then(() => {
    isDressed = true;
    page.draw();
  });
  return {
    node,
    update,
    log: () => log,
    title: () => hub.store.jobs.get(id),
    close() {
      abort.abort();
      unwatch();
      log?.close();
    },
    move(to) {
      wanted = to;
      log?.move(to);
    },
  };
}

function aboutWords(job, { now, skew }) {
  const parts = [job.kind, ...Object.entries(job.params).map(([name, value]) => (value === true ? name : `${name} ${Array.isArray(value) ? value.join(', ') : value}`))];
  if (job.attempt > 1) parts.push(`attempt ${job.attempt}${job.retry?.attempts > 1 ? ` of ${job.retry.attempts - job.retry.attempt + job.attempt}` : ''}`);
  if (job.scheduled_by && !job.retry_of) parts.push('started by a schedule');
  if (job.silence_s) parts.push('run by another program');
  if (job.started) {
    parts.push(`started ${format.shortClock(job.started)}`);
    if (!isEnd(job)) parts.push(format.duration((job.held_at ?? now + skew) - job.started - job.held_ms));
  } else parts.push(`asked for at ${format.shortClock(job.created)}`);
  return parts.join(' · ');
}

/** A range when there is history. */
function usualWords(job) {
  if (!job.usual_s || isEnd(job) || job.state !== 'running') return '';
  const [low, high] = job.usual_s.map((s) => format.duration(s * 1000));
  return low === high ? `usually ${low}` : `usually ${low} to ${high}`;
}

/** The counters of any kind, by their names; not what is said already. */
function detailWords({ detail, current, total }) {
  return Object.entries(detail).filter(([name, value]) => typeof value === 'number' && value && ![current, total].includes(value) && name !== 'received_bytes').slice(0, 6)
    .map(([name, value]) => `${format.label(name).toLowerCase()} ${/bytes/i.test(name) ? format.bytes(value) : format.count(value)}`).join(' · ');
}

function stageRow(seek) {
  const sign = icon();
  const title = button('', () => seek(stage), { class: 'what' });
  const state = el('span', { class: 'away' });
  const counts = el('span', { class: 'counts' });
  const took = el('span', { class: 'took' });
  const node = el('li', {}, sign.node, title, state, counts, took);
  let stage;
  return {
    node,
    update(newest) {
      stage = newest;
      set(node, 'data-state', stage.state);
      set(node, 'aria-current', stage.state === 'running' && 'step');
      sign.update(stage.state);
      text(title, stage.title);
      title.disabled = !stage.started;
      set(title, 'title', stage.started ? 'Show its messages' : null);
      text(state, stage.state);
      text(counts, countWords(stage));
    },
    tick(of, hubNow) {
      text(took, of.started ? format.duration((of.ended ?? hubNow) - of.started - of.held_ms) : '');
    },
  };
}
