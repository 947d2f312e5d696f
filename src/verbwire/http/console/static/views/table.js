// One table: its rows, filtered and sorted where it has an index, page by page.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { count, value as shownValue } from '../lib/format.js';
import { notice, panel } from '../lib/parts.js';
import { go, to } from '../lib/route.js';
import { described, namedTypes } from '../forms/avro.js';
import { rowsOf } from '../forms/query.js';
import { keyText } from './keys.js';
import { forOperators } from './operators.js';

const SIZE = 50;

export const table = forOperators({
  title: ({ parts }) => parts[1],
  every: 5,
  load: ({ parts, query }, signal) => ask(`tables/${encodeURIComponent(parts[1])}?${new URLSearchParams([...query, ['page_size', SIZE]])}`, { signal }),
  draw: (found, place, context) => {
    const about = context.tables.get(place.parts[1]);
    return [filters(about, place, context.messages.get(about.row)), panel('Rows', { flush: true, hint: hint(found), more: pages(found, place) }, incomplete(found), rows(found.rows, about, place))];
  },
});

function hint({ rows, page }) {
  return `${count(rows.length)} on ${page ? `page ${page}` : 'this page'}`;
}

function incomplete(found) {
  if (found.complete) return null;
  const missing = found.missing_partitions.length ? `partitions ${found.missing_partitions.join(', ')} are missing` : 'partitions are catching up';
  return notice('warn', `The list is not complete: ${missing}.`);
}

function rows(found, about, place) {
  const keyed = about.key;
  const cell = (row, name) => h('a', { href: to(['tables', about.name, keyText(row, about.key)]), title: shownValue(row[name]) }, shownValue(row[name]));
  const sortable = new Set(about.columns.map((each) => each.name));
  const first = found[0] ? Object.keys(found[0]) : [];
  const heads = Object.fromEntries(first.filter((name) => sortable.has(name)).map((name) => [name, sorter(name, place)]));
  return rowsOf(found, Object.fromEntries(keyed.map((name) => [name, cell])), heads);
}

function sorter(name, { parts, query }) {
  const now = query.get('sort') ?? '';
  const next = now === name ? `-${name}` : now === `-${name}` ? '' : name;
  const mark = now === name ? ' ↑' : now === `-${name}` ? ' ↓' : '';
  const rest = Object.fromEntries([...query].filter(([each]) => each !== 'cursor'));
  return h('a', { href: to(parts, { ...rest, sort: next }), 'aria-sort': mark ? (now === name ? 'ascending' : 'descending') : null }, name + mark);
}

function pages(found, { parts, query }) {
  const next = found.next ? Object.fromEntries([...new URLSearchParams(found.next.split('?')[1])].filter(([name]) => name !== 'page_size')) : null;
  const rest = Object.fromEntries([...query].filter(([name]) => name !== 'cursor'));
  return [query.has('cursor') && h('a', { href: to(parts, rest) }, 'first page'), ' ', next && h('a', { href: to(parts, next) }, 'next page')];
}

// What narrows a list: words where the table has full text, the key, the index, and ranges of what is in order.
function filters(about, { parts, query }, row) {
  const onsubmit = (event) => {
    event.preventDefault();
    go(parts, Object.fromEntries([...new FormData(event.currentTarget), ['sort', query.get('sort') ?? '']]));
  };
  const names = [...new Set([...about.key, ...about.columns.map((each) => each.name)])];
  const symbols = symbolsOf(row);
  const fields = [about.searchable && 'search', ...names.flatMap((name) => [name, ...ranges(about, name)])].filter(Boolean);
  return h('form', { class: 'filters', 'data-key': 'filters', onsubmit },
    fields.map((name, at) => filter(name, query.get(name) ?? '', symbols.get(name), at === 0)),
    h('div', { class: 'row' }, h('button', { type: 'submit' }, 'Filter'), query.size > 0 && h('a', { href: to(parts) }, 'all rows')));
}

function ranges(about, name) {
  const sort = about.columns.find((each) => each.name === name)?.sort ?? '';
  return ['integer', 'number', 'date', 'time', 'timestamp', 'local timestamp', 'decimal'].some((each) => sort.startsWith(each)) ? [`${name}_from`, `${name}_until`] : [];
}

function symbolsOf(row) {
  const named = namedTypes(row.avro);
  const types = row.avro.fields.map((each) => [each.name, described(each.type, named)]);
  return new Map(types.filter(([, type]) => type.sort === 'enum').map(([name, type]) => [name, type.avro.symbols]));
}

function filter(name, value, symbols, first) {
  const kind = { name, class: first ? 'find code' : 'code' };
  const label = name.replace(/_(from|until)$/, ' $1');
  if (!symbols) return h('label', null, label, h('input', { ...kind, value, autocomplete: 'off' }));
  return h('label', null, label, h('select', kind, ['', ...symbols].map((each) => h('option', { selected: each === value }, each))));
}
