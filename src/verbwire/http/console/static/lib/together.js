// Several questions at once, of which each may fail by itself: what could be answered is shown, and why the rest was not.

import { ask } from './api.js';

/** Return { name: answer or null, errors: { name: error } } of paths by name. */
export async function together(paths, signal) {
  const names = Object.keys(paths);
  const answers = await Promise.allSettled(names.map((name) => ask(paths[name], { signal })));
  signal?.throwIfAborted();
  const found = { errors: {} };
  answers.forEach((each, at) => {
    found[names[at]] = each.status === 'fulfilled' ? each.value : null;
    if (each.status === 'rejected') found.errors[names[at]] = each.reason;
  });
  if (Object.keys(found.errors).length === names.length) throw Object.values(found.errors)[0];
  return found;
}
