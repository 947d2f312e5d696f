// Dead letters: what groups could not read or handle, and requeueing it to the one group it belongs to.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { count, moment, shortName, visible } from '../lib/format.js';
import { grid, panel } from '../lib/parts.js';
import { go, to } from '../lib/route.js';
import { confirmed } from '../lib/confirm.js';
import { forOperators } from './operators.js';

const RIGHTLY = 'A table or a process counts records in the order of their log: one that came later would count wrongly. Mend the handler and rebuild, or correct it by an event.';

export const deadLetters = forOperators({
  title: ({ parts }) => (parts[1] ? `Dead letters of ${parts[1]}` : 'Dead letters'),
  about: 'records that a group could not read or handle, the newest first',
  every: 10,
  load: ({ parts, query }, signal) => (parts[1] && wanted(query) ? found(parts[1], query, signal) : ask('console/api/dead-letters', { signal })),
  draw: ({ groups }, { parts, query }, _, again) => {
    const shown = groups.filter((each) => (each.total > 0 || wanted(query)) && (!parts[1] || each.group === parts[1]));
    const none = h('p', { class: 'empty', 'data-key': 'none' }, 'None. Every record that arrived was read and handled, or requeued.');
    return [parts[1] && filter(parts[1], query), shown.length ? shown.map((each) => groupPanel(each, query, again)) : none];
  },
});

/** What is looked for, as the worker takes it; null where nothing is. */
function wanted(query) {
  const where = Object.fromEntries(['text', 'type', 'reason'].map((name) => [name, query.get(name)]).filter(([, value]) => value));
  return Object.keys(where).length ? where : null;
}

async function found(group, query, signal) {
  const body = JSON.stringify({ where: wanted(query), limit: 100 });
  return { groups: [await ask(`console/api/dead-letters/${encodeURIComponent(group)}/find`, { method: 'POST', body, signal })] };
}

function filter(group, query) {
  const field = (name, about) => h('input', { class: name === 'text' && 'find', type: 'search', placeholder: about, 'aria-label': about, value: query.get(name) ?? '',
    onchange: (event) => go(['dead-letters', group], { ...Object.fromEntries(query), [name]: event.currentTarget.value }) });
  return h('div', { class: 'row', 'data-key': 'filter' }, field('text', 'Find in why and traceback'), field('type', 'Message'), field('reason', 'Reason'));
}

function groupPanel({ group, total, letters, requeues, as_of: asOf }, query, again) {
  const shown = { places: null, where: wanted(query) ?? {}, as_of: asOf }; // what is seen here, and nothing that came since
  const what = `all ${count(total)} dead letters of ${group}${wanted(query) ? ' that fit' : ''}`;
  const all = total > 0 && h('span', { class: 'row' },
    requeues ? h('button', { onclick: () => requeue(group, shown, what, again) }, `Requeue all ${count(total)}`) : h('span', { class: 'dim' }, 'cannot be requeued'),
    h('button', { class: 'plain', onclick: () => discard(group, shown, what, again) }, 'Discard all'));
  const columns = ['place', 'since', 'message', 'reason', 'why', ''];
  const rows = letters.map((each) => ({ key: each.place, cells: cells(each, requeues, again) }));
  const older = total > letters.length && h('p', { class: 'empty' }, `${count(total - letters.length)} older ones are not shown: verbwire dead-letters list ${group} --limit ${total}`);
  return panel(group, { key: group, hint: `${count(total)} not requeued`, more: all, flush: true },
    !requeues && h('p', { class: 'empty' }, RIGHTLY), grid(columns, rows), older);
}

function cells(each, requeues, again) {
  const place = h('a', { href: to(['dead-letters', each.group, each.place]), class: 'mono' }, each.place);
  const [only, what] = [{ places: [each.place] }, `the dead letter ${each.place} of ${each.group}`];
  const buttons = h('span', { class: 'row' }, requeues && h('button', { class: 'plain', onclick: () => requeue(each.group, only, what, again) }, 'requeue'),
    h('button', { class: 'plain', onclick: () => discard(each.group, only, what, again) }, 'discard'));
  return [place, h('span', { class: 'nowrap' }, moment(each.since)), shortName(each.type || '?'), each.reason, visible(each.why), buttons];
}

/** Ask whether, requeue, and say what came of it. */
export async function requeue(group, choice, what, again) {
  const send = () => ask(`console/api/dead-letters/${encodeURIComponent(group)}`, { method: 'POST', body: JSON.stringify(choice) });
  const explained = 'They go back to this one group, under the ids that they have: what it has handled already is not done twice. Whether the cause is mended, nobody checks.';
  await confirmed(`Requeue ${what}?`, explained, 'Requeue', send, ({ requeued, left }) => told(`${count(requeued)} requeued.`, left));
  again();
}

/** Ask whether and why, discard, and say what came of it. */
export async function discard(group, choice, what, again) {
  const send = (why) => ask(`console/api/dead-letters/${encodeURIComponent(group)}/discard`, { method: 'POST', body: JSON.stringify({ ...choice, why }) });
  const explained = 'They stay in their topic, with who discarded them, when and why, and are listed no more.';
  await confirmed(`Discard ${what}?`, explained, 'Discard', send, ({ discarded, left }) => told(`${count(discarded)} discarded.`, left), { reason: true });
  again();
}

function told(sentence, left) {
  return [h('p', null, sentence), left.length > 0 && h('ul', null, left.map((line) => h('li', null, visible(line))))];
}
