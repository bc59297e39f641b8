// Requests to the daemon. Reading is open; a change carries the operator's token, which lives in
// sessionStorage only: closing the tab forgets it. Where the browser refuses that, this page alone has it.

const TOKEN = 'bulwark-token';
const OPERATOR = 'bulwark-operator';
const API = 'api/v1';

/// A refusal: `status` (0: no connection), `message`, and the mistakes where there are any.
export class Problem extends Error {
  constructor(status, message, mistakes = []) {
    super(message);
    this.status = status;
    this.mistakes = mistakes;
  }
}

const refused = new Map(); // what sessionStorage didn't take

function kept(name) {
  try {
    return sessionStorage.getItem(name) ?? refused.get(name) ?? null;
  } catch {
    return refused.get(name) ?? null;
  }
}

function keep(name, value) {
  try {
    sessionStorage.setItem(name, value);
  } catch {
    refused.set(name, value);
  }
}

export const token = () => kept(TOKEN);
export const operator = () => kept(OPERATOR) ?? '';

export function rememberToken(value, name) {
  keep(TOKEN, value);
  keep(OPERATOR, name);
}

export function forgetToken() {
  refused.delete(TOKEN);
  try {
    sessionStorage.removeItem(TOKEN);
  } catch {
    // Then it isn't there.
  }
}

const at = (...parts) => [API, ...parts.map(encodeURIComponent)].join('/');

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, {cache: 'no-store', ...options});
  } catch {
    throw new Problem(0, 'The daemon can’t be reached.');
  }
  const text = await answer.text();
  let content = null;
  try {
    content = text === '' ? null : JSON.parse(text);
  } catch {
    // Not the daemon's own words: a proxy's, perhaps.
  }
  if (!answer.ok)
    throw new Problem(answer.status, content?.detail || content?.title || `The daemon answered ${answer.status}.`,
                      content?.mistakes ?? []);
  return content;
}

function change(method, path, body, type = 'application/json') {
  const headers = {Authorization: `Bearer ${token() ?? ''}`, 'Content-Type': type};
  if (operator() !== '')
    headers['X-Operator'] = operator();
  return ask(path, {method, headers, body});
}

export const getGuards = () => ask(at('guards'));
export const getGuard = (name) => ask(at('guards', name));
export const getWhy = (breaker) => ask(at('breakers', breaker, 'why'));
export const getNodes = () => ask(at('nodes'));
export const getJournal = (before) => ask(`${at('journal')}?limit=100${before ? `&before=${before}` : ''}`);

export const operate = (breaker, action) => change('POST', at('breakers', breaker), JSON.stringify({action}));

/// `settings`: an object, or text in the configuration's syntax.
export function changePolicy(guard, settings, dryRun) {
  const path = at('guards', guard, 'policy') + (dryRun ? '?dry_run=true' : '');
  return typeof settings === 'string' ? change('PUT', path, settings, 'text/plain')
                                      : change('PUT', path, JSON.stringify(settings));
}

export const eventsPath = (after, samples) => `${at('events')}?after=${after}&samples=${samples}`;
