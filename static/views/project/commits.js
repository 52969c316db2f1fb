import * as format from '../../format.js';
import { el, set, show, text } from '../dom.js';
import { action, deeds, filters } from './form.js';
import { listing, moment, row, said, table } from './listing.js';
import { hrefOf, many, queryOf } from './words.js';

const COMMITS = ['Commit', 'Author', 'When', 'Links'];
const LINKS = ['Commit', 'Session', 'Why', 'Tier'];
const NEAR = ['Commit', 'Session', 'Missed by'];
const SESSIONS = ['Session', 'From', 'To', 'Commit actions', 'Links'];
const DAY_MS = 86_400_000;
const LINKED = [['', 'linked or not'], ['true', 'with a link'], ['false', 'without']];
const RULES = {
  commit_action: ({ action: at, after_action_s: after }) => [`${off(after)} a commit action of the session`, moment(at)],
  during_session: () => ['made while the session went on', ''],
};
const SHOWS = { '': 'Links', near: 'Near misses', sessions: 'Sessions' };

const off = (seconds) => (seconds < 0 ? `${format.duration(-seconds * 1000)} before` : `${format.duration(seconds * 1000)} after`);
const short = (id) => el('code', { class: 'hint', title: id }, id.slice(0, 10));
/** A day of the person's calendar, as the API's Unix milliseconds. */
const day = (date, more = 0) => date && String(new Date(`${date}T00:00`).getTime() + more);
const author = ({ name, email }) => el('span', { title: email }, said('', name || email));
const brief = ({ id, subject, author: by, at, gone }) => [said('name', subject || '(no subject)'), el('span', { class: 'sub' }, short(id), author(by), moment(at), gone && 'on no branch now')];

export function commits({ page, id, go, start }) {
  const form = filters([['text', 'Subject or id', 'search'], ['author', 'Author', 'text'], ['path', 'Path', 'text', 'src'], ['since', 'Since', 'date'], ['until', 'Until', 'date'],
    ['linked', 'Links', LINKED], ['gone', 'On no branch any more', 'check']], 'Commits', (values) => go('commits', { ...values, gone: values.gone && 'true' }));
  const list = listing(page, { frame: table('Commits', COMMITS), noun: 'commit', make: row(COMMITS, draw), empty });
  let narrowed = '';

  function draw({ id: commit, subject, files, files_total: total, author: by, at, parents, links }) {
    return [[said('name', subject || '(no subject)'), el('div', { class: 'sub' }, short(commit), total ? el('details', {}, el('summary', {}, many(total, 'file')),
      el('ul', { class: 'paths' }, files.map((path) => said('', path, 'li')), total > files.length && el('li', { class: 'hint' }, `and ${format.count(total - files.length)} more`)))
      : el('span', {}, parents > 1 ? 'a merge' : 'no files'))], author(by), moment(at), links ? el('a', { href: hrefOf(id, 'links') }, many(links, 'link')) : ''];
  }

  function empty() {
    return narrowed ? el('p', {}, 'No commit is like that.') : [el('h3', {}, 'No commit is known yet'),
      el('p', {}, 'A sync reads them out of the clone, and links them to the sessions of work that made them.'), deeds(action('Sync now', () => start('sync'), { class: 'primary' }))];
  }

  return {
    node: el('section', {}, el('h2', { tabindex: -1 }, 'Commits'), form.node, list.node),
    move(item, query) {
      form.set(query);
      narrowed = queryOf({ ...query, since: day(query.since), until: day(query.until, DAY_MS - 1) });
      list.ask(`projects/${encodeURIComponent(id)}/commits${narrowed}`);
    },
    again: list.again,
  };
}

/** Links with their evidence, what missed by little, and the sessions. */
export function links({ page, id, go, start }) {
  const nav = el('nav', { class: 'ways', 'aria-label': 'Links, near misses and sessions' });
  const form = filters([['session', 'Session', 'search', 'its id'], ['tier', 'Tier', [['', 'every tier'], ['1', '1: at a commit action'], ['2', '2: during the session']]]], 'Links',
    (values) => go('links', { ...values, show: showing }));
  const heading = el('h2', { tabindex: -1 });
  const place = `projects/${encodeURIComponent(id)}/`;
  const of = (session) => el('a', { class: 'said', href: hrefOf(id, 'links', { session }) }, said('', session));
  const lists = {
    '': list('Links', 'link', LINKS, ({ commit, session, tier, evidence }) => [brief(commit), of(session), why(evidence), String(tier)],
      ['Nothing is linked', 'A sync links commits to sessions of work; other programs tell of those (POST /api/v1/sessions), or a sync reads them from a folder of logs.']),
    near: list('Near misses', 'near miss', NEAR, ({ commit, session, message }) => [brief(commit), of(session), message], ['No near miss', 'Every commit without a link is far from any session.']),
    sessions: list('Sessions', 'session', SESSIONS, ({ id: session, author: by, start: from, end, commit_actions: actions, links: n }) => [[of(session), by && said('hint', by)],
      moment(from), moment(end), String(actions), String(n)], ['No session is known', 'Other programs tell of them (POST /api/v1/sessions), or a sync reads them from a folder of logs.']),
  };
  let showing = '';

  function list(caption, noun, heads, draw, [title, words]) {
    return listing(page, { frame: table(caption, heads), noun, make: row(heads, draw),
      empty: () => [el('h3', {}, title), el('p', {}, words), deeds(action('Sync now', () => start('sync')))] });
  }

  const section = el('section', {}, heading, nav, form.node, ...Object.values(lists).map(({ node }) => node));
  return {
    node: section,
    move(item, query) {
      showing = query.show in SHOWS ? query.show : '';
      text(heading, SHOWS[showing]);
      nav.replaceChildren(...Object.entries(SHOWS).map(([name, words]) => el('a', { href: hrefOf(id, 'links', { show: name }), 'aria-current': name === showing && 'page' }, words)));
      form.set(query);
      show(form.node, showing !== 'sessions');
      show(form.inputs.tier.parentNode, !showing);
      for (const [name, each] of Object.entries(lists)) show(each.node, name === showing);
      const { session, tier } = query;
      const asked = { '': ['links', { session, tier }], near: ['links', { near: 'true', session }], sessions: ['sessions', { project: id }] };
      const [what, narrowed] = asked[showing];
      lists[showing].ask(`${showing === 'sessions' ? '' : place}${what}${queryOf(narrowed)}`);
    },
    again() { lists[showing].again(); },
  };
}

function why(evidence) {
  const [words, at] = RULES[evidence.rule]?.(evidence) ?? [evidence.rule, ''];
  const [from, to] = evidence.window;
  return [el('div', {}, words, at && ' '), el('div', { class: 'sub' }, `window ${format.moment(from)} to ${format.shortClock(to)}, ${format.duration(evidence.margin_s * 1000)} to spare`)];
}
