import { el, set } from '../views/dom.js';

/** A bar called `label`. -> {node, update(percent, state)}; `percent` null: something goes on, nobody knows how far. */
export function bar(label) {
  const filling = el('span', { class: 'surface-filling' });
  const node = el('div', { class: 'surface-bar', role: 'progressbar', 'aria-label': label, 'aria-valuemin': 0, 'aria-valuemax': 100 }, filling);
  return { node, update(percent, state = 'running') {
    set(node, 'data-state', state);
    set(node, 'data-unknown', percent === null && state === 'running');
    set(node, 'aria-valuenow', percent === null ? null : Math.floor(percent));
    filling.style.setProperty('--part', (percent ?? 0) / 100);
  } };
}
