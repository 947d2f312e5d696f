// All groups: how far behind, how fast, and when they will be there; the worst first.

import { h } from '../lib/dom.js';
import { count, duration, rate } from '../lib/format.js';
import { groupState, noteLag } from '../lib/groups.js';
import { samplesOf } from '../lib/history.js';
import { grid, light, panel, trouble } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { together } from '../lib/together.js';
import { small, spark } from '../plots/spark.js';
import { forOperators } from './operators.js';

export const groups = forOperators({
  title: () => 'Groups',
  about: 'lag and rates, the furthest behind first',
  every: 2,
  load: async (_, signal) => {
    const found = await together({ lag: 'console/api/lag', tables: 'tables' }, signal);
    noteLag(found.lag);
    return found;
  },
  draw: ({ lag, tables, errors }) => [
    Object.values(errors).map(trouble),
    lag && unknown(lag.unknown),
    lag && panel('Groups', { flush: true, hint: `seconds by ${lag.clock} clock` }, grid(COLUMNS, lag.groups.map((each) => line(each, tables)))),
  ],
});

const COLUMNS = ['group', 'kind', 'state', { name: 'behind', number: true }, 'over time', { name: 'since', number: true },
  { name: 'there in', number: true }, { name: 'a second', number: true }, 'over time', { name: 'added', number: true }, { name: 'parked', number: true }];

function line(each, tables) {
  const state = groupState(each, tableOf(tables, each.group));
  const cells = [h('a', { href: to(['groups', each.group]) }, each.group), each.kind, light(state.how, state.word), count(each.records), small(samplesOf(`lag ${each.group}`), 'records behind', each.records ? 'warn' : ''),
    each.records === 0 ? '' : duration(each.seconds), each.records === 0 ? '' : duration(each.end_seconds), rate(each.rate), small(samplesOf(`rate ${each.group}`), 'records a second'), rate(each.growth), parkedOf(each)];
  return { key: each.group, cells };
}

/** How many records of a group are parked, as a link to them. */
export function parkedOf({ group, parked }) {
  if (!parked?.keys) return parked ? '' : '?';
  return h('a', { href: to(['parked', group]), class: 'nowrap' }, `${count(parked.records)} of ${count(parked.keys)} keys`);
}

/** What GET /tables says of a group, or nothing. */
export function tableOf(tables, group) {
  return tables?.tables.find((each) => each.name === group);
}

/** What could not be found out, and why. */
export function unknown(reasons) {
  return Object.entries(reasons ?? {}).map(([what, why]) => h('p', { class: 'notice warn', 'data-key': `unknown ${what}` }, h('b', null, `? ${what} `), why));
}

/** Lag and rate of a group over time. */
export function plots(group) {
  const lag = samplesOf(`lag ${group}`);
  const rates = samplesOf(`rate ${group}`);
  return panel(group, { key: group }, spark(lag, { name: 'records behind', text: count, how: lag.at(-1)?.value ? 'warn' : '' }), spark(rates, { name: 'records a second', text: rate }));
}
