// A daemon that isn't one, behind the dashboard's API: for its tests, and to work on it.
//
//     node tests/apps/page/mock.mjs [--guards N] [--port P] [--seed S] [--token T]

import {createServer} from 'node:http';
import {existsSync, readFileSync} from 'node:fs';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {makeGuards} from './simulation.mjs';

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../../..');
const page = path.join(root, 'apps/bulwarkd/page');
export const uplotFolder = process.env.UPLOT ?? path.join(root, 'build/dev/apps/page/node_modules/uplot');
const TYPES = {html: 'text/html; charset=utf-8', css: 'text/css; charset=utf-8', js: 'text/javascript; charset=utf-8', svg: 'image/svg+xml'};
const STEP = 250; // ms of simulation at once

class Refusal extends Error {
  constructor(status, title, detail, mistakes) {
    super(detail);
    Object.assign(this, {status, problem: {type: 'about:blank', title, status, detail, ...(mistakes ? {mistakes} : {})}});
  }
}

// What the daemon's checks would say of the few settings that the simulation knows.
const RANGES = {'retry.max-attempts': [1, 100], 'circuit-breaker.failure-threshold': [0, 10000], 'circuit-breaker.success-threshold': [1, 10000],
  'circuit-breaker.half-open-calls': [1, 10000], 'bulkhead.max-workers': [1, 100000], 'bulkhead.queue-size': [0, 1000000], 'chaos.error-rate': [0, 1]};
const BLOCKS = ['retry', 'circuit-breaker', 'bulkhead', 'chaos'];

function flatten(settings, prefix = '') {
  return Object.entries(settings).flatMap(([key, value]) =>
    value !== null && typeof value === 'object' ? flatten(value, `${prefix}${key}.`) : [[prefix + key, value]]);
}

// `retry { max-attempts = 5 }`, `deadline = 2s`: as much of the configuration's syntax as tests use.
function fromText(text) {
  const result = {};
  const put = (into, part) => {
    for (const [, key, quoted, bare] of part.matchAll(/([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s,{}]+))/g))
      into[key] = quoted ?? (/^-?\d+(\.\d+)?$/.test(bare) ? Number(bare) : bare === 'true' ? true : bare === 'false' ? false : bare);
  };
  put(result, text.replace(/([\w-]+)\s*\{([^}]*)\}/g, (_, block, inner) => (put(result[block] ??= {}, inner), '')));
  return result;
}

export class MockDaemon {
  constructor({guards = 24, seed = 1, token = 'secret', port = 0, name = 'a'} = {}) {
    Object.assign(this, {token, port, name, count: guards, seed});
  }

  /// Also again, at the same port: it counts anew, and only the journal is as it was.
  async start() {
    Object.assign(this, {lastId: 1000 * Date.now(), samples: 0, kept: [], watchers: new Set(), journal: this.journal ?? []});
    this.#write('start', this.name, 'bulwarkd 0.1.0');
    this.guards = makeGuards(this.count, this.seed, (kind, data) => this.#emit(kind, data));
    this.server = createServer((request, response) => this.#serve(request, response));
    await new Promise((resolve, reject) => this.server.once('error', reject).listen(this.port, '127.0.0.1', resolve));
    this.port = this.server.address().port;
    this.begun = this.stepped = Date.now();
    this.timer = setInterval(() => this.#step(), STEP);
    return this;
  }

  get address() {
    return `http://127.0.0.1:${this.port}/`;
  }

  stop() {
    return this.halt();
  }

  async halt() {
    clearInterval(this.timer);
    for (const watcher of this.watchers)
      clearInterval(watcher.timer);
    const closed = new Promise((resolve) => this.server.close(resolve));
    this.server.closeAllConnections();
    await closed;
  }

  #step() {
    const now = Date.now();
    const seconds = Math.min(2, (now - this.stepped) / 1000);
    this.stepped = now;
    for (const guard of this.guards.values())
      guard.step(now, (now - this.begun) / 1000, seconds);
  }

  // As event_frames.cpp has them: rejections have no id and aren't kept.
  #emit(kind, data) {
    const isKept = kind !== 'rejections';
    const event = {time: new Date().toISOString(), ...data, ...(isKept ? {id: ++this.lastId} : {})};
    const text = `${isKept ? `id: ${event.id}\n` : ''}event: ${kind}\ndata: ${JSON.stringify(event)}\n\n`;
    if (kind === 'transition')
      this.#write('transition', event.why, event.name, event.from, event.to);
    else if (isKept)
      this.#write('operator', event.who, event.what, event.from, event.to);
    if (isKept)
      this.kept.push([event.id, text]);
    this.kept.splice(0, Math.max(0, this.kept.length - 1000));
    for (const watcher of this.watchers)
      watcher.response.write(text);
  }

  #write(kind, who, what, from = '', to = '') {
    const id = Math.max(Date.now(), (this.journal.at(-1)?.id ?? 0) + 1);
    this.journal.push({id, time: new Date().toISOString(), kind, who, what, from, to});
  }

