import { el } from '../views/dom.js';

const SHOWN_MS = 6_000;

/** Notes at the page's edge. Good news go by themselves; an error stays until it is dismissed or tried again. */
export function toasts(parent = document.body) {
  // Both are there before the first text: a screen reader speaks only what is put into a region that it knows.
  const [polite, urgent] = ['status', 'alert'].map((role) => el('div', { role }));
  parent.append(el('div', { class: 'surface-toasts' }, polite, urgent));

  return {
    /** `toast`: {phase, title, text, canRetry} */
    show({ phase, title, text, canRetry }, retry) {
      const isError = phase === 'error';
      const remove = () => node.remove();
      const again = canRetry && el('button', { type: 'button', onclick: () => { remove(); retry(); } }, 'Retry');
      const dismiss = el('button', { type: 'button', onclick: remove }, 'Dismiss');
      const node = el('div', { class: 'surface-toast', 'data-state': isError ? 'failed' : 'done' },
        el('p', { class: 'surface-toast-title' }, title), el('p', {}, text), el('div', { class: 'surface-actions' }, again, dismiss));
      (isError ? urgent : polite).append(node);
      if (!isError) setTimeout(remove, SHOWN_MS);
    },
    clear() {
      polite.replaceChildren();
      urgent.replaceChildren();
    },
  };
}
