// The newest outcomes that are no acceptance: which command, which code, why, and whose.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { count, moment, shortName, visible } from '../lib/format.js';
import { grid, panel } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { statusOf, traceLink } from './records.js';
import { forOperators } from './operators.js';

export const rejections = forOperators({
  title: () => 'Rejections',
  about: 'the newest outcomes that are no acceptance',
  every: 10,
  load: (_, signal) => ask('console/api/rejections', { signal }),
  draw: ({ records, counts, looked_at: lookedAt }) => {
    const codes = Object.entries(counts).flatMap(([command, each]) => Object.entries(each).map(([code, times]) => ({ key: `${command} ${code}`, cells: [h('a', { href: to(['messages', command]) }, command), code, count(times)] })));
    return [
      panel('By code', { flush: true, hint: `of the last ${count(lookedAt)} outcomes` }, grid(['command', 'code', { name: 'times', number: true }], codes)),
      panel('The newest', { flush: true }, grid(['when', 'command', 'key', 'outcome', 'id'], records.map(line))),
    ];
  },
});

function line(view) {
  return {
    key: `${view.topic}/${view.partition}/${view.offset}`,
    cells: [h('span', { class: 'nowrap' }, moment(view.timestamp)), shortName(view.message?.command ?? '?'), h('code', null, visible(view.key ?? '')), view.unreadable ? visible(view.unreadable) : statusOf(view),
      view.message?.command_id ? traceLink(view.message.command_id) : ''],
  };
}
