export class LinkStatus extends EventTarget {
  value;
  #now;

  constructor(now) {
    super();
    this.#now = now;
    this.value = {
      state: 'idle', rung: null, since: now(), downSince: null, why: null, retryAt: null, lastHeard: null, rtt: null,
      skew: 0, heartbeatMs: 10_000, boot: null, version: null, epoch: null, tried: {},
    };
  }

  say(change) {
    const now = this.#now();
    const { state, downSince, lastHeard } = this.value;
    const next = { ...this.value, ...change };
    if (next.state !== state) next.since = now;
    next.downSince = ['live', 'idle', 'resting', 'connecting'].includes(next.state) ? null
      : downSince ?? lastHeard ?? now;
    this.value = next;
    this.dispatchEvent(new Event('change'));
  }

  tried(rung, ok, text) {
    this.value.tried = { ...this.value.tried, [rung]: { ok, text, at: this.#now() } };
  }

  heard() {
    this.value.lastHeard = this.#now();
  }
}
