// One row, and why it is as it is: each change of it, with the records that had counted by then.

import { h } from '../lib/dom.js';
import { moment, value } from '../lib/format.js';
import { facts, notice, panel, trouble } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { together } from '../lib/together.js';
import { recordsOf } from './history.js';
import { recordLine } from './records.js';
import { forOperators } from './operators.js';

export const row = forOperators({
  title: ({ parts }) => parts[2],
  load: ({ parts }, signal, { tables }) => {
    const [name, key] = [parts[1], parts[2]].map(encodeURIComponent);
    const aggregate = tables.get(parts[1])?.kind === 'aggregate';
    const past = aggregate ? { history: `console/api/history/${encodeURIComponent(contextOf(parts[1]))}/${key}` } : { why: `console/api/why/${name}/${key}` };
    return together({ row: `tables/${name}/${key}`, ...past }, signal);
  },
  draw: (found, { parts }, context, again) => [
    h('div', { class: 'row', 'data-key': 'links' }, h('a', { href: to(['tables', parts[1]]) }, parts[1]), h('button', { onclick: again }, 'Look again')),
    Object.values(found.errors).map(trouble),
    found.row && panel('Now', { key: 'now' }, facts(...Object.entries(found.row).map(([name, each]) => [name, each === null ? h('span', { class: 'dim' }, 'null') : value(each)]))),
    found.why && changes(found.why),
    found.history && panel('Everything that happened', { key: 'history', hint: 'oldest first' }, recordsOf(found.history)),
  ],
});

function lines(views) {
  return views.map((each) => recordLine(each));
}

function contextOf(group) {
  return group.slice(0, group.lastIndexOf('.'));
}

function changes({ changes: all, unchanged, waiting, older, unplaced, notes }) {
  const parts = all.map((each, at) => change(each, all[at - 1])).reverse();
  return panel('Why', { key: 'why', hint: 'the newest change first; each with the records that had counted by then' },
    notes.map((each) => notice('warn', each)), older > 0 && notice('warn', `${older} older causes are left out.`),
    unplaced.map((each) => notice('bad', each)), waiting.length > 0 && notice('warn', 'Waiting to be read: ', lines(waiting)),
    parts.length ? parts : h('p', { class: 'dim' }, 'The changelog has no change of this key.'),
    unchanged.length > 0 && h('details', null, h('summary', { class: 'dim' }, `${unchanged.length} records counted and left it as it was, or their change is compacted away`), lines(unchanged)));
}

function change({ row: view, causes }, before) {
  const differs = view.message === null ? [] : Object.entries(view.message).filter(([name, each]) => JSON.stringify(each) !== JSON.stringify(before?.row.message?.[name]));
  return h('div', { class: 'change' },
    h('div', { class: 'row' }, h('b', null, view.message === null ? 'deleted' : before ? 'changed' : 'first seen'), h('span', { class: 'dim nowrap' }, moment(view.timestamp)), h('code', { class: 'dim' }, `${view.topic}/${view.partition}/${view.offset}`)),
    view.unreadable && notice('bad', view.unreadable),
    facts(...differs.map(([name, each]) => [name, [before?.row.message && h('span', { class: 'dim' }, `${value(before.row.message[name] ?? null) || 'null'} → `), value(each) || 'null']])),
    h('div', { class: 'causes' }, lines(causes)));
}

