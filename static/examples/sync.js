import { bar } from '../surfaces/bar.js';
import { createSync, isRunning, percentOf, syncText } from '../surfaces/sync.js';
import { toasts } from '../surfaces/toasts.js';
import { el, set, show, text } from '../views/dom.js';

const page = Object.fromEntries([...document.querySelectorAll('[id]')].map((node) => [node.id, node]));
const progress = bar('Sync');
page.bar.append(progress.node);
const notes = toasts();
const sync = createSync({ onState: draw, onToast: (toast) => {
  notes.show(toast, trigger);
  fill();
} });

const FACTS = {
  lastGitSyncAt: 'Last sync', commitsFound: 'Commits', linksCreated: 'Links', lastIndexedAt: 'Last index',
  lastIndexDurationMs: 'It took (ms)', sessionsIndexed: 'Sessions', projectsIndexed: 'Projects', updatedAt: 'As of',
};

function draw(state) {
  const runs = isRunning(state);
  page.trigger.disabled = runs;
  text(page.line, runs ? syncText(state) : IDLE[state.phase]);
  show(page.bar, runs);
  progress.update(percentOf(state), state.isReconnecting ? 'stale' : 'running');
  text(page.connection, state.isReconnecting ? 'Connection lost. Reconnecting…' : '');
}

const IDLE = { idle: 'No sync is running.', done: 'The last sync has completed.', error: 'The last sync has failed.' };

function trigger() {
  notes.clear();
  sync.trigger();
}

async function fill() {
  try {
    const status = await sync.status();
    const rows = Object.entries(FACTS).map(([name, title]) => el('div', {}, el('dt', {}, title), el('dd', {}, factWords(name, status[name]))));
    page.status.replaceChildren(...rows);
    if (document.activeElement !== page.interval) page.interval.value = status.gitSyncIntervalSecs || '';
    text(page['status-says'], '');
  } catch (error) {
    text(page['status-says'], error.message);
  }
}

function factWords(name, value) {
  const isTime = name.endsWith('At');
  if (value === null || value === undefined) return isTime ? 'never' : '–';
  return isTime ? new Date(value).toLocaleString() : String(value);
}

page.trigger.addEventListener('click', trigger);

page.form.addEventListener('submit', async (event) => {
  event.preventDefault();
  text(page.saved, '');
  text(page['interval-says'], '');
  set(page.interval, 'aria-invalid', null);
  try {
    await sync.setInterval(page.interval.valueAsNumber);
    text(page.saved, 'Saved.');
  } catch (error) {
    set(page.interval, 'aria-invalid', 'true');
    text(page['interval-says'], error.message);
    page.interval.focus();
  }
});

draw(sync.state);
sync.watch();
fill();
