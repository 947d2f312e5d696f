// What `describe` says of messages, groups and topics, as panels.

import { h } from '../lib/dom.js';
import { count, ranges } from '../lib/format.js';
import { facts, grid, panel } from '../lib/parts.js';
import { to } from '../lib/route.js';

/** Panels of descriptions. */
export function descriptionOf(found) {
  return found.map((each) => (PANELS[each.type] ?? (() => null))(each));
}

const PANELS = { message: messagePanel, group: groupPanel, topic: topicPanel };

function messagePanel(found) {
  return panel('Who has to do with it', { key: found.name }, facts(
    ['sent by', groups(found.sent_by)],
    ['and', found.kind === 'command' && 'any client with the scopes'],
    ['received by', found.received_by && groups([found.received_by])],
    ['heard by', found.kind === 'event' && (groups(found.heard_by) || 'nobody of this project')],
    ['outcomes to', groups(found.outcomes_to)],
    ['answered by', groups(found.answered_by)],
    ['kept by', groups(found.kept_by)],
    ['topic', found.topic && h('code', null, found.topic)],
    ['file', h('code', null, found.file)],
    ['fingerprint', h('code', null, found.fingerprint)],
  ), found.deployed && grid(['version', 'schema id', 'code here', 'rows of it'], found.deployed.versions.map(version), 'The registry has no version: run verbwire deploy.'));
}

function version({ number, id, at_hand: mine, folded_by: by }) {
  const kept = Object.entries(by).map(([group, partitions]) => `${group}: ${ranges(partitions)}`).join('; ');
  return { key: id, cells: [number ?? '?', id, mine ? 'reads and writes it' : '', kept] };
}

function groupPanel(found) {
  return [panel('Declaration', { key: found.name, hint: `${found.kind} in ${found.folder}/` },
    facts(['reads', codes(found.inputs)], ['writes', codes(found.outputs)], ['own topics', codes(found.own_topics)],
      ['sends', links(found.sends)], ['publishes', links(found.publishes)], ['keeps', found.keeps && links([found.keeps])],
      ['answers', links(found.answers)], ['window', found.window], ['scopes', codes(found.scopes)]),
    grid(['does', 'message', 'function'], found.handlers.map((each) => ({ key: each.does + each.message, cells: [each.does, links([each.message]), h('code', null, each.function)] })))),
  found.deployed && panel('Members', { key: 'members', flush: true, hint: `${found.deployed.state}, as the broker knows it` },
    grid(['worker', 'host', 'partitions'], found.deployed.members.map((each) => ({ key: each.worker, cells: [each.worker, each.host, assigned(each.partitions)] })), 'None.'))];
}

function assigned(partitions) {
  return Object.entries(partitions).map(([topic, some]) => h('div', null, h('code', null, topic), ` ${ranges(some)}`));
}

function topicPanel(found) {
  const there = found.deployed;
  return panel(`Topic ${found.name}`, { key: `topic ${found.name}`, hint: found.holds },
    facts(['messages', links(found.messages)], ['written by', groups(found.written_by)], ['read by', groups(found.read_by)],
      ...(there ? [['partitions', there.partitions], ['replicas', `${there.replication}, ${there.in_sync} in sync`], ['places', count(there.records)]] : []),
      ...Object.entries(there?.settings ?? found.planned ?? {}).map(([name, value]) => [name, h('code', { class: there?.differs[name] ? 'bad' : null }, value + (there?.differs[name] ? `, planned ${there.differs[name][0]}` : ''))])));
}

/** Names of groups, each a link to it. */
export function groups(names) {
  return names.length > 0 && names.map((each, at) => [at > 0 && ', ', h('a', { href: to(['groups', each]) }, each)]);
}

function links(names) {
  return names.length > 0 && names.map((each, at) => [at > 0 && ', ', h('a', { href: to(['messages', each]) }, each)]);
}

function codes(names) {
  return names.length > 0 && names.map((each, at) => [at > 0 && ', ', h('code', null, each)]);
}
