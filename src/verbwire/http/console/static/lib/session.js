// Who is signed in: the token, which stays in this tab and goes nowhere but into the header of requests.

const KEY = 'verbwire.token';
const listeners = new Set();
let token = sessionStorage.getItem(KEY);

/** The bearer token, null where nobody is signed in. */
export function bearer() {
  return token;
}

/** Take a token. With `kept` it outlives a reload of this tab, but not the tab. */
export function signIn(given, kept) {
  token = given;
  if (kept) sessionStorage.setItem(KEY, given);
  else sessionStorage.removeItem(KEY);
}

/** Forget the token; `why` is told to whoever signs in next. */
export function signOut(why = '') {
  token = null;
  sessionStorage.removeItem(KEY);
  for (const each of listeners) each(why);
}

/** Call this whenever somebody was signed out. */
export function onSignOut(listener) {
  listeners.add(listener);
}
