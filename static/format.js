/** Numbers, sizes and times in words. Pure. Percents are floored: nothing is 100 before it is done. */

const LANG = 'en';
const NBSP = '\u00a0';
const whole = new Intl.NumberFormat(LANG, { maximumFractionDigits: 0 });
const ago = new Intl.RelativeTimeFormat(LANG, { numeric: 'auto' });
const clockTime = new Intl.DateTimeFormat(LANG, { timeStyle: 'medium', hourCycle: 'h23' });
const fullTime = new Intl.DateTimeFormat(LANG, { dateStyle: 'medium', timeStyle: 'short', hourCycle: 'h23' });
const dateOnly = new Intl.DateTimeFormat(LANG, { dateStyle: 'medium' });

const SIZES = ['byte', 'kilobyte', 'megabyte', 'gigabyte', 'terabyte'];
const DAY_S = 86_400;

/** `received_bytes`, `commitsFound` -> "Received", "Commits found". */
export const label = (name) => {
  const words = name.replace(/_?bytes$/i, '').replace(/_s$/, '').replace(/_/g, ' ').replace(/([a-z])([A-Z])/g, (_, a, b) => `${a} ${b.toLowerCase()}`);
  return words ? words[0].toUpperCase() + words.slice(1) : 'Size';
};

export const count = (n) => whole.format(n);
export const clock = (ms) => clockTime.format(ms);
export const shortClock = (ms) => clock(ms).slice(0, 5);
export const moment = (ms) => fullTime.format(ms);

export const percent = ({ state, percent: value }) => (state === 'succeeded' ? 100 : Math.min(99, Math.floor(value)));

/** Whether there is a share to be told: a job that counts nothing, or has not begun to, is at no percent. */
export const isKnown = ({ state, percent: value }) => value > 0 || !['running', 'queued'].includes(state);

/** `Intl`'s compact notation says "1.2BB", so the unit is chosen here. */
export function bytes(n, per = '') {
  let power = 0;
  // 999.95 kB would be shown as "1,000 kB": step up where rounding gets there.
  while (n >= 999.5 && power < SIZES.length - 1) {
    n /= 1000;
    power += 1;
  }
  if (!power) return `${count(n)} byte${n === 1 ? '' : 's'}${per && '/s'}`;
  const maximumFractionDigits = n < 99.95 ? 1 : 0;
  return new Intl.NumberFormat(LANG, { style: 'unit', unit: SIZES[power] + per, maximumFractionDigits }).format(n);
}

export function amount(current, total, unit) {
  const show = unit === 'bytes' ? bytes : count;
  const name = unit && unit !== 'bytes' ? ` ${unit}` : '';
  return total === null ? show(current) + name : `${show(current)} of ${show(total)}${name}`;
}

export function rate(perSecond, unit) {
  if (perSecond === null || perSecond === undefined) return '';
  if (unit === 'bytes') return bytes(perSecond, '-per-second');
  return `${perSecond < 10 ? perSecond.toFixed(1) : count(perSecond)} ${unit || 'steps'}/s`;
}

export function duration(ms) {
  const s = Math.max(0, ms) / 1000;
  if (s < 0.95) return `${s < 0.05 ? `<${NBSP}0.1` : s.toFixed(1)}${NBSP}s`;
  const parts = [[Math.floor(s / DAY_S), 'd'], [Math.floor(s / 3600) % 24, 'h'], [Math.floor(s / 60) % 60, 'min'],
    [Math.floor(s) % 60, 's']];
  const from = parts.findIndex(([n]) => n > 0);
  if (from < 0) return `1${NBSP}s`;
  return parts.slice(from, from + 2).filter(([n]) => n > 0).map(([n, unit]) => n + NBSP + unit).join(' ');
}

/** What is left, `sinceMs` after the hub said so; rounded, so that it does not flap. */
export function eta(range, sinceMs = 0) {
  if (!range) return '';
  const [low, high] = range.map((s) => rounded(s - sinceMs / 1000));
  if (high > 30 * DAY_S) return '';
  if (high <= 10) return 'a few seconds left';
  if (low < 10 || low === high) return `about ${duration(high * 1000)} left`;
  const [a, b] = [duration(low * 1000), duration(high * 1000)];
  const unit = b.slice(b.indexOf(NBSP));
  return `${a.endsWith(unit) && !a.includes(' ') ? a.slice(0, -unit.length) : a} to ${b} left`;
}

function rounded(s) {
  const step = s < 120 ? 10 : s < 7200 ? 60 : 600;
  return Math.max(0, Math.ceil(s / step) * step);
}

export function relative(ms, nowMs) {
  const s = (nowMs - ms) / 1000;
  if (s < 45) return 'just now';
  if (s < 3570) return ago.format(-Math.round(s / 60), 'minute');
  return s < DAY_S ? ago.format(-Math.round(s / 3600), 'hour') : dateOnly.format(ms);
}