  async #serve(request, response) {
    try {
      const url = new URL(request.url, 'http://localhost');
      if (!/^(127\.0\.0\.1|localhost)(:\d+)?$/.test(request.headers.host ?? ''))
        throw new Refusal(403, 'Forbidden', 'this host is not known here');
      const answer = url.pathname.startsWith('/api/v1/') ? await this.#api(request, response, url) : this.#file(url.pathname);
      if (answer !== undefined)
        this.#answer(response, answer);
    } catch (refusal) {
      const problem = refusal.problem ?? {type: 'about:blank', title: 'Internal Server Error', status: 500, detail: String(refusal.stack)};
      response.writeHead(problem.status, {'Content-Type': 'application/problem+json'}).end(JSON.stringify(problem));
    }
  }

  #answer(response, {status = 200, type = 'application/json', content = ''}) {
    response.writeHead(status, {'Content-Type': type, 'Content-Security-Policy': "default-src 'self'", 'X-Frame-Options': 'DENY',
      'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-store'});
    response.end(content);
  }

  #file(pathname) {
    const name = pathname === '/' ? 'index.html' : pathname.slice(1);
    const uplot = {'uplot/uPlot.esm.js': 'dist/uPlot.esm.js', 'uplot/uPlot.min.css': 'dist/uPlot.min.css', 'uplot/LICENSE': 'LICENSE'}[name];
    const file = uplot ? path.join(uplotFolder, uplot) : path.join(page, name);
    if ((!uplot && !/^[\w-]+\.(html|css|js|svg)$/.test(name)) || !existsSync(file))
      throw new Refusal(404, 'Not Found', `there is no ${pathname}`);
    return {type: TYPES[name.split('.').pop()] ?? 'text/plain; charset=utf-8', content: readFileSync(file)};
  }

  #guard(name) {
    const guard = this.guards.get(name);
    if (!guard)
      throw new Refusal(404, 'Not Found', `there is no guard '${name}'`);
    return guard;
  }

  #breaker(name) {
    const guard = [...this.guards.values()].find((each) => each.breaker?.name === name);
    if (!guard)
      throw new Refusal(404, 'Not Found', `there is no circuit breaker '${name}'`);
    return guard;
  }

  #check(request) {
    if (request.headers.origin && new URL(request.headers.origin).host !== request.headers.host)
      throw new Refusal(403, 'Forbidden', 'changes are taken from the same origin only');
    if (request.headers.authorization !== `Bearer ${this.token}`)
      throw new Refusal(401, 'Unauthorized', 'changes need the token');
  }

  async #body(request) {
    let text = '';
    for await (const piece of request)
      if ((text += piece).length > 65536)
        throw new Refusal(413, 'Content Too Large', 'at most 64 KiB');
    return text;
  }

  async #api(request, response, url) {
    const [what, name, more] = url.pathname.split('/').slice(3).map(decodeURIComponent);
    const json = (value) => ({content: JSON.stringify(value)});
    const key = `${request.method} ${what}${name === undefined ? '' : '/NAME'}${more === undefined ? '' : `/${more}`}`;
    const now = Date.now();
    switch (key) {
      case 'GET guards':
        return json({node: this.name, time: new Date().toISOString(), guards: [...this.guards.values()].map((guard) => guard.json)});
      case 'GET guards/NAME': {
        const guard = this.#guard(name);
        return json({...guard.json, policy: guard.policy});
      }
      case 'GET breakers/NAME/why':
        return json(this.#breaker(name).why(now));
      case 'GET nodes':
        return json(this.#nodes());
      case 'GET events':
        return this.#watch(response, url.searchParams);
      case 'GET journal': {
        const before = Number(url.searchParams.get('before') ?? Infinity);
        return json({entries: this.journal.filter((entry) => entry.id < before).slice(-Number(url.searchParams.get('limit') ?? 100)).reverse()});
      }
      case 'POST breakers/NAME': {
        this.#check(request);
        const {action} = JSON.parse(await this.#body(request));
        const guard = this.#breaker(name);
        guard.operate(action, now);
        this.#emit('change', {who: this.#who(request), what: `circuit breaker ${name}`, from: '', to: action});
        return {status: 204};
      }
      case 'PUT guards/NAME/policy':
        this.#check(request);
        return json(this.#change(this.#guard(name), await this.#body(request), request, url.searchParams.get('dry_run') === 'true'));
      case 'POST guards/NAME/call': {
        this.#check(request);
        const guard = this.#guard(name);
        const {value} = JSON.parse(await this.#body(request));
        const error = guard.call(now, Number(guard.policy.chaos?.['error-rate'] ?? 0));
        if (error)
          throw new Refusal(502, 'Bad Gateway', error);
        return json({reply: String(value)});
      }
      default:
        throw new Refusal(404, 'Not Found', `there is no ${url.pathname}`);
    }
  }

  #who(request) {
    return request.headers['x-operator'] ?? request.socket.remoteAddress;
  }

  #change(guard, body, request, dryRun) {
    const wanted = flatten(request.headers['content-type']?.startsWith('text/plain') ? fromText(body) : JSON.parse(body));
    const mistakes = [];
    for (const [key, value] of wanted) {
      const block = key.includes('.') ? key.split('.')[0] : null;
      const range = RANGES[key];
      if (block && !BLOCKS.includes(block))
        mistakes.push(`bulwark.guards.${guard.name}.${key}: no such key`);
      else if (range && !(Number(value) >= range[0] && Number(value) <= range[1]))
        mistakes.push(`bulwark.guards.${guard.name}.${key} = ${value}: must be ${range[0]} .. ${range[1]}`);
    }
    if (mistakes.length > 0)
      throw new Refusal(422, 'Unprocessable Content', mistakes.length === 1 ? 'one setting is wrong' : `${mistakes.length} settings are wrong`, mistakes);
    const before = Object.fromEntries(flatten(guard.policy));
    const changes = wanted.filter(([key, value]) => String(before[key] ?? '') !== String(value))
      .map(([key, value]) => ({path: `bulwark.guards.${guard.name}.${key}`, from: String(before[key] ?? ''), to: String(value)}));
    if (!dryRun && changes.length > 0) {
      for (const [key, value] of wanted) {
        const [block, field] = key.includes('.') ? key.split('.') : [null, key];
        if (block)
          guard.policy[block] = {...guard.policy[block], [field]: value};
        else
          guard.policy[field] = value;
      }
      if (guard.policy.chaos && !(Number(guard.policy.chaos['error-rate']) > 0))
        delete guard.policy.chaos;
      guard.version += 1;
      for (const {path: key, from, to} of changes)
        this.#emit('change', {who: this.#who(request), what: key, from, to});
    }
    return {changes};
  }

  #nodes() {
    const sum = {calls: 0, succeeded: 0, failed: 0, rejected: 0, timed_out: 0, cancelled: 0, in_flight: 0};
    for (const guard of this.guards.values())
      for (const key of Object.keys(sum))
        sum[key] += guard.calls[key];
    const latency = {count: sum.succeeded, p50: 0.004, p90: 0.021, p99: 0.19, max: 2.1};
    const nodes = [
      {name: this.name, address: '127.0.0.1:4711', state: 'here', age: 0, restarts: 0, calls: sum, latency},
      {name: 'b', address: '10.0.0.11:4711', state: 'connected', age: 0.4, restarts: 1, calls: sum, latency},
      {name: 'c', address: '10.0.0.12:4711', state: 'lost', age: 81, restarts: 0, calls: {...sum, failed: sum.failed + 40}, latency},
    ];
    return {nodes, total: {calls: sum, latency}, unresolved: 3};
  }

  #watch(response, parameters) {
    response.writeHead(200, {'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store', 'X-Content-Type-Options': 'nosniff'});
    response.write('retry: 2000\n\n');
    const after = Number(parameters.get('after') ?? this.lastId);
    for (const [id, text] of this.kept)
      if (id > after)
        response.write(text);
    const watcher = {response, told: new Map()};
    const samples = Number(parameters.get('samples') ?? 0);
    if (samples > 0) {
      this.#sample(watcher);
      watcher.timer = setInterval(() => this.#sample(watcher), 1000 * samples);
    }
    const comments = setInterval(() => response.write(':\n\n'), 15_000);
    this.watchers.add(watcher);
    response.on('close', () => {
      this.watchers.delete(watcher);
      clearInterval(watcher.timer);
      clearInterval(comments);
    });
  }

  #sample({response, told}) {
    ++this.samples;
    const guards = [];
    for (const guard of this.guards.values())
      if (told.get(guard) !== guard.version) {
        told.set(guard, guard.version);
        guards.push(guard.json);
      }
    response.write(`event: sample\ndata: ${JSON.stringify({time: new Date().toISOString(), guards})}\n\n`);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const option = (name, other) => {
    const at = process.argv.indexOf(`--${name}`);
    return at < 0 ? other : process.argv[at + 1];
  };
  const daemon = await new MockDaemon({guards: Number(option('guards', 24)), port: Number(option('port', 0)), seed: Number(option('seed', 1)), token: option('token', 'secret')}).start();
  console.log(`${daemon.address} with ${daemon.guards.size} guards; the token is ${daemon.token}`);
}
