import * as format from '../../format.js';
import { el, keyed, set, show, text } from '../dom.js';
import { action, deeds } from './form.js';
import { many } from './words.js';

const PAGE = 50;

/** Foreign text: kept to itself, so that it turns nothing round it. */
export const said = (name, value = '', tag = 'span') => el(tag, { class: `said ${name}`, title: value.length > 80 && value }, value);

/** Its words follow the clock: the view sets them at each drawing. */
export const moment = (ms) => (ms ? el('time', { datetime: new Date(ms).toISOString(), title: format.moment(ms), 'data-at': ms }, format.moment(ms)) : '');

export function table(caption, heads) {
  const body = el('tbody', {});
  const node = el('div', { class: 'card sheet', role: 'region', tabindex: 0, 'aria-label': caption }, el('table', {}, el('caption', { class: 'away' }, caption),
    el('thead', {}, el('tr', {}, heads.map((head) => el('th', { scope: 'col' }, head || el('span', { class: 'away' }, 'Actions'))))), body));
  return { node, body };
}

/** A part for `keyed` that is drawn anew when its item has changed. */
export function drawn(tag, draw, props) {
  const node = el(tag, props);
  let last;
  return { node, update(item) {
    const now = JSON.stringify(item);
    if (last === now) return;
    last = now;
    const held = node.contains(document.activeElement) && document.activeElement.textContent;
    node.replaceChildren(...[draw(item)].flat().filter(Boolean));
    // Drawn anew under somebody's hands: the same button has the focus again.
    if (held) [...node.querySelectorAll('button, a, summary')].find((one) => one.textContent === held)?.focus();
  } };
}

export const row = (heads, draw) => () => drawn('tr', (item) => draw(item).map((inside, at) => el('td', { 'data-head': at ? heads[at] : null }, inside)));

/**
 * A list of the API, page by page. `make` draws an item, `empty()` says what to do when there is none, `heard(answer)`
 * hears each answer. What is there stays while it is asked for again.
 */
export function listing(page, { frame, noun, make, empty, key = ({ id }) => id, heard = () => {}, pick = (answer) => answer, words, most = 500 }) {
  const { node: outer, body } = frame;
  const says = el('p', { class: 'hint count', role: 'status' });
  const wrong = deeds(action('Try again', () => load()));
  const none = el('div', { class: 'none' });
  const more = action('Show more', () => load(next), { class: 'quiet more' });
  const node = el('div', {}, says, wrong, none, outer, more);
  let path = null;
  let items = [];
  let next;
  let abort = new AbortController();

  async function load(cursor, limit = PAGE) {
    abort.abort();
    abort = new AbortController();
    const { signal } = abort;
    try {
      const paged = `${path}${path.includes('?') ? '&' : '?'}limit=${limit}${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`;
      const answer = pick(await page.hub.request('GET', paged, { signal }));
      if (signal.aborted) return;
      const before = cursor ? items.length : 0;
      items = [...items.slice(0, before), ...answer.items];
      next = answer.next;
      draw(answer);
      if (before) body.children[before]?.querySelector('a, button, summary')?.focus();
    } catch (error) {
      if (signal.aborted) return;
      show(says, false);
      set(node, 'aria-busy', null);
      if (heard(null, error)) return;
      show(wrong, true);
      show(wrong.firstChild, !error.status || error.status >= 500);
      text(wrong.lastChild, error.message);
      const asked = path;
      if (!error.status) page.whenLive(() => { if (path === asked) load(); });
    }
  }

  function draw(answer) {
    keyed(body, items, key, make);
    show(wrong, false);
    show(says, true);
    show(outer, items.length > 0);
    show(more, Boolean(next));
    text(says, words ? words(answer, items.length) : !answer.total ? '' : next ? `${format.count(items.length)} of ${many(answer.total, noun)}` : many(answer.total, noun));
    show(none, !items.length);
    if (!items.length) none.replaceChildren(...[empty()].flat());
    set(node, 'aria-busy', null);
    heard(answer);
    page.draw();
  }

  return {
    node,
    /** Another question: nothing of the last one stays. */
    ask(question) {
      if (question === path) return;
      path = question;
      items = [];
      for (const part of [outer, none, wrong, more]) show(part, false);
      show(says, true);
      text(says, 'Asking the hub…');
      set(node, 'aria-busy', 'true');
      load();
    },
    again() { if (path) load(undefined, Math.min(most, Math.max(PAGE, items.length))); },
    forget() {
      abort.abort();
      path = null;
    },
    get shown() { return items.length; },
  };
}
