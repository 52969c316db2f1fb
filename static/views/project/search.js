import * as format from '../../format.js';
import { isEnd } from '../../state.js';
import { el, set, show, text } from '../dom.js';
import { action, deeds, filters } from './form.js';
import { drawn, listing, row, said, table } from './listing.js';
import { many, queryOf } from './words.js';

const AGAIN_MS = 2_000;
const NOUNS = { symbol: 'definition', path: 'path' };
const WAYS = [['', 'Text'], ['regex', 'Regular expression'], ['symbol', 'Symbol'], ['path', 'Path']];
const CASES = [['', 'as usual'], ['sensitive', 'matters'], ['insensitive', 'does not matter']];
const OUT = ['Path', 'Why', 'Size'];

/** Search in what is indexed, also while it is being indexed. */
export function search({ page, id, go, start, jobs, project }) {
  const languages = el('datalist', { id: 'languages' });
  const form = filters([
    ['q', 'Search for', 'search', 'parse_request', { spellcheck: 'false', 'aria-describedby': 'query-says' }], ['kind', 'As', WAYS],
    ['lang', 'Language', 'text', 'every one', { list: 'languages' }], ['path', 'Path', 'text', 'src/**', { spellcheck: 'false' }], ['case', 'Case', CASES],
    ['word', 'Whole words', 'check'],
  ], 'Search this project', (values) => go('search', { ...values, word: values.word && '1' }));
  form.node.append(el('button', { class: 'primary' }, 'Search'), languages);
  const cover = el('p', { class: 'hint cover' });
  const caution = el('ul', { class: 'doubts' });
  const body = el('ol', { class: 'hits' });
  const hits = listing(page, {
    frame: { node: body, body }, most: 200, key: (item) => item.id, make: (item) => drawn('li', hit, { class: 'card hit', 'data-type': item.type }), heard,
    words: (answer, shown) => foundWords(answer, shown, NOUNS[form.inputs.kind.value] ?? 'file'),
    empty: () => el('p', {}, 'Try fewer letters, another way to search, or no language and path.'),
  });
  hits.node.id = 'query-says';
  const lacks = el('div', { class: 'none', hidden: true });
  const about = el('div', {});
  const out = table('Files left out', OUT);
  const left = listing(page, { frame: out, noun: 'file', pick: (answer) => answer.left_out, empty: () => el('p', {}, 'None: everything is indexed.'),
    make: row(OUT, (file) => [said('path', file.id), file.detail ? `${file.why} (${file.detail})` : file.why, file.bytes === null ? '' : format.bytes(file.bytes)]) });
  const leftOut = el('details', { hidden: true, ontoggle: () => leftOut.open && left.ask(index) }, el('summary', {}, 'Files left out'), left.node);
  const index = `projects/${encodeURIComponent(id)}/index`;
  let state = null;
  let query = {};
  let askedAt = 0;

  async function look() {
    askedAt = Date.now();
    try {
      state = await page.hub.request('GET', `${index}?limit=1`);
      show(lacks, false);
    } catch (error) {
      state = null;
      lacking(error);
    }
    drawState();
  }

  function lacking(error) {
    if (error.code !== 'no_index') return;
    const going = indexing();
    lacks.replaceChildren(el('h3', {}, going ? 'The index is being made' : 'Nothing is indexed yet'),
      el('p', {}, going ? 'You can search as soon as the first files are in.' : 'An index makes every line, name and path of the project searchable.'),
      going ? '' : deeds(...(project().url ? [action('Clone and index', () => start('ingest'), { class: 'primary' })] : []), action('Index what is here', () => start('index'))));
    show(lacks, true);
  }

  function drawState() {
    show(cover, Boolean(state));
    show(leftOut, Boolean(state?.left_out.total));
    show(about, Boolean(state) && !query.q);
    if (!state) return;
    const whole = state.state === 'complete';
    text(cover, whole ? `${many(state.indexed, 'file')} indexed, ${many(state.symbols, 'symbol')}, ${format.bytes(state.bytes)}`
      : `${indexing() ? '' : 'The index is unfinished: '}${share(state.coverage)} % indexed so far: ${format.count(state.coverage.indexed)} of ${many(state.coverage.of, 'file')}`);
    text(leftOut.firstChild, `${many(state.left_out.total, 'file')} left out`);
    languages.replaceChildren(...state.languages.filter(({ lang }) => lang).map(({ lang }) => el('option', { value: lang })));
    about.replaceChildren(el('ul', { class: 'languages' }, state.languages.slice(0, 12).map(({ lang, files, bytes }) => el('li', {},
      el('b', {}, lang ?? 'other'), ` ${many(files, 'file')}, ${format.bytes(bytes)}`))));
  }

  function heard(answer, error) {
    set(form.inputs.q, 'aria-invalid', error?.code === 'bad_query' && 'true');
    const words = answer ? doubts(answer, answer.coverage.indexed >= answer.coverage.of && !indexing()) : [];
    if (words.join() !== caution.dataset.said) caution.replaceChildren(...words.map((line) => el('li', {}, line)));
    caution.dataset.said = words.join();
    if (error) lacking(error);
    return error?.code === 'no_index';
  }

  const indexing = () => jobs().some((job) => !isEnd(job) && ['index', 'ingest'].includes(job.kind));
  function again() {
    look();
    // Not under the hands of somebody who reads on or is about to press something there.
    if (hits.shown <= 50 && !body.contains(document.activeElement)) hits.again();
  }
  return {
    node: el('section', {}, el('h2', { tabindex: -1 }, 'Search'), form.node, cover, lacks, hits.node, caution, about, leftOut),
    move(item, asked) {
      query = asked;
      form.set(asked);
      heard(null);
      show(hits.node, Boolean(asked.q));
      if (asked.q) hits.ask(`search${queryOf({ project: id, q: asked.q, kind: asked.kind, lang: asked.lang, path: asked.path, case: asked.case, word: asked.word })}`);
      else hits.forget();
      look();
    },
    again,
    update() { if (indexing() && Date.now() - askedAt > AGAIN_MS && !document.hidden) again(); },
  };
}

