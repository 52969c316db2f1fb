import * as format from '../../format.js';
import { el, show, text } from '../dom.js';
import { action, ask, deeds, filters } from './form.js';
import { STORED } from './kinds.js';
import { listing, moment, row, said, table } from './listing.js';
import { hrefOf, many, queryOf } from './words.js';

const ALL = ['Taken', 'Size', 'New', 'Files', ''];
const FILES = ['Path', 'Size', 'Mode', 'Changed'];
const DIFF = ['What', 'Path', 'Before', 'After'];
const TYPES = [['', 'everything'], ['file', 'files'], ['dir', 'folders'], ['link', 'links'], ['left_out', 'left out']];
const RESTORE = [['to', 'Into the folder', 'text', '/srv/restored', { required: true }], ['path', 'Only this path of it', 'text', 'all'], ['overwrite', 'Also when the folder is not empty', 'check']];

const download = (words, path, label) => el('a', { class: 'button quiet', href: `api/v1/${path}`, download: '', 'aria-label': label }, words);
const size = ({ size: bytes, type, target, reason }) => (bytes !== undefined ? format.bytes(bytes) : target !== undefined ? ['→ ', said('', target)] : reason ?? (type === 'dir' ? '' : type));

export function snapshots({ page, id, go, start, project }) {
  const place = `projects/${encodeURIComponent(id)}/snapshots`;
  const chosen = new Set();
  const compare = action('Compare two', () => {
    if (chosen.size !== 2) throw new Error('Choose two snapshots to compare.');
    go(`snapshots/${[...chosen].sort().join('..')}`);
  });
  const prune = () => ask({ title: 'Prune snapshots', label: 'Prune', danger: true, rows: STORED.prune, values: { dry_run: true }, run: (wanted) => start('prune', wanted),
    words: 'Removes what none of the rules keeps, and what only that needed. With no rule, only what is left over. A dry run tells first.' });
  const buttons = deeds(action('Take one now', () => start('snapshot'), { class: 'primary' }), compare, action('Verify', () => start('verify')), action('Prune…', prune));
  const list = listing(page, { frame: table('Snapshots', ALL), noun: 'snapshot', make: row(ALL, draw),
    empty: () => [el('h3', {}, 'No snapshot yet'), el('p', {}, 'A snapshot keeps the files as they are now. Only what is new is stored.')] });
  const front = el('div', {}, el('h2', { tabindex: -1 }, 'Snapshots'), buttons, list.node);
  const inside = el('div', {});
  let current = front;

  function draw(one) {
    const at = place + '/' + one.id;
    const name = one.created ? format.moment(one.created) : one.id;
    const remove = action('Delete…', () => ask({ title: 'Delete this snapshot?', words: `${name}. What no other snapshot needs is removed with it.`, label: 'Delete', danger: true,
      run: async () => page.hub.store.put(await page.hub.request('DELETE', at)) }), { 'aria-label': `Delete ${name}…` });
    if (one.error) return [[said('name', one.id), el('p', { class: 'says' }, one.error.message)], '', '', '', deeds(remove)];
    const tick = el('input', { type: 'checkbox', 'aria-label': `Compare ${name}`, onchange: () => (tick.checked ? chosen.add(one.id) : chosen.delete(one.id)) });
    tick.checked = chosen.has(one.id);
    const restore = action('Restore…', () => ask({ title: 'Restore', words: `The snapshot of ${name}. The folder has to be inside the hub’s roots.`, rows: RESTORE, label: 'Restore',
      run: (values) => start('restore', { snapshot: one.id, ...values }) }), { 'aria-label': `Restore ${name}…` });
    return [el('div', { class: 'pick' }, tick, el('div', {}, el('a', { class: 'name', href: hrefOf(id, `snapshots/${one.id}`) }, name), el('div', { class: 'sub' }, moment(one.created))),
      one.damaged_files ? el('span', { class: 'says' }, `${many(one.damaged_files, 'file')} damaged`) : ''),
    format.bytes(one.bytes), format.bytes(one.new_bytes), format.count(one.files), deeds(download('Download', `${at}/archive`, `Download ${name}`), restore, remove)];
  }

  function open(node) {
    if (node === current) return;
    current = node;
    show(front, node === front);
    inside.replaceChildren(...(node === front ? [] : [node]));
  }

  let shown = { ask() {}, again() {} };
  let key = '';
  return {
    node: el('section', {}, front, inside),
    move(item, query) {
      const [one, other] = item.split('..');
      if (!item) {
        shown = list;
        open(front);
        list.ask(place);
      } else {
        if (key !== item || current === front) {
          shown = (other ? difference : files)({ page, id, go, place, one, other, project });
          open(shown.node);
        }
        shown.move(query);
      }
      key = item;
    },
    again() { shown.again(); },
  };
}

