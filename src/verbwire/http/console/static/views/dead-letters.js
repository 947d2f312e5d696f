// Dead letters: what groups could not read or handle, and requeueing it to the one group it belongs to.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { count, moment, shortName, visible } from '../lib/format.js';
import { grid, panel } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { confirmed } from '../lib/confirm.js';
import { forOperators } from './operators.js';

const RIGHTLY = 'A table or a process counts records in the order of their log: one that came later would count wrongly. Mend the handler and rebuild, or correct it by an event.';

export const deadLetters = forOperators({
  title: ({ parts }) => (parts[1] ? `Dead letters of ${parts[1]}` : 'Dead letters'),
  about: 'records that a group could not read or handle, the newest first',
  every: 10,
  load: (_, signal) => ask('console/api/dead-letters', { signal }),
  draw: ({ groups }, { parts }, _, again) => {
    const found = groups.filter((each) => each.total > 0 && (!parts[1] || each.group === parts[1]));
    return found.length ? found.map((each) => groupPanel(each, again)) : h('p', { class: 'empty', 'data-key': 'none' }, 'None. Every record that arrived was read and handled, or requeued.');
  },
});

function groupPanel({ group, total, letters, requeues }, again) {
  const all = requeues
    ? h('button', { onclick: () => requeue(group, null, `all ${count(total)} dead letters of ${group}`, again) }, `Requeue all ${count(total)}`)
    : h('span', { class: 'dim' }, 'cannot be requeued');
  const columns = ['place', 'since', 'message', 'reason', 'why', ''];
  const rows = letters.map((each) => ({ key: each.place, cells: cells(each, requeues, again) }));
  const older = total > letters.length && h('p', { class: 'empty' }, `${count(total - letters.length)} older ones are not shown: verbwire dead-letters list ${group} --limit ${total}`);
  return panel(group, { key: group, hint: `${count(total)} not requeued`, more: all, flush: true },
    !requeues && h('p', { class: 'empty' }, RIGHTLY), grid(columns, rows), older);
}

function cells(each, requeues, again) {
  const place = h('a', { href: to(['dead-letters', each.group, each.place]), class: 'mono' }, each.place);
  const button = requeues && h('button', { class: 'plain', onclick: () => requeue(each.group, [each.place], `the dead letter ${each.place} of ${each.group}`, again) }, 'requeue');
  return [place, h('span', { class: 'nowrap' }, moment(each.since)), shortName(each.type || '?'), each.reason, visible(each.why), button];
}

/** Ask whether, requeue, and say what came of it. */
export async function requeue(group, places, what, again) {
  const send = () => ask(`console/api/dead-letters/${encodeURIComponent(group)}`, { method: 'POST', body: JSON.stringify({ places }) });
  const explained = 'They go back to this one group, under the ids that they have: what it has handled already is not done twice. Whether the cause is mended, nobody checks.';
  await confirmed(`Requeue ${what}?`, explained, 'Requeue', send, ({ requeued, left }) => [
    h('p', null, `${count(requeued)} requeued.`), left.length > 0 && h('ul', null, left.map((line) => h('li', null, visible(line))))]);
  again();
}
