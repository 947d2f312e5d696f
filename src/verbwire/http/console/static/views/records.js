// A record of a topic as one line that opens: what it is, whose, when, and what it says.

import { h } from '../lib/dom.js';
import { moment, shortName, value, visible } from '../lib/format.js';
import { facts, json, notice } from '../lib/parts.js';
import { to } from '../lib/route.js';

const HOW = { REJECTED: 'warn', FAILED: 'bad', EXPIRED: 'warn', ACCEPTED: 'good' };

/** The line; `after` is how long after the one before it. */
export function recordLine(view, after = null) {
  const key = `${view.topic}/${view.partition}/${view.offset}`;
  return h('details', { class: 'record', 'data-key': key },
    h('summary', null, h('span', { class: 'dim nowrap' }, after ?? moment(view.timestamp)), ' ', h('span', { class: 'tag' }, view.kind), ' ', h('b', null, nameOf(view)), ' ', statusOf(view), ' ',
      h('span', { class: 'dim' }, view.actor ? `by ${visible(view.actor)}` : '')),
    h('div', { class: 'body' }, facts(
      ['place', h('code', null, key)], ['key', view.key && h('code', null, visible(view.key))], ['id', view.id && traceLink(view.id)],
      ['correlation', view.correlation_id && traceLink(view.correlation_id)], ['caused by', view.causation_id && traceLink(view.causation_id)],
      ['actor', view.actor && visible(view.actor)], ['source', view.source && visible(view.source)]),
    view.note && notice('warn', visible(view.note)), view.unreadable ? notice('bad', visible(view.unreadable)) : view.message !== null && json(view.message)));
}

/** What a record is: the name of its message, of an outcome that of its command. */
export function nameOf(view) {
  return shortName(view.message?.command ?? view.type ?? (view.unreadable ? 'unreadable' : 'deleted'));
}

/** The status of an outcome, with its code. */
export function statusOf(view) {
  const { status, code, reason } = view.message ?? {};
  if (view.kind !== 'outcome' || !status) return null;
  return [h('span', { class: `tag ${HOW[status] ?? ''}` }, code ?? status.toLowerCase()), reason && h('span', { class: 'dim' }, ` ${value(reason)}`)];
}

/** A link to the flow that an id belongs to. */
export function traceLink(id) {
  return h('a', { href: to(['trace', id]), class: 'mono' }, visible(id));
}
