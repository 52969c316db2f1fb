/**
 * A job's progress on anybody's page:
 *
 *   <script type="module" src="https://hub.example/static/job-progress.js"></script>
 *   <job-progress base="https://hub.example/" job="01J..." watch="a signed watch link's token" variant="full"></job-progress>
 *
 * Attributes: `job`, or `project` for the newest job of one; `base` (the hub the script came from), `watch`, `label`,
 * `variant`: bar, compact, ring or full. Property `state`: the job's state object. Events, which bubble: `jobprogress`,
 * `jobend` (detail: the state object) and `linkchange` (detail: {isLive}). Parts: label, word, percent, bar, fill, facts,
 * stages, cause. Colours: --job-progress-accent, -good, -bad, -soft, -well.
 */

import { createHub } from './hub-client.js';
import { isEnd } from './state.js';
import { isLive } from './views/chip.js';
import { el, keyed, set, show, svg, text } from './views/dom.js';
import { countWords, leftWords, stateWord } from './views/parts.js';
import * as format from './format.js';

const TICK_MS = 1_000;
const ASK_AGAIN_MS = 5_000;
const ROUND = 2 * Math.PI * 16;
const STYLE = `
:host { display: block; font: inherit; --accent: var(--job-progress-accent, light-dark(#3557d6, #86a3ff)); --soft: var(--job-progress-soft, light-dark(#5b5e67, #a0a5b0));
  --good: var(--job-progress-good, light-dark(#14794a, #53c98f)); --bad: var(--job-progress-bad, light-dark(#b93228, #ff8577)); --well: var(--job-progress-well, light-dark(#e4e4de, #2c2f36));
  font-variant-numeric: tabular-nums; line-height: 1.4; overflow-wrap: anywhere; }
:host([hidden]), [hidden] { display: none !important; }
:host([variant=compact]), :host([variant=ring]) { display: inline-flex; align-items: center; gap: .5em; vertical-align: middle; }
.head { display: flex; gap: .75em; align-items: baseline; }
.label { font-weight: 600; flex: 1; }
.word, .facts, .stages { color: var(--soft); font-size: .875em; }
.bar { position: relative; height: .5em; margin: .4em 0; border-radius: 9em; overflow: hidden; background: var(--well); forced-color-adjust: none; }
.fill { display: block; height: 100%; width: calc(var(--part, 0) * 100%); border-radius: inherit; background: var(--accent); transition: width .2s linear; }
:host([variant=compact]) .bar { width: 8em; margin: 0; }
:host([variant=compact]) .label, :host([variant=ring]) .label,
  :host([variant=ring]) .bar, .box[data-small]:not([data-stale]) .word { display: none; }
.ring { width: 2.5em; height: 2.5em; transform: rotate(-90deg); fill: none; stroke: var(--well); stroke-width: 5; forced-color-adjust: none; }
.ring .fill { stroke: var(--accent); stroke-linecap: round; transition: stroke-dashoffset .2s linear; }
[data-state=succeeded] .fill { background: var(--good); stroke: var(--good); }
[data-state=failed] .fill { background: var(--bad); stroke: var(--bad); }
[data-state=succeeded] .word { color: var(--good); }
[data-state=failed] .word, .cause { color: var(--bad); }
[data-unknown] .fill { width: 30%; animation: pass 1.4s ease-in-out infinite alternate; }
[data-stale] .fill { background-image: repeating-linear-gradient(135deg, transparent 0 4px, var(--well) 4px 8px); animation: none; }
.stages { margin: .5em 0 0; padding: 0; list-style: none; }
.stages li { display: flex; gap: .75em; }
.stages span:first-child { flex: 1; }
.stages [data-state=running] { color: inherit; font-weight: 600; }
p { margin: .2em 0; }
.box { display: contents; }
@keyframes pass { from { margin-left: 0; } to { margin-left: 70%; } }
@media (prefers-reduced-motion: reduce) { .fill { transition: none; animation: none; } }
@media (forced-colors: active) { .bar { border: 1px solid CanvasText; } .fill { background: Highlight; stroke: Highlight; } }
`;

/** One link for all elements that ask the same hub with the same right. */
const hubs = new Map();

