/** What a submit of the start line does, the options of each kind, and credentials. */

import { el, set, show, text } from './dom.js';
import { newKey, readSource } from './source.js';

const BRANCH = ['branch', 'Branch', 'text', 'the default one'];
const DEPTH = ['depth', 'Depth', 'number', 'all history'];
const DRY = ['dry_run', 'Only say what would be done', 'checkbox'];
const OF_GIT = new Set(['clone', 'ingest']);

const OPTIONS = {
  clone: [BRANCH, DEPTH, ['bare', 'Bare, no files checked out', 'checkbox'], ['submodules', 'With submodules', 'checkbox']],
  ingest: [BRANCH, ['depth', 'Depth', 'number', 'the newest commit'], ['anew', 'Anew, not only what changed', 'checkbox']],
  index: [['force', 'Anew, not only what changed', 'checkbox']],
  snapshot: [['exclude', 'Leave out', 'text', '*.log, node_modules'], ['full', 'Read every file again', 'checkbox'], DRY],
  prune: [['keep_last', 'Keep the last', 'number', ''], ['keep_daily', 'Daily', 'number', ''], ['keep_weekly', 'Weekly', 'number', ''],
    ['keep_monthly', 'Monthly', 'number', ''], DRY],
  restore: [['snapshot', 'Snapshot', 'text', 'its id'], ['to', 'To the folder', 'text', '/srv/restored'], ['path', 'Only below', 'text', 'all of it'],
    ['overwrite', 'Overwrite files that are there', 'checkbox']],
};

const ABOUT = {
  clone: 'Brings a repository here, or up to date.',
  ingest: 'Clones and indexes in one go, and the next time only what has changed.',
  index: 'Makes what was cloned, or a folder, searchable.',
  sync: 'Brings the list of commits up to date, and links them to sessions of work.',
  snapshot: 'Keeps the files as they are now; only what changed is stored again.',
  verify: 'Reads everything that is stored, to find damage before it is needed.',
  prune: 'Removes old snapshots and what only they need.',
  restore: 'Writes a snapshot’s files into a folder of the server.',
};

/** `parts`: the line's {form, source, kind, submit, says, options, projects}. */
export function starter(page, parts) {
  const { form, source, kind, submit, says, options } = parts;
  const about = el('p', { class: 'hint' });
  const fields = el('div', { class: 'fields' });
  const tries = field(['attempts', 'Try, in all', 'number', 'once', { max: 20 }]);
  const secrets = credentials();
  const access = el('details', {}, el('summary', {}, 'Credentials for a private repository'), secrets.node);
  options.append(about, fields, access);
  // Pressed again when no answer came, it must start nothing twice.
  let pending = { key: null, wish: null };
  // Taken out of a pasted URL, and nowhere in the page any more.
  let held = { source: null, secrets: {} };

  function complain(words) {
    text(says, words);
    set(source, 'aria-invalid', words ? 'true' : null);
    if (words) source.focus();
  }

  async function start() {
    if (submit.disabled) return;
    const found = readSource(source.value, parts.projects);
    if (found.error) {
      complain(found.error);
      return;
    }
    complain('');
    if (Object.keys(found.secrets ?? {}).length) {
      source.value = found.fields.url;
      held = { source: source.value, secrets: found.secrets };
    }
    const { attempts, ...given } = values(options);
    const params = { ...wished(given), ...(held.source === source.value && held.secrets) };
    const body = { kind: kind.value, params, ...(attempts > 1 && { retry: { attempts } }) };
    const wish = JSON.stringify([found, body]);
    if (wish !== pending.wish) pending = { key: newKey(), wish };
    submit.disabled = true;
    text(submit, 'Starting…');
    try {
      const project = found.project ?? (await page.hub.createProject(found.fields)).id;
      const path = `projects/${encodeURIComponent(project)}/jobs`;
      const job = await page.hub.request('POST', path, { body, headers: { 'Idempotency-Key': pending.key } });
      page.hub.store.put(job);
      forget();
      page.go(job.id);
    } catch (error) {
      if (error.code === 'already_running' && error.detail?.job) {
        forget();
        page.go(error.detail.job);
      } else complain(error.message);
    } finally {
      submit.disabled = false;
      text(submit, 'Start');
    }
  }

  function forget() {
    pending = { key: null, wish: null };
    held = { source: null, secrets: {} };
    form.reset();
    secrets.choose();
    options.open = false;
    choose();
  }

  function choose() {
    text(about, ABOUT[kind.value]);
    fields.replaceChildren(...(OPTIONS[kind.value] ?? []).map(field), tries);
    show(access, OF_GIT.has(kind.value));
    if (access.hidden) secrets.choose();
    // These cannot run without.
    if (kind.value === 'restore') options.open = true;
  }

  source.addEventListener('input', () => complain(''));
  kind.addEventListener('change', choose);
  choose();
  return { start };
}

/** What is typed, as the API has it. */
function wished({ anew, exclude, ...given }) {
  if (anew) given.incremental = false;
  if (exclude) given.exclude = exclude.split(',').map((pattern) => pattern.trim()).filter(Boolean);
  return given;
}

function field([name, label, type, hint, more = {}]) {
  const input = el('input', { name, type, placeholder: hint, autocomplete: 'off', ...(type === 'number' && { min: 1 }), ...more });
  return el('label', { class: type === 'checkbox' && 'check' }, el('span', {}, label), input);
}

function values(node) {
  const found = {};
  for (const input of node.querySelectorAll('[name]')) {
    if (input.type === 'checkbox') {
      if (input.checked) found[input.name] = true;
    } else if (input.value) found[input.name] = input.type === 'number' ? Number(input.value) : input.value;
  }
  return found;
}

const WAYS = {
  token: ['Access token', [['token', 'Token', 'password']]],
  password: ['User name and password', [['username', 'User name', 'text'], ['password', 'Password', 'password']]],
  ssh: ['SSH key', [['ssh_key', 'Private key', 'textarea'], ['ssh_passphrase', 'Passphrase, if it has one', 'password']]],
};

export function credentials() {
  const way = el('select', { 'aria-label': 'Way to sign in' },
    Object.entries(WAYS).map(([value, [label]]) => el('option', { value }, label)));
  const fields = el('div', { class: 'fields' });
  const node = el('div', { class: 'credentials' }, way, fields,
    el('p', { class: 'hint' }, 'Used for this run only. The hub writes them nowhere.'));
  function choose() {
    fields.replaceChildren(...WAYS[way.value][1].map(([name, label, type]) => (type === 'textarea'
      ? el('label', { class: 'wide' }, el('span', {}, label), el('textarea', { name, rows: 4, spellcheck: 'false', autocomplete: 'off' }))
      : field([name, label, type, '', { autocomplete: type === 'password' ? 'new-password' : 'off' }]))));
  }
  way.addEventListener('change', choose);
  choose();
  return { node, choose, values: () => values(fields) };
}
