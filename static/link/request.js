/** Addresses of the hub, its refusals, and whether it is there. */

const LIMIT_MS = 3_000;

let http = null;
/** What is only needed where no WebSocket passes. */
export const plainHttp = () => (http ??= import('./http.js').catch((error) => { http = null; throw error; }));

export const headersOf = ({ token }, more) => ({ ...more, ...(token && { Authorization: `Bearer ${token}` }) });

export function address({ base, watch }, path, query = {}) {
  const url = new URL(path, base);
  for (const [name, value] of Object.entries({ watch, ...query })) {
    if (value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  return url.href;
}

/** The cursor goes in the query, which every proxy passes on. */
export function followUrl(context, { project, cursor }, query) {
  const path = project === null ? 'events' : `projects/${encodeURIComponent(project)}/events`;
  return address(context, `api/v1/${path}`, { since: cursor, job: context.job, ...query });
}

/** null for an answer that the hub did not write. */
export async function errorOf(response) {
  const body = await response.json().catch(() => null);
  return body?.error ?? null;
}

/** Is the hub down, or one way to it blocked? A failed WebSocket does not tell, so ask `/healthz`. */
export async function probe(context, { times = 2, signal } = {}) {
  let answer;
  for (let time = 0; time < times; time += 1) {
    answer = await askHealth(context, signal);
    if (answer.verdict !== 'fine') return answer;
  }
  return answer;
}

async function askHealth(context, signal) {
  const { fetch, now } = context;
  const started = now();
  try {
    const response = await fetch(address(context, 'healthz'), {
      cache: 'no-store', signal: AbortSignal.any([AbortSignal.timeout(LIMIT_MS), ...(signal ? [signal] : [])]),
    });
    if (response.status === 401 || response.status === 403) {
      return { verdict: 'refused', why: `the hub answered ${response.status}` };
    }
    const body = response.ok ? await response.json() : null;
    if (body?.status !== 'ok') return { verdict: 'down', why: `the hub's address answered ${response.status}` };
    return { verdict: 'fine', rtt: now() - started, boot: body.boot, version: body.version };
  } catch (error) {
    signal?.throwIfAborted();
    const why = error.name === 'TimeoutError' ? `no answer within ${LIMIT_MS / 1000} s`
      : error instanceof SyntaxError ? 'something else answers at the hub\'s address' : 'the hub cannot be reached';
    return { verdict: 'down', why };
  }
}
