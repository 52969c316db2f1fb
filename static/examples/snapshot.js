import { createModal } from '../surfaces/modal.js';
import { createSnapshot, isEnd, isRunning } from '../surfaces/snapshot.js';
import { el, set, show, text } from '../views/dom.js';

const page = Object.fromEntries([...document.querySelectorAll('[id]')].map((node) => [node.id, node]));
const modal = createModal({ title: 'Snapshot' });
let snapshot = null;

function draw(state) {
  show(page.empty, false);
  show(page.run, true);
  page.submit.disabled = isRunning(state);
  text(page.phase, state.trouble ?? (state.message || 'Connecting…'));
  text(page.connection, state.link === 'reconnecting' ? `Connection lost. Trying again in ${state.retryMs / 1000} s.`
    : state.link === 'polling' ? 'Live updates do not get through. Asking every second.' : '');
  show(page.open, isRunning(state) || isEnd(state));
  page.made.replaceChildren(...madeWords(state));
  modal.update(state);
}

/** Only an address of the web becomes a link. */
function madeWords({ step, snapshotUrl }) {
  if (step !== 'completed' || !snapshotUrl) return [];
  const url = URL.canParse(snapshotUrl, document.baseURI) ? new URL(snapshotUrl, document.baseURI) : null;
  const isWeb = url?.protocol === 'https:' || url?.protocol === 'http:';
  return [isWeb ? el('a', { class: 'link-text', href: url.href }, 'Open the snapshot') : snapshotUrl];
}

/** The client of the project that is typed in; null when there is none. */
function choose() {
  const project = page.project.value.trim();
  text(page['project-says'], project ? '' : 'Name a project first.');
  set(page.project, 'aria-invalid', project ? null : 'true');
  if (!project) {
    page.project.focus();
    return null;
  }
  snapshot?.close();
  snapshot = createSnapshot({ project, onState: draw });
  return snapshot;
}

page.form.addEventListener('submit', (event) => {
  event.preventDefault();
  choose()?.start();
});
page.watch.addEventListener('click', () => choose()?.watch());
page.open.addEventListener('click', () => modal.open());

page.project.value = new URLSearchParams(location.search).get('project') ?? '';
if (page.project.value) choose().watch();
