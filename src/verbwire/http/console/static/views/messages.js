// The catalog: every message of the project, by context.

import { h } from '../lib/dom.js';
import { to } from '../lib/route.js';
import { shortName } from '../lib/format.js';
import { grid, panel, tags } from '../lib/parts.js';
import { go } from '../lib/route.js';

const KINDS = ['command', 'event', 'query', 'row', 'state', 'reply'];

export const messages = {
  title: () => 'Messages',
  about: 'what the contracts declare',
  load: async () => null,
  draw: (_, place, context) => {
    const find = place.query.get('find') ?? '';
    const kind = place.query.get('kind') ?? '';
    const found = context.catalog.messages.filter((each) => (!kind || each.kind === kind) && matches(each, find));
    const contexts = [...new Set(found.map((each) => each.context))];
    return [head(place, find, kind, context.catalog.messages), contexts.map((name) => contextPanel(name, found.filter((each) => each.context === name))),
      !found.length && h('p', { class: 'empty' }, 'No message is called so.')];
  },
};

function head(place, find, kind, all) {
  const field = h('input', { class: 'find', type: 'search', placeholder: 'Find a message or field', 'aria-label': 'Find a message or field', value: find,
    onchange: (event) => go(['messages'], { find: event.currentTarget.value, kind }) });
  const present = KINDS.filter((each) => all.some((message) => message.kind === each));
  const kinds = [h('a', { href: to(['messages'], { find }), 'aria-current': !kind || null }, 'all'),
    ...present.map((each) => h('a', { href: to(['messages'], { find, kind: each }), 'aria-current': kind === each || null, class: kind === each ? 'tag good' : 'tag' }, each))];
  return h('div', { class: 'row', 'data-key': 'head' }, h('div', { class: 'grow' }, field), kinds, h('a', { href: to(['outcomes']) }, 'look up an outcome'));
}

function matches(message, find) {
  const text = [message.name, message.doc, ...(message.avro.fields ?? []).map((each) => each.name)].join(' ').toLowerCase();
  return find.toLowerCase().split(/\s+/).every((word) => text.includes(word));
}

function contextPanel(name, found) {
  const rows = found.sort((one, other) => KINDS.indexOf(one.kind) - KINDS.indexOf(other.kind) || one.name.localeCompare(other.name));
  const columns = ['message', 'kind', 'key', { name: 'what it says', wide: true }];
  return panel(name, { key: name, flush: true }, grid(columns, rows.map((each) => ({
    key: each.name,
    cells: [h('a', { href: to(['messages', each.name]) }, shortName(each.name)), each.kind, h('code', null, each.key.join(', ')),
      [each.doc, ' ', each.rejections.length > 0 && tags(each.rejections)]],
  }))));
}
