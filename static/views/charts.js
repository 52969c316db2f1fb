/** Small pictures of numbers, each with the same in words. */

import { set, svg, text } from './dom.js';

const WIDTH = 100;
const HIGH = 24;

const MOST_BARS = 12;
const BAR = 5;

/** Bars of how long the last runs took, the newest at the right end. `runs`: [{ms, state}], oldest first. */
export function sparkline(words) {
  const node = svg('svg', { class: 'spark', role: 'img', viewBox: `0 0 ${MOST_BARS * BAR} ${HIGH}`, preserveAspectRatio: 'none' });
  return { node, update(runs) {
    const most = Math.max(...runs.map((run) => run.ms), 1);
    set(node, 'aria-label', words(runs));
    node.replaceChildren(...runs.slice(-MOST_BARS).map(({ ms, state }, at, { length }) => {
      const high = Math.max(2, (ms / most) * HIGH);
      return svg('rect', { x: (MOST_BARS - length + at) * BAR + 1, y: HIGH - high, width: BAR - 2, height: high, 'data-state': state });
    }));
  } };
}

/** A line over an area. `samples`: [{at, value}], oldest first. */
export function curve() {
  const area = svg('path', { class: 'area' });
  const line = svg('path', { class: 'line' });
  const name = svg('title');
  const node = svg('svg', { class: 'curve', role: 'img', viewBox: `0 0 ${WIDTH} ${HIGH}`, preserveAspectRatio: 'none' }, name, area, line);
  return { node, update(samples, words) {
    const from = samples[0].at;
    const long = samples.at(-1).at - from || 1;
    const most = Math.max(...samples.map((sample) => sample.value)) || 1;
    const points = samples.map(({ at, value }) => `${(((at - from) / long) * WIDTH).toFixed(2)} ${(HIGH - 1 - (value / most) * (HIGH - 3)).toFixed(2)}`);
    set(line, 'd', `M${points.join('L')}`);
    set(area, 'd', `M0 ${HIGH}L${points.join('L')}L${WIDTH} ${HIGH}Z`);
    set(node, 'aria-label', words);
    text(name, words);
  } };
}
