import * as format from '../format.js';
import { isEnd } from '../state.js';
import { copyButton, el, set, show, text } from './dom.js';
import { credentials } from './start.js';

const WANT_CREDENTIALS = new Set(['credentials_wanted', 'credentials_wrong']);

export function failure(page) {
  const cause = el('p', { class: 'cause' });
  const hint = el('p', { class: 'todo' });
  const where = el('p', { class: 'hint' });
  const retry = el('button', { class: 'primary' }, 'Retry');
  const says = el('p', { class: 'says', role: 'alert' });
  const secrets = credentials();
  const report = copyButton('Copy report', () => reportOf(job));
  const form = el('form', { class: 'again' }, secrets.node, el('div', { class: 'actions' }, retry, report), says);
  const node = el('section', { class: 'card failure', hidden: true, 'aria-label': 'What happened' }, cause, hint, where, form);
  let job = null;

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    retry.disabled = true;
    text(says, '');
    try {
      const next = await (await page.hub.job(job.id)).retry(secrets.values());
      secrets.choose();
      page.go(next.id);
    } catch (error) {
      if (error.code === 'already_running') page.go(error.detail.job);
      else text(says, error.message);
    } finally {
      retry.disabled = false;
    }
  });

  return { node, update(newest) {
    if (newest === job) return;
    job = newest;
    const bad = isEnd(job) && job.state !== 'succeeded';
    show(node, bad);
    if (!bad) return;
    set(node, 'data-state', job.state);
    const { message, hint: advice, stage, code } = job.error ?? {};
    const isOutside = job.silence_s != null; // who ran it must run it again
    text(cause, message ?? (isOutside && job.state === 'cancelled' ? 'Cancelled.' : ENDS[job.state]));
    text(hint, advice ?? '');
    const title = job.stages.find((candidate) => candidate.stage === stage)?.title;
    text(where, title ? `It ended in the stage “${title}”, at ${format.percent(job)} %.` : '');
    for (const part of [hint, where]) show(part, part.textContent !== '');
    show(secrets.node, WANT_CREDENTIALS.has(code));
    show(retry, !isOutside);
    text(retry, job.state === 'failed' ? 'Retry' : 'Run again');
  } };
}

const ENDS = {
  failed: 'It failed, and no cause was given.',
  cancelled: 'Cancelled. What had been received was removed.',
  interrupted: 'The hub was stopped while this ran.',
};

/** Parameters came from the hub, which keeps no secrets in them. */
function reportOf(job) {
  const { code, message, hint, stage } = job.error ?? {};
  return [`${job.kind} of ${job.project}: ${job.state}`, message && `Cause: ${message} (${code})`, stage && `Stage: ${stage}`,
    hint && `Advice: ${hint}`, `Job: ${job.id}, attempt ${job.attempt}`, `Parameters: ${JSON.stringify(job.params)}`,
    `Ended: ${new Date(job.ended).toISOString()} at ${format.percent(job)} %`].filter(Boolean).join('\n');
}
