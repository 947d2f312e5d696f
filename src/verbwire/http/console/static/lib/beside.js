// What takes longer to be found out: asked beside a view's own data, and shown as soon as it is there.

import { ask } from './api.js';
import { onSignOut } from './session.js';

const kept = new Map();
onSignOut(() => kept.clear());

/** Return { value, error } of a path as far as it is known; asks again in the background where that is older. */
export function beside(path, seconds, signal) {
  const found = kept.get(path) ?? { value: null, error: null, at: 0, asking: false };
  kept.set(path, found);
  if (!found.asking && Date.now() - found.at > seconds * 1000) renew(path, found, signal);
  return found;
}

async function renew(path, found, signal) {
  found.asking = true;
  try {
    Object.assign(found, { value: await ask(path, { signal }), error: null, at: Date.now() });
  } catch (error) {
    if (error.name !== 'AbortError') Object.assign(found, { error, at: Date.now() });
  } finally {
    found.asking = false;
  }
}
