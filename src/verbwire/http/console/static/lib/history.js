// What numbers were while somebody looked: kept in this page, so that plots go on from view to view.

import { onSignOut } from './session.js';

const MOST = 300;
const kept = new Map();
onSignOut(() => kept.clear());

/** Note a value under a name, at a time in milliseconds; null where it is not known. */
export function note(name, at, value) {
  const samples = kept.get(name) ?? [];
  if (samples.at(-1)?.at === at) return;
  samples.push({ at, value });
  if (samples.length > MOST) samples.shift();
  kept.set(name, samples);
}

/** What was noted under a name. */
export function samplesOf(name) {
  return kept.get(name) ?? [];
}
