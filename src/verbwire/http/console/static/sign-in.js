// Signing in: a bearer token, which never stands in an address and is no cookie.

import { h } from './lib/dom.js';
import { notice } from './lib/parts.js';
import { signIn } from './lib/session.js';

/** The form; `why` somebody was signed out, `done` is called with a new token in the session. */
export function signInView(why, done) {
  const token = h('input', { id: 'token', type: 'password', class: 'code', autocomplete: 'off', required: true, autofocus: true });
  const keep = h('input', { type: 'checkbox', checked: true });
  const onsubmit = (event) => {
    event.preventDefault();
    const text = token.value.trim().replace(/^bearer\s+/i, '');
    if (!text) return;
    signIn(text, keep.checked);
    done();
  };
  return h('main', { id: 'main', class: 'sign-in' },
    h('h1', null, 'verbwire'),
    why && notice('warn', why),
    h('form', { class: 'stack', onsubmit },
      h('div', { class: 'field' },
        h('div', { class: 'name' }, h('label', { for: 'token' }, 'Token')), token,
        h('div', { class: 'doc' }, 'What operators see needs the scope ', h('code', null, 'verbwire:operator'), '. For development, ',
          h('code', null, 'verbwire token --scope verbwire:operator'), ' prints one.')),
      h('label', null, keep, 'Keep it until this tab is closed'),
      h('div', { class: 'row' }, h('button', { class: 'first', type: 'submit' }, 'Sign in'))));
}
