/** How a job ended: its result and what can be done with it, or the cause, what to do, and another try. */

import * as format from '../format.js';
import { isEnd } from '../state.js';
import { button, copyButton, el, say, set, show, text } from './dom.js';
import { leftWords, tookMs } from './parts.js';
import { credentials } from './start.js';

const WANT_CREDENTIALS = new Set(['credentials_wanted', 'credentials_wrong', 'secrets_forgotten']);
const LAST_LINES = 20;

/** `last(n)` gives the last lines that it said. */
export function outcome(page, last) {
  const bad = failure(page, last);
  const good = success();
  const node = el('div', {}, bad.node, good.node);
  return { node, update(job) {
    bad.update(job);
    good.update(job);
  } };
}

function failure(page, last) {
  const cause = el('h2', { class: 'cause' });
  const hint = el('p', { class: 'todo' });
  const where = el('p', { class: 'hint' });
  const next = el('p', { class: 'next' });
  const go = el('a', { class: 'link' });
  const soon = el('span');
  const now = button('Start now', () => page.hub.request('POST', `jobs/${encodeURIComponent(following.id)}/resume`, { body: {} })
    .then((state) => page.hub.store.put(state), (error) => text(says, error.message)));
  const goOn = el('button', { class: 'primary', name: 'from', value: 'stage' });
  const retry = el('button', { class: 'primary', name: 'from', value: 'start' });
  const says = el('p', { class: 'says', role: 'alert' });
  const secrets = credentials();
  const report = copyButton('Copy report', () => reportOf(job, last(LAST_LINES)));
  const form = el('form', { class: 'again' }, secrets.node, el('div', { class: 'actions' }, goOn, retry, report), says);
  next.append(go, soon, now);
  const node = el('section', { class: 'card failure', hidden: true, 'aria-label': 'What happened' }, cause, hint, where, next, form);
  let job = null;
  let following = null;

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const from = event.submitter?.value ?? 'start';
    goOn.disabled = retry.disabled = true;
    text(says, '');
    try {
      const made = await page.hub.request('POST', `jobs/${encodeURIComponent(job.id)}/retry`, { body: { params: secrets.values(), from } });
      page.hub.store.put(made);
      secrets.choose();
      page.go(made.id);
    } catch (error) {
      if (error.code === 'already_running' && error.detail?.job) page.go(error.detail.job);
      else text(says, error.message);
    } finally {
      goOn.disabled = retry.disabled = false;
    }
  });

  return { node, update(newest) {
    job = newest;
    const isBad = isEnd(job) && job.state !== 'succeeded';
    show(node, isBad);
    if (!isBad) return;
    set(node, 'data-state', job.state);
    const { message, hint: advice, stage, code } = job.error ?? {};
    const isOutside = job.silence_s !== null && job.silence_s !== undefined; // who ran it must run it again
    const title = job.stages.find((candidate) => candidate.stage === stage)?.title ?? stage;
    text(cause, message ?? (isOutside && job.state === 'cancelled' ? 'Cancelled.' : ENDS[job.state]));
    say(hint, advice);
    say(where, title && `It ended in the stage “${title}”, at ${format.percent(job)}\u00a0%.`);
    following = [...page.hub.store.jobs.values()].find((other) => other.retry_of === job.id) ?? null;
    show(next, following);
    if (following) {
      const waits = following.state === 'queued' && following.starts_at;
      set(go, 'href', `#/j/${encodeURIComponent(following.id)}`);
      text(go, `Attempt ${following.attempt}`);
      text(soon, ` ${waits ? leftWords(following, page.view(following)) : WORDS[following.state]}`);
      show(now, waits);
    }
    show(secrets.node, WANT_CREDENTIALS.has(code) && !isOutside && !following);
    show(retry, !isOutside && !following);
    show(goOn, !isOutside && !following && job.resumable);
    text(goOn, `Retry from “${title ?? 'where it stopped'}”`);
    set(retry, 'class', job.resumable ? 'quiet' : 'primary');
    text(retry, job.resumable ? 'Retry from the start' : job.state === 'failed' ? 'Retry' : 'Run again');
  } };
}

