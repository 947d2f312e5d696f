// Inputs for single values: what is typed, read as the JSON that commands are sent in, or refused with a reason.

import { h } from '../lib/dom.js';
import { integer } from './avro.js';

const INTEGERS = { int: 32n, long: 64n };
const TIME = 'HH:MM:SS or HH:MM:SS.sss';
const MOMENT = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?(Z|[+-]\d\d:\d\d)$/;
const LOCAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,6})?)?$/;

/** What a scalar takes: how its input looks, how its text is read, and what fills it in. */
export function scalar(type) {
  if (type.sort in INTEGERS) return { mode: 'numeric', read: (text) => wholeNumber(text, INTEGERS[type.sort]) };
  if (type.sort === 'float' || type.sort === 'double') return { mode: 'decimal', read: number };
  if (type.sort === 'decimal') return { mode: 'decimal', read: (text) => matching(text, /^-?\d+(\.\d+)?$/, 'a decimal, like 12.50') };
  if (type.sort === 'uuid') return { fill: ['new', () => crypto.randomUUID()], read: (text) => matching(text, /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'a UUID') };
  if (type.sort === 'date') return { kind: 'date', read: (text) => matching(text, /^\d{4}-\d\d-\d\d$/, 'a date, like 2026-11-28') };
  if (type.sort.startsWith('time-')) return { hint: TIME, read: (text) => matching(text, /^\d\d:\d\d:\d\d(\.\d{1,6})?$/, TIME) };
  if (type.sort.startsWith('timestamp-')) {
    return { hint: '2026-11-28T12:00:00Z', fill: ['now', () => new Date().toISOString()], read: (text) => matching(text, MOMENT, 'a time with its zone, like 2026-11-28T12:00:00Z') };
  }
  if (type.sort.startsWith('local-')) return { hint: '2026-11-28T12:00:00', read: (text) => matching(text, LOCAL, 'a time without a zone, like 2026-11-28T12:00:00') };
  if (type.sort === 'bytes' || type.sort === 'fixed') return { hint: 'base64', read: (text) => matching(text, /^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/, 'base64') };
  return { read: (text) => text, empty: true };
}

/** Return what is wrong with a value by its bounds, or null. The worker looks again, and decides. */
export function outOfBounds(value, { bounds, sort }) {
  if (typeof value === 'string' && sort === 'string') {
    const length = [...value].length;
    if (length < bounds.minLength) return `at least ${bounds.minLength} characters`;
    if (length > bounds.maxLength) return `at most ${bounds.maxLength} characters, these are ${length}`;
    return bounds.pattern && !matches(bounds.pattern, value) ? `it has to match ${bounds.pattern}` : null;
  }
  if (sort in INTEGERS || ['float', 'double', 'decimal'].includes(sort)) {
    const found = Number(value);
    if (found < bounds.minimum) return `at least ${bounds.minimum}`;
    if (found > bounds.maximum) return `at most ${bounds.maximum}`;
  }
  return null;
}

/** A drop-down of an enum's symbols. */
export function choices(id, symbols, chosen) {
  return h('select', { id, class: 'code' }, symbols.map((each) => h('option', { selected: each === chosen }, each)));
}

function wholeNumber(text, bits) {
  if (!/^-?\d+$/.test(text)) throw new Error('a whole number');
  const found = BigInt(text);
  if (found !== BigInt.asIntN(Number(bits), found)) throw new Error(`a whole number of at most ${bits} bits`);
  return integer(text);
}

function number(text) {
  if (['NaN', 'Infinity', '-Infinity'].includes(text)) return text;
  if (text.trim() === '' || !Number.isFinite(Number(text))) throw new Error('a number');
  return Number(text);
}

function matching(text, pattern, wanted) {
  if (!pattern.test(text)) throw new Error(wanted);
  return text;
}

// Patterns are those of JSON Schema; one that this browser cannot read is left to the worker.
function matches(pattern, text) {
  try {
    return new RegExp(pattern, 'u').test(text);
  } catch {
    return true;
  }
}
