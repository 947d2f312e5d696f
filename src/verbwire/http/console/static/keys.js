// Keys: / goes to what can be searched, g and a letter to a view.

import { go } from './lib/route.js';

const PLACES = { o: [], m: ['messages'], t: ['tables'], g: ['groups'], p: ['processes'], d: ['dead-letters'], k: ['parked'], s: ['scheduled'], b: ['rebuilds'], r: ['rejections'], f: ['trace'], h: ['http'] };
let leading = false;

/** Listen from now on. What is typed into a field is left alone. */
export function listenToKeys() {
  document.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    const found = leading ? PLACES[event.key] : undefined;
    leading = !leading && event.key === 'g';
    if (found) go(found);
    else if (event.key === '/') search(event);
  });
}

function search(event) {
  const field = document.querySelector('.find');
  if (!field) return;
  event.preventDefault();
  field.focus();
  field.select?.();
}

function isTyping(target) {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'SELECT', 'TEXTAREA'].includes(target.tagName));
}
