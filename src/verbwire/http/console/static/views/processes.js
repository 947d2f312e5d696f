// Processes: the open instances, those that made no step for longest first, what each waits for, and leading them.

import { ask } from '../lib/api.js';
import { confirmed } from '../lib/confirm.js';
import { h } from '../lib/dom.js';
import { count, duration, moment, shortName, visible } from '../lib/format.js';
import { grid, panel } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { unknown } from './groups.js';
import { forOperators } from './operators.js';
import { traceLink } from './records.js';

const COLUMNS = ['instance', 'since', { name: 'last step', number: true }, 'waits for', 'state', ''];

export const processes = forOperators({
  title: () => 'Processes',
  about: 'open instances, those without a step for longest first',
  every: 10,
  load: (_, signal) => ask('console/api/processes', { signal }),
  draw: (report, _, __, again) => {
    const names = Object.keys(report.total);
    return [unknown(report.unknown), names.length ? names.map((name) => processPanel(name, report, again)) : h('p', { class: 'empty', 'data-key': 'none' }, 'This project declares no process.')];
  },
});

function processPanel(name, { instances, total, events, clock }, again) {
  const mine = instances.filter((each) => each.process === name);
  const more = total[name] > mine.length && h('p', { class: 'empty' }, `${count(total[name] - mine.length)} younger ones are not shown: verbwire processes list ${name} --limit ${total[name]}`);
  return panel(name, { key: name, flush: true, hint: `${count(total[name])} open, seconds by ${clock} clock` },
    grid(COLUMNS, mine.map((each) => line(each, events[name], again)), 'None is open: every one that began has ended.'), more);
}

function line(each, events, again) {
  return {
    key: `${each.partition}/${each.key}`,
    cells: [h('a', { href: to(['tables', each.process, each.key]), class: 'mono' }, visible(each.key)), h('span', { class: 'nowrap' }, moment(each.since_ms)),
      `${duration(each.seconds)} ago`, [waits(each, events), each.trouble && h('div', null, visible(each.trouble))],
      h('code', { class: 'dim' }, visible(JSON.stringify(each.state))), buttons(each, again)],
  };
}

/** What an instance waits for: outcomes, each with its command's flow; else a deadline, or an event. */
function waits({ waits_for: commands, deadlines }, events) {
  if (commands === null) return '? (its commands could not be read)';
  const dues = Object.entries(deadlines).map(([name, at]) => h('div', { class: 'nowrap' }, `deadline ${name} at ${moment(at)}`));
  if (!commands.length) return [dues, `${dues.length ? 'or ' : ''}an event: ${events.map(shortName).join(' or ')}`];
  return commands.map((each) => h('div', null, `the outcome of ${shortName(each.command)} for ${duration(each.seconds)} `, traceLink(each.id)));
}

function buttons(each, again) {
  return h('span', { class: 'row' }, each.waits_for?.length > 0 && h('button', { class: 'plain', onclick: () => retry(each, again) }, 'ask again'),
    h('button', { class: 'plain', onclick: () => cancel(each, again) }, 'cancel'));
}

async function retry(each, again) {
  const explained = 'Each command goes out under its id, so that a receiver that has dealt with it does not do so again; an outcome that is there and was missed is handed over.';
  await confirmed(`Ask again for what ${visible(each.key)} waits for?`, explained, 'Ask again', () => lead(each, 'retry', ''), ({ commands }) =>
    commands.map((one) => h('p', null, `${shortName(one.command)}: ${one.how}.`)));
  again();
}

async function cancel(each, again) {
  const explained = 'What its process declares for that undoes it; without such a handler it is over at once, and what it has sent stays done.';
  await confirmed(`Cancel ${visible(each.key)} of ${each.process}?`, explained, 'Cancel it', (why) => lead(each, 'cancel', why), () =>
    [h('p', null, 'Its group was asked, and does it in its own time, once.')], { reason: true });
  again();
}

function lead(each, verb, why) {
  return ask(`console/api/processes/${encodeURIComponent(each.process)}/${encodeURIComponent(each.key)}/${verb}`, { method: 'POST', body: JSON.stringify({ why }) });
}
