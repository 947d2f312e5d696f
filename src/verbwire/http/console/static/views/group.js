// One group: where it stands in each partition of its inputs, who works for it, and how it is declared.

import { h } from '../lib/dom.js';
import { count, duration } from '../lib/format.js';
import { groupState, noteLag } from '../lib/groups.js';
import { grid, light, notice, panel, trouble } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { together } from '../lib/together.js';
import { descriptionOf } from './description.js';
import { parkedOf, plots, tableOf, unknown } from './groups.js';
import { forOperators } from './operators.js';

export const group = forOperators({
  title: ({ parts }) => parts[1],
  every: 3,
  load: async ({ parts }, signal) => {
    const found = await together({ lag: 'console/api/lag', tables: 'tables', described: `console/api/describe/${encodeURIComponent(parts[1])}` }, signal);
    noteLag(found.lag);
    return found;
  },
  draw: ({ lag, tables, described, errors }, { parts }, context) => {
    const mine = lag?.groups.find((each) => each.group === parts[1]);
    const table = tableOf(tables, parts[1]);
    const state = groupState(mine, table);
    const kept = context.tables.get(parts[1]);
    return [
      Object.values(errors).map(trouble), unknown({ ...lag?.unknown, ...described?.unknown }),
      h('div', { class: 'row', 'data-key': 'state' }, light(state.how, state.word), kept && h('a', { href: to(['tables', parts[1]]) }, `${count(table?.rows)} rows`),
        h('a', { href: to(['dead-letters', parts[1]]) }, 'dead letters'),
        mine?.parked?.keys > 0 && h('span', null, 'parked: ', parkedOf(mine))),
      state.why.length > 0 && notice(state.how || 'warn', state.why.map((each) => h('div', null, each))),
      h('div', { class: 'columns', 'data-key': 'columns' }, mine && plots(parts[1]), described && descriptionOf(described.described)),
      mine && panel('Partitions', { flush: true, key: 'partitions', hint: 'the furthest behind first' }, partitions(mine, table)),
    ];
  },
});

function partitions({ partitions: all }, table) {
  const columns = ['topic', { name: 'partition', number: true }, 'state', { name: 'behind', number: true }, { name: 'time', number: true },
    { name: 'committed', number: true }, { name: 'end', number: true }, { name: 'open', number: true }, 'by'];
  return grid(columns, all.map((each) => ({
    key: `${each.topic}/${each.partition}`,
    cells: [h('code', null, each.topic), each.partition, table?.states?.[each.partition] ?? '', count(each.records), each.records ? duration(each.seconds) : '',
      each.committed === null ? 'never' : count(each.committed), count(each.end), count(each.log_end - each.end), each.by],
  })));
}
