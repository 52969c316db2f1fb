/** The cursor goes in the query, which every proxy passes on. */
export function followUrl(context, channel, query = {}) {
  const path = channel.project === null ? 'events' : `projects/${encodeURIComponent(channel.project)}/events`;
  const url = new URL(`api/v1/${path}`, context.base);
  const wanted = { since: channel.cursor, min_interval_ms: context.minInterval() || null, ...query };
  for (const [name, value] of Object.entries(wanted)) {
    if (value !== null && value !== undefined) url.searchParams.set(name, value);
  }
  return url.href;
}

/** `why.final`: asking again cannot help; `why.full`: the hub says to poll. */
export class Refusal extends Error {
  constructor(why) {
    super(why.text);
    this.why = why;
  }
}

export async function refusal(response) {
  const { status } = response;
  const error = await errorOf(response);
  const seconds = Number(response.headers.get('retry-after')) || 0;
  return new Refusal({
    text: error?.message ?? `answered ${status}`,
    status,
    final: [400, 401, 403, 404, 410].includes(status) && Boolean(error),
    full: status === 503 && Boolean(error),
    retryMs: seconds * 1000,
  });
}

/** null for an answer that the hub did not write. */
export async function errorOf(response) {
  const body = await response.json().catch(() => null);
  return body?.error ?? null;
}
