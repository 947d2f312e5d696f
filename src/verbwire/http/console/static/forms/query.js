// The form of a query: asks it with the parameters that are filled in, and shows the row, or the rows page by page.

import { call } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { duration, value as shownValue } from '../lib/format.js';
import { copier, facts, grid, json, notice } from '../lib/parts.js';
import { curl, messageForm } from './message.js';

/** Return the form. */
export function queryForm(message) {
  return messageForm(message, {
    verb: `Ask ${message.name.split('.').at(-1)}`,
    more: h('p', { class: 'dim' }, 'As parameters of a GET. Lists go on by `next`.'),
    send: (value, show, focus) => get(`queries/${encodeURIComponent(message.name)}${parameters(value)}`, show, focus),
  });
}

// A parameter holds text as it is, everything else as JSON.
function parameters(value) {
  const pairs = Object.entries(value).filter(([, each]) => each !== null).map(([name, each]) => [name, typeof each === 'string' ? each : JSON.stringify(each)]);
  return pairs.length ? `?${new URLSearchParams(pairs)}` : '';
}

async function get(path, show, focus) {
  const answer = await call(path);
  const line = curl('GET', path.replace(/^\//, ''));
  const next = answer.body?.next;
  show(answer.status < 400 ? found(answer) : refused(answer),
    next && h('button', { type: 'button', onclick: () => get(next, show, focus) }, 'Next page'),
    h('details', null, h('summary', { class: 'dim' }, 'The same from a shell'), h('pre', { tabindex: 0 }, line), copier(line)));
  if (answer.body?.field) focus(answer.body.field);
}

function found({ body, status, seconds }) {
  const rows = body?.rows;
  const head = h('p', { class: 'dim' }, `${status}, ${duration(seconds)}${rows ? `, ${rows.length} rows` : ''}`);
  if (!rows) return h('div', { class: 'items' }, head, json(body));
  return h('div', { class: 'items' }, head, !body.complete && notice('warn', 'The list is not complete: a partition is missing or behind.'), rowsOf(rows));
}

/** Rows of one contract as a table. */
export function rowsOf(rows, cells = {}, heads = {}) {
  const names = [...new Set(rows.flatMap(Object.keys))];
  const columns = names.map((name) => ({ name, head: heads[name], cut: true, number: isNumeric(rows, name) }));
  const text = (row, name) => h('span', { title: shownValue(row[name]) }, shownValue(row[name]));
  return grid(columns, rows.map((row) => ({ cells: names.map((name) => (cells[name] ?? text)(row, name)) })), 'No row.');
}

function isNumeric(rows, name) {
  const told = rows.map((row) => row[name]).filter((each) => each !== null && each !== undefined);
  return told.length > 0 && told.every((each) => typeof each === 'number');
}

function refused({ status, body }) {
  return notice(status >= 500 ? 'bad' : 'warn', h('b', null, body?.code ?? `status ${status}`), ' ', body?.detail ?? '', facts(['field', body?.field]));
}
