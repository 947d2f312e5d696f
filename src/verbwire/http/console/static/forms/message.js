// The form of a command or a query: its fields, or the same as JSON, and what came of sending it.

import { h } from '../lib/dom.js';
import { notice, trouble } from '../lib/parts.js';
import { namedTypes } from './avro.js';
import { Misfit, recordFields } from './fields.js';

/**
 * Return a form for a message. `send` is given the value, and returns what to show below; `more` are inputs of its own.
 */
export function messageForm(message, { verb, more, send, given }) {
  const fields = recordFields(message.avro, namedTypes(message.avro), '', given, message.key);
  const raw = h('textarea', { 'aria-label': `${message.name} as JSON`, spellcheck: 'false', rows: 12 });
  const body = h('div', null, fields.node);
  const result = h('div', { class: 'items', 'aria-live': 'polite' });
  const button = h('button', { class: 'first', type: 'submit' }, verb);
  const asJson = h('input', { type: 'checkbox', onchange: () => swap(asJson.checked, body, fields, raw) });
  const read = () => (asJson.checked ? fromJson(raw.value) : fields.read());
  const onsubmit = (event) => {
    event.preventDefault();
    submit({ button, result, read, send, form: event.currentTarget });
  };
  return h('form', { class: 'stack', novalidate: true, onsubmit }, body,
    h('details', null, h('summary', { class: 'dim' }, 'How it is sent'), h('div', { class: 'stack' }, more)),
    h('div', { class: 'row' }, button, h('label', { class: 'dim' }, asJson, 'as JSON')), result);
}

async function submit({ button, result, read, send, form }) {
  let value;
  try {
    value = read();
  } catch (error) {
    if (!(error instanceof Misfit)) throw error;
    result.replaceChildren(notice('bad', error.message));
    focusField(form, error.path);
    return;
  }
  button.disabled = true;
  result.replaceChildren(h('p', { class: 'dim alive' }, 'Waiting for the answer …'));
  try {
    await send(value, (...shown) => result.replaceChildren(...shown), (path) => focusField(form, path));
  } catch (error) {
    result.replaceChildren(trouble(error));
  } finally {
    button.disabled = false;
  }
}

/** Put the cursor where something is wrong. */
function focusField(form, path) {
  const field = [...form.querySelectorAll('[data-field]')].find((each) => each.dataset.field === path);
  field?.querySelector('input, select, textarea, button')?.focus();
}

function swap(toJson, body, fields, raw) {
  if (toJson) raw.value = JSON.stringify(valueOf(fields), null, 2);
  body.replaceChildren(toJson ? raw : fields.node);
}

function valueOf(fields) {
  try {
    return fields.read();
  } catch {
    return {};
  }
}

function fromJson(text) {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Misfit('the JSON', error.message);
  }
}

/** Return what a shell would send, with the token left to the reader. */
export function curl(method, path, headers = {}, body) {
  const quoted = (text) => `'${String(text).replaceAll("'", String.raw`'\''`)}'`;
  const lines = [`curl -i${method === 'GET' ? '' : ` -X ${method}`} ${quoted(new URL(path, document.baseURI))}`, `-H "Authorization: Bearer $TOKEN"`];
  for (const [name, value] of Object.entries(headers)) lines.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body !== undefined) lines.push(`-H 'Content-Type: application/json'`, `-d ${quoted(body)}`);
  return lines.join(' \\\n  ');
}

