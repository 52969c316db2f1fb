import { el, set, text } from '../dom.js';

/**
 * Inputs by rows of [name, label, type, hint]. Types: those of HTML, `list` (a value a line), `check`, or an array of
 * [value, label] to choose from. `values()` leaves out what is empty.
 */
export function fields(rows) {
  const inputs = {};
  const node = el('div', { class: 'fields' }, rows.map(([name, label, type = 'text', hint, more]) => {
    const props = { name, placeholder: hint, autocomplete: 'off', ...more };
    const input = inputs[name] = Array.isArray(type) ? el('select', props, type.map(([value, words]) => el('option', { value }, words ?? value)))
      : type === 'list' ? el('textarea', { rows: 2, spellcheck: 'false', ...props })
        : el('input', { type: type === 'check' ? 'checkbox' : type, step: type === 'number' && 'any', min: type === 'number' && 0, ...props });
    return el('label', { class: type === 'check' ? 'check' : type === 'list' && 'wide' }, el('span', {}, label), input);
  }));
  return {
    node, inputs,
    set(values) {
      for (const [name, input] of Object.entries(inputs)) {
        if (input.type === 'checkbox') input.checked = Boolean(values[name]);
        else if (input.value !== (values[name] ?? '')) input.value = values[name] ?? '';
      }
    },
    values() {
      const found = {};
      for (const [name, label, type] of rows) {
        const { value, checked } = inputs[name];
        if (type === 'check') {
          if (checked) found[name] = true;
        } else if (value.trim()) {
          found[name] = type === 'number' ? Number(value) : type === 'list' ? value.split('\n').map((line) => line.trim()).filter(Boolean) : value;
        }
      }
      return found;
    },
  };
}

/** Buttons and what went wrong with them. */
export const deeds = (...buttons) => el('div', { class: 'deeds' }, buttons, el('p', { class: 'says', role: 'alert' }));

/** The hub's words stand beside the button that was pressed. */
export function action(label, run, props = {}) {
  let busy = false;
  const node = el('button', { type: 'button', class: 'quiet', ...props, onclick: async () => {
    if (busy) return;
    busy = true;
    const says = node.closest('.deeds')?.lastChild;
    set(node, 'aria-busy', 'true');
    if (says) text(says, '');
    try {
      await run();
    } catch (error) {
      if (says && error.name !== 'AbortError') text(says, error.message);
    } finally {
      busy = false;
      set(node, 'aria-busy', null);
    }
  } }, label);
  return node;
}

/** See dialog.js, which is fetched when it is first needed. */
export const ask = async (wanted) => (await import('./dialog.js')).ask(wanted);

/** A form whose values are the query of the address. */
export function filters(rows, label, apply) {
  const made = fields(rows);
  const form = el('form', { class: 'filters', role: 'search', 'aria-label': label, onsubmit: send, onchange: send }, made.node,
    el('button', { class: 'away' }, 'Apply'));
  let sent;
  function send(event) {
    event.preventDefault();
    const values = made.values();
    if (sent !== (sent = JSON.stringify(values))) apply(values);
  }
  return { inputs: made.inputs, node: form, set(values) {
    made.set(values);
    sent = JSON.stringify(made.values());
  } };
}

