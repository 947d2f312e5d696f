// Builds elements. Whatever is data becomes a text node or the value of an attribute, never markup: there is no other
// way to make an element in this console, and the page's policy (Trusted Types) refuses any.

const SVG = 'http://www.w3.org/2000/svg';

/** Return an HTML element. `on…` attributes are functions; null, undefined and false leave an attribute or child out. */
export function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Return an element of SVG. */
export function s(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

/** Have an element show these children, with as little change as there is: focus, scrolling and selection stay. */
export function show(element, ...children) {
  const wanted = element.cloneNode(false);
  append(wanted, children);
  morphChildren(element, wanted);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith('on')) listen(element, name.slice(2), value);
    else if (name === 'value' || name === 'checked' || name === 'indeterminate') element[name] = value;
    else element.setAttribute(name, value === true ? '' : safe(name, String(value)));
  }
  append(element, children);
  return element;
}

// An address out of data leads nowhere but into this page.
function safe(name, value) {
  if (name !== 'href' || value.startsWith('#') || value.startsWith('openapi.json')) return value;
  throw new TypeError(`a link leaves the console: ${value.slice(0, 60)}`);
}

// Listeners call what stands in `handlers` then: so an element that is kept gets the handlers of the one it became.
function listen(element, type, handler) {
  element.handlers ??= {};
  element.handlers[type] = handler;
  element.addEventListener(type, call);
}

function call(event) {
  return event.currentTarget.handlers[event.type]?.(event);
}

function append(element, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false || child === true) continue;
    element.append(child instanceof Node ? child : String(child));
  }
}

function morphChildren(old, wanted) {
  const kept = new Map([...old.children].filter((each) => each.dataset.key).map((each) => [each.dataset.key, each]));
  let place = old.firstChild;
  for (const next of [...wanted.childNodes]) {
    const key = next.dataset?.key;
    const found = key ? kept.get(key) : place;
    if (found && same(found, next)) {
      if (found === place) place = place.nextSibling;
      else old.insertBefore(found, place);
      morph(found, next);
    } else old.insertBefore(next, place);
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

function same(one, other) {
  return one.nodeType === other.nodeType && one.nodeName === other.nodeName && one.dataset?.key === other.dataset?.key;
}

function morph(old, wanted) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== wanted.data) old.data = wanted.data;
    return;
  }
  for (const { name } of [...old.attributes]) {
    if (!wanted.hasAttribute(name) && name !== 'open') old.removeAttribute(name);
  }
  for (const { name, value } of wanted.attributes) if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  old.handlers = wanted.handlers;
  for (const type of Object.keys(wanted.handlers ?? {})) old.addEventListener(type, call);
  if (old.tagName === 'INPUT' || old.tagName === 'SELECT' || old.tagName === 'TEXTAREA') return; // whoever types goes on
  morphChildren(old, wanted);
}
