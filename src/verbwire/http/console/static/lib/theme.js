// Dark or light: as the system prefers, unless somebody has switched it here.

const KEY = 'verbwire.theme';
const NEXT = { '': 'dark', dark: 'light', light: '' };
const WORDS = { '': 'as the system', dark: 'dark', light: 'light' };

/** The chosen theme in a word. */
export function themeWord() {
  return WORDS[chosen()];
}

/** Take the next of: as the system, dark, light. */
export function switchTheme() {
  const next = NEXT[chosen()];
  localStorage.setItem(KEY, next);
  applyTheme();
}

/** Show the page as it was chosen. */
export function applyTheme() {
  if (chosen()) document.documentElement.dataset.theme = chosen();
  else delete document.documentElement.dataset.theme;
}

function chosen() {
  const kept = localStorage.getItem(KEY) ?? '';
  return kept in NEXT ? kept : '';
}