const back = (id) => el('a', { class: 'back', href: hrefOf(id, 'snapshots') }, 'All snapshots');
const timeOf = (snapshot) => {
  const [, ...parts] = snapshot.match(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)/) ?? [];
  const [year, month, ...rest] = parts.map(Number);
  return parts.length ? format.moment(Date.UTC(year, month - 1, ...rest)) : snapshot;
};

function files({ page, id, go, place, one }) {
  const at = `${place}/${one}`;
  const about = el('p', { class: 'hint' });
  const form = filters([['path', 'Path begins with', 'search', 'src/'], ['type', 'Show', TYPES]], 'Files', (values) => go(`snapshots/${one}`, values));
  const list = listing(page, { frame: table('Files', FILES), noun: 'entry', key: ({ path, path_bytes: raw }) => raw ?? path, empty: () => el('p', {}, 'Nothing is like that.'),
    make: row(FILES, (entry) => [path(entry), size(entry), entry.mode ?? '', entry.mtime_ns ? el('time', {}, format.moment(entry.mtime_ns / 1e6)) : '']) });
  function path({ path: name, path_bytes: raw, type, changing }) {
    const words = said('name', name);
    if (type === 'dir') return el('a', { href: hrefOf(id, `snapshots/${one}`, { path: `${name}/` }) }, words, '/');
    return type === 'file' ? [el('a', { href: `api/v1/${at}/file${queryOf(raw ? { path_bytes: raw } : { path: name })}`, download: '' }, words), changing && el('span', { class: 'hint' }, ' was changing')] : words;
  }
  page.hub.request('GET', at).then((is) => text(about, [many(is.files, 'file'), many(is.folders, 'folder'), format.bytes(is.bytes), `${format.bytes(is.stored_bytes)} in the store`,
    is.left_out && `${format.count(is.left_out)} left out`].filter(Boolean).join(' · ')), (error) => text(about, error.message));
  return {
    node: el('div', {}, back(id), el('h2', { tabindex: -1 }, `Snapshot of ${timeOf(one)}`), about, deeds(download('Download as .tar.zst', `${at}/archive`)), form.node, list.node),
    move(query) {
      form.set(query);
      list.ask(`${at}/files${queryOf({ path: query.path, type: query.type })}`);
    },
    again: list.again,
  };
}

function difference({ page, id, place, one, other }) {
  const counts = el('p', { class: 'hint', role: 'status' });
  const side = (entry) => (entry ? [size(entry), entry.mode && ` ${entry.mode}`] : '');
  const list = listing(page, { frame: table('Differences', DIFF), noun: 'difference', key: ({ path, path_bytes: raw }) => raw ?? path,
    make: row(DIFF, ({ change, path, before, after, fields }) => [[el('b', { class: change }, change), fields && el('div', { class: 'sub' }, fields.join(', '))], said('name', path), side(before), side(after)]),
    heard: (answer) => { if (answer) text(counts, ['added', 'removed', 'changed'].map((word) => `${format.count(answer[word])} ${word}`).join(' · ')); },
    empty: () => el('p', {}, 'They are the same.') });
  return {
    node: el('div', {}, back(id), el('h2', { tabindex: -1 }, `From ${timeOf(one)} to ${timeOf(other)}`), counts, list.node),
    move: () => list.ask(`${place}/${one}/diff/${other}`),
    again() {},
  };
}
