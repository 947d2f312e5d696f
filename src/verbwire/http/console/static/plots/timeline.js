// When each record of a flow was written: a tick on one line, a colour by what it is.

import { h, s } from '../lib/dom.js';
import { duration } from '../lib/format.js';
import { nameOf } from '../views/records.js';

const WIDTH = 1000;
const LANES = { command: 0, outcome: 1, event: 2 };

/** Draw the records of hops over time; nothing where all are of one moment. */
export function timeline(hops) {
  const times = hops.map(({ record }) => record.timestamp);
  const [first, last] = [Math.min(...times), Math.max(...times)];
  if (last <= first) return null;
  const x = (at) => ((at - first) / (last - first)) * (WIDTH - 8) + 4;
  return h('div', null,
    s('svg', { class: 'ticks', viewBox: `0 0 ${WIDTH} 36`, preserveAspectRatio: 'none', role: 'img', 'aria-label': `${hops.length} records in ${duration((last - first) / 1000)}` },
      Object.values(LANES).map((lane) => s('line', { class: 'floor', x1: 0, x2: WIDTH, y1: lane * 12 + 6, y2: lane * 12 + 6 })),
      hops.map(({ record }) => tick(record, x(record.timestamp)))),
    h('div', { class: 'legend' }, h('span', null, 'commands, outcomes, events, from top to bottom'), h('span', null, `0 to ${duration((last - first) / 1000)}`)));
}

function tick(record, x) {
  const lane = LANES[record.kind] ?? 2;
  const bad = record.kind === 'outcome' && record.message?.status !== 'ACCEPTED';
  return s('rect', { class: `tick ${record.kind} ${bad ? 'bad' : ''}`, x: x - 2, y: lane * 12 + 2, width: 4, height: 8 }, s('title', null, nameOf(record)));
}
