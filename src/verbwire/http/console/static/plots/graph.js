// The topology, drawn where the worker has placed it and coloured by how things are. Hovering or focusing a box shows
// what it is connected with.

import { s } from '../lib/dom.js';
import { count } from '../lib/format.js';
import { to } from '../lib/route.js';

const HEAD = 40;
const LINE = 16;
const PAD = 12;
const ROUND = 7;

/**
 * Draw it. `state` returns { how, word, lag, rate } of a node's id, or nothing; `flow` whether records travel an edge.
 */
export function graph(drawing, { state, flow }) {
  return s('svg', { viewBox: `0 0 ${drawing.width} ${drawing.height}`, width: drawing.width, height: drawing.height, role: 'group', 'aria-label': 'Topology' },
    s('defs', null, s('marker', { id: 'tip', viewBox: '0 0 8 8', refX: 7, refY: 4, markerWidth: 7, markerHeight: 7, orient: 'auto' }, s('path', { class: 'tip', d: 'M0 .8 8 4 0 7.2z' }))),
    s('g', null, drawing.lines.map((line) => edge(line, flow(line), state(line.target)))),
    drawing.boxes.map((box) => node(box, state(box.id) ?? {})));
}

function node(box, { how, word, lag, rate }) {
  const told = [`${box.kind} ${box.name}`, generation(box), word, lag ? `${count(lag)} records behind` : null, rate].filter(Boolean).join(', ');
  return s('a', { href: addressOf(box), class: `node ${box.kind} ${how ?? ''}`, 'data-key': box.id, 'aria-label': told,
    onmouseenter: (event) => near(event.currentTarget, box.id), onfocus: (event) => near(event.currentTarget, box.id),
    onmouseleave: (event) => near(event.currentTarget, null), onblur: (event) => near(event.currentTarget, null) },
  s('title', null, told),
  s('g', { transform: `translate(${box.x} ${box.y})` },
    s('rect', { class: 'box', width: box.width, height: box.height, rx: 5, 'stroke-dasharray': box.imported ? '5 4' : null }),
    how && light(how, box.width - 12),
    s('text', { class: 'kind', x: PAD, y: 15 }, box.kind + (rate && !lag ? `  ${rate}` : '')),
    s('text', { class: 'title', x: PAD, y: 31 }, box.title),
    lag > 0 && s('text', { class: `lag ${how === 'bad' ? 'bad' : ''}`, x: box.width - 22, y: 15, 'text-anchor': 'end' }, `${count(lag)} behind`),
    box.lines.map((line, at) => s('text', { class: 'head', x: PAD, y: HEAD + 11 + at * LINE }, line))));
}

// A shape as well as a colour: a disc is good, a square on its tip is a warning, a square is bad.
function light(how, x) {
  if (how === 'good') return s('circle', { class: `light ${how}`, cx: x, cy: 11, r: 4 });
  return s('rect', { class: `light ${how}`, x: x - 4, y: 7, width: 8, height: 8, transform: how === 'warn' ? `rotate(45 ${x} 11)` : null });
}

// Of a table that was rebuilt: which generation serves.
function generation({ generations: [serving] = [] }) {
  return serving === undefined ? null : `generation ${serving} serves`;
}

function addressOf({ kind, name, messages, context }) {
  if (kind === 'commands') return to(['messages'], { kind: 'command', find: `${context}.` });
  if (kind === 'events') return to(['messages'], { kind: 'event', find: `${context}.` });
  if (kind === 'query') return to(['messages', name]);
  return kind === 'responder' ? to(['messages', messages[0] ?? '']) : to(['groups', name]);
}

function edge({ source, target, kind, messages, rekeyed, points }, flows, reached) {
  const behind = reached?.lag > 0 && (kind === 'reads' || kind === 'receives');
  const path = points.length === 2 ? curve(...points) : corners(points);
  const names = messages.map((each) => each.slice(each.lastIndexOf('.') + 1) + (rekeyed.includes(each) ? ' (re-keyed)' : ''));
  return s('path', { class: ['edge', flows && 'flows', behind && 'behind', kind === 'sends' && 'back'].filter(Boolean).join(' '),
    'data-source': source, 'data-target': target, d: path, 'marker-end': 'url(#tip)' }, s('title', null, `${kind} ${names.join(', ')}`));
}

function curve([x, y], [toX, toY]) {
  const half = (toX - x) / 2;
  return `M${x} ${y}C${x + half} ${y} ${toX - half} ${toY} ${toX} ${toY}`;
}

function corners(points) {
  let path = `M${points[0].join(' ')}`;
  for (let at = 1; at < points.length - 1; at += 1) {
    const [from, after] = [towards(points[at], points[at - 1]), towards(points[at], points[at + 1])];
    path += `L${from.join(' ')}Q${points[at].join(' ')} ${after.join(' ')}`;
  }
  return `${path}L${points.at(-1).join(' ')}`;
}

function towards([x, y], [otherX, otherY]) {
  const length = Math.max(Math.abs(otherX - x), Math.abs(otherY - y)) || 1;
  const part = Math.min(ROUND, length / 2) / length;
  return [x + (otherX - x) * part, y + (otherY - y) * part];
}

function near(element, id) {
  for (const each of element.ownerSVGElement.querySelectorAll('.edge')) {
    const touches = each.dataset.source === id || each.dataset.target === id;
    each.classList.toggle('near', id !== null && touches);
    each.classList.toggle('far', id !== null && !touches);
  }
}
