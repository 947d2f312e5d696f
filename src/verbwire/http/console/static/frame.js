// What stands around every view: navigation, who is signed in, the title.

import { h } from './lib/dom.js';
import { signOut } from './lib/session.js';
import { switchTheme, themeWord } from './lib/theme.js';
import { to } from './lib/route.js';
import { NAVIGATION } from './views/all.js';

const UNDER = { history: 'trace', outcomes: 'messages' };

/** The page around a view's `body`. */
export function frame({ at, view, context, body }) {
  return h('div', { class: 'app' },
    h('div', { class: 'side' },
      h('div', { class: 'brand' }, context.session.project, h('small', null, `worker ${context.session.worker}`)),
      h('nav', { class: 'nav', 'aria-label': 'Views' }, NAVIGATION.map(([part, title]) => link(part, title, at))),
      who(context.session)),
    h('main', { class: 'main', id: 'main', tabindex: -1 },
      h('div', { class: 'top' },
        crumbs(view, at), h('h1', null, view.title(at)), view.about && h('span', { class: 'about' }, view.about),
        h('span', { class: 'asof', role: 'status' })),
      body));
}

function link(part, title, at) {
  const here = (UNDER[at.parts[0]] ?? at.parts[0] ?? '') === part;
  return h('a', { href: to(part ? [part] : []), 'aria-current': here ? 'page' : null }, title);
}

function crumbs(view, at) {
  if (at.parts.length < 2) return null;
  const above = UNDER[at.parts[0]] ?? at.parts[0];
  const [, title] = NAVIGATION.find(([part]) => part === above) ?? [];
  return title && h('span', { class: 'crumbs' }, h('a', { href: to([above]) }, title));
}

function who(session) {
  const theme = h('button', { class: 'plain', onclick: (event) => { switchTheme(); event.currentTarget.textContent = themeText(); } }, themeText());
  return h('div', { class: 'who' },
    h('div', null, session.actor, h('div', { class: 'dim' }, scopes(session))),
    h('div', { class: 'buttons' }, theme, h('button', { class: 'plain', onclick: () => signOut() }, 'Sign out')),
    h('div', { class: 'keys' }, h('kbd', null, '/'), ' find, ', h('kbd', null, 'g'), ' + letter: go'));
}

function scopes(session) {
  const ends = session.expires ? `until ${new Date(session.expires * 1000).toISOString().slice(0, 16).replace('T', ' ')} UTC` : '';
  return h('details', null, h('summary', null, `${session.scopes.length} scopes`), session.scopes.join(' '), ' ', ends);
}

function themeText() {
  return `Theme: ${themeWord()}`;
}
