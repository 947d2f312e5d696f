// The HTTP interface as its OpenAPI document describes it, each GET to be tried out here. Commands have their forms.

import { ask, call } from '../lib/api.js';
import { h } from '../lib/dom.js';
import { duration } from '../lib/format.js';
import { copier, json, panel } from '../lib/parts.js';
import { to } from '../lib/route.js';
import { curl } from '../forms/message.js';

export const httpApi = {
  title: () => 'HTTP',
  about: 'as the OpenAPI document describes it',
  load: (_, signal) => ask('openapi.json', { signal }),
  draw: (document_, { query }) => {
    const find = query.get('find') ?? '';
    const paths = Object.entries(document_.paths).filter(([path]) => path.toLowerCase().includes(find.toLowerCase()));
    return [
      h('p', { class: 'dim' }, document_.info.description, ' ', h('a', { href: 'openapi.json', download: 'openapi.json', onclick: download }, 'openapi.json'), ` version ${document_.info.version}`),
      panel('Paths', { flush: true }, paths.map(([path, item]) => Object.entries(item).map(([method, operation]) => entry(path, method, operation, document_)))),
    ];
  },
};

// A link carries no token: the document is asked for with it, and handed to the browser as a file.
async function download(event) {
  event.preventDefault();
  const { text } = await call('openapi.json');
  const url = URL.createObjectURL(new Blob([text], { type: 'application/json' }));
  const link = document.createElement('a');
  Object.assign(link, { href: url, download: 'openapi.json' });
  link.click();
  URL.revokeObjectURL(url);
}

function entry(path, method, operation, document_) {
  const name = path.split('/').at(-1);
  const message = /^\/(commands|queries)\//.test(path);
  return h('details', { class: 'operation', 'data-key': method + path },
    h('summary', null, h('span', { class: 'tag' }, method.toUpperCase()), ' ', h('code', null, path), ' ', h('span', { class: 'dim' }, operation.summary ?? '')),
    h('div', { class: 'body' }, operation.description && h('p', null, operation.description),
      h('p', { class: 'dim' }, 'answers ', Object.keys(operation.responses).join(', ')),
      message ? h('p', null, h('a', { href: to(['messages', name]) }, `Its form, made from the contract of ${name}`)) : method === 'get' && attempt(path, operation, document_)));
}

function attempt(path, operation, document_) {
  const parameters = (operation.parameters ?? []).map((each) => resolved(each, document_)).filter((each) => each.in !== 'header');
  const shown = h('div', { class: 'items', 'aria-live': 'polite' });
  const onsubmit = async (event) => {
    event.preventDefault();
    await run(filled(path, parameters, new FormData(event.currentTarget)), shown);
  };
  return h('form', { class: 'stack', onsubmit },
    parameters.length > 0 && h('div', { class: 'filters' }, parameters.map((each) => h('label', null, each.name, h('input', { name: each.name, class: 'code', required: each.in === 'path', placeholder: each.description ?? '' })))),
    h('div', { class: 'row' }, h('button', { type: 'submit' }, 'Try it')), shown);
}

async function run(path, shown) {
  try {
    const { status, seconds, body, text } = await call(path);
    const line = curl('GET', path);
    shown.replaceChildren(h('p', { class: 'dim' }, `${status}, ${duration(seconds)}`), body === null ? h('pre', { tabindex: 0 }, text.slice(0, 50_000)) : json(body), h('pre', { tabindex: 0 }, line), copier(line));
  } catch (error) {
    shown.replaceChildren(h('p', { class: 'bad' }, error.message));
  }
}

function filled(path, parameters, given) {
  const inPath = parameters.filter((each) => each.in === 'path').reduce((text, { name }) => text.replace(`{${name}}`, () => encodeURIComponent(given.get(name))), path.slice(1));
  const query = new URLSearchParams(parameters.filter((each) => each.in === 'query' && given.get(each.name)).map(({ name }) => [name, given.get(name)]));
  return query.size ? `${inPath}?${query}` : inPath;
}

function resolved(parameter, document_) {
  return parameter.$ref ? document_.components.parameters[parameter.$ref.split('/').at(-1)] : parameter;
}
