/** Surface D's modal: opens by itself, closes 2 s after the snapshot is made, stays when it failed. */

import { el, set, show, text } from '../views/dom.js';
import { bar } from './bar.js';
import { filesText, isEnd, isRunning, stepText } from './snapshot.js';

const CLOSE_MS = 2_000;

/**
 * When the modal is there, without the modal: `onVisible(isVisible)`. An end that is met on arrival, of a run that nobody
 * here has seen, opens nothing; a run that was put away stays away until it has ended.
 */
export function visibility(onVisible) {
  let isVisible = false;
  let wasRunning = false;
  let closing = null;

  function turn(wanted) {
    clearTimeout(closing);
    closing = null;
    if (wanted === isVisible) return;
    isVisible = wanted;
    onVisible(isVisible);
  }

  return {
    update(state) {
      const runs = isRunning(state);
      if (runs && !wasRunning) turn(true);
      else if (wasRunning && state.step === 'completed') closing = setTimeout(turn, CLOSE_MS, false);
      else if (wasRunning && state.step === 'failed') turn(true);
      else if (state.step === 'idle') turn(false);
      wasRunning = runs;
    },
    open: () => turn(true),
    close: () => turn(false),
  };
}

const LINKS = {
  connecting: 'Connecting…', reconnecting: 'Connection lost. Reconnecting…', polling: 'Live updates do not get through. Asking every second.',
};

/** -> {node, update(state), open()}; Escape and Close put it away, and the work goes on. */
export function createModal({ title = 'Snapshot', parent = document.body } = {}) {
  const progress = bar(title);
  const heading = el('h2', {}, title);
  const step = el('p', { class: 'surface-step', role: 'status' });
  const percent = el('p', { class: 'surface-percent', 'aria-hidden': 'true' });
  const message = el('p', { class: 'surface-message' });
  const cause = el('p', { class: 'surface-cause', role: 'alert' });
  const files = el('p', { class: 'surface-files' });
  const link = el('p', { class: 'surface-link' });
  const close = el('button', { type: 'button', onclick: () => rule.close() }, 'Close');
  const node = el('dialog', { class: 'surface-modal', 'aria-label': title },
    el('div', { class: 'surface-head' }, heading, percent), progress.node, step, message, cause, files, link,
    el('div', { class: 'surface-actions' }, close));
  parent.append(node);
  // A modal dialog holds the focus, gives it back, and closes at Escape: the browser does all of it.
  const rule = visibility((isVisible) => (isVisible ? node.showModal() : node.close()));
  node.addEventListener('close', () => rule.close());

  function update(state) {
    const isFailed = state.step === 'failed';
    progress.update(state.step === 'starting' ? null : state.percent, isFailed ? 'failed' : isEnd(state) ? 'done' : 'running');
    set(node, 'data-step', state.step);
    text(percent, state.step === 'starting' ? '' : `${Math.floor(state.percent)} %`);
    text(step, stepText(state));
    text(message, isFailed ? '' : state.message);
    text(cause, isFailed ? state.message : '');
    text(files, filesText(state));
    text(link, state.trouble ?? LINKS[state.link] ?? '');
    for (const part of [step, message, cause, files, link]) show(part, part.textContent !== '');
    rule.update(state);
  }

  return { node, update, open: rule.open };
}
