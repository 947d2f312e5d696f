// Fields of a form, made of Avro types: nested records, lists, maps, unions, and single values.
// Each is { node, read }: `read` returns the value as JSON, undefined where it is left out, or throws Misfit.

import { h } from '../lib/dom.js';
import { boundsOf, boundsText, described, typeText } from './avro.js';
import { choices, outOfBounds, scalar } from './scalars.js';

const KEY_BOUNDS = { minLength: 1, maxLength: 200 }; // where a contract says nothing (contracts/schema/bounds.py)
const COMPOUND = new Set(['array', 'map', 'record', 'union']);
let numbered = 0;

/** Why a field cannot be sent as it is filled in; `path` names it. */
export class Misfit extends Error {
  constructor(path, why) {
    super(`${path}: ${why}`);
    this.path = path;
  }
}

/** All fields of a record, one below the other. `given` are values to start with, by name; `key` names those of the key. */
export function recordFields(record, named, path = '', given = {}, key = []) {
  const fields = record.fields.map((each) => recordField(key.includes(each.name) ? { ...KEY_BOUNDS, ...each } : each, named, path ? `${path}.${each.name}` : each.name, given[each.name]));
  const read = () => Object.fromEntries(fields.map((each) => [each.name, each.read()]).filter(([, value]) => value !== undefined));
  return { node: h('div', { class: 'fields' }, fields.map((each) => each.node)), read };
}

function recordField(field, named, path, given) {
  const type = described(field.type, named, boundsOf(field));
  const optional = 'default' in field;
  const id = `field-${numbered += 1}`;
  const inner = input(type, named, path, given ?? (optional ? null : undefined), id);
  const wrong = h('div', { class: 'wrong', role: 'alert', id: `${id}-wrong` });
  const switched = optional || type.nullable ? presence(inner, given !== undefined, COMPOUND.has(type.sort)) : null;
  const words = [typeText(type), ...(type.nullable ? ['or null'] : []), ...boundsText(type.bounds, type.sort)].join(', ');
  const doc = field.doc ? h('div', { class: 'doc', id: `${id}-doc` }, field.doc) : null;
  const node = h('div', { class: 'field', 'data-field': path },
    h('div', { class: 'name' }, h('label', { for: id }, field.name), h('span', { class: 'kind' }, words), switched?.node),
    doc, inner.node, wrong);
  inner.node.querySelector?.(`#${id}`)?.setAttribute('aria-describedby', [doc && `${id}-doc`, `${id}-wrong`].filter(Boolean).join(' '));
  return { name: field.name, node, read: () => noted(wrong, () => value(inner, switched, type, optional)) };
}

function value(inner, switched, type, optional) {
  if (switched && !switched.on()) return optional ? undefined : null;
  return inner.read();
}

// What is wrong stands below its field as well as in the form's summary.
function noted(wrong, read) {
  wrong.textContent = '';
  try {
    return read();
  } catch (error) {
    if (error instanceof Misfit) wrong.textContent = error.message;
    throw error;
  }
}

// Whether an optional field is sent: null and an empty text are two things. Typing into it sends it.
function presence(inner, on, compound) {
  const box = h('input', { type: 'checkbox', checked: on, onchange: () => hide() });
  const hide = () => {
    inner.node.hidden = compound && !box.checked;
  };
  inner.touched = () => {
    box.checked = true;
  };
  hide();
  return { node: h('label', { class: 'kind' }, box, 'send'), on: () => box.checked };
}

/** The input of any type. */
export function input(type, named, path, given, id) {
  switch (type.sort) {
    case 'record': return recordFields(type.avro, named, path, given ?? {});
    case 'array': return list(type, named, path, given ?? []);
    case 'map': return map(type, named, path, given ?? {});
    case 'union': return union(type, named, path, id);
    case 'boolean': return oneOf(['false', 'true'], String(given ?? false), id, (text) => text === 'true');
    case 'enum': return oneOf(type.avro.symbols, given ?? type.avro.symbols[0], id, (text) => text);
    case 'null': return { node: h('span', { class: 'dim' }, 'null'), read: () => null };
    default: return single(type, path, given, id);
  }
}

function oneOf(symbols, chosen, id, read) {
  const found = { touched: null };
  const select = choices(id, symbols, chosen);
  select.addEventListener('change', () => found.touched?.());
  return Object.assign(found, { node: h('div', { class: 'input' }, select), read: () => read(select.value) });
}

