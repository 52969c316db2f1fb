import * as format from '../format.js';
import { bar } from '../surfaces/bar.js';
import { createClone, nameOf, phaseText } from '../surfaces/clone.js';
import { el, set, show, text } from '../views/dom.js';

const page = Object.fromEntries([...document.querySelectorAll('[id]')].map((node) => [node.id, node]));
const progress = bar('Clone');
page.bar.append(progress.node);
const clone = createClone({ onState: draw });

function draw(state) {
  const isBad = state.phase === 'failed' || state.phase === 'lost';
  show(page.empty, false);
  show(page.run, true);
  set(page.run, 'data-state', isBad ? 'failed' : null);
  page.submit.disabled = !isBad && state.phase !== 'done';
  text(page.phase, phaseText(state));
  text(page.percent, state.percent === null ? '' : String(state.percent));
  text(page.from, state.url);
  progress.update(state.percent, isBad ? 'failed' : state.isReconnecting ? 'stale' : state.phase === 'done' ? 'done' : 'running');
  text(page.counts, state.counts ? countWords(state.counts) : '');
  text(page.result, state.phase === 'done' ? state.message : '');
  text(page.cause, isBad ? state.message : '');
  page.help.replaceChildren(...state.helpSteps.map((step) => el('li', {}, step)));
  show(page.credentials, state.canRetryWithCredentials);
  show(page.actions, isBad && !state.canRetryWithCredentials);
}

function countWords({ received_objects: received, total_objects: total, received_bytes: size, indexed_deltas: indexed, total_deltas: deltas }) {
  const resolved = received >= total && deltas ? `, ${format.amount(indexed, deltas, 'deltas')}` : '';
  return `${format.amount(received, total, 'objects')}, ${format.bytes(size)}${resolved}`;
}

function complain(words) {
  text(page['url-says'], words);
  set(page.url, 'aria-invalid', words ? 'true' : null);
}

page.url.addEventListener('input', () => {
  complain('');
  const name = nameOf(page.url.value.trim());
  text(page.folder, name && page.url.value.includes(':') ? `Will be called ${name}.` : '');
});

page.form.addEventListener('submit', (event) => {
  event.preventDefault();
  const url = page.url.value.trim();
  if (url) clone.start(url);
  else {
    complain('Paste a git URL first.');
    page.url.focus();
  }
});

page.credentials.addEventListener('submit', (event) => {
  event.preventDefault();
  const { username, password } = Object.fromEntries(new FormData(page.credentials));
  page.credentials.reset();
  clone.retry(username ? { username, password } : { token: password });
});

page.again.addEventListener('click', () => clone.start(clone.state.url));
