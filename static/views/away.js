/** What happened while nobody looked: kept as one comes back, until it is closed. */

import * as format from '../format.js';
import { isEnd } from '../state.js';
import { button, el, text } from './dom.js';
import { stateWord } from './parts.js';

/** `before`: the jobs as they were, id -> state object, at `since`; `heard`: what the page itself saw meanwhile. */
export async function away(page, before, since) {
  const { hub } = page;
  const gone = [...before.values()].filter((job) => !isEnd(job) && !hub.store.jobs.has(job.id));
  // Ended while the page rested: the hub lists what is alive.
  await Promise.allSettled(gone.map((job) => hub.job(job.id)));
  const lines = summary(before, hub.store.jobs);
  document.getElementById('away')?.remove();
  if (!lines.length) return;
  const head = el('h2', {});
  const node = el('section', { id: 'away', class: 'card', 'aria-label': 'While you were away' }, el('div', { class: 'head' }, head, el('span', { class: 'gap' }),
    button('×', () => node.remove(), { class: 'close', 'aria-label': 'Close this summary' })),
  el('ul', {}, lines.map(({ job, words }) => el('li', {}, el('a', { class: 'link', href: `#/j/${encodeURIComponent(job.id)}` }, `${job.kind} ${job.project}`), ` ${words}`))));
  text(head, `While you were away (${format.duration(Date.now() - since)})`);
  document.getElementById('main').before(node);
}

const MOST = 8;

/** -> [{job, words}], ends first. Pure. */
export function summary(before, after) {
  const lines = [];
  for (const job of after.values()) {
    const was = before.get(job.id);
    if (was === job) continue;
    if (isEnd(job) && was && !isEnd(was)) lines.push({ rank: job.state === 'failed' ? 0 : 1, job, words: ended(job) });
    else if (!was && isEnd(job)) lines.push({ rank: 2, job, words: `began and ${ended(job)}` });
    else if (!was) lines.push({ rank: 3, job, words: job.state === 'queued' ? 'was asked for and waits' : `began, now at ${format.percent(job)}\u00a0%` });
    else if (!isEnd(job) && (was.step !== job.step || format.percent(job) > format.percent(was))) lines.push({ rank: 4, job, words: moved(was, job) });
  }
  lines.sort((a, b) => a.rank - b.rank);
  return lines.slice(0, MOST);
}

const ended = (job) => ({ succeeded: 'is done', failed: `failed${job.error ? `: ${job.error.message}` : ''}` }[job.state] ?? `was ${stateWord(job.state).toLowerCase()}`);

function moved(was, job) {
  const passed = job.step - was.step;
  const stages = passed > 0 && was.step ? `, ${passed} ${passed === 1 ? 'stage' : 'stages'} further` : '';
  return `went from ${format.percent(was)} to ${format.percent(job)}\u00a0%${stages}`;
}
