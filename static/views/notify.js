/** One notification, at the end of a job, for who has asked for it by a click. */

import { percent } from '../format.js';
import { isEnd } from '../state.js';
import { set, text } from './dom.js';
import { stateWord } from './parts.js';

const wanted = new Map();

export async function notifyOf(page, id, button) {
  const off = () => {
    wanted.delete(id);
    text(button, 'Notify me');
    set(button, 'aria-pressed', 'false');
  };
  if (wanted.has(id)) {
    off();
    return;
  }
  const may = 'Notification' in globalThis && isSecureContext ? await Notification.requestPermission() : 'missing';
  if (may !== 'granted') {
    page.toast(may === 'missing' ? 'Browsers notify only for pages that come by https. A notice will show here, and the tab’s title and icon tell, too.'
      : 'This browser was told not to notify. A notice will show here, and the tab’s title and icon tell, too.', { lastsMs: 12_000 });
  }
  text(button, 'Will notify');
  set(button, 'aria-pressed', 'true');
  wanted.set(id, may === 'granted');
  const look = () => {
    const job = page.hub.store.jobs.get(id);
    if (wanted.has(id) && (!job || !isEnd(job))) return;
    page.hub.store.removeEventListener('change', look);
    if (!wanted.has(id)) return;
    const isTold = wanted.get(id);
    off();
    tell(page, job, isTold);
  };
  page.hub.store.addEventListener('change', look);
  look(); // it may have ended while this browser was asked
}

function tell(page, job, isTold) {
  const title = `${job.kind} ${job.project}: ${stateWord(job.state)}`;
  page.toast(title, { isError: job.state === 'failed', link: [`#/j/${encodeURIComponent(job.id)}`, 'Show'], lastsMs: 60_000 });
  if (!isTold) return;
  try {
    const note = new Notification(title, { tag: job.id, body: job.error?.message ?? (job.state === 'succeeded' ? '' : `at ${percent(job)} %`) });
    note.onclick = () => {
      focus();
      page.go(job.id);
      note.close();
    };
  } catch {
    // Some mobile browsers have the constructor and no notifications without a service worker; the notice is there.
  }
}
