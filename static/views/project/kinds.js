import { credentials } from '../start.js';
import { ask } from './form.js';
import { kindsOf } from './jobs.js';

const CLONED = [['branch', 'Branch', 'text', 'the default one'], ['depth', 'Depth', 'number', 'all history']];
const DRY = ['dry_run', 'Dry run: only say what would be done', 'check'];
const KEEP = ['last', 'daily', 'weekly', 'monthly'].map((name) => [`keep_${name}`, `Keep ${name}`, 'number', '0']);
export const TRIES = [['attempts', 'Tries in all', 'number', 'the hub’s usual'], ['backoff_s', 'Seconds before the second', 'number', '30']];

/** What is asked of a person, by kind. */
export const KINDS = {
  clone: [...CLONED, ['bare', 'Bare, no files checked out', 'check'], ['submodules', 'With submodules', 'check']],
  index: [['force', 'Make the index anew', 'check']],
  ingest: [...CLONED, ['incremental', 'Only what has changed', 'check']],
  sync: [['sessions_folder', 'Folder of session logs', 'text', 'none']],
  snapshot: [['exclude', 'Leave out (a pattern a line)', 'list', '*.o'], ['full', 'Read every file again', 'check'], DRY],
};
export const STORED = { snapshot: KINDS.snapshot, prune: [...KEEP, DRY], verify: [] };
const BRINGS = ['clone', 'ingest'];

export const retryOf = ({ attempts, backoff_s: pause }) => (attempts ? { attempts, ...(pause !== undefined && { backoff_s: pause }) } : undefined);

/** Rows of fields of these kinds, by kind. */
export const rowsOf = (names) => Object.fromEntries(names.map((name) => [name, { ...KINDS, ...STORED }[name]]));

export const startDialog = (project, start) => ask({
  title: `Start a job on ${project.name}`, kinds: rowsOf(kindsOf(project)), rows: TRIES, label: 'Start',
  extra: (kind) => (BRINGS.includes(kind) ? credentials() : null), run: (own, params, kind) => start(kind, params, retryOf(own)),
});
