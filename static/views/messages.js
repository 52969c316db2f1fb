/**
 * What a job said. Only a window of lines is in the page, however many there are: older and newer ones are read from the
 * hub's history as one scrolls. It follows the newest line only while the reader is at the end.
 */

import * as format from '../format.js';
import { button, copy, el, set, setTime, show, text } from './dom.js';

const PAGE = 150;
const MOST = 600;
const NEAR_PX = 24;
const AHEAD_PX = 400;
const LEVELS = ['debug', 'info', 'warning', 'error'];

export function messages(page, id, rest) {
  const list = el('ol', { 'aria-label': 'Messages', tabindex: 0 });
  const pill = button('', () => toNewest(), { class: 'pill', hidden: true });
  const level = el('select', { 'aria-label': 'Which messages', onchange: () => reset() },
    el('option', { value: 0 }, 'All messages'), el('option', { value: 1 }, 'Without debug'), el('option', { value: 2 }, 'Warnings and errors'),
    el('option', { value: 3 }, 'Errors'));
  const file = el('a', { class: 'quiet', download: true }, 'Download');
  const none = el('p', { class: 'hint' });
  const number = el('span', { class: 'number' });
  const node = el('section', { class: 'messages' }, el('div', { class: 'head' }, el('h2', {}, 'Messages ', number), level, file), none,
    el('div', { class: 'card frame' }, list, pill));
  let project = null;
  let lines = []; // events in the page, oldest first; list.children are the same
  let fresh = []; // live ones that are not drawn yet
  let turn = 0;
  let isBusy = false;
  let hasOlder = false;
  let hasNewer = false;
  let unread = 0;
  let total = 0;
  let newest = 0;
  let isFollowing = true;
  let landing = null; // a row to be shown, once there is something to be seen
  let linked = lineIn(rest);

  const atEnd = () => list.scrollHeight - list.scrollTop - list.clientHeight < NEAR_PX;
  const wanted = () => LEVELS.slice(level.value);

  function ask(query) {
    return page.hub.history(project, { job: id, type: 'log', limit: PAGE, ...(level.value > 0 && { level: wanted().join() }), ...query });
  }

  /** One question at a time; what an older one brings is nothing to those after a `reset`. */
  async function read(query, then) {
    if (isBusy) return;
    isBusy = true;
    const mine = turn;
    try {
      const answer = await ask(query);
      if (mine === turn) await then(answer);
    } catch (error) {
      if (mine !== turn) return;
      text(none, `Earlier messages could not be read. ${error.message}`);
      if (!error.status) page.whenLive(() => { if (mine === turn) reset(); });
    } finally {
      if (mine === turn) {
        isBusy = false;
        // The reader may have gone on meanwhile.
        if (!landing && !isFollowing) edges();
      }
    }
    page.draw();
  }

  /** What is asked for is asked for no longer. */
  function forget() {
    turn += 1;
    isBusy = false;
    fresh = [];
    hasOlder = hasNewer = false;
  }

  function empty() {
    lines = [];
    list.replaceChildren();
    unread = 0;
  }

  function clear() {
    forget();
    empty();
  }

  /** To the newest lines; those that are here stay until they have come. */
  function reset() {
    forget();
    isFollowing = true;
    read({}, ({ items, total: all, next }) => {
      empty();
      total = all;
      hasOlder = Boolean(next);
      put(items.reverse(), false);
      text(none, '');
      settle();
    });
  }

  /** Around one line, or from a time on. */
  function around(seq, query, mark) {
    clear();
    isFollowing = false;
    read(seq ? { cursor: seq + 1 } : { until: query.since, limit: 1 }, async ({ items, next, total: all }) => {
      total = seq ? all : total;
      hasOlder = Boolean(next);
      put(items.reverse(), false);
      const mine = turn;
      const { items: rest, next: more } = await ask({ order: 'asc', ...(seq ? { cursor: seq } : query) });
      if (mine !== turn) return;
      hasNewer = Boolean(more);
      put(rest, true);
      const row = seq ? rowOf(seq) : list.children[items.length];
      if (row) {
        if (mark) set(row, 'aria-current', 'true');
        landing = row;
      } else text(none, seq ? 'That line is kept no longer.' : 'It said nothing then.');
    });
  }

  const rowOf = (seq) => list.querySelector(`[data-seq="${seq}"]`);

  /** Add at one end, and let go at the other; what is read stays where it is. Each look at a place costs a layout. */
  function put(events, isAfter) {
    const edge = lines.at(isAfter ? -1 : 0)?.seq;
    const added = edge === undefined ? events : events.filter((event) => (isAfter ? event.seq > edge : event.seq < edge));
    if (!added.length) return;
    show(list.parentNode, true); // before it is scrolled
    const over = Math.max(0, lines.length + added.length - MOST);
    const rows = added.map((event) => lineOf(event, id));
    if (isAfter) {
      const lost = over && !isFollowing ? list.children[over].offsetTop - list.firstChild.offsetTop : 0;
      for (let n = 0; n < over; n += 1) list.firstChild.remove();
      list.append(...rows);
      lines = [...lines.slice(over), ...added];
      if (over) hasOlder = true;
      if (lost) list.scrollTop -= lost;
    } else {
      for (let n = 0; n < over; n += 1) list.lastChild.remove();
      const anchor = list.firstChild;
      const top = anchor?.offsetTop;
      list.prepend(...rows);
      lines = [...added, ...lines].slice(0, MOST);
      if (over) hasNewer = true;
      if (anchor) list.scrollTop += anchor.offsetTop - top;
    }
  }

  /** Live lines, as many as were said since the last drawing. */
  function drawFresh() {
    if (!fresh.length || isBusy) return;
    const told = fresh;
    fresh = [];
    if (!isFollowing) unread += told.length;
    if (hasNewer) return;
    if (isFollowing && told.length > PAGE) reset();
    else if (isFollowing) {
      put(told, true);
      settle();
    } else if (lines.length + told.length <= MOST) put(told, true);
    else hasNewer = true; // read when one comes there
  }

  function settle() {
    if (!isFollowing) return;
    list.scrollTop = list.scrollHeight;
    unread = 0;
  }

  function toNewest() {
    if (hasNewer) reset();
    isFollowing = true;
    settle();
    page.draw();
  }

  list.addEventListener('scroll', () => {
    isFollowing = atEnd() && !hasNewer;
    if (isFollowing) unread = 0;
    edges();
    page.draw();
  }, { passive: true });

  /** Near an end of what is here, more is read. */
  function edges() {
    if (hasOlder && list.scrollTop < AHEAD_PX) read({ cursor: lines[0]?.seq ?? newest + 1 }, ({ items, next }) => {
      hasOlder = Boolean(next);
      put(items.reverse(), false);
    });
    else if (hasNewer && list.scrollHeight - list.scrollTop - list.clientHeight < AHEAD_PX) {
      read({ order: 'asc', cursor: lines.at(-1).seq }, ({ items, next }) => {
        hasNewer = Boolean(next);
        put(items, true);
      });
    }
  }

  list.addEventListener('click', async (event) => {
    const link = event.target.closest('a');
    if (link && await copy(link.href)) page.toast('The line’s address is copied.');
  });

  return {
    node,
    toNewest,
    /** The last lines, as text. */
    last: (n) => lines.slice(-n).map(({ at, level: word, message }) => `${format.clock(at)} ${word} ${message}`),
    open(of) {
      project = of;
      set(file, 'href', `api/v1/projects/${encodeURIComponent(of)}/history?${new URLSearchParams({ job: id, type: 'log', order: 'asc', format: 'ndjson' })}`);
      if (linked) around(linked, {}, true);
      else reset();
    },
    seek(stage) { around(null, { since: stage.started }); },
    /** To the next warning or error. */
    trouble() {
      const rows = [...list.querySelectorAll('[data-level=warning], [data-level=error]')];
      const next = rows.find((row) => row.offsetTop > list.scrollTop + 30) ?? rows[0];
      if (next) list.scrollTop = next.offsetTop - 24;
      list.focus();
    },
    move(to) {
      const seq = lineIn(to);
      if (seq === linked) return;
      linked = seq;
      list.querySelector('[aria-current]')?.removeAttribute('aria-current');
      const row = seq && rowOf(seq);
      if (row) set(row, 'aria-current', 'true');
      else if (seq) around(seq, {}, true);
    },
    take(message) {
      if (message.type === 'reset' || message.type === 'snapshot') { // lines may have been told in between
        if (project && !linked && isFollowing) reset();
      } else if (message.type === 'log' && message.job === id && message.seq > newest) {
        newest = message.seq;
        total += 1;
        if (wanted().includes(message.level)) fresh.push(message);
        if (fresh.length > MOST) fresh.shift();
      }
    },
    update(job) {
      drawFresh();
      if (landing?.isConnected) {
        list.scrollTop = landing.offsetTop - 48;
        list.scrollIntoView({ block: 'nearest' });
      } else if (isFollowing && !atEnd()) settle();
      landing = null;
      const isOver = Boolean(job.ended);
      show(list.parentNode, lines.length);
      if (!lines.length && !isBusy && !none.textContent.startsWith('Earlier')) text(none, NONE(job, isOver, level.value > 0 && total));
      else if (lines.length && !none.textContent.startsWith('That')) text(none, '');
      show(none, none.textContent);
      text(number, total ? format.count(total) : '');
      show(level, total || lines.length);
      show(file, total || lines.length);
      const words = unread ? `${format.count(unread)} new ${unread === 1 ? 'line' : 'lines'}` : hasNewer ? 'To the newest' : '';
      text(pill, words);
      show(pill, words && !isFollowing);
    },
    close: clear,
  };
}

function NONE(job, isOver, isNarrowed) {
  if (isNarrowed) return 'No message of this level.';
  if (isOver) return 'It said nothing.';
  return job.state === 'queued' ? 'It says something once it runs.' : 'Nothing said yet.';
}

const lineIn = (rest) => Number(/line=(\d+)/.exec(rest)?.[1]) || null;

function lineOf({ at, level, message, seq }, id) {
  const time = el('time');
  setTime(time, at, format.clock(at), format.moment(at));
  return el('li', { 'data-level': level, 'data-seq': seq },
    el('a', { href: `#/j/${encodeURIComponent(id)}?line=${seq}`, 'aria-label': `Line at ${format.clock(at)}` }, time),
    el('span', { class: 'said' }, level !== 'info' && el('span', { class: 'level' }, level), message));
}
