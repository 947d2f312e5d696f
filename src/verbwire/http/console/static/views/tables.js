// All tables: where they are, how far, and what stands still.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { count, ranges } from '../lib/format.js';
import { grid, light, notice, panel } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { forOperators } from './operators.js';

export const tables = forOperators({
  title: () => 'Tables',
  about: 'rows of tables, aggregates and processes',
  every: 4,
  load: (_, signal) => ask('tables', { signal }),
  draw: ({ tables: found }, _, context) => {
    const kinds = [['table', 'Tables'], ['process', 'Processes'], ['aggregate', 'States of aggregates']];
    return kinds.map(([kind, title]) => listed(title, found.filter((each) => (context.tables.get(each.name)?.kind ?? 'table') === kind)));
  },
});

function listed(title, found) {
  if (!found.length) return null;
  const columns = ['table', { name: 'rows', number: true }, 'state', { name: 'partitions', number: true }, { name: 'behind', number: true },
    { name: 'dead letters', number: true }, 'row'];
  const rows = found.map((each) => ({
    key: each.name,
    cells: [h('a', { href: to(['tables', each.name]) }, each.name), count(each.rows), state(each), count(each.partitions), count(behind(each)),
      h('span', { class: each.dead_letters ? 'warn' : '' }, count(each.dead_letters)), h('a', { href: to(['messages', each.row]) }, each.row)],
  }));
  return panel(title, { key: title, flush: true }, grid(columns, rows), stops(found));
}

/** How a table is, as a light and a word. */
export function state(each) {
  const stopped = Object.keys(each.stopped ?? {});
  if (stopped.length) return light('bad', `${stopped.length} stopped`);
  if (each.missing_partitions?.length) return light('warn', `${ranges(each.missing_partitions)} not ready`);
  if (behind(each)) return light('warn', 'catching up');
  return light('good', 'complete');
}

/** By how many records it is behind, at least. */
export function behind(each) {
  return Object.values(each.behind ?? {}).reduce((sum, records) => sum + records, 0);
}

function stops(found) {
  const lines = found.flatMap((each) => Object.entries(each.stopped ?? {}).map(([partition, why]) => `${each.name} ${partition}: ${why}`));
  return lines.length > 0 && notice('bad', lines.map((line) => h('div', null, line)));
}
