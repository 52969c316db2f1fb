/** What both views are made of: a state's sign, a bar, the numbers beside it, and the buttons that act on a job. */

import * as format from '../format.js';
import { isEnd } from '../state.js';
import { button, el, say, set, show, svg, text } from './dom.js';

const PATHS = {
  done: 'm5 10.5 3.5 3.5L15 7',
  failed: 'm6.5 6.5 7 7m0-7-7 7',
  cancelled: 'M6 10h8',
  interrupted: 'M10.5 5 7 11h6l-3.5 5',
  waiting: 'M10 6v4l2.5 2',
  paused: 'M8 7v6m4-6v6',
  running: 'M10 3a7 7 0 1 1-7 7',
};

const STATES = {
  queued: ['waiting', 'Waiting'], running: ['running', 'Running'], paused: ['paused', 'Paused'],
  cancelling: ['running', 'Cancelling'], succeeded: ['done', 'Done'], failed: ['failed', 'Failed'],
  cancelled: ['cancelled', 'Cancelled'], interrupted: ['interrupted', 'Interrupted'],
};
export const stateWord = (state) => STATES[state]?.[1] ?? state;

export function icon() {
  const path = svg('path');
  const node = svg('svg', { class: 'icon', viewBox: '0 0 20 20', 'aria-hidden': 'true' }, svg('circle', { cx: 10, cy: 10, r: 7 }), path);
  return { node, update(name) { set(node, 'data-icon', name); set(path, 'd', PATHS[name]); } };
}

export function mark(plain = false) {
  const sign = icon();
  const word = el('span', { class: plain && 'away' });
  const node = el('span', { class: 'mark' }, sign.node, word);
  return { node, update(state, words = stateWord(state)) {
    set(node, 'data-state', state);
    sign.update(STATES[state]?.[0] ?? state);
    text(word, words);
  } };
}

export function bar(big = false) {
  const filling = el('span', { class: 'filling' });
  const node = el('div', { class: big ? 'bar big' : 'bar', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100 }, filling);
  return { node, update(job) {
    const value = format.percent(job);
    set(node, 'aria-label', `${job.kind} ${job.project}`);
    set(node, 'data-state', job.state);
    // Nothing counted yet: no value is the truth, and it moves so that one sees it lives.
    const unknown = job.state === 'running' && !format.isKnown(job);
    set(node, 'aria-valuenow', unknown ? null : value);
    set(node, 'data-unknown', unknown);
    node.style.setProperty('--part', isEnd(job) && job.state !== 'succeeded' ? value / 100 : job.percent / 100);
  } };
}

export const STALLED_MS = 10_000;

export function facts() {
  const parts = ['step', 'amount', 'size', 'rate', 'left'].map((name) => el('span', { class: name }));
  const node = el('p', { class: 'facts' }, parts);
  return { node, update(job, view) {
    const over = isEnd(job);
    const stage = job.stages[job.step - 1];
    const { received_bytes: received } = job.detail;
    const words = [
      stage && !over && `Stage ${job.step} of ${job.steps}: ${stage.title}`,
      !over && countWords(stage?.unit ? stage : job),
      !over && received && job.unit !== 'bytes' && format.bytes(received),
      job.state === 'running' && view.isLive && job.rate > 0 && quietMs(job, view) <= STALLED_MS && format.rate(job.rate, job.unit),
      leftWords(job, view),
    ];
    parts.forEach((part, at) => say(part, words[at] || ''));
    show(node, node.textContent);
  } };
}

export const countWords = (stage) => (stage?.unit && stage.current !== null ? format.amount(stage.current, stage.total, stage.unit) : '');

export const tookMs = (job) => job.ended - job.started - job.held_ms - (job.held_at ? job.ended - job.held_at : 0);

/** The hub says how long nothing has moved, every few seconds; in between the page goes on counting. */
const quietMs = (job, { now, heard }) => (heard ? now - heard : 0) + (job.stalled_s ?? 0) * 1000;

export function leftWords(job, view) {
  const { now, skew, isLive } = view;
  if (job.state === 'queued') {
    const wait = (job.starts_at ?? 0) - now - skew;
    if (job.starts_at) return wait > 0 ? `tries again in ${format.duration(Math.ceil(wait / 1000) * 1000)}` : 'tries again now';
    return job.queue > 1 ? `number ${job.queue} in the queue` : 'next in the queue';
  }
  if (job.state === 'cancelling') return 'stopping and tidying up';
  if (job.state === 'paused') return job.held_at ? `paused for ${format.duration(now + skew - job.held_at)}` : 'paused';
  if (isEnd(job)) return job.started ? `took ${format.duration(tookMs(job))}` : '';
  if (!isLive) return '';
  const quiet = quietMs(job, view);
  if (quiet > STALLED_MS) return `stalled: nothing moved for ${format.duration(quiet)}`;
  return format.eta(job.eta_s, quiet);
}

/** Pause, Resume or Start now, and Cancel: what the job's state allows. */
export function actions(page) {
  let job = {};
  const doing = new Set();
  const says = el('span', { class: 'says', role: 'alert' });
  const make = (verb, className) => {
    const node = button('', async () => {
      const words = node.textContent;
      doing.add(node);
      text(says, '');
      node.disabled = true;
      if (verb === 'cancel') text(node, 'Cancelling…');
      try {
        page.hub.store.put(await page.hub.request('POST', `jobs/${encodeURIComponent(job.id)}/${verb}`, { body: {} }));
      } catch (error) {
        text(node, words);
        // What has ended meanwhile shows so by itself.
        if (error.code !== 'job_ended') text(says, error.message);
      } finally {
        doing.delete(node);
        page.draw();
      }
    }, { class: `quiet ${className}` });
    return node;
  };
  const [pause, resume, cancel] = [make('pause', 'pause'), make('resume', 'resume'), make('cancel', 'cancel')];
  const node = el('div', { class: 'acts' }, says, pause, resume, cancel);
  function put(each, isThere, label, isOff = false) {
    if (doing.has(each)) return;
    if (!isThere && each === document.activeElement) cancel.focus();
    show(each, isThere);
    each.disabled = isOff;
    text(each, label);
    set(each, 'aria-label', `${label} ${job.kind} ${job.project}`);
  }
  return { node, update(newest) {
    job = newest;
    const { state } = job;
    const ours = job.silence_s === null || job.silence_s === undefined; // the hub does not run the others
    put(pause, ours && (state === 'running' || (state === 'queued' && !job.starts_at)), 'Pause');
    put(resume, ours && (state === 'paused' || (state === 'queued' && job.starts_at)), state === 'paused' ? 'Resume' : 'Start now');
    put(cancel, !isEnd(job), state === 'cancelling' ? 'Cancelling…' : 'Cancel', state === 'cancelling');
  } };
}
