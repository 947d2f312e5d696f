// One flow as a tree: commands, their outcomes, events and the rows they led to, with the times between.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { count, duration, visible } from '../lib/format.js';
import { figure, notice, panel } from '../lib/parts.js';
import { go, to } from '../lib/route.js';
import { timeline } from '../plots/timeline.js';
import { recordLine } from './records.js';
import { forOperators } from './operators.js';

const STATES = { written: 'good', later: 'good', unchanged: '', deleted: '', waiting: 'warn', stopped: 'bad', unknown: 'warn' };

export const trace = forOperators({
  title: ({ parts }) => (parts[1] ? 'Trace' : 'Trace a flow, or follow a key'),
  load: ({ parts }, signal) => (parts[1] ? ask(`console/api/trace/${encodeURIComponent(parts[1])}`, { signal }) : null),
  draw: (found, { parts }, context, again) => [lookUp(parts[1], context), found && flow(found, again)],
});

function lookUp(wanted = '', context) {
  const byId = (event) => {
    event.preventDefault();
    go(['trace', new FormData(event.currentTarget).get('id').trim()]);
  };
  const byKey = (event) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    go(['history', given.get('context'), given.get('key')]);
  };
  const contexts = [...new Set(context.catalog.messages.filter((each) => each.kind === 'command' || each.kind === 'event').map((each) => each.context))];
  return h('div', { class: 'columns', 'data-key': 'look-up' },
    h('form', { class: 'row', onsubmit: byId },
      h('div', { class: 'grow' }, h('input', { name: 'id', class: 'find code', value: wanted, required: true, placeholder: 'Id of a command, event or flow, or an outcome’s token', 'aria-label': 'Id' })),
      h('button', { type: 'submit' }, 'Trace')),
    h('form', { class: 'row', onsubmit: byKey },
      h('select', { name: 'context', class: 'short', 'aria-label': 'Context' }, contexts.map((each) => h('option', null, each))),
      h('div', { class: 'grow' }, h('input', { name: 'key', class: 'code', required: true, placeholder: 'Key', 'aria-label': 'Key' })),
      h('button', { type: 'submit' }, 'Follow')));
}

function flow(found, again) {
  if (!found.hops.length) {
    return notice('warn', `Nothing of ${visible(found.wanted)} is among the ${count(found.read)} records since ${found.since}: `, 'an older flow is found by ', h('code', null, `verbwire trace ${visible(found.wanted)} --since -7d`), '.');
  }
  const failed = found.hops.filter(({ record }) => record.kind === 'outcome' && record.message?.status !== 'ACCEPTED').length;
  return [
    h('div', { class: 'figures', 'data-key': 'figures' }, figure(duration((found.milliseconds ?? 0) / 1000), 'from first to last'), figure(count(found.records), 'records'),
      figure(count(failed), 'not accepted', failed ? 'warn' : ''), figure(count(found.open.length), 'without an outcome', found.open.length ? 'warn' : '')),
    found.notes.map((each) => notice('warn', visible(each))),
    panel('Flow', { key: 'flow', hint: found.correlation_id ? visible(found.correlation_id) : '', more: h('button', { class: 'plain', onclick: again }, 'look again') },
      timeline(found.hops), h('div', null, found.hops.map(hop))),
  ];
}

function hop({ depth, record, after, rows, open }) {
  const key = `${record.topic}/${record.partition}/${record.offset}`;
  const indent = h('span', { class: 'indent', 'aria-hidden': 'true' }, '│ '.repeat(depth));
  return h('div', { class: 'hop', 'data-key': key },
    indent, h('div', { class: 'grow' }, recordLine(record, after === null ? null : `+${duration(after / 1000)}`),
      open && notice('warn', visible(open)),
      rows.map((row) => h('div', { class: 'led-to' }, h('span', { class: `dot ${STATES[row.state] ?? ''}` }), ` ${row.state} `, rowLink(row), row.note && h('span', { class: 'dim' }, ` ${visible(row.note)}`)))));
}

function rowLink({ group, key }) {
  return key === null ? group : [h('a', { href: to(['tables', group]) }, group), ' ', h('a', { href: to(['tables', group, key]), class: 'mono' }, visible(key))];
}

