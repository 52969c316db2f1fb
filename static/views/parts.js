import * as format from '../format.js';
import { isEnd } from '../state.js';
import { el, set, show, svg, text } from './dom.js';

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
  const path = svg('path', {});
  const node = svg('svg', { class: 'icon', viewBox: '0 0 20 20', 'aria-hidden': 'true' },
    svg('circle', { cx: 10, cy: 10, r: 7 }), path);
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
    const unknown = job.state === 'running' && job.percent === 0;
    set(node, 'aria-valuenow', unknown ? null : value);
    set(node, 'data-unknown', unknown);
    node.style.setProperty('--part', isEnd(job) && job.state !== 'succeeded' ? value / 100 : job.percent / 100);
  } };
}

export const STALLED_MS = 10_000;

export function facts() {
  const [step, amount, size, rate, left] = ['step', '', '', 'rate', 'left'].map((name) => el('span', { class: name }));
  const node = el('p', { class: 'facts' }, step, amount, size, rate, left);
  return { node, update(job, view) {
    const running = job.state === 'running';
    const stage = job.stages[job.step - 1];
    text(step, stage && !isEnd(job) ? `Stage ${job.step} of ${job.steps}: ${stage.title}` : '');
    text(amount, isEnd(job) ? '' : countWords(stage));
    text(size, !isEnd(job) && job.detail.received_bytes ? format.bytes(job.detail.received_bytes) : '');
    text(rate, running && view.isLive ? format.rate(job.rate, job.unit) : '');
    text(left, leftWords(job, view));
    for (const part of node.children) show(part, part.textContent !== '');
    show(node, node.textContent !== '');
  } };
}

export const countWords = (stage) => (
  stage?.unit && stage.current !== null ? format.amount(stage.current, stage.total, stage.unit) : ''
);

export function leftWords(job, { now, heard, isLive }) {
  if (job.state === 'queued') return job.queue > 1 ? `number ${job.queue} in the queue` : 'next in the queue';
  if (job.state === 'cancelling') return 'stopping and tidying up';
  if (isEnd(job)) return job.started ? `took ${format.duration(job.ended - job.started - job.held_ms)}` : '';
  if (job.state !== 'running' || !isLive) return '';
  // The hub says how long nothing has moved, every few seconds; in between the page goes on counting.
  const quiet = (heard ? now - heard : 0) + (job.stalled_s ?? 0) * 1000;
  if (quiet > STALLED_MS) return `stalled: nothing moved for ${format.duration(quiet)}`;
  return format.eta(job.eta_s, quiet);
}
