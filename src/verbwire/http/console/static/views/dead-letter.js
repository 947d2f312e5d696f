// One dead letter, whole: why, where it lay, its headers, and what it says as far as it can be read.

import { ask } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { moment, visible } from '../lib/format.js';
import { facts, grid, json, notice, panel } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { requeue } from './dead-letters.js';
import { forOperators } from './operators.js';

export const deadLetter = forOperators({
  title: ({ parts }) => `Dead letter ${parts[2]}`,
  load: ({ parts }, signal) => ask(`console/api/dead-letters/${encodeURIComponent(parts[1])}/${parts[2].replace('/', '-')}`, { signal }),
  draw: (found, { parts }, context, again) => [
    panel(found.type || 'A record without a type', { more: h('button', { onclick: () => requeue(parts[1], { places: [found.place] }, `the dead letter ${found.place} of ${parts[1]}`, again) }, 'Requeue') },
      facts(['group', found.group], ['reason', found.reason], ['why', h('pre', { tabindex: 0 }, visible(found.detail))],
        ['since', moment(found.since)], ['came at', moment(found.time)], ['lay at', h('code', null, found.origin)],
        ['key', found.key === null ? 'none' : h('code', null, visible(found.key))],
        ['id', found.id && h('a', { href: to(['trace', found.id]), class: 'mono' }, visible(found.id))])),
    panel('What it says', {}, found.unread ? [notice('warn', visible(found.unread)), h('pre', { tabindex: 0 }, found.message)] : json(found.message)),
    panel('Headers', { flush: true }, grid(['name', 'value'], found.headers.map(([name, value]) => ({ key: name, cells: [h('code', null, visible(name)), visible(value)] })))),
  ],
});
