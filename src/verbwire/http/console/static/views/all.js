// Every view, by the first part of its address. A view is { title, about, every, load, draw }: `load` asks for its data,
// again every so many seconds, and `draw` makes elements of them.

import { h } from '../lib/dom.js';
import { notice } from '../lib/parts.js';
import { deadLetters } from './dead-letters.js';
import { deadLetter } from './dead-letter.js';
import { group } from './group.js';
import { groups } from './groups.js';
import { history } from './history.js';
import { httpApi } from './http-api.js';
import { message } from './message.js';
import { messages } from './messages.js';
import { outcome } from './outcome.js';
import { overview } from './overview.js';
import { parked, parkedKey } from './parked.js';
import { processes } from './processes.js';
import { rebuildDiff, rebuilds } from './rebuilds.js';
import { rejections } from './rejections.js';
import { row } from './row.js';
import { scheduled } from './scheduled.js';
import { table } from './table.js';
import { tables } from './tables.js';
import { trace } from './trace.js';

/** What the navigation lists: the first part of the address, and its title. */
export const NAVIGATION = [
  ['', 'Overview'], ['messages', 'Messages'], ['tables', 'Tables'], ['groups', 'Groups'], ['processes', 'Processes'], ['rejections', 'Rejections'], ['dead-letters', 'Dead letters'],
  ['parked', 'Parked'], ['scheduled', 'Scheduled'], ['rebuilds', 'Rebuilds'], ['trace', 'Trace'], ['http', 'HTTP'],
];

const nothing = {
  title: () => 'There is no such view',
  load: async () => null,
  draw: () => notice('warn', 'This address names no view: ', h('a', { href: '#/' }, 'the overview'), ' has them all.'),
};

const VIEWS = {
  '': [overview], messages: [messages, message], tables: [tables, table, row], groups: [groups, group],
  'dead-letters': [deadLetters, deadLetters, deadLetter], parked: [parked, parked, parkedKey], scheduled: [scheduled], rebuilds: [rebuilds, rebuildDiff], trace: [trace, trace], processes: [processes], rejections: [rejections], history: [nothing, nothing, history], outcomes: [outcome, outcome],
  http: [httpApi, httpApi],
};

/** The view that an address names. */
export function viewOf({ parts }) {
  return VIEWS[parts[0] ?? '']?.[Math.max(0, parts.length - 1)] ?? nothing;
}