const WORDS = { queued: 'waits for its turn', running: 'is running', paused: 'is paused', cancelling: 'is being cancelled', succeeded: 'succeeded',
  failed: 'failed, too', cancelled: 'was cancelled', interrupted: 'was interrupted' };

const ENDS = {
  failed: 'It failed, and no cause was given.',
  cancelled: 'Cancelled. What it had begun was removed.',
  interrupted: 'The hub was stopped while this ran.',
};

/** Parameters came from the hub, which keeps no secrets in them. */
function reportOf(job, lines) {
  const { code, message, hint, stage } = job.error ?? {};
  return [`${job.kind} of ${job.project}: ${job.state}`, message && `Cause: ${message} (${code})`, stage && `Stage: ${stage}`,
    hint && `Advice: ${hint}`, `Job: ${job.id}, attempt ${job.attempt}`, `Parameters: ${JSON.stringify(job.params)}`,
    `Ended: ${new Date(job.ended).toISOString()} at ${format.percent(job)} %`, `Address: ${location.href}`,
    lines.length && `\nLast messages:\n${lines.join('\n')}`].filter(Boolean).join('\n');
}

/** What is not named here is shown by its own name. */
const RESULTS = {
  path: ['Where', String],
  head: ['Commit', (value) => value ?? 'none: the repository is empty'],
  branch: ['Branch', (value) => value ?? ''],
  updated: ['How', (value) => (value ? 'updated what was there' : 'anew')],
  dry_run: ['Only a rehearsal', (value) => (value ? 'nothing was changed' : '')],
  fresh: ['Already indexed', (value) => (value === true ? 'nothing had changed' : value || '')],
};

const NEXT = {
  clone: [['', 'Open the project'], ['search', 'Search it']],
  ingest: [['search', 'Search it']],
  index: [['search', 'Search it']],
  sync: [['commits', 'See the commits']],
  snapshot: [['snapshots', 'See the snapshots']],
  prune: [['snapshots', 'See the snapshots']],
};

function success() {
  const list = el('dl', { class: 'result' });
  const then = el('div', { class: 'actions' });
  const took = el('p', { class: 'hint' });
  const node = el('section', { class: 'card outcome', hidden: true, 'aria-label': 'Result' }, el('div', { class: 'head' }, el('h2', {}, 'Result'), took), list, then);
  let shown = null;
  return { node, update(job) {
    const isGood = job.state === 'succeeded' || (isEnd(job) && job.result);
    show(node, isGood);
    if (!isGood || shown === job) return;
    shown = job;
    const [low, high] = job.usual_s ?? [];
    say(took, job.started && low ? `took ${format.duration(tookMs(job))}, usually ${format.duration(low * 1000)} to ${format.duration(high * 1000)}` : '');
    const result = job.result ?? {};
    const names = [...Object.keys(RESULTS).filter((name) => name in result), ...Object.keys(result).filter((name) => !(name in RESULTS))];
    list.replaceChildren(...names.flatMap((name) => {
      const [label, words] = RESULTS[name] ?? [format.label(name), (value) => plain(name, value)];
      const value = words(result[name]);
      return value === '' ? [] : el('div', { class: `of-${name}` }, el('dt', {}, label), el('dd', {}, value));
    }));
    show(list, list.firstChild);
    then.replaceChildren(...(job.state === 'succeeded' ? NEXT[job.kind] ?? [] : []).map(([place, words]) => (
      el('a', { class: 'quiet', href: `#/p/${encodeURIComponent(job.project)}${place && `/${place}`}` }, words))));
    show(then, then.firstChild);
  } };
}

function plain(name, value) {
  if (value === null || value === '' || value === undefined) return '';
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  if (typeof value === 'number') return /bytes/i.test(name) ? format.bytes(value) : /_s$/.test(name) ? format.duration(value * 1000) : format.count(value);
  if (Array.isArray(value)) {
    const some = value.slice(0, 8).map((each) => plain('', each));
    return some.join(', ') + (value.length > 8 ? ` and ${format.count(value.length - 8)} more` : '');
  }
  if (typeof value === 'object') return Object.entries(value).slice(0, 8).map(([key, each]) => `${format.label(key).toLowerCase()} ${plain(key, each)}`).join(', ');
  return String(value);
}
