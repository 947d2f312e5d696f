// How numbers, times and sizes are written. What is not known is a question mark, never a zero.

const COUNT = new Intl.NumberFormat('en');
const UNITS = [[86400, 'd'], [3600, 'h'], [60, 'min']];

/** 1,234; ? where it is not known. */
export function count(value) {
  return value === null || value === undefined ? '?' : COUNT.format(value);
}

/** A rate a second: 0, 0.4, 12, 3,400. */
export function rate(value) {
  if (value === null || value === undefined) return '?';
  return value > 0 && value < 10 ? value.toFixed(1) : COUNT.format(Math.round(value));
}

/** 0.4 s, 12 s, 3 min, 2.5 h, 4 d. */
export function duration(seconds) {
  if (seconds === null || seconds === undefined) return '?';
  for (const [size, unit] of UNITS) if (seconds >= size) return `${short(seconds / size)} ${unit}`;
  return seconds < 1 && seconds > 0 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : `${short(seconds)} s`;
}

/** A moment of UTC, out of milliseconds or of text of RFC 3339. */
export function moment(at) {
  if (at === null || at === undefined) return '?';
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return String(at);
  return date.toISOString().replace('T', ' ').replace(/Z$/, '');
}

/** The name behind the last dot. */
export function shortName(name) {
  return name.slice(name.lastIndexOf('.') + 1);
}

/** 0, 1, 2, 5 as 0-2, 5. */
export function ranges(numbers) {
  const runs = [];
  for (const each of [...numbers].sort((one, other) => one - other)) {
    if (runs.length && runs.at(-1)[1] === each - 1) runs.at(-1)[1] = each;
    else runs.push([each, each]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(', ') || '-';
}

/**
 * Text whose unseen characters (controls, bidi marks, what takes no room) are spelled out, as they are in a terminal.
 */
export function visible(text) {
  return String(text).replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu, (found) => {
    if (found === '\n' || found === '\t') return found;
    return `\\u{${found.codePointAt(0).toString(16)}}`;
  });
}

/** A value of a record as one line. */
export function value(given) {
  if (given === null || given === undefined) return '';
  return visible(typeof given === 'object' ? JSON.stringify(given) : given);
}

function short(number) {
  return number < 10 ? String(Math.round(number * 10) / 10) : COUNT.format(Math.round(number));
}