/** What watch links open may be one job alone, and so that alone is asked for. */
function borrow(base, watch, job) {
  const right = watch ? { watch, job } : {};
  const key = JSON.stringify([base, right]);
  let entry = hubs.get(key);
  if (!entry) hubs.set(key, entry = { hub: createHub({ base, ...right }), users: 0 });
  entry.users += 1;
  return { hub: entry.hub, giveBack() {
    entry.users -= 1;
    if (entry.users) return;
    hubs.delete(key);
    entry.hub.close();
  } };
}

export class JobProgress extends HTMLElement {
  static observedAttributes = ['job', 'project', 'base', 'watch', 'variant', 'label'];
  state = null;
  #abort = null;
  #view = null;
  #told = {};

  connectedCallback() {
    this.#begin();
  }

  disconnectedCallback() {
    this.#abort?.abort();
  }

  attributeChangedCallback() {
    if (this.isConnected && this.#abort) this.#begin();
  }

  #begin() {
    this.#abort?.abort();
    const abort = this.#abort = new AbortController();
    const { signal } = abort;
    this.state = null;
    this.#told = {};
    this.#view = this.#drawn();
    // What is set together begins once.
    queueMicrotask(() => { if (!signal.aborted) this.#follow(signal); });
  }

  async #follow(signal) {
    const base = this.getAttribute('base') ?? new URL('../', import.meta.url).href;
    const id = this.getAttribute('job');
    const { hub, giveBack } = borrow(new URL(base, document.baseURI).href, this.getAttribute('watch'), id);
    const draw = () => this.#update(hub);
    const timer = setInterval(draw, TICK_MS);
    let unwatch = () => {};
    hub.store.addEventListener('change', draw, { signal });
    const unlisten = hub.connection.onChange(draw);
    signal.addEventListener('abort', () => {
      clearInterval(timer);
      unlisten();
      giveBack(); // first, as who follows no project any more follows all
      unwatch();
    });
    try {
      const project = id ? (await this.#found(hub, id, signal)).project : this.getAttribute('project');
      if (signal.aborted) return;
      if (!project) throw new Error('Say which job, or which project: <job-progress job="…">.');
      unwatch = hub.watch(project);
      draw();
    } catch (error) {
      if (!signal.aborted) this.#fail(error.message);
    }
  }

  /** A hub that is not there for the moment is asked again. */
  async #found(hub, id, signal) {
    for (;;) {
      try {
        return await hub.job(id, { signal });
      } catch (error) {
        if (signal.aborted || (error.status > 0 && error.status < 500 && error.status !== 429)) throw error;
        this.#fail(error.message);
        await new Promise((resolve) => { setTimeout(resolve, ASK_AGAIN_MS); });
        signal.throwIfAborted();
      }
    }
  }

  #fail(words) {
    text(this.#view.cause, words);
    show(this.#view.cause, true);
  }

  #job(hub) {
    const id = this.getAttribute('job');
    if (id) return hub.store.jobs.get(id) ?? null;
    const project = this.getAttribute('project');
    const mine = [...hub.store.jobs.values()].filter((job) => job.project === project);
    return mine.sort((a, b) => isEnd(a) - isEnd(b) || b.created - a.created)[0] ?? null;
  }

  #drawn() {
    const root = this.shadowRoot ?? this.attachShadow({ mode: 'open' });
    if (!root.adoptedStyleSheets.length) {
      const sheet = new CSSStyleSheet();
      sheet.replaceSync(STYLE);
      root.adoptedStyleSheets = [sheet];
    }
    const part = (tag, name, ...children) => el(tag, { class: name, part: name }, ...children);
    const variant = this.getAttribute('variant') ?? 'bar';
    const view = {
      label: part('span', 'label'), word: part('span', 'word'), percent: part('span', 'percent'), facts: part('p', 'facts'),
      stages: part('ol', 'stages'), cause: part('p', 'cause'), isFull: variant === 'full',
    };
    const progress = { part: 'bar', role: 'progressbar', 'aria-valuemin': 0, 'aria-valuemax': 100 };
    if (variant === 'ring') {
      view.ring = svg('circle', { class: 'fill', part: 'fill', cx: 20, cy: 20, r: 16, 'stroke-dasharray': ROUND });
      view.bar = svg('svg', { class: 'ring', viewBox: '0 0 40 40', ...progress }, svg('circle', { cx: 20, cy: 20, r: 16 }), view.ring);
    } else {
      view.fill = part('span', 'fill');
      view.bar = el('div', { class: 'bar', ...progress }, view.fill);
    }
    view.cause.setAttribute('role', 'alert');
    const isSmall = variant === 'compact' || variant === 'ring';
    view.box = isSmall ? el('div', { class: 'box', 'data-small': true }, view.bar, view.percent, view.word)
      : el('div', { class: 'box' }, el('div', { class: 'head' }, view.label, view.word, view.percent), view.bar, view.facts, view.stages);
    for (const name of ['facts', 'stages', 'cause']) show(view[name], false);
    root.replaceChildren(view.box, view.cause);
    text(view.label, this.getAttribute('label') ?? '');
    text(view.word, 'Asking the hub…');
    return view;
  }

