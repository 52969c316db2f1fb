/** Short notices. What went well leaves by itself, what went wrong stays until it is closed. */

import { button, el } from './dom.js';

const LASTS_MS = 6_000;
const MOST = 5;
const region = el('div', { id: 'toasts', role: 'region', 'aria-label': 'Notices' });

/** `link`: [href, words]. */
export function toast(words, { isError = false, link = null, lastsMs = LASTS_MS } = {}) {
  if (!region.isConnected) document.body.append(region);
  const node = el('div', { class: 'toast card', 'data-error': isError, role: isError ? 'alert' : 'status' }, el('span', {}, words),
    link && el('a', { class: 'link', href: link[0], onclick: () => node.remove() }, link[1]),
    button('×', () => node.remove(), { class: 'close', 'aria-label': 'Close this notice' }));
  region.append(node);
  while (region.children.length > MOST) region.firstChild.remove();
  if (isError) return;
  let timer = setTimeout(() => node.remove(), lastsMs);
  // Who reads it, or has the focus in it, may finish.
  node.addEventListener('pointerenter', () => clearTimeout(timer));
  node.addEventListener('focusin', () => clearTimeout(timer));
  node.addEventListener('pointerleave', () => { timer = setTimeout(() => node.remove(), lastsMs); });
}