function hit(item) {
  const path = item.type === 'path' ? el('h3', { class: 'said' }, marked(item.path, item.marks)) : said('path', item.path, 'h3');
  const head = el('div', { class: 'head' }, path, item.lang && el('span', { class: 'kind' }, item.lang), el('span', { class: 'gap' }));
  if (item.type === 'symbol') {
    return [el('p', { class: 'head' }, el('b', { class: 'said symbol' }, marked(item.name, item.marks)), el('span', { class: 'kind' }, item.kind),
      item.parent && said('hint', `in ${item.parent}`), el('span', { class: 'gap' }), el('span', { class: 'hint' }, lineWords(item))), head];
  }
  if (item.type === 'path') return head;
  head.append(el('span', { class: 'hint' }, many(item.matches, 'match')));
  return [head, item.changed && el('p', { class: 'hint' }, 'Changed since it was indexed; this is how it is now.'), el('ol', { class: 'lines' }, item.lines.map((line) => el('li', {},
    el('span', { class: 'number' }, el('span', { class: 'away' }, 'Line '), String(line.line)),
    el('code', {}, line.start ? '…' : '', marked(line.text, line.marks), line.cut ? '…' : ''))))];
}

const lineWords = ({ line, end_line: end }) => (end > line ? `lines ${line} to ${end}` : `line ${line}`);
const marked = (words, marks) => pieces(words, marks).map(([part, is]) => (is ? el('mark', {}, part) : part));

/** A text in pieces, [words, is marked]. Marks count code points. */
export function pieces(text, marks) {
  const signs = Array.from(text);
  const found = [];
  let at = 0;
  for (const [start, end] of [...marks, [signs.length, signs.length]]) {
    if (start > at) found.push([signs.slice(at, start).join(''), false]);
    if (end > start) found.push([signs.slice(Math.max(at, start), end).join(''), true]);
    at = Math.max(at, end);
  }
  return found;
}

export const share = ({ indexed, of }) => (of ? Math.floor((100 * indexed) / of) : 0);

/** How much of a search may be believed. */
export function doubts({ coverage, complete, narrowed, changed, skipped = [], problems = [] }, isComplete) {
  return [
    !isComplete && `${share(coverage)} % indexed so far (${format.count(coverage.indexed)} of ${many(coverage.of, 'file')}): there may be more.`,
    !complete && 'The time limit came first: not everything was searched. “Show more” goes on from there.',
    !complete && !narrowed && 'Three letters or digits in a row make a search much faster.',
    changed && `${many(changed, 'file')} changed since the index was made.`,
    ...skipped.map(({ path }) => `Passed over, for it took all the time: ${path}`),
    ...problems.map(({ project, message }) => `${project}: ${message}`),
  ].filter(Boolean);
}

export const foundWords = ({ total, total_exact: exact }, shown, noun) => (
  exact ? (total ? many(total, noun) : `No ${noun} found`) : `The first ${many(shown, noun)}, and there are more`
);
