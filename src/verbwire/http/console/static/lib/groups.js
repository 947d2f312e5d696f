// How a group is, from what the broker says of its offsets and what its workers say of its partitions.

import { note } from './history.js';

const LONG = 10; // seconds that records may wait without a word

/** Note what a lag report says of each group, for plots. */
export function noteLag(lag) {
  if (!lag) return;
  for (const each of lag.groups) {
    note(`lag ${each.group}`, lag.at_ms, each.records);
    note(`rate ${each.group}`, lag.at_ms, each.rate);
  }
  note('lag', lag.at_ms, sum(lag.groups.map((each) => each.records)));
  note('rate', lag.at_ms, sum(lag.groups.map((each) => each.rate)));
}

/**
 * Return a group's state: { how, word, why }. `table` is what GET /tables says of it, where it keeps one.
 */
export function groupState(lag, table) {
  const stopped = Object.entries(table?.stopped ?? {});
  if (stopped.length) return { how: 'bad', word: `${stopped.length} of ${table.partitions} partitions stopped`, why: stopped.map(([partition, why]) => `partition ${partition}: ${why}`) };
  if (table?.missing_partitions?.length === table?.partitions && table) return { how: 'bad', word: 'no worker serves it', why: ['no partition is ready: is a worker of its folder running?'] };
  if (table?.missing_partitions?.length) return { how: 'warn', word: `${table.missing_partitions.length} of ${table.partitions} partitions not ready`, why: [`partitions ${table.missing_partitions.join(', ')} are being restored, or moving`] };
  if (!lag || lag.records === null) return { how: '', word: 'its lag is not known', why: [] };
  if (lag.records > 0 && lag.rate === 0 && (lag.seconds ?? 0) > LONG) return { how: 'warn', word: 'stands still', why: [] };
  if (lag.records > 0) return (lag.seconds ?? 0) > LONG ? { how: 'warn', word: 'behind', why: [] } : { how: 'good', word: 'working', why: [] };
  return { how: 'good', word: 'up to date', why: [] };
}

function sum(numbers) {
  const known = numbers.filter((each) => each !== null && each !== undefined);
  return known.length ? known.reduce((one, other) => one + other, 0) : null;
}
