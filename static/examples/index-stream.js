import * as format from '../format.js';
import { bar } from '../surfaces/bar.js';
import { createIndex, isEnd } from '../surfaces/index.js';
import { set, show, text } from '../views/dom.js';

const page = Object.fromEntries([...document.querySelectorAll('[id]')].map((node) => [node.id, node]));
const progress = bar('Indexing');
page.bar.append(progress.node);
const index = createIndex({ onState: draw });

const PHASES = {
  running: 'Indexing', cancelling: 'Cancelling…', done: 'Done', failed: 'Failed', cancelled: 'Cancelled', lost: 'Connection lost',
};
const BARS = { done: 'done', failed: 'failed', lost: 'failed', cancelled: 'stale' };

function draw(state) {
  const isBad = state.phase === 'failed' || state.phase === 'lost';
  show(page.empty, false);
  show(page.run, true);
  set(page.run, 'data-state', isBad ? 'failed' : null);
  page.submit.disabled = !isEnd(state);
  text(page.phase, PHASES[state.phase]);
  text(page.percent, state.percent === null ? '' : String(state.percent));
  progress.update(state.percent, BARS[state.phase] ?? 'running');
  text(page.counts, state.stage === 'indexing' && state.total ? format.amount(state.current, state.total, 'files') : '');
  text(page.message, isBad ? '' : state.message);
  text(page.cause, isBad ? state.message : '');
  page.cancel.disabled = state.phase === 'cancelling';
  show(page.cancel, !isEnd(state));
}

function complain(words) {
  text(page['path-says'], words);
  set(page.path, 'aria-invalid', words ? 'true' : null);
}

page.path.addEventListener('input', () => complain(''));

page.form.addEventListener('submit', (event) => {
  event.preventDefault();
  const path = page.path.value.trim();
  if (path.startsWith('/')) index.start(path, { forceReindex: page.force.checked });
  else {
    complain('Name a folder by its whole path, as in /srv/project.');
    page.path.focus();
  }
});

page.cancel.addEventListener('click', async () => {
  try {
    await index.cancel();
  } catch (error) {
    text(page.cause, error.message);
  }
});
