// Views for operators: who lacks their scope is told so, and nothing is asked for.

import { h } from '../lib/dom.js';
import { notice } from '../lib/parts.js';

const SCOPE = 'verbwire:operator';

/** Return the view, as those see it who have the scope. */
export function forOperators(view) {
  const may = (context) => context.session.scopes.includes(SCOPE);
  return {
    ...view,
    load: async (place, signal, context) => (may(context) ? view.load(place, signal, context) : null),
    draw: (data, place, context, again) => (may(context) ? view.draw(data, place, context, again) : refused()),
  };
}

function refused() {
  return notice('warn', 'This is for operators: your token lacks the scope ', h('code', null, SCOPE), '. Messages and their forms are yours to use.');
}
