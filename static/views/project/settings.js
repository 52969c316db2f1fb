import * as format from '../../format.js';
import { copyButton, el, show, text } from '../dom.js';
import { stateWord } from '../parts.js';
import { action, ask, deeds } from './form.js';
import { kindsOf } from './jobs.js';
import { KINDS, STORED, TRIES, retryOf, rowsOf } from './kinds.js';
import { listing, moment, row, said, table } from './listing.js';
import { every } from './words.js';

const SCHEDULES = ['Schedule', 'Next turn', 'The last one', ''];
const WEBHOOKS = ['Webhook', 'State', 'Hears of', ''];
const DELIVERIES = ['When', 'State', 'Answer', 'Tries'];
const UNITS = [['60', 'minutes'], ['3600', 'hours'], ['86400', 'days']];
const ENDS = ['', 'failed,interrupted', 'succeeded', 'failed', 'cancelled', 'interrupted'].map((states) => [states, states ? states.split(',').map(stateWord).join(' or ') : 'every end']);
const LIVES = [['3600', 'an hour'], ['86400', 'a day'], ['604800', 'a week'], ['2592000', '30 days']];

const due = (ms) => el('time', { datetime: new Date(ms).toISOString(), title: format.moment(ms), 'data-due': ms }, format.moment(ms));
const part = (title, words, ...inside) => el('section', {}, el('h2', { tabindex: -1 }, title), el('p', { class: 'hint' }, words), ...inside);

export function settings({ page, id, project, jobs }) {
  const own = [schedules(page, id, project), webhooks(page, id), watchLinks(page, id, jobs)];
  const { name } = project();
  const remove = action('Delete this project…', () => ask({ title: `Delete ${name}?`, label: 'Delete', danger: true, word: name,
    words: 'Its clone, index, history, and schedules go; so do snapshots in the hub’s own folder. Nothing brings them back.',
    run: async () => {
      await page.hub.request('DELETE', `projects/${encodeURIComponent(id)}`);
      location.hash = '#/';
    } }), { class: 'quiet danger' });
  return {
    node: el('div', {}, ...own.map(({ node }) => node), part('Delete', 'Running jobs have to end first.', deeds(remove))),
    move() { for (const each of own) each.move(); },
    again() { own[0].again(); },
  };
}

function schedules(page, id, project) {
  const place = `projects/${encodeURIComponent(id)}/schedules`;
  const kinds = rowsOf([...kindsOf(project()), 'prune', 'verify']);
  const list = listing(page, { frame: table('Schedules', SCHEDULES), noun: 'schedule', make: row(SCHEDULES, draw), empty: () => el('p', {}, 'Nothing comes back by itself yet.') });
  const call = async (method, path, body) => {
    const job = await page.hub.request(method, place + path, { body });
    list.again();
    return job;
  };

  function draw(one) {
    const name = one.name || one.kind;
    const label = (verb) => ({ 'aria-label': `${verb} ${name}` });
    return [[said('name', name), el('div', { class: 'sub' }, [one.kind, one.cron ?? every(one.every_s), one.cron && one.timezone, one.retry && `${one.retry.attempts} tries`].filter(Boolean).map((words) => el('span', {}, words)))],
      one.is_paused ? 'paused' : one.next_at ? due(one.next_at) : '',
      [el('div', {}, [one.last_outcome ?? 'none yet', one.last_state && stateWord(one.last_state)].filter(Boolean).join(': '), one.last_at && ' ', moment(one.last_at)), one.last_error && said('says', one.last_error.message, 'p')],
      deeds(action('Run now', async () => page.hub.store.put(await call('POST', `/${one.id}/run`)), label('Run now:')),
        action(one.is_paused ? 'Go on' : 'Pause', () => call('PATCH', `/${one.id}`, { is_paused: !one.is_paused }), label(one.is_paused ? 'Go on:' : 'Pause')),
        action('Delete…', () => ask({ title: `Delete the schedule ${name}?`, label: 'Delete', danger: true, run: () => call('DELETE', `/${one.id}`) }), label('Delete')))];
  }

  const rows = [['name', 'Name', 'text', 'optional'], ['often', 'Every', 'number', '1'], ['unit', 'Unit', UNITS], ['cron', 'or at (cron)', 'text', '0 3 * * *', { spellcheck: 'false' }],
    ['timezone', 'Time zone', 'text', 'UTC'], ...TRIES];
  const add = () => ask({ title: 'New schedule', kinds, rows, label: 'Add', values: { unit: '3600', timezone: Intl.DateTimeFormat().resolvedOptions().timeZone },
    words: 'A job that needs a token or password cannot be scheduled: the hub keeps no secrets.',
    run: ({ name, often, unit, cron, timezone, ...tries }, params, kind) => call('POST', '', { kind, params, name, cron, timezone, retry: retryOf(tries), every_s: often && often * unit }) });
  return { node: part('Schedules', 'Jobs that come back by themselves.', list.node, deeds(action('Add a schedule…', add))), move: () => list.ask(place), again: list.again };
}

