/** What is said to who listens instead of looking. */

import { isEnd } from '../state.js';
import { text } from './dom.js';
import { stateWord } from './parts.js';

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
  const stage = after.stages[after.step - 1];
  if (before.stage !== after.stage && stage) return { words: `${name}: ${stage.title}`, isAlert: false };
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

/** -> a function that says what is new, to be called at each drawing. */
export function voice(store, openedAt) {
  const said = new Map();
  const mouth = speaker(document.getElementById('polite'), document.getElementById('alert'));
  return (now) => {
    for (const [id, newest] of store.jobs) {
      const news = announcement(said.get(id), newest, openedAt() ?? Infinity);
      // Nobody looks: only ends matter then.
      if (news && (isEnd(newest) || !document.hidden)) mouth.say(news, isEnd(newest), now);
      said.set(id, newest);
    }
    for (const id of said.keys()) if (!store.jobs.has(id)) said.delete(id);
    mouth.tick(now);
  };
}
