// Rebuilds: the generations of each table, how far one is that is being built, how it differs, and the steps.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { count, duration, moment, rate, value, visible } from '../lib/format.js';
import { confirmed } from '../lib/confirm.js';
import { facts, grid, notice, panel } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { unknown } from './groups.js';
import { forOperators } from './operators.js';

const COLUMNS = [{ name: 'generation', number: true }, 'is', 'how far'];
const DIFFERENCES = ['row', 'is', 'field', 'serving', 'other'];

export const rebuilds = forOperators({
  title: () => 'Rebuilds',
  about: 'tables that are built anew beside what serves',
  every: 10,
  load: (_, signal) => ask('console/api/rebuilds', { signal }),
  draw: ({ tables, unknown: reasons }, _, __, again) => [
    unknown(reasons),
    tables.map((each) => tablePanel(each, again)),
    h('p', { class: 'empty', 'data-key': 'how' }, tables.length ? 'Another is begun by ' : 'No table was ever rebuilt. It is begun by ',
      h('code', null, 'verbwire rebuild TABLE'), ', which runs where it is typed: nothing changes for those who ask before the switch.'),
  ],
});

export const rebuildDiff = forOperators({
  title: ({ parts }) => `Rebuild of ${parts[1]}`,
  about: 'what differs from what serves, compared at equal positions',
  load: ({ parts }, signal) => ask(`${path(parts[1])}/diff`, { signal }),
  draw: (found, _, __, again) => [
    panel(`Generation ${found.new} beside ${found.old}, which serves`, { key: 'counts', more: h('button', { onclick: again }, 'Compare again') },
      facts(['rows that serve', count(found.old_rows)], [`rows of generation ${found.new}`, count(found.new_rows)], ['added', count(found.added)],
        ['removed', count(found.removed)], ['changed', count(found.changed)], ['not judged', found.moving > 0 && `${count(found.moving)} were being written`])),
    panel('Samples', { key: 'samples', flush: true, hint: 'up to ten of each kind' }, grid(DIFFERENCES, found.samples.flatMap(lines), 'No row differs.')),
  ],
});

function lines({ key, what, fields }) {
  return Object.entries(fields).map(([name, [old, other]]) => ({
    key: `${what}/${key}/${name}`,
    cells: [h('code', null, visible(key)), what, h('code', null, name), old === null ? '-' : value(old), other === null ? '-' : value(other)],
  }));
}

function tablePanel(each, again) {
  const numbers = [...new Set([each.serving, ...each.followed, ...[each.building, each.kept, each.exchanging].filter((number) => number !== null), ...each.left_over])].sort((one, other) => one - other);
  const more = [each.building !== null || (each.kept !== null && !each.aggregate) ? h('a', { href: to(['rebuilds', each.table]) }, 'compare') : null, buttons(each, again)];
  return panel(each.table, { key: each.table, flush: true, hint: `last step at ${moment(each.since_ms)}`, more: h('span', { class: 'row' }, more) },
    notes(each).map((text) => notice('warn', text)), grid(COLUMNS, numbers.map((number) => ({ key: String(number), cells: [count(number), role(each, number), far(each, number)] }))));
}

function role(each, number) {
  if (number === each.serving) return each.aggregate ? 'decides' : 'serves';
  if (number === each.exchanging) return 'its states are taken, partition by partition';
  if (number === each.building) return each.followed.includes(number) ? 'was built, the workers follow it' : 'is being built';
  if (number !== each.kept) return 'left over';
  return each.aggregate ? 'what the states were before' : 'has served, kept up to date by the workers';
}

function far({ building, progress }, number) {
  if (number !== building || !progress) return '';
  const left = progress.seconds === null ? '' : `, ${duration(progress.seconds)} left`;
  return `${count(progress.records)} records, ${count(progress.left)} to go, ${rate(progress.rate)} a second${left}`;
}

function notes({ table, aggregate, building, builders, exchanging, switching, unfinished, left_over: left, kept, seconds }) {
  return [
    switching && 'It is being switched at the moment: requests wait.',
    unfinished && exchanging !== null && `Partitions were taking the states of generation ${exchanging}, and nobody goes on with that: verbwire rebuild ${table} --switch ends it.`,
    unfinished && exchanging === null && `A switch to generation ${building ?? kept} has begun, and is not finished: the workers catch up with it, or whoever gave it is gone. Give it again, or discard it.`,
    building !== null && builders === 0 && `Nobody builds generation ${building} at the moment: verbwire rebuild ${table} goes on with it.`,
    aggregate && building !== null && `Its states are exchanged by verbwire rebuild ${table} --switch, which folds its events meanwhile where it is typed.`,
    aggregate && kept !== null && `Generation ${kept} keeps what the states were before, since ${duration(seconds)}: verbwire rebuild ${table} --rollback puts that back.`,
    !aggregate && kept !== null && `Generation ${kept} is kept since ${duration(seconds)}: twice the disk, and the work of every event twice, until it is deleted.`,
    left.length > 0 && `Of generation ${left.join(', ')} topics are left that nobody needs: verbwire deploy --prune deletes them.`,
  ].filter(Boolean);
}

function buttons(each, again) {
  const button = (text, act) => h('button', { class: 'plain', onclick: async () => { await act(each); again(); } }, text);
  const moves = !each.aggregate;  // an aggregate's states are exchanged by the command
  return [moves && each.building !== null && button('switch', toBuilt), each.building !== null && button('discard', discard), moves && each.kept !== null && button('roll back', toKept), each.kept !== null && button('delete the old', forget)];
}

function toBuilt({ table, building, serving }) {
  const explained = `All workers answer from generation ${building} at one moment, requests wait for about a second. Generation ${serving} is kept up to date, so that you can go back.`;
  return confirmed(`Have ${table} answered from generation ${building}?`, explained, 'Switch', () => step(table, 'switch', building), switched);
}

function toKept({ table, kept }) {
  const explained = 'Its rows are as new as those that serve: the workers have kept them up to date. Requests wait for about a second.';
  return confirmed(`Have ${table} answered from generation ${kept} again?`, explained, 'Roll back', () => step(table, 'rollback', kept), switched);
}

function discard({ table, building }) {
  const explained = 'Its topics, its consumer group and its copies are deleted, and do not come back. What serves stays.';
  return confirmed(`Give up generation ${building} of ${table}?`, explained, 'Discard', () => step(table, 'discard', building), deleted);
}

function forget({ table, kept }) {
  const explained = 'Its topics, with the dead letters in them, its consumer group and its copies are deleted: there is no way back to it.';
  return confirmed(`Delete generation ${kept} of ${table}?`, explained, 'Delete', () => step(table, 'forget', kept), deleted);
}

function step(table, how, generation) {
  return ask(`${path(table)}/${how}`, { method: 'POST', body: JSON.stringify({ generation }) });
}

function path(table) {
  return `console/api/rebuilds/${encodeURIComponent(table)}`;
}

function switched({ table, serving, workers, paused_seconds: seconds }) {
  return [h('p', null, `${table} is answered from generation ${serving} by ${count(workers)} workers; requests waited for ${seconds.toFixed(1)} s at most.`)];
}

function deleted({ table, deleted: number }) {
  return [h('p', null, `Generation ${number} of ${table} is deleted.`)];
}
