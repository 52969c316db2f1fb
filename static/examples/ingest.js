import { bar } from '../surfaces/bar.js';
import { SOURCES, createIngest, isEnd, stagesOf } from '../surfaces/ingest.js';
import { el, set, show, text } from '../views/dom.js';
import { mark } from '../views/parts.js';

const page = Object.fromEntries([...document.querySelectorAll('[id]')].map((node) => [node.id, node]));
const progress = bar('Ingestion');
page.bar.append(progress.node);
page.source.append(...SOURCES.map((source) => el('option', {}, source)));
const ingest = createIngest({ onState: draw });

const PHASES = { starting: 'Starting…', complete: 'Complete', failed: 'Failed', lost: 'Connection lost' };
const FACTS = { files: 'Files', symbols: 'Symbols', duration: 'Duration' };

function draw(state) {
  const isBad = state.phase === 'failed' || state.phase === 'lost';
  show(page.empty, false);
  show(page.run, true);
  set(page.run, 'data-state', isBad ? 'failed' : null);
  page.submit.disabled = !isEnd(state);
  text(page.phase, state.isReconnecting ? 'Reconnecting' : PHASES[state.phase] ?? state.stage);
  text(page.percent, state.percent === null ? '' : String(state.percent));
  progress.update(state.percent, isBad ? 'failed' : state.isReconnecting ? 'stale' : state.phase === 'complete' ? 'done' : 'running');
  text(page.message, isBad ? '' : state.message);
  text(page.cause, isBad ? state.message : '');
  drawStages(stagesOf(state));
  page.result.replaceChildren(...Object.entries(FACTS).filter(([name]) => state.metadata[name] !== undefined)
    .map(([name, title]) => el('div', {}, el('dt', {}, title), el('dd', {}, String(state.metadata[name])))));
  drawJob(state.jobId);
}

const rows = stagesOf(ingest.state).map(({ name }) => {
  const sign = mark(true);
  const share = el('span', { class: 'took' });
  const node = el('li', {}, sign.node, el('span', { class: 'what' }, name), share);
  return { node, sign, share };
});
page.stages.append(...rows.map(({ node }) => node));

function drawStages(stages) {
  stages.forEach(({ state, percent }, number) => {
    const { node, sign, share } = rows[number];
    set(node, 'data-state', state);
    set(node, 'aria-current', state === 'running' ? 'step' : null);
    sign.update(state, '');
    text(share, state === 'running' ? `${percent} %` : state === 'waiting' ? '' : state);
  });
}

/** The same job in another tab, or after a reload. */
function drawJob(jobId) {
  if (page.job.dataset.job === jobId) return;
  page.job.dataset.job = jobId ?? '';
  const link = jobId && el('a', { class: 'link-text', href: `?job=${encodeURIComponent(jobId)}`, target: '_blank', rel: 'noopener' }, 'in another tab');
  page.job.replaceChildren(...(jobId ? [`Job ${jobId}. Watch it `, link, '.'] : []));
}

function complain(words) {
  text(page['repository-says'], words);
  set(page.repository, 'aria-invalid', words ? 'true' : null);
}

page.repository.addEventListener('input', () => complain(''));

page.form.addEventListener('submit', (event) => {
  event.preventDefault();
  const repository = page.repository.value.trim();
  if (!repository) {
    complain('Name a repository first, as in owner/name.');
    page.repository.focus();
    return;
  }
  ingest.start({
    source: page.source.value,
    repository,
    branch: page.branch.value.trim() || undefined,
    token: page.token.value || undefined,
    incremental: page.incremental.checked,
  });
  page.token.value = '';
});

const job = new URLSearchParams(location.search).get('job');
if (job) ingest.follow(job);