function webhooks(page, id) {
  const list = listing(page, { frame: table('Webhooks', WEBHOOKS), noun: 'webhook', make: row(WEBHOOKS, draw), empty: () => el('p', {}, 'Nobody is told yet.'),
    pick({ items, ...answer }) {
      const mine = items.filter(({ projects }) => !projects.length || projects.includes(id));
      return { ...answer, items: mine, total: mine.length };
    } });
  const said_ = el('div', { role: 'status' });
  const call = async (method, path, body) => {
    const answer = await page.hub.request(method, `webhooks${path}`, { body });
    if (answer?.secret) secret(answer);
    list.again();
    return answer;
  };

  /** The answer alone has it: gone when the page is left. */
  function secret({ url, secret: key }) {
    said_.replaceChildren(el('div', { class: 'card secret' }, el('p', { class: 'cause' }, 'The secret, shown this once'), el('p', { class: 'hint' }, `What is sent to ${url} is signed with it.`),
      el('code', {}, key), deeds(copyButton('Copy', () => key), action('Done', () => said_.replaceChildren()))));
  }

  function draw(one) {
    const name = one.name || one.url;
    const at = `/${one.id}`;
    const came = el('p', { class: 'hint', role: 'status' });
    const label = (verb) => ({ 'aria-label': `${verb} ${name}` });
    const log = listing(page, { frame: table('Deliveries', DELIVERIES), noun: 'delivery', empty: () => el('p', {}, 'None yet.'), make: row(DELIVERIES, (each) => [moment(each.created), each.state,
      [answered(each), each.next_at && [', again ', due(each.next_at)]].flat(), String(each.attempts)]) });
    const deliveries = el('details', { ontoggle: () => deliveries.open && (log.ask(`webhooks${at}/deliveries`), log.again()) }, el('summary', {}, 'Deliveries'), log.node);
    return [[said('name', name), one.name && said('sub', one.url), deliveries], [el('b', { class: one.state }, one.state), one.trouble && el('p', { class: 'hint' }, one.trouble)],
      [one.states.map(stateWord).join(', ') || 'every end', one.kinds.length ? ` of ${one.kinds.join(', ')}` : '', one.projects.length ? '' : ', in every project'].join(''),
      [deeds(action('Test', async () => text(came, `Test: ${answered(await page.hub.request('POST', `webhooks${at}/test`))}`), label('Test')),
        one.state === 'disabled' && action('Enable', () => call('POST', `${at}/enable`), label('Enable')),
        action('Delete…', () => ask({ title: `Delete the webhook ${name}?`, label: 'Delete', danger: true, run: () => call('DELETE', at) }), label('Delete'))), came]];
  }

  const rows = [['url', 'Address', 'url', 'https://ci.example.org/hook', { class: 'long' }], ['name', 'Name', 'text', 'optional'], ['states', 'When a job ends as', ENDS],
    ['kind', 'Kind', [['', 'every kind'], ...Object.keys({ ...KINDS, ...STORED }).map((kind) => [kind])]], ['all', 'In every project, not just this one', 'check']];
  const add = () => ask({ title: 'New webhook', rows, label: 'Add', words: 'The hub sends a signed message (Standard Webhooks) when a job ends.',
    run: ({ url, name, states, kind, all }) => call('POST', '', { url, name, states: states && states.split(','), kinds: kind && [kind], projects: all ? undefined : [id] }) });
  return { node: part('Webhooks', 'Other programs that are told when jobs end.', list.node, said_, deeds(action('Add a webhook…', add))), move: () => list.ask('webhooks') };
}

const answered = ({ state, status, error, took_ms: took }) => [state, status && `answered ${status}`, error, took !== null && `${format.count(took)} ms`].filter(Boolean).join(', ');

function watchLinks(page, id, jobs) {
  const out = el('div', { role: 'status' });
  const add = () => ask({ title: 'New watch link', label: 'Make', rows: [['job', 'Of', [['', 'the whole project, for programs and pages'], ...jobs().map((job) => [job.id, `${job.kind}, ${format.moment(job.created)}`])]], ['ttl_s', 'Valid for', LIVES]],
    words: 'Whoever has it can watch, and do nothing else. A job’s link opens its status page.',
    async run({ job, ttl_s: seconds }) {
      const { url, expires } = await page.hub.request('POST', `projects/${encodeURIComponent(id)}/watch-links`, { body: { job, ttl_s: Number(seconds) } });
      out.replaceChildren(el('div', { class: 'card secret' }, el('p', { class: 'hint' }, 'Valid until ', format.moment(expires)), el('code', {}, url), deeds(copyButton('Copy', () => url))));
    } });
  const node = part('Watch links', 'For people, pages and programs without a token.', out, deeds(action('Make a link…', add)));
  show(node, false);
  // Hubs have them together with sign-in.
  return { node, move: () => page.hub.request('GET', 'session').then(() => show(node, true), () => {}) };
}
