// A small plot of one number over time: what it was while somebody looked, and what it is now.

import { h, s } from '../lib/dom.js';

const WIDTH = 300;
const HEIGHT = 40;

/** Draw samples of { at, value }, at in milliseconds; a value that is not known leaves a gap. `text` writes values. */
export function spark(samples, { name, text, how = '' }) {
  const known = samples.filter((each) => each.value !== null && each.value !== undefined);
  const most = Math.max(...known.map((each) => each.value), 0);
  const now = samples.at(-1)?.value;
  return h('div', { class: 'plot' },
    s('svg', { class: `spark ${how}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${name}: ${text(now)} now, ${text(most)} at most` },
      s('line', { class: 'floor', x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
      runs(samples).map((run) => drawn(run, samples[0].at, samples.at(-1).at, most))),
    h('div', { class: 'now' }, text(now)),
    h('div', { class: 'range' }, h('span', null, name), h('span', null, `at most ${text(most)} in ${span(samples)}`)));
}

/** The same without words, for a cell of a table. */
export function small(samples, name, how = '') {
  const most = Math.max(...samples.map((each) => each.value ?? 0), 0);
  return s('svg', { class: `spark small ${how}`, viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${name} over time, at most ${most}` },
    s('line', { class: 'floor', x1: 0, x2: WIDTH, y1: HEIGHT - 0.5, y2: HEIGHT - 0.5 }),
    runs(samples).map((run) => drawn(run, samples[0].at, samples.at(-1).at, most)));
}

function runs(samples) {
  const found = [[]];
  for (const each of samples) {
    if (each.value === null || each.value === undefined) found.push([]);
    else found.at(-1).push(each);
  }
  return found.filter((each) => each.length > 1);
}

function drawn(run, first, last, most) {
  const x = (at) => ((at - first) / Math.max(1, last - first)) * WIDTH;
  const y = (value) => HEIGHT - 1 - (most ? value / most : 0) * (HEIGHT - 3);
  const line = run.map((each, at) => `${at ? 'L' : 'M'}${x(each.at).toFixed(1)} ${y(each.value).toFixed(1)}`).join('');
  return [s('path', { class: 'area', d: `${line}L${x(run.at(-1).at).toFixed(1)} ${HEIGHT}L${x(run[0].at).toFixed(1)} ${HEIGHT}Z` }), s('path', { class: 'line', d: line })];
}

function span(samples) {
  const seconds = samples.length > 1 ? (samples.at(-1).at - samples[0].at) / 1000 : 0;
  return seconds < 90 ? `${Math.round(seconds)} s` : `${Math.round(seconds / 60)} min`;
}
