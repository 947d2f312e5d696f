// Where in the console we are: the part of the address behind #, which browsers send to nobody.

/** The place that the address names: the parts of its path, and its parameters. */
export function place() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  return { parts: path.split('/').filter(Boolean).map(decoded), query: new URLSearchParams(query) };
}

/** Return the address of a place. Parameters that are empty are left out. */
export function to(parts, query = {}) {
  const given = Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '');
  const text = new URLSearchParams(given).toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${text && `?${text}`}`;
}

/** Go there. */
export function go(parts, query) {
  location.hash = to(parts, query);
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
