// What an Avro schema says to somebody who fills in a form: of which type a field is, and within which bounds.

const COUNT = new Intl.NumberFormat('en');
const SAFE = 2n ** 53n - 1n;
const WORDS = ['minLength', 'maxLength', 'pattern', 'minimum', 'maximum', 'minItems', 'maxItems', 'minProperties', 'maxProperties'];
const SIZES = { Length: 'characters', Items: 'items', Properties: 'entries' };

/** Return the named types of a schema, by full name: each is spelled out where it stands first. */
export function namedTypes(type, found = new Map()) {
  if (Array.isArray(type)) type.forEach((each) => namedTypes(each, found));
  else if (type && typeof type === 'object') {
    if (type.name) found.set(type.namespace ? `${type.namespace}.${type.name}` : type.name, type);
    for (const field of type.fields ?? []) namedTypes(field.type, found);
    for (const inner of [type.items, type.values, typeof type.type === 'object' ? type.type : null]) namedTypes(inner, found);
  }
  return found;
}

/** Return a type with its name resolved, its bounds and those of its field together, as { sort, nullable, branches … }. */
export function described(type, named, bounds = {}) {
  if (Array.isArray(type)) {
    const branches = type.filter((each) => each !== 'null').map((each) => described(each, named, bounds));
    const nullable = branches.length < type.length;
    return branches.length === 1 ? { ...branches[0], nullable } : { sort: 'union', nullable, branches, bounds: {} };
  }
  const full = typeof type === 'string' ? (named.get(type) ?? { type }) : type;
  if (full.type && typeof full.type === 'object') return described(full.type, named, { ...bounds, ...boundsOf(full) });
  const sort = full.logicalType ?? full.type;
  return { sort: known(sort) ? sort : full.type, avro: full, nullable: false, bounds: { ...bounds, ...boundsOf(full) } };
}

/** Return the bounds that a field or a type has, by their words. */
export function boundsOf(holder) {
  return Object.fromEntries(WORDS.filter((word) => word in holder).map((word) => [word, holder[word]]));
}

/** Return the bounds in words: 1 to 40 characters, at most 1,000. */
export function boundsText(bounds, sort) {
  const sizes = Object.entries(SIZES).map(([word, unit]) => between(bounds[`min${word}`], bounds[`max${word}`], sort === 'bytes' ? 'bytes' : unit));
  return [...sizes, between(bounds.minimum, bounds.maximum), bounds.pattern && `matches ${bounds.pattern}`].filter(Boolean);
}

function between(least, most, unit = '') {
  const text = (number) => (typeof number === 'number' ? COUNT.format(number) : number);
  if (least === undefined && most === undefined) return null;
  if (most === undefined) return `at least ${text(least)} ${unit}`.trim();
  if (least === undefined || (unit && least === 0)) return `at most ${text(most)} ${unit}`.trim();
  return `${least === most ? text(most) : `${text(least)} to ${text(most)}`} ${unit}`.trim();
}

/** Return the type of a field in a word: long, text of a logical type, an array of what. */
export function typeText(type) {
  if (type.sort === 'union') return type.branches.map(typeText).join(' or ');
  const { avro } = type;
  if (type.sort === 'array') return 'list';
  if (type.sort === 'map') return 'map';
  if (type.sort === 'decimal') return `decimal(${avro.precision}, ${avro.scale ?? 0})`;
  if (type.sort === 'fixed') return `${avro.size} bytes`;
  return type.sort === 'record' || type.sort === 'enum' ? avro.name : type.sort;
}

/** Return an integer as JSON has it: a number while every reader gets it right, else its digits. */
export function integer(text) {
  const wide = BigInt(text);
  return wide <= SAFE && wide >= -SAFE ? Number(wide) : String(wide);
}

const SORTS = new Set(['null', 'boolean', 'int', 'long', 'float', 'double', 'bytes', 'string', 'record', 'enum', 'array',
  'map', 'fixed', 'uuid', 'date', 'time-millis', 'time-micros', 'timestamp-millis', 'timestamp-micros',
  'local-timestamp-millis', 'local-timestamp-micros', 'decimal']);

function known(sort) {
  return SORTS.has(sort);
}
