// Processes: the open instances, those that made no step for longest first, and what each waits for.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { count, duration, moment, shortName, visible } from '../lib/format.js';
import { grid, panel } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { unknown } from './groups.js';
import { forOperators } from './operators.js';
import { traceLink } from './records.js';

const COLUMNS = ['instance', 'since', { name: 'last step', number: true }, 'waits for', 'state'];

export const processes = forOperators({
  title: () => 'Processes',
  about: 'open instances, those without a step for longest first',
  every: 10,
  load: (_, signal) => ask('console/api/processes', { signal }),
  draw: (report) => {
    const names = Object.keys(report.total);
    return [unknown(report.unknown), names.length ? names.map((name) => processPanel(name, report)) : h('p', { class: 'empty', 'data-key': 'none' }, 'This project declares no process.')];
  },
});

function processPanel(name, { instances, total, events, clock }) {
  const mine = instances.filter((each) => each.process === name);
  const more = total[name] > mine.length && h('p', { class: 'empty' }, `${count(total[name] - mine.length)} younger ones are not shown: verbwire processes list ${name} --limit ${total[name]}`);
  return panel(name, { key: name, flush: true, hint: `${count(total[name])} open, seconds by ${clock} clock` },
    grid(COLUMNS, mine.map((each) => line(each, events[name])), 'None is open: every one that began has ended.'), more);
}

function line(each, events) {
  return {
    key: `${each.partition}/${each.key}`,
    cells: [h('a', { href: to(['tables', each.process, each.key]), class: 'mono' }, visible(each.key)), h('span', { class: 'nowrap' }, moment(each.since_ms)),
      `${duration(each.seconds)} ago`, waits(each, events), h('code', { class: 'dim' }, visible(JSON.stringify(each.state)))],
  };
}

/** What an instance waits for: outcomes, each with its command's flow; else an event. */
function waits({ waits_for: commands }, events) {
  if (commands === null) return '? (its commands could not be read)';
  if (!commands.length) return `an event: ${events.map(shortName).join(' or ')}`;
  return commands.map((each) => h('div', null, `the outcome of ${shortName(each.command)} for ${duration(each.seconds)} `, traceLink(each.id)));
}
