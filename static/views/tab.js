/** What a tab tells that nobody looks at: its title, its icon, and what is spoken. Fetched after the first paint. */

import { isKnown, percent } from '../format.js';
import { isEnd } from '../state.js';
import { set } from './dom.js';
import { stateWord } from './parts.js';
import { voice } from './voice.js';

const NAME = 'Progress Hub';

export function titleOf(job, running) {
  const [only] = running;
  job ??= running.length === 1 ? only : null;
  if (job && job.state === 'running' && isKnown(job)) return `${percent(job)} % ${job.kind} ${job.project}`;
  if (job) return `${stateWord(job.state)}: ${job.kind} ${job.project}`;
  return running.length ? `(${running.length}) ${NAME}` : NAME;
}

const COLOURS = { failed: '#c6392f', succeeded: '#1d8a55', interrupted: '#9a6700', cancelled: '#737373' };

/** A ring that fills; some browsers ignore it, so the title says the same. */
export function ringOf(job) {
  const part = job ? percent(job) : 0;
  const colour = COLOURS[job?.state] ?? '#3b6cf6';
  const round = 2 * Math.PI * 12;
  const ring = (paint, dash) => `<circle cx='16' cy='16' r='12' fill='none' stroke='${paint}' stroke-width='6' ${dash}/>`;
  return `data:image/svg+xml,${encodeURIComponent(`<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 32 32'>${
    ring(job ? '#8886' : colour, '')}${part ? ring(colour, `stroke-dasharray='${(round * part) / 100} 99' transform='rotate(-90 16 16)'`) : ''}</svg>`)}`;
}

/**
 * -> a function to be called at each drawing, with the job that is shown, or a title. `openedAt()`: when the page was
 * opened, by the hub's clock; null while that is not known.
 */
export function tab(store, openedAt) {
  const link = document.querySelector('link[rel=icon]');
  const speak = voice(store, openedAt);
  return (job, now) => {
    const running = [...store.jobs.values()].filter((candidate) => !isEnd(candidate));
    const title = typeof job === 'string' ? `${job} - ${NAME}` : titleOf(job, running);
    if (document.title !== title) document.title = title;
    set(link, 'href', ringOf(job?.state ? job : running.length === 1 ? running[0] : null));
    speak(now);
  };
}
