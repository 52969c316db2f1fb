/** Who is signed in, where a hub wants that; and the form that asks for a token. */

import * as format from '../format.js';
import { button, el, say, show, text } from './dom.js';

/** The line in the popover. A hub that knows no sign-in has none. */
export function session(page) {
  const name = el('span');
  const says = el('p', { class: 'says', role: 'alert' });
  const out = button('Sign out', async () => {
    try {
      await page.hub.request('DELETE', 'session');
      location.reload();
    } catch (error) {
      say(says, error.message);
    }
  });
  const node = el('div', { class: 'who', hidden: true }, name, out, says);
  return { node, async update() {
    const found = await page.hub.request('GET', 'session').catch(() => null); // the chip tells of an unreachable hub
    show(node, found?.signed_in);
    if (!found?.signed_in) return;
    const roles = found.roles?.length ? ` (${found.roles.join(', ')})` : '';
    const until = found.expires ? `, until ${format.moment(found.expires)}` : '';
    text(name, `Signed in${found.name ? ` as ${found.name}` : ''}${roles}${until}`);
  } };
}

/** The hub turned the link away: because it wants a token, or for a reason that the chip tells. */
export async function whoAsks(page) {
  const { needed, signed_in: isIn } = await page.hub.request('GET', 'session');
  return needed && !isIn ? signIn(page) : null;
}

/** Instead of a view, when the hub wants to know who asks. */
function signIn(page) {
  const token = el('input', { id: 'token', type: 'password', name: 'token', autocomplete: 'current-password', spellcheck: 'false', required: true,
    'aria-describedby': 'token-says' });
  const submit = el('button', { class: 'primary' }, 'Sign in');
  const says = el('p', { id: 'token-says', class: 'says', role: 'alert' });
  const form = el('form', { class: 'card sign-in', novalidate: true, onsubmit: async (event) => {
    event.preventDefault();
    const typed = token.value.trim();
    text(says, typed ? '' : 'Paste a token first.');
    token.focus();
    if (!typed) return;
    submit.disabled = true;
    try {
      await page.hub.request('POST', 'session', { body: { token: typed } });
      token.value = '';
      page.hub.connection.testAgain(); // for all tabs that share the link
      page.enter();
    } catch (error) {
      text(says, error.status === 401 ? 'The hub does not know this token. It may have run out, or been withdrawn.' : error.message);
      token.select();
    } finally {
      submit.disabled = false;
    }
  } }, el('h1', {}, 'Sign in'), el('p', { class: 'about' }, 'This hub shows its jobs to those who have a token. Jobs go on all the same.'),
  el('label', { for: 'token' }, 'Token'), el('div', { class: 'line' }, token, submit), says,
  el('p', { class: 'hint' }, 'Whoever runs the hub makes one with ', el('code', {}, 'progress-hub token create --role watch'), '.'));
  // Somebody signed in, in another tab.
  let looked = null;
  async function update() {
    const { state } = page.hub.connection.status;
    if (state === looked) return;
    looked = state;
    if (state === 'live' && !await whoAsks(page).catch(() => true)) page.enter();
  }
  return { node: form, update, title: () => 'Sign in', close() {}, start: () => token.focus() };
}