  #update(hub) {
    const job = this.#job(hub);
    const view = this.#view;
    const { status } = hub.connection;
    const turnedAway = !(job && isEnd(job)) && this.#whyNot(status);
    if (turnedAway) this.#fail(turnedAway);
    if (!job) return;
    const now = Date.now();
    const live = isEnd(job) || isLive(status, now);
    const value = format.percent(job);
    const name = this.getAttribute('label') ?? `${job.kind} ${job.project}`;
    this.state = job;
    if (!turnedAway) show(view.cause, false);
    text(view.label, name);
    text(view.percent, job.state === 'queued' ? '' : `${value} %`);
    text(view.word, live ? stateWord(job.state) : `last heard ${format.duration(now - (status.lastHeard ?? now))} ago`);
    const unknown = job.state === 'running' && job.percent === 0;
    for (const [key, says] of [['data-state', job.state], ['data-unknown', unknown && live], ['data-stale', !live]]) set(view.box, key, says);
    set(view.bar, 'aria-label', name);
    set(view.bar, 'aria-valuenow', unknown ? null : value);
    set(view.bar, 'aria-valuetext', unknown ? null : `${value} %, ${stateWord(job.state)}`);
    view.fill?.style.setProperty('--part', value / 100);
    if (view.ring) set(view.ring, 'stroke-dashoffset', ROUND * (1 - value / 100));
    if (view.isFull) this.#details(view, job, { isLive: live, now: live ? now : status.lastHeard, heard: hub.store.heard.get(job.id) });
    if (job.error) this.#fail(job.error.message);
    this.#tell(job, live);
    if (this.hasAttribute('job') && isEnd(job)) this.#abort.abort(); // nothing comes after
  }

  /** In words, when the hub shows this to nobody who asks like that. */
  #whyNot({ state, why }) {
    if (state === 'refused') return why;
    if (state !== 'unauthorised') return null;
    return this.hasAttribute('watch') ? 'This watch link has expired, or its hub has made it void.'
      : 'The hub shows this to those who are signed in, or have a watch link.';
  }

  #details(view, job, seen) {
    const stage = job.stages[job.step - 1];
    const words = isEnd(job) ? [leftWords(job, seen)]
      : [stage?.title, countWords(stage), seen.isLive && format.rate(job.rate, job.unit), leftWords(job, seen)];
    text(view.facts, words.filter(Boolean).join(' · '));
    show(view.facts, view.facts.textContent !== '');
    keyed(view.stages, job.stages, ({ stage: key }) => key, () => {
      const [title, state] = [el('span', {}), el('span', {})];
      const node = el('li', {}, title, state);
      return { node, update(each) {
        set(node, 'data-state', each.state);
        text(title, each.title);
        text(state, each.ended ? format.duration(each.ended - each.started - each.held_ms) : each.state);
      } };
    });
    show(view.stages, job.stages.length > 0);
  }

  /** Each thing once. */
  #tell(job, live) {
    const say = (type, detail) => this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true }));
    const told = this.#told;
    if (told.live !== live) say('linkchange', { isLive: live });
    if (told.seq !== job.seq || told.id !== job.id) say('jobprogress', job);
    if (isEnd(job) && told.ended !== job.id) say('jobend', job);
    this.#told = { live, seq: job.seq, id: job.id, ended: isEnd(job) ? job.id : told.ended };
  }
}

customElements.define('job-progress', JobProgress);
