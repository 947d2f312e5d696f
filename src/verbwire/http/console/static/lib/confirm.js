// Asks before something is done that cannot be taken back, and shows what came of it.

import { h } from './dom.js';
import { trouble } from './parts.js';

/**
 * Show a question; do `act` when it is answered with yes, and show what `told` makes of the result. Returns when the
 * dialog is closed. With `reason` one has to be typed first, with which `act` is called.
 */
export function confirmed(question, explained, verb, act, told, { reason = false } = {}) {
  const why = reason && h('input', { type: 'text', maxlength: 500, 'aria-label': 'Why', placeholder: 'Why, for whoever looks for it later' });
  const body = h('div', { class: 'stack' }, h('p', null, explained), why);
  const yes = h('button', { class: 'first', type: 'button' }, verb);
  const no = h('button', { value: 'no' }, 'Cancel');
  const dialog = h('dialog', { 'aria-label': question }, h('form', { method: 'dialog' }, h('h2', null, question), body, h('div', { class: 'row' }, yes, no)));
  yes.addEventListener('click', async () => {
    if (why && !why.value.trim()) {
      why.focus();
      return;
    }
    yes.disabled = true;
    try {
      body.replaceChildren(...told(await act(why ? why.value.trim() : undefined)).filter(Boolean));
    } catch (error) {
      body.replaceChildren(trouble(error));
    }
    yes.remove();
    no.textContent = 'Close';
    no.focus();
  });
  document.body.append(dialog);
  dialog.showModal();
  no.focus();
  return new Promise((resolve) => {
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve();
    });
  });
}
