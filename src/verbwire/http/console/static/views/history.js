// Everything that happened under one key of a context: commands, events, outcomes, states, dead letters.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { count, visible } from '../lib/format.js';
import { notice, panel } from '../lib/parts.js';
import { recordLine } from './records.js';
import { forOperators } from './operators.js';

export const history = forOperators({
  title: ({ parts }) => visible(parts[2] ?? ''),
  load: ({ parts }, signal) => ask(`console/api/history/${encodeURIComponent(parts[1])}/${encodeURIComponent(parts[2])}`, { signal }),
  draw: (found, { parts }, context, again) => panel(`${parts[1]}, key ${visible(parts[2])}`, { hint: 'oldest first', more: h('button', { class: 'plain', onclick: again }, 'look again') }, recordsOf(found)),
});

/** The records of a history, and what is missing of it. */
export function recordsOf(found) {
  return [
    found.older > 0 && notice('warn', `${count(found.older)} older records are left out: verbwire log ${found.context} ${visible(found.key)} --limit ${found.older + found.records.length}`),
    found.begins_late.length > 0 && notice('warn', 'Its beginning may be gone, by retention or compaction: ', found.begins_late.join(', ')),
    found.missing.length > 0 && notice('bad', 'Not there: ', found.missing.join(', ')),
    found.records.length ? h('div', null, found.records.map((each) => recordLine(each))) : h('p', { class: 'dim' }, 'No record has this key.'),
  ];
}
