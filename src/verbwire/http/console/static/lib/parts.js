// The parts that views are made of.

import { h } from './dom.js';
import { visible } from './format.js';

/** A box with a head. */
export function panel(title, { hint, more, key, flush = false } = {}, ...children) {
  return h('section', { class: 'panel', 'data-key': key, 'aria-label': title },
    h('header', null, h('h2', null, title), hint && h('span', { class: 'hint' }, hint), more && h('span', { class: 'more' }, more)),
    flush ? children : h('div', { class: 'body' }, children));
}

/**
 * A table. `columns` are texts or { name, number, cut, wide }, `rows` are { key, cells }. `empty` stands there where there
 * is no row.
 */
export function grid(columns, rows, empty = 'none') {
  if (!rows.length) return h('p', { class: 'empty' }, empty);
  const heads = columns.map((each) => (typeof each === 'string' ? { name: each } : each));
  const head = heads.map((each) => h('th', { scope: 'col', class: each.number && 'number' }, each.head ?? each.name));
  const lines = rows.map(({ key, cells }) => h('tr', { 'data-key': key },
    cells.map((cell, at) => h('td', { class: [heads[at].number && 'number', heads[at].cut && 'cell', heads[at].wide && 'wide'].filter(Boolean).join(' ') || null }, cell))));
  return h('div', { class: 'scroll' }, h('table', null, h('thead', null, h('tr', null, head)), h('tbody', null, lines)));
}

/** Names and what they are. Pairs without a value are left out. */
export function facts(...pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== undefined && value !== '' && value !== false);
  return h('dl', { class: 'facts' }, told.map(([name, value]) => [h('dt', null, name), h('dd', null, value)]));
}

/** A sentence that should be seen; `how` is good, warn or bad. */
export function notice(how, ...children) {
  return h('div', { class: `notice ${how}`, role: how === 'bad' ? 'alert' : 'status' }, children);
}

/** What went wrong, and what to do: a Problem in the words of the worker. */
export function trouble(error) {
  const code = error.code ? h('span', { class: 'tag' }, error.code) : null;
  return notice(error.status === 503 || error.status === 429 ? 'warn' : 'bad', h('span', null, visible(error.message), ' '), code);
}

/** A light with its word beside it: colour alone says nothing to many. */
export function light(how, word) {
  return h('span', { class: 'nowrap' }, h('span', { class: `dot ${how}`, 'aria-hidden': 'true' }), word);
}

/** Small words in boxes. */
export function tags(words, how = '') {
  return h('span', { class: 'tags' }, words.map((each) => h('span', { class: `tag ${how}` }, each)));
}

/** JSON over several lines. */
export function json(value) {
  return h('pre', { tabindex: 0 }, visible(JSON.stringify(value, null, 2)));
}

/** A number large, and what it counts. */
export function figure(number, what, how = '') {
  return h('div', { class: 'figure' }, h('b', { class: how }, number), h('span', null, what));
}

/** Copies a text where the browser allows it. */
export function copier(text) {
  return h('button', { type: 'button', class: 'plain', onclick: (event) => copy(event.currentTarget, text) }, 'copy');
}

async function copy(button, text) {
  await navigator.clipboard?.writeText(text);
  button.textContent = 'copied';
}
