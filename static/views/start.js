import { el, set, show, text } from './dom.js';
import { newKey, readSource } from './source.js';

const KINDS = {
  clone: [
    ['branch', 'Branch', 'text', 'the default one'],
    ['depth', 'Depth', 'number', 'all history'],
    ['bare', 'Bare, no files checked out', 'checkbox'],
    ['submodules', 'With submodules', 'checkbox'],
  ],
};

export function startForm(page) {
  const source = el('input', { id: 'source', name: 'source', list: 'projects', autocomplete: 'off', autocapitalize: 'off',
    spellcheck: 'false', placeholder: 'https://example.org/team/project.git', 'aria-describedby': 'source-says', enterkeyhint: 'go' });
  const kind = el('select', { name: 'kind', 'aria-label': 'Kind of job' },
    Object.keys(KINDS).map((name) => el('option', { value: name }, name)));
  const submit = el('button', { class: 'primary' }, 'Start');
  const says = el('p', { id: 'source-says', class: 'says', role: 'alert' });
  const list = el('datalist', { id: 'projects' });
  const options = el('div', { class: 'fields' });
  const secrets = credentials();
  const disclosure = el('details', { class: 'options' }, el('summary', {}, 'Options'), options,
    el('details', {}, el('summary', {}, 'Credentials for a private repository'), secrets.node));
  const form = el('form', { class: 'start card', novalidate: true },
    el('label', { for: 'source' }, 'Clone a repository'),
    el('div', { class: 'line' }, source, kind, submit), says, disclosure, list);
  let projects = [];
  // Pressed again when no answer came, it must start nothing twice.
  let pending = { key: null, wish: null };

  function complain(words) {
    text(says, words);
    set(source, 'aria-invalid', words ? 'true' : null);
  }

  async function start(event) {
    event.preventDefault();
    const found = readSource(source.value, projects);
    if (found.error) {
      complain(found.error);
      source.focus();
      return;
    }
    complain('');
    const params = { ...values(options), ...found.secrets, ...secrets.values() };
    const wish = JSON.stringify([found, kind.value, params]);
    if (wish !== pending.wish) pending = { key: newKey(), wish };
    submit.disabled = true;
    text(submit, 'Starting…');
    try {
      const project = found.project ?? (await page.hub.createProject(found.fields)).id;
      const job = await page.hub.start(project, kind.value, params, { key: pending.key });
      forget();
      page.go(job.id);
    } catch (error) {
      if (error.code === 'already_running') {
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
    form.reset();
    secrets.choose();
    disclosure.open = false;
  }

  function chooseKind() {
    options.replaceChildren(...KINDS[kind.value].map(field));
  }

  form.addEventListener('submit', start);
  source.addEventListener('input', () => complain(''));
  kind.addEventListener('change', chooseKind);
  show(kind, Object.keys(KINDS).length > 1);
  chooseKind();
  return {
    node: form,
    fill(value) {
      source.value = value;
      source.focus();
    },
    update(items) {
      if (items === projects) return;
      projects = items;
      list.replaceChildren(...items.map((project) => el('option', { value: project.name }, project.url ?? project.path)));
    },
  };
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
