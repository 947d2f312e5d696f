// Parked keys: what tables, processes, subscribers cannot handle, and what waits behind; tried again, or the first given up.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { count, moment, shortName, visible } from '../lib/format.js';
import { confirmed } from '../lib/confirm.js';
import { facts, grid, json, notice, panel } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { forOperators } from './operators.js';

const COLUMNS = ['key', { name: 'records', number: true }, 'since', { name: 'attempts', number: true }, 'message', 'why', ''];

export const parked = forOperators({
  title: ({ parts }) => (parts[1] ? `Parked keys of ${parts[1]}` : 'Parked'),
  about: 'keys that cannot go on, with all that came after; others go on',
  every: 10,
  load: (_, signal) => ask('console/api/parked', { signal }),
  draw: ({ parked: every }, { parts }, _, again) => {
    const names = [...new Set(every.map((each) => each.group))].filter((each) => !parts[1] || each === parts[1]);
    if (!names.length) return h('p', { class: 'empty', 'data-key': 'none' }, 'None. Every record that arrived was handled.');
    return names.map((name) => groupPanel(name, every.filter((each) => each.group === name), again));
  },
});

export const parkedKey = forOperators({
  title: ({ parts }) => `Parked: ${parts[2]}`,
  load: ({ parts }, signal) => ask(`console/api/parked/${encodeURIComponent(parts[1])}/${encodeURIComponent(parts[2])}`, { signal }),
  draw: ({ key, records }, _, context, again) => [
    panel(visible(key.key), { more: buttons(key, again) },
      facts(['group', key.group], ['records', count(key.records)], ['since', moment(key.since)], ['attempts', count(key.attempts)], ['why', visible(key.reason)])),
    records.map((each, at) => recordPanel(each, at)),
    key.records > records.length && h('p', { class: 'empty' }, `${count(key.records - records.length)} later ones are not shown: verbwire parked show ${key.group} KEY --limit ${key.records}`),
  ],
});

function groupPanel(group, keys, again) {
  const all = h('button', { onclick: () => retry(group, null, `all ${count(keys.length)} parked keys of ${group}`, again) }, `Retry all ${count(keys.length)}`);
  const rows = keys.map((each) => ({ key: `${each.partition}/${each.key}`, cells: cells(each, again) }));
  return panel(group, { key: group, hint: `${count(keys.length)} keys`, more: all, flush: true }, grid(COLUMNS, rows));
}

function cells(each, again) {
  return [h('a', { href: to(['parked', each.group, each.key]), class: 'mono' }, visible(each.key)), count(each.records),
    h('span', { class: 'nowrap' }, moment(each.since)), count(each.attempts), shortName(each.type || '?'), visible(each.reason), buttons(each, again)];
}

function buttons(each, again) {
  const what = `the key ${visible(each.key)} of ${each.group}`;
  return h('span', { class: 'row' }, h('button', { class: 'plain', onclick: () => retry(each.group, [each.key], what, again) }, 'retry'),
    h('button', { class: 'plain', onclick: () => skip(each, again) }, 'skip the first'));
}

function recordPanel(each, at) {
  return panel(`${each.type || 'A record without a type'}`, { key: each.place, hint: at ? 'waits behind the first' : 'cannot be handled' },
    facts(['lay at', h('code', null, each.place)], ['came at', moment(each.time)], ['why', each.detail && h('pre', { tabindex: 0 }, visible(each.detail))],
      ['id', each.id && h('a', { href: to(['trace', each.id]), class: 'mono' }, visible(each.id))]),
    each.unread ? [notice('warn', visible(each.unread)), h('pre', { tabindex: 0 }, each.message)] : json(each.message));
}

async function retry(group, keys, what, again) {
  const send = () => ask(`console/api/parked/${encodeURIComponent(group)}/retry`, { method: 'POST', body: JSON.stringify({ keys }) });
  await confirmed(`Handle ${what} again?`, 'Their records are handled in order, each once, up to the first that still cannot be. Whether its handler is mended, nobody checks.', 'Retry', send, told);
  again();
}

async function skip(each, again) {
  const send = (why) => ask(`console/api/parked/${encodeURIComponent(each.group)}/skip`, { method: 'POST', body: JSON.stringify({ key: each.key, why }) });
  const explained = `Its first record, ${each.place}, becomes a dead letter, and the row will never hold it. Those behind it are handled.`;
  await confirmed(`Skip the first record of ${visible(each.key)}?`, explained, 'Skip', send, told, { reason: true });
  again();
}

function told({ asked, handled, parked: still, waiting }) {
  return [h('p', null, `${count(handled.length)} of ${count(asked)} keys are parked no more.`),
    Object.keys(still).length > 0 && h('ul', null, Object.entries(still).map(([key, why]) => h('li', null, visible(`${key}: ${why}`)))),
    waiting.length > 0 && h('p', null, `${count(waiting.length)} are not seen to yet: is their worker running?`)];
}
