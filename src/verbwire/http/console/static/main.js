// The console: signs in, then shows the view that the address names. Each view is a module of `views`.

import { ask } from './lib/api.js';
import { h } from './lib/dom.js';
import { Live } from './lib/live.js';
import { place } from './lib/route.js';
import { bearer, onSignOut } from './lib/session.js';
import { applyTheme } from './lib/theme.js';
import { trouble } from './lib/parts.js';
import { listenToKeys } from './keys.js';
import { frame } from './frame.js';
import { signInView } from './sign-in.js';
import { viewOf } from './views/all.js';

const root = document.getElementById('frame');
let context = null;
let live = null;

async function start(why = '') {
  live?.stop();
  context = null;
  if (!bearer()) {
    root.replaceChildren(signInView(why, start));
    return;
  }
  try {
    const [session, catalog] = await Promise.all([ask('console/api/session'), ask('console/api/catalog')]);
    context = { session, ...indexed(catalog) };
    go();
  } catch (error) {
    if (bearer()) root.replaceChildren(h('main', { class: 'main', id: 'main' }, trouble(error), h('button', { onclick: () => start() }, 'Try again')));
  }
}

function indexed(catalog) {
  return {
    catalog,
    messages: new Map(catalog.messages.map((each) => [each.name, each])),
    tables: new Map(catalog.tables.map((each) => [each.name, each])),
  };
}

function go() {
  live?.stop();
  if (!context) return;
  const at = place();
  const view = viewOf(at);
  const body = h('div', { class: 'stack', 'data-key': location.hash || '#/' });
  root.replaceChildren(frame({ at, view, context, body }));
  document.title = `${view.title(at)} · ${context.session.project}`;
  let seenAt;
  live = new Live(body, view, at, context, ({ at: now, error }) => {
    seenAt = now ?? seenAt;
    sayAge(root.querySelector('.asof'), seenAt, error);
  });
  live.start();
  window.scrollTo(0, 0);
}

function sayAge(element, seenAt, error) {
  const then = seenAt ? ` Shown is what was so at ${clock(seenAt)}.` : '';
  element.className = error ? 'asof bad' : 'asof';
  element.textContent = error ? error.message + then : `as of ${clock(seenAt)}`;
}

function skip(event) {
  event.preventDefault(); // the address is the view's
  document.getElementById('main')?.focus();
}

function clock(at) {
  return `${new Date(at).toISOString().slice(11, 19)} UTC`;
}

applyTheme();
onSignOut(start);
listenToKeys();
window.addEventListener('hashchange', go);
document.querySelector('.skip').addEventListener('click', skip);
start();
