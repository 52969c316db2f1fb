/** What a job said. Follows the newest line only while the reader is at the bottom. */

import * as format from '../format.js';
import { el, set, setTime, show, text } from './dom.js';

const MOST = 2_000;
const NEAR_PX = 8;
const NONE = 'Nothing said yet.';

export function messages(page) {
  const list = el('ol', { role: 'log', 'aria-live': 'off', 'aria-label': 'Messages', tabindex: 0 });
  const pill = el('button', { type: 'button', class: 'pill', hidden: true, onclick: () => toEnd() });
  const level = el('select', { 'aria-label': 'Which messages', onchange: () => set(list, 'data-level', level.value) },
    el('option', { value: 'all' }, 'All messages'), el('option', { value: 'warning' }, 'Warnings and errors'));
  const none = el('p', { class: 'hint' }, NONE);
  const node = el('section', { class: 'messages' }, el('div', { class: 'head' }, el('h2', {}, 'Messages'), level), none,
    el('div', { class: 'card frame' }, list, pill));
  const seqs = [];
  let unread = 0;

  function toEnd() {
    list.scrollTop = list.scrollHeight;
    unread = 0;
    show(pill, false);
  }
  const atEnd = () => list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_PX;
  list.addEventListener('scroll', () => { if (atEnd()) toEnd(); }, { passive: true });

  /** History and live lines overlap; `seq` puts each in its one place. */
  function add(event) {
    let at = seqs.length;
    while (at > 0 && seqs[at - 1] > event.seq) at -= 1;
    if (seqs[at - 1] === event.seq) return;
    const following = atEnd();
    seqs.splice(at, 0, event.seq);
    list.insertBefore(lineOf(event), list.children[at] ?? null);
    if (seqs.length > MOST) {
      seqs.shift();
      list.firstChild.remove();
    }
    show(none, false);
    if (following) toEnd();
    else {
      unread += 1;
      text(pill, `${unread} new ${unread === 1 ? 'line' : 'lines'}`);
      show(pill, true);
    }
  }

  async function recall(project, job) {
    try {
      const query = { job, type: 'log', limit: 500 };
      const { items } = await page.hub.history(project, query);
      items.reverse().forEach(add); // it gives the newest first
    } catch (error) {
      text(none, `Earlier messages could not be read. ${error.message}`);
      show(none, true);
    }
  }

  return { node, update(isOver) { show(node, !isOver || seqs.length > 0 || none.textContent !== NONE); }, take(message, job) {
    if (message.type === 'log' && message.job === job) add(message);
    if (message.type === 'snapshot') recall(message.project, job);
  } };
}

function lineOf({ at, level, message, seq }) {
  const time = el('time', {});
  setTime(time, at, format.clock(at), format.moment(at));
  const word = level === 'info' ? null : el('span', { class: 'level' }, level);
  return el('li', { 'data-level': level, 'data-seq': seq }, time, el('span', { class: 'said' }, word, message));
}
