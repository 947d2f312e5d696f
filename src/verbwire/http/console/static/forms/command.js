// The form of a command: sends it as every client does, under an id, and shows what came of it.

import { call } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { duration } from '../lib/format.js';
import { copier, facts, json, notice, tags } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { curl, messageForm } from './message.js';

const HOW = { accepted: 'good', rejected: 'warn', failed: 'bad', expired: 'warn', pending: 'warn', none: 'good' };

/** Return the form. */
export function commandForm(message, { session }) {
  const id = h('input', { id: 'idempotency-key', class: 'code', value: crypto.randomUUID(), spellcheck: 'false' });
  const wait = h('input', { id: 'wait', type: 'number', class: 'code', min: 0, max: 30, value: 10 });
  const more = [
    labelled('idempotency-key', 'Idempotency-Key', 'The same key again is the same command: it happens once.', id,
      h('button', { type: 'button', onclick: () => { id.value = crypto.randomUUID(); } }, 'new')),
    message.answered && labelled('wait', 'Seconds to wait for the outcome', '', wait),
  ];
  const send = (value, show, focus) => post(message, value, { key: id.value, seconds: wait.value, show, focus });
  return [lacking(message, session), messageForm(message, { verb: `Send ${message.name.split('.').at(-1)}`, more, send })];
}

function labelled(id, name, doc, ...inputs) {
  return h('div', { class: 'field' }, h('div', { class: 'name' }, h('label', { for: id }, name)), doc && h('div', { class: 'doc' }, doc),
    h('div', { class: 'input' }, inputs));
}

function lacking(message, session) {
  const missing = message.requires.filter((each) => !session.scopes.includes(each));
  return missing.length > 0 && notice('warn', 'Your token lacks ', tags(missing, 'warn'), ': it will be refused.');
}

async function post(message, value, { key, seconds, show, focus }) {
  const path = `commands/${encodeURIComponent(message.name)}`;
  const headers = { 'Idempotency-Key': key, ...(message.answered ? { Prefer: `wait=${seconds}` } : {}) };
  const body = JSON.stringify(value);
  const answer = await call(path, { method: 'POST', headers, body });
  const line = curl('POST', path, headers, body);
  show(said(answer), h('details', null, h('summary', { class: 'dim' }, 'The same from a shell'), h('pre', { tabindex: 0 }, line), copier(line)));
  if (answer.body?.field) focus(answer.body.field);
}

function said({ status, body, headers, seconds }) {
  const word = body?.outcome ?? (status < 400 ? 'sent' : 'not sent');
  const how = HOW[word] ?? (status < 400 ? 'good' : 'bad');
  const link = headers.get('location')?.split('/').at(-1);
  return notice(how, h('b', null, word), ` ${body?.code ?? ''} `, h('span', { class: 'dim' }, `${status}, ${duration(seconds)}`), facts(
    ['why', body?.detail ?? body?.reason],
    ['field', body?.field],
    ['id', body?.id && h('a', { href: to(['trace', body.id]), class: 'mono' }, body.id)],
    ['outcome', link && h('a', { href: to(['outcomes', decodeURIComponent(link)]) }, 'look it up')],
    ['position', headers.get('verbwire-position')],
  ), body?.reply && json(body.reply), body?.details && Object.keys(body.details).length > 0 && json(body.details));
}
