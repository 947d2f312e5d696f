// Commands for later: those that are due next, found by their key or their contract, and cancelled; and the schedules.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { confirmed } from '../lib/confirm.js';
import { count, moment, shortName, visible } from '../lib/format.js';
import { grid, panel } from '../lib/parts.js';
import { go } from '../lib/route.js';
import { forOperators } from './operators.js';
import { traceLink } from './records.js';

const COMMANDS = ['due', 'command', 'key', 'id', 'actor', 'trouble', ''];
const SCHEDULES = ['schedule', 'cron', 'timezone', 'missed', 'last', 'next', 'trouble'];
const MOST = 100;

export const scheduled = forOperators({
  title: () => 'Scheduled',
  about: 'commands for later, those that are due next first, and schedules',
  every: 10,
  load: async ({ query }, signal) => {
    const found = await ask('console/api/scheduled', { signal });
    const where = Object.fromEntries([...query].filter(([, value]) => value));
    if (!Object.keys(where).length) return found;
    const narrowed = await ask('console/api/scheduled/find', { method: 'POST', signal, body: JSON.stringify({ where, limit: MOST }) });
    return { ...found, commands: narrowed.commands };
  },
  draw: ({ commands, schedules }, { query }, context, again) => [
    search(query, context),
    panel('Commands', { key: 'commands', flush: true, hint: hint(commands) }, grid(COMMANDS, commands.map((each) => line(each, again)), 'None waits for its time.')),
    schedules.length > 0 && panel('Schedules', { key: 'schedules', flush: true }, grid(SCHEDULES, schedules.map(scheduleLine))),
  ],
});

function hint(commands) {
  return commands.length < MOST ? `${count(commands.length)} pending` : `the first ${count(MOST)} of each context`;
}

function search(query, { catalog }) {
  const names = catalog.messages.filter((each) => each.kind === 'command' && each.schedulable).map((each) => each.name);
  const command = h('select', { name: 'command', 'aria-label': 'Command' }, h('option', { value: '' }, 'every command'),
    names.map((name) => h('option', { value: name, selected: name === query.get('command') }, name)));
  const key = h('input', { type: 'search', class: 'find', name: 'key', placeholder: 'Key', 'aria-label': 'Key', value: query.get('key') ?? '' });
  const send = (event) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget);
    go(['scheduled'], { command: given.get('command'), key: given.get('key') });
  };
  return h('form', { class: 'filters', role: 'search', 'data-key': 'search', onsubmit: send }, command, key, h('button', null, 'Find'));
}

function line(each, again) {
  return {
    key: `${each.context}/${each.id}`,
    cells: [h('span', { class: 'nowrap' }, moment(each.due)), shortName(each.command), h('code', null, visible(each.key)), traceLink(each.id), visible(each.actor), visible(each.failure),
      each.status === 'PENDING' && h('button', { class: 'plain', onclick: () => cancel(each, again) }, 'cancel')],
  };
}

function scheduleLine({ name, cron, timezone, missed, last, due, failure }) {
  return { key: name, cells: [name, h('code', null, cron), timezone, missed, last === null ? 'never' : moment(last), due === null ? '?' : moment(due), visible(failure)] };
}

async function cancel(each, again) {
  const explained = `It is due at ${moment(each.due)}, for the key ${visible(each.key)}. Exactly one of cancelled and delivered becomes true.`;
  const send = () => ask(`console/api/scheduled/${encodeURIComponent(each.id)}/cancel`, { method: 'POST', body: '{}' });
  await confirmed(`Cancel ${shortName(each.command)} ${visible(each.id)}?`, explained, 'Cancel it', send, told);
  again();
}

function told({ outcome, reason }) {
  return [h('p', null, outcome === 'cancelled' ? 'It is cancelled, and never delivered.' : visible(`Not cancelled, ${outcome}: ${reason}`))];
}
