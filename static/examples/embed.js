/** Four elements on one job, and what they tell. */

const at = (id) => document.getElementById(id);
const base = new URL('../../', import.meta.url).href;
const MOST_HEARD = 8;

async function found(words) {
  const ask = async (path) => {
    const response = await fetch(`${base}api/v1/${path}`, { headers: { Accept: 'application/json' } });
    return response.ok ? response.json() : null;
  };
  const job = words && await ask(`jobs/${encodeURIComponent(words)}`);
  return job?.id ? job : (await ask(`jobs?limit=1${words && `&project=${encodeURIComponent(words)}`}`))?.items?.[0] ?? null;
}

async function show(words) {
  const job = await found(words);
  at('says').textContent = job || !words ? '' : `There is no job or project ${words} here.`;
  at('empty').hidden = Boolean(job || words);
  if (!job) return;
  at('shapes').hidden = false;
  for (const element of document.querySelectorAll('job-progress')) element.setAttribute('job', job.id);
  at('badge').src = `${base}j/${job.id}/badge.svg`;
  at('heard').replaceChildren();
  at('code').textContent = [
    `<script type="module" src="${base}static/job-progress.js"></script>`,
    `<job-progress job="${job.id}" variant="full"></job-progress>`,
    `<img src="${base}j/${job.id}/badge.svg" alt="">`,
  ].join('\n');
}

for (const type of ['jobprogress', 'jobend', 'linkchange']) {
  document.querySelector('job-progress').addEventListener(type, ({ detail }) => {
    const line = document.createElement('li');
    line.textContent = `${type}: ${detail.state ? `${detail.state}, ${Math.floor(detail.percent)} %` : JSON.stringify(detail)}`;
    at('heard').prepend(line);
    at('heard').children[MOST_HEARD]?.remove();
    if (type === 'jobend') at('badge').src = `${at('badge').src.split('?')[0]}?ended`;
  });
}

at('form').addEventListener('submit', (event) => {
  event.preventDefault();
  show(at('job').value.trim());
});
show(new URLSearchParams(location.search).get('job') ?? '');