function single(type, path, given, id) {
  const how = scalar(type);
  const found = { touched: null };
  const long = type.sort === 'string' && type.bounds.maxLength > 200;
  const element = h(long ? 'textarea' : 'input', {
    id, type: long ? null : how.kind ?? 'text', class: 'code', inputmode: how.mode, placeholder: how.hint, autocomplete: 'off',
    spellcheck: 'false', value: given ?? '', oninput: () => found.touched?.(), rows: long ? 3 : null,
  });
  const fill = how.fill && h('button', { type: 'button', onclick: () => put(element, how.fill[1]()) }, how.fill[0]);
  const read = () => {
    if (element.value === '' && !how.empty) throw new Misfit(path, 'something has to stand here');
    const found = parsed(how, element.value, path);
    const why = outOfBounds(found, type);
    if (why) throw new Misfit(path, why);
    return found;
  };
  return Object.assign(found, { node: h('div', { class: 'input' }, element, fill), read });
}

function put(element, text) {
  element.value = text;
  element.dispatchEvent(new Event('input'));
}

function parsed(how, text, path) {
  try {
    return how.read(text);
  } catch (error) {
    throw new Misfit(path, `this is no value of its type: write ${error.message}`);
  }
}

function list(type, named, path, given) {
  const inner = described(type.avro.items, named);
  const items = [];
  const body = h('div', { class: 'items' });
  const found = { touched: null };
  const add = (value) => {
    const item = input(inner, named, `${path}[${items.length}]`, value, `field-${numbered += 1}`);
    items.push(item);
    body.append(line(item.node, () => items.splice(items.indexOf(item), 1)));
  };
  given.forEach(add);
  const more = adder('Add an item', path, () => { add(); found.touched?.(); });
  return Object.assign(found, { node: h('div', { class: 'items' }, body, more), read: () => items.map((each) => each.read()) });
}

function map(type, named, path, given) {
  const inner = described(type.avro.values, named);
  const entries = [];
  const body = h('div', { class: 'items' });
  const found = { touched: null };
  const add = (name = '', value) => {
    const key = h('input', { class: 'code', placeholder: 'name', 'aria-label': `name of an entry of ${path}`, value: name });
    const entry = { key, item: input(inner, named, `${path}{}`, value, `field-${numbered += 1}`) };
    entries.push(entry);
    body.append(line([key, entry.item.node], () => entries.splice(entries.indexOf(entry), 1), 'pair'));
  };
  Object.entries(given).forEach(([name, value]) => add(name, value));
  const more = adder('Add an entry', path, () => { add(); found.touched?.(); });
  return Object.assign(found, { node: h('div', { class: 'items' }, body, more), read: () => entriesOf(entries, path) });
}

function entriesOf(entries, path) {
  const names = entries.map((each) => each.key.value);
  if (new Set(names).size < names.length) throw new Misfit(path, 'a name stands there twice');
  return Object.fromEntries(entries.map((each) => [each.key.value, each.item.read()]));
}

function line(content, remove, kind = '') {
  const node = h('div', { class: `item ${kind}` }, content,
    h('button', { type: 'button', 'aria-label': 'Remove', onclick: () => { remove(); node.remove(); } }, '×'));
  return node;
}

function adder(words, path, add) {
  return h('div', null, h('button', { type: 'button', 'aria-label': `${words} to ${path}`, onclick: add }, words));
}

// Of several types: which of them is chosen first. A wide number beside text stands under the name of its type.
function union(type, named, path, id) {
  const found = { touched: null };
  const holder = h('div');
  let chosen;
  const select = h('select', { id, class: 'code', onchange: () => { choose(); found.touched?.(); } },
    type.branches.map((each, at) => h('option', { value: at }, typeText(each))));
  const choose = () => {
    chosen = input(type.branches[select.value], named, path, undefined, `field-${numbered += 1}`);
    holder.replaceChildren(chosen.node);
  };
  choose();
  const read = () => tagged(type.branches[select.value], chosen.read());
  return Object.assign(found, { node: h('div', { class: 'items' }, select, holder), read });
}

function tagged(branch, value) {
  return branch.sort === 'long' && typeof value === 'string' ? { long: value } : value;
}
