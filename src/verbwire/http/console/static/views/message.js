// One message: its contract, who sends and who hears it, and a form where it can be sent or asked.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { shortName } from '../lib/format.js';
import { facts, grid, panel, tags, trouble } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { boundsOf, boundsText, described, namedTypes, typeText } from '../forms/avro.js';
import { commandForm } from '../forms/command.js';
import { queryForm } from '../forms/query.js';
import { descriptionOf } from './description.js';
import { unknown } from './groups.js';

export const message = {
  title: ({ parts }) => shortName(parts[1]),
  load: async ({ parts }, signal, { messages, session }) => {
    if (!messages.has(parts[1]) || !session.scopes.includes('verbwire:operator')) return { description: null };
    return description_(parts[1], signal);
  },
  draw: ({ description, error }, { parts }, context) => {
    const found = context.messages.get(parts[1]);
    if (!found) return h('p', { class: 'empty' }, `No contract has the name ${parts[1]}.`);
    return h('div', { class: 'columns' },
      h('div', { class: 'stack' }, contractPanel(found, context), fieldsPanel(found), error && trouble(error), description && [unknown(description.unknown), descriptionOf(description.described)]),
      formPanel(found, context));
  },
};

async function description_(name, signal) {
  try {
    return { description: await ask(`console/api/describe/${encodeURIComponent(name)}`, { signal }) };
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    return { description: null, error };
  }
}

function contractPanel(found, context) {
  const reply = found.reply && (context.messages.has(found.reply) ? h('a', { href: to(['messages', found.reply]) }, found.reply) : found.reply);
  return panel(found.name, { hint: found.kind }, h('p', null, found.doc || h('span', { class: 'dim' }, 'Its contract says nothing about it.')), facts(
    ['key', h('code', null, found.key.join(', '))],
    ['event time', found.time && h('code', null, found.time)],
    ['requires', found.requires.length > 0 && tags(found.requires)],
    ['anonymous', found.public && 'may send or ask it'],
    ['rejected as', found.rejections.length > 0 && tags(found.rejections)],
    ['answered with', reply && [reply, found.many && ', a list']],
    ['outcome', found.kind === 'command' && !found.answered && 'none: it is a job'],
  ), h('details', null, h('summary', { class: 'dim' }, 'Avro schema'), h('pre', { tabindex: 0 }, JSON.stringify(found.avro, null, 2))));
}

function fieldsPanel(found) {
  const named = namedTypes(found.avro);
  const rows = [...walked(found.avro, named, '', new Set())];
  return panel('Fields', { flush: true }, grid(['field', 'type', { name: 'what it is', wide: true }], rows.map(({ path, field, type }) => ({
    key: path,
    cells: [h('code', null, path), [h('span', { class: 'nowrap' }, typeText(type)), type.nullable && ' or null', limits(field, type)], field.doc ?? ''],
  })), 'It has no fields.'));
}

function limits(field, type) {
  const words = [...boundsText(type.bounds, type.sort), ...('default' in field ? [`default ${JSON.stringify(field.default)}`] : [])];
  return [words.length > 0 && h('div', { class: 'dim' }, words.join(', ')), type.sort === 'enum' && tags(type.avro.symbols)];
}

// Fields of nested records stand below their own, as a.b; a type that holds itself ends there.
function* walked(record, named, above, within) {
  for (const field of record.fields) {
    const path = above + field.name;
    const type = described(field.type, named, boundsOf(field));
    yield { path, field, type };
    const inner = inside(type, named);
    if (inner && !within.has(inner.name)) yield* walked(inner, named, `${path}${type.sort === 'record' ? '' : '[]'}.`, new Set([...within, inner.name]));
  }
}

function inside(type, named) {
  const held = type.sort === 'array' ? described(type.avro.items, named) : type.sort === 'map' ? described(type.avro.values, named) : type;
  return held.sort === 'record' ? held.avro : null;
}

function formPanel(found, context) {
  if (found.kind === 'command') return panel('Send it', { key: 'form', hint: `POST /commands/${found.name}` }, commandForm(found, context));
  if (found.kind === 'query') return panel('Ask it', { key: 'form', hint: `GET /queries/${found.name}` }, queryForm(found, context));
  return null;
}
