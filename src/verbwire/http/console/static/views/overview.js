// What stands still and why, first; then everything that flows, drawn and alive.

import { ask } from '../lib/api.js';
import { beside } from '../lib/beside.js';
import { h } from '../lib/dom.js';
import { count, duration, rate, shortName, visible } from '../lib/format.js';
import { groupState, noteLag } from '../lib/groups.js';
import { samplesOf } from '../lib/history.js';
import { figure, grid, light, notice, panel, trouble } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { together } from '../lib/together.js';
import { graph } from '../plots/graph.js';
import { spark } from '../plots/spark.js';
import { tableOf, unknown } from './groups.js';
import { recordLine } from './records.js';
import { forOperators } from './operators.js';

const SELDOM = 8; // seconds between two looks that cost more
const SHOWN = 8; // rejections
let drawing = null; // declarations: the same for as long as this worker runs

export const overview = forOperators({
  title: () => 'Overview',
  every: 2,
  load: async (_, signal) => {
    drawing ??= await ask('console/api/topology', { signal });
    const found = await together({ lag: 'console/api/lag', tables: 'tables' }, signal);
    noteLag(found.lag);
    return { ...found, status: beside('console/api/status', SELDOM, signal), rejections: beside('console/api/rejections', SELDOM, signal) };
  },
  draw: (found) => {
    const states = statesOf(found);
    return [
      Object.values(found.errors).map(trouble), verdict(found.status, states), figures(found, states), unknown(found.lag?.unknown),
      panel('Flow', { key: 'flow', flush: true, hint: 'commands, who receives them, events, who reads them, queries' },
        h('div', { class: 'graph', tabindex: 0, role: 'region', 'aria-label': 'Topology' }, drawn(states, found))),
      h('div', { class: 'columns', 'data-key': 'columns' }, h('div', { class: 'stack' }, overTime(), workers(found.status)), refusals(found.rejections)),
    ];
  },
});

function statesOf({ lag, tables }) {
  return new Map((lag?.groups ?? []).map((each) => [each.group, { ...groupState(each, tableOf(tables, each.group)), lag: each }]));
}

// What is odd by `verbwire status`, which takes a moment; until it is there, what the offsets and the tables tell.
function verdict({ value: status, error }, states) {
  if (error) return notice('warn', 'What is odd could not be looked for: ', visible(error.message));
  if (status) return oddities(status);
  const wrong = [...states].filter(([, state]) => state.how === 'bad');
  return wrong.length > 0 && notice('bad', wrong.map(([group, state]) => h('div', null, h('a', { href: to(['groups', group]) }, group), `: ${state.word}`)));
}

function oddities({ oddities: all, unknown: reasons }) {
  const lines = (some) => h('ul', null, some.map((each) => h('li', null, h('b', null, aboutLink(each.about)), ` ${visible(each.what)}`, h('div', { class: 'dim' }, visible(each.do)))));
  const standing = all.filter((each) => each.stands_still);
  const odd = all.filter((each) => !each.stands_still);
  return [
    standing.length > 0 && notice('bad', h('b', null, standing.length === 1 ? 'One thing stands still' : `${standing.length} things stand still`), lines(standing)),
    odd.length > 0 && notice('warn', h('b', null, 'Odd'), lines(odd)),
    unknown(reasons),
  ];
}

function aboutLink(about) {
  return about.includes('.') ? h('a', { href: to(['groups', about]) }, about) : about;
}

function figures({ status }, states) {
  const lags = [...states.values()].map((each) => each.lag);
  const behind = samplesOf('lag').at(-1)?.value;
  const good = [...states.values()].filter((each) => each.how === 'good').length;
  const letters = status.value?.groups.reduce((sum, each) => (sum === null || each.dead_letters === null ? null : sum + each.dead_letters), 0);
  const there = status.value?.workers.filter((each) => each.state === 'there').length;
  return h('div', { class: 'figures', 'data-key': 'figures' },
    figure(`${good} / ${states.size}`, 'groups up to date', good === states.size ? 'good' : 'warn'),
    figure(count(behind), 'records behind', behind ? 'warn' : ''),
    figure(behind ? duration(Math.max(0, ...lags.map((each) => each.seconds ?? 0))) : '0 s', 'behind, the worst'),
    figure(rate(samplesOf('rate').at(-1)?.value), 'records a second'),
    figure(count(there), 'workers'),
    h('a', { class: 'figure', href: to(['dead-letters']) }, h('b', { class: letters ? 'warn' : '' }, count(letters)), h('span', null, 'dead letters')));
}

function drawn(states, { lag }) {
  const nameIn = (id) => id.slice(id.indexOf(':') + 1);
  const rates = new Map((lag?.groups ?? []).map((each) => [each.group, each.rate]));
  const state = (id) => {
    const found = /^(commands|events|query|responder):/.test(id) ? null : states.get(nameIn(id));
    return found && { how: found.how, word: found.word, lag: found.lag.records, rate: found.lag.rate ? `${rate(found.lag.rate)}/s` : '' };
  };
  const flow = ({ source, target }) => [source, target].some((id) => rates.get(nameIn(id)) > 0);
  return graph(drawing, { state, flow });
}

function overTime() {
  return panel('Over time', { key: 'over-time', hint: 'all groups together' },
    spark(samplesOf('rate'), { name: 'records a second', text: rate }), spark(samplesOf('lag'), { name: 'records behind', text: count, how: 'warn' }));
}

function workers({ value: status }) {
  const columns = ['worker', 'state', { name: 'heard', number: true }, { name: 'groups', number: true }, { name: 'partitions', number: true }];
  const rows = status?.workers.map((each) => ({
    key: each.name,
    cells: [h('span', { title: each.url }, each.name), light(each.state === 'there' ? 'good' : each.state === 'leaving' ? 'warn' : 'bad', visible(each.state)), `${duration(each.heard_seconds_ago)} ago`,
      each.groups, each.stopped ? `${each.owned}, ${each.stopped} stopped` : each.owned],
  }));
  return panel('Workers', { key: 'workers', flush: true }, rows ? grid(columns, rows, 'None that the directory knows of.') : h('p', { class: 'empty alive' }, 'Asking …'));
}

function refusals({ value: found, error }) {
  if (error) return panel('Last rejections', { key: 'rejections' }, trouble(error));
  if (!found) return panel('Last rejections', { key: 'rejections' }, h('p', { class: 'dim alive' }, 'Reading the outcome logs …'));
  const codes = Object.entries(found.counts).flatMap(([command, each]) => Object.entries(each).map(([code, times]) => `${shortName(command)} ${code} ${count(times)}`));
  return panel('Last rejections', { key: 'rejections', hint: `of the last ${count(found.looked_at)} outcomes`, more: h('a', { href: to(['rejections']) }, 'more') },
    codes.length > 0 && h('div', { class: 'tags' }, codes.map((each) => h('span', { class: 'tag' }, each))),
    found.records.length ? h('div', null, found.records.slice(0, SHOWN).map((each) => recordLine(each))) : h('p', { class: 'dim' }, 'None.'));
}
