/** Single keys, each for what a button or link does, too; and the help that lists them and turns them off. */

import { el, set } from './dom.js';

const KEY = 'hub.shortcuts';
const HELP = [
  ['n', 'Start a job: to the line'], ['/', 'Search, or filter'], ['d', 'All jobs'], ['j', 'Next job or project'], ['k', 'The one before'], ['Enter', 'Open it'],
  ['f', 'Messages: follow the newest'], ['e', 'Messages: next warning or error'], ['c', 'Connection'],
  ['Shift P', 'Pause or resume'], ['Shift R', 'Retry'], ['Shift X', 'Cancel: to the button, Enter confirms'], ['?', 'This help'],
];

function isOn() {
  try {
    return localStorage.getItem(KEY) !== 'off';
  } catch {
    return true; // storage may be forbidden
  }
}

const first = (selector) => [...document.querySelectorAll(selector)].find((node) => node.checkVisibility() && !node.disabled);

export function press(page, { key, ctrlKey, altKey, metaKey, repeat }) {
  // With those they are the browser's; held down, only steps go on.
  if (ctrlKey || altKey || metaKey || (repeat && key !== 'j' && key !== 'k')) return;
  if (key === '?') help();
  else if (!isOn()) return;
  else if (key === 'n') toStart();
  else if (key === '/') (first('main input[type=search]') ?? first('main .filters select') ?? first('#source'))?.focus();
  else if (key === 'd') location.hash = '#/';
  else if (key === 'j' || key === 'k') step(key === 'j' ? 1 : -1);
  else if (key === 'f') page.shown().log?.()?.toNewest();
  else if (key === 'e') page.shown().log?.()?.trouble();
  else if (key === 'c') page.chip.open();
  else if (key === 'P') (first('main .pause') ?? first('main .resume'))?.click();
  else if (key === 'R') first('main .again button[name=from]')?.click();
  else if (key === 'X') first('main .cancel')?.focus();
}

function toStart() {
  if (!first('#source')) {
    location.hash = '#/';
    addEventListener('hashchange', () => first('#source')?.focus(), { once: true });
  } else first('#source').focus();
}

function step(by) {
  const all = [...document.querySelectorAll('main :is(a.name, a.row)')].filter((node) => node.checkVisibility());
  const at = all.findIndex((node) => node === document.activeElement || node.closest('li')?.contains(document.activeElement));
  all[Math.min(Math.max(at + by, 0), all.length - 1)]?.focus();
}

let dialog = null;

export function help() {
  if (!dialog) {
    const on = el('input', { type: 'checkbox', onchange: () => {
      try {
        localStorage.setItem(KEY, on.checked ? 'on' : 'off');
      } catch {
        set(on, 'title', 'This browser keeps no settings.');
      }
    } });
    on.checked = isOn();
    dialog = el('dialog', { id: 'help', class: 'card', 'aria-labelledby': 'help-title' }, el('h2', { id: 'help-title' }, 'Keyboard'),
      el('dl', {}, HELP.flatMap(([keys, words]) => [el('dt', {}, keys.split(' ').map((key) => el('kbd', {}, key))), el('dd', {}, words)])),
      el('label', { class: 'check' }, on, el('span', {}, 'Single keys do this')),
      el('form', { method: 'dialog', class: 'actions' }, el('button', { class: 'quiet' }, 'Close')));
    dialog.addEventListener('click', (event) => { if (event.target === dialog) dialog.close(); });
    document.body.append(dialog);
  }
  if (!dialog.open) dialog.showModal();
}
