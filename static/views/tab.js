import { percent } from '../format.js';
import { isEnd } from '../state.js';
import { set, text } from './dom.js';
import { stateWord } from './parts.js';

const NAME = 'Progress Hub';

export function titleOf(job, running) {
  const [only] = running;
  job ??= running.length === 1 ? only : null;
  if (job && job.state === 'running') return `${percent(job)} % ${job.kind} ${job.project}`;
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

const EVERY_MS = 10_000;
const MARKS = [25, 50, 75];

/**
 * What is worth saying of a change; null when nothing is. A job not seen before is news only when it began after the page
 * opened, at `openedAt` of the hub's clock: one that fails at once may be over before it is first heard of.
 */
export function announcement(seen, after, openedAt = Infinity) {
  const before = seen ?? (after.created >= openedAt && isEnd(after) ? { ...after, state: 'queued' } : null);
  if (!before || before === after) return null;
  const name = `${after.kind} ${after.project}`;
  if (before.state !== after.state) {
    const isAlert = after.state === 'failed';
    return { words: `${name}: ${stateWord(after.state)}${isAlert && after.error ? `. ${after.error.message}` : ''}`, isAlert };
  }
  if (before.stage !== after.stage) return { words: `${name}: ${after.stages[after.step - 1].title}`, isAlert: false };
  const passed = MARKS.find((point) => before.percent < point && after.percent >= point);
  return passed ? { words: `${name}: ${passed} percent`, isAlert: false } : null;
}

/** Speaks every ten seconds at most; ends are not kept waiting. */
export function speaker(polite, alert) {
  let spokenAt = 0;
  let waiting = null;
  function speak(words, now) {
    spokenAt = now;
    waiting = null;
    text(polite, words);
  }
  return {
    say({ words, isAlert }, isOver, now) {
      if (isAlert) text(alert, words);
      else if (isOver || now - spokenAt >= EVERY_MS) speak(words, now);
      else waiting = words;
    },
    tick(now) {
      if (waiting && now - spokenAt >= EVERY_MS) speak(waiting, now);
    },
  };
}

export function tab(store, link, hubNow) {
  const openedAt = hubNow();
  const said = new Map();
  const voice = speaker(document.getElementById('polite'), document.getElementById('alert'));
  return { update(job, now) {
    const running = [...store.jobs.values()].filter((candidate) => !isEnd(candidate));
    const title = titleOf(job, running);
    if (document.title !== title) document.title = title;
    set(link, 'href', ringOf(job ?? (running.length === 1 ? running[0] : null)));
    for (const [id, newest] of store.jobs) {
      const news = announcement(said.get(id), newest, openedAt);
      if (news) voice.say(news, isEnd(newest), now);
      said.set(id, newest);
    }
    voice.tick(now);
  } };
}
