// The outcome of one command, by the token that a 202 has named.

import { call } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { duration } from '../lib/format.js';
import { facts, json, notice, panel } from '../lib/parts.js';
import { go, to } from '../lib/route.js';

const HOW = { accepted: 'good', pending: 'warn', rejected: 'warn', expired: 'warn', failed: 'bad' };

export const outcome = {
  title: () => 'Outcome',
  every: 2,
  load: ({ parts }, signal) => (parts[1] ? call(`outcomes/${encodeURIComponent(parts[1])}`, { signal }) : null),
  draw: (answer, { parts }) => [lookUp(parts[1]), answer && found(answer)],
};

function lookUp(token = '') {
  const onsubmit = (event) => {
    event.preventDefault();
    go(['outcomes', new FormData(event.currentTarget).get('token').trim().split('/').at(-1)]);
  };
  return h('form', { class: 'row', 'data-key': 'look-up', onsubmit },
    h('input', { name: 'token', class: 'find code', value: token, placeholder: 'Token, the end of the Location of a 202', 'aria-label': 'Token' }),
    h('button', { type: 'submit' }, 'Look up'));
}

function found({ status, body, seconds }) {
  if (status >= 400) return notice(status >= 500 ? 'bad' : 'warn', h('b', null, body?.code ?? `status ${status}`), ' ', body?.detail ?? '');
  return panel(body.outcome, { hint: duration(seconds) }, notice(HOW[body.outcome] ?? 'warn', h('b', null, body.outcome), ' ', body.code ?? ''),
    facts(['id', h('a', { href: to(['trace', body.id]), class: 'mono' }, body.id)], ['why', body.reason]),
    body.reply && json(body.reply), body.details && Object.keys(body.details).length > 0 && json(body.details));
}
