// Asks the worker that has served this page. Paths are relative: behind a proxy the console may lie under any prefix.

import { bearer, signOut } from './session.js';

/** A problem of RFC 9457, or what kept the request from being answered: then `status` is 0. */
export class Problem extends Error {
  constructor(status, code, detail, body = {}) {
    super(detail);
    Object.assign(this, { status, code, body });
  }
}

/** Return the JSON that a path answers with; raises Problem for everything but success. */
export async function ask(path, options) {
  const answer = await call(path, options);
  if (answer.status >= 400) throw problem(answer);
  return answer.body;
}

/** Return status, headers and body of any answer; Problem only where there was none, or the token is not good. */
export async function call(path, { method = 'GET', headers = {}, body, signal } = {}) {
  const sent = { Accept: 'application/json', Authorization: `Bearer ${bearer()}`, ...headers };
  if (body !== undefined) sent['Content-Type'] = 'application/json';
  const began = performance.now();
  const answer = await fetched(path.replace(/^\//, ''), { method, headers: sent, body, signal });
  const text = await answer.text();
  const found = {
    status: answer.status,
    headers: answer.headers,
    text,
    body: parsed(text, answer.headers.get('content-type') ?? ''),
    seconds: (performance.now() - began) / 1000,
  };
  if (answer.status === 401) {
    signOut('The token is not valid, or no longer: take another.');
    throw problem(found);
  }
  return found;
}

async function fetched(path, options) {
  const fixed = { cache: 'no-store', credentials: 'omit', redirect: 'error', referrerPolicy: 'no-referrer' };
  try {
    return await fetch(path, { ...options, ...fixed });
  } catch (error) {
    if (error.name === 'AbortError') throw error;
    throw new Problem(0, 'unreachable', 'This worker does not answer: it was stopped, or the network is down.');
  }
}

function parsed(text, type) {
  if (!type.includes('json')) return null;
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function problem({ status, body }) {
  return new Problem(status, body?.code ?? 'unknown', body?.detail ?? `status ${status}`, body ?? {});
}
