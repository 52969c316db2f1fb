/** Places, texts, times and results in words. Pure. */

import { bytes, count, duration } from '../../format.js';

/** "snapshots/a..b?q=1" -> its part, what in it, and a query. */
export function parse(rest) {
  const [, part, item, query] = rest.match(/^([^/?]*)\/?([^?]*)\??(.*)$/s);
  return { part, item, query: Object.fromEntries(new URLSearchParams(query)) };
}

export const queryOf = (values) => {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value)).toString();
  return query && `?${query}`;
};

export const hrefOf = (id, part, query = {}) => `#/p/${encodeURIComponent(id)}${part && `/${part}`}${queryOf(query)}`;

export const many = (n, noun) => `${count(n)} ${n === 1 ? noun : noun.replace(/([^aeiou])y$/, '$1ie').replace(/(sh|ch|s)$/, '$1e')}${n === 1 ? '' : 's'}`;

const RESULTS = {
  clone: (is) => [many(is.files, 'file'), is.branch],
  index: (is) => [many(is.files, 'file'), many(is.symbols, 'symbol'), is.left_out && `${count(is.left_out)} left out`],
  sync: (is) => [many(is.commitsFound, 'new commit'), many(is.linksCreated, 'new link')],
  snapshot: (is) => (is.dry_run ? [`would store ${bytes(is.would_upload_bytes)} of ${bytes(is.bytes)}`, many(is.files, 'file')]
    : [many(is.files, 'file'), `${bytes(is.uploaded_bytes)} new`, is.left_out && `${count(is.left_out)} left out`]),
  prune: (is) => [`${is.dry_run ? 'would remove' : 'removed'} ${many(is.removed.length, 'snapshot')}`, `${bytes(is.freed_bytes)} ${is.dry_run ? 'would be freed' : 'freed'}`,
    `${count(is.kept)} kept`],
  verify: (is) => [`${many(is.objects, 'object')} of ${many(is.snapshots, 'snapshot')} read`, 'nothing is damaged'],
  restore: (is) => [many(is.files, 'file'), is.to],
};
RESULTS.ingest = RESULTS.index;

/** What came of a job, in a line; a result of another shape says nothing. */
export function outcome({ kind, result, error }) {
  if (error) return error.message;
  try {
    const words = result ? RESULTS[kind](result).filter(Boolean).join(' · ') : '';
    return words.includes('NaN') ? '' : words;
  } catch {
    return '';
  }
}

export const every = (seconds) => `every ${duration(seconds * 1000)}`;
