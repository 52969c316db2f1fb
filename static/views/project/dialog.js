import { el, set, visible } from '../dom.js';
import { action, deeds, fields } from './form.js';

/**
 * Ask before doing. `word` has to be typed; `kinds` are rows by kind of job, chosen above `rows`. `run(values, kind)`
 * closes it unless it throws.
 */
export function ask({ title, words, rows = [], values, kinds, kind, word, label, danger, extra = () => null, run }) {
  const typed = el('input', { 'aria-label': `Type ${word}`, autocomplete: 'off', spellcheck: 'false', oninput: check });
  const choice = kinds && fields([['kind', 'Kind', Object.keys(kinds).map((name) => [name])]]);
  const own = fields(rows);
  const place = el('div', {});
  let params;
  let more;
  function choose() {
    params = fields(kinds?.[choice.inputs.kind.value] ?? []);
    more = extra(choice?.inputs.kind.value);
    place.replaceChildren(params.node, ...(more ? [more.node] : []));
  }
  function check() { set(go, 'disabled', Boolean(word) && ![word, visible(word)].includes(typed.value)); }
  const go = action(label, async () => {
    await run(own.values(), { ...params.values(), ...more?.values() }, choice?.inputs.kind.value);
    dialog.close();
  }, { class: danger ? 'primary danger' : 'primary', type: 'submit' });
  const form = el('form', { novalidate: true, onsubmit: (event) => event.preventDefault() },
    el('h2', {}, title), words && el('p', {}, words), word && el('label', {}, el('span', {}, 'To go on, type ', el('b', {}, word)), typed),
    choice?.node, place, own.node, deeds(go, el('button', { type: 'button', class: 'quiet', onclick: () => dialog.close() }, 'Close')));
  const dialog = el('dialog', { class: 'card ask', 'aria-label': title, onclose: () => dialog.remove() }, form);
  choice?.inputs.kind.addEventListener('change', choose);
  if (kind) choice.inputs.kind.value = kind;
  choose();
  if (values) own.set(values);
  check();
  addEventListener('hashchange', () => dialog.close(), { once: true });
  document.body.append(dialog);
  dialog.showModal();
}
