/** Is the hub down, or one way to it blocked? A failed WebSocket does not tell, so ask `/healthz`. */

const LIMIT_MS = 3_000;

export async function probe(context, times = 2) {
  let answer;
  for (let time = 0; time < times; time += 1) {
    answer = await ask(context);
    if (answer.verdict !== 'fine') return answer;
  }
  return answer;
}

async function ask(context) {
  const started = context.now();
  try {
    const response = await context.fetch(new URL('healthz', context.base).href, {
      cache: 'no-store', signal: AbortSignal.timeout(LIMIT_MS),
    });
    if (response.status === 401 || response.status === 403) {
      return { verdict: 'refused', why: `the hub answered ${response.status}` };
    }
    const body = response.ok ? await response.json() : null;
    if (body?.status !== 'ok') return { verdict: 'down', why: `the hub's address answered ${response.status}` };
    return { verdict: 'fine', rtt: context.now() - started, boot: body.boot, version: body.version };
  } catch (error) {
    const why = error.name === 'TimeoutError' ? `no answer within ${LIMIT_MS / 1000} s`
      : error instanceof SyntaxError ? 'something else answers at the hub\'s address' : 'the hub cannot be reached';
    return { verdict: 'down', why };
  }
}
