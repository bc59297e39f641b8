// A shop that a bulwarkd guards: two flaky_services behind it, and callers who come whatever happens.

import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import http from 'node:http';
import {RealDaemon} from './daemon.mjs';

export const PATIENCE = 60_000; // ms, of a machine that has much else to do
const TICK = 20; // ms
const CONNECTIONS = 10; // the admin port makes twelve calls at once; some are for those who look

/// Resolves to the first thing that `look` finds, asked again and again.
export async function until(what, look, within = PATIENCE) {
  const end = Date.now() + within;
  for (;;) {
    const found = await look();
    if (found)
      return found;
    if (Date.now() > end)
      assert.fail(`not within ${within / 1000} s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/// One of the programs behind the shop, with faults on command.
class Service {
  async start(program) {
    this.process = spawn(program, ['--end-with-parent'], {stdio: ['ignore', 'pipe', 'inherit']});
    this.address = await new Promise((resolve, reject) => {
      let said = '';
      this.process.once('error', reject);
      this.process.once('exit', (code) => reject(new Error(`flaky_service ended with ${code}`)));
      this.process.stdout.on('data', (text) => {
        said += text;
        const found = said.match(/http:\/\/[\d.:]+\d(?=\n)/);
        if (found)
          resolve(found[0]);
      });
    });
    return this;
  }

  async faults(changes) {
    const answer = await fetch(`${this.address}/faults`, {method: 'POST', body: JSON.stringify(changes)});
    assert.equal(answer.status, 200, await answer.text());
  }

  stop() {
    this.process.kill('SIGKILL');
  }
}

// What is bought has tries to spare, what is only looked at has none: its calls are the first that
// are not made when the warehouse is slow.
const guards = (warehouse, people, openFor) => `orders {
      target = "${warehouse}", deadline = 5s, attempt-timeout = 2s
      retry { max-attempts = 3, base-delay = 20ms, max-delay = 200ms, idempotent = true, budget { ratio = 0.1, min-per-second = 1 } }
      circuit-breaker { failure-threshold = 0, open-for = ${openFor}, count-window { size = 40, failure-ratio = 0.5, minimum-calls = 20 } }
      bulkhead { max-workers = 12, queue-size = 20, queue-timeout = 500ms }
    }
    checkout {
      target = "${warehouse}", deadline = 5s
      circuit-breaker { failure-threshold = 5, open-for = ${openFor} }
      bulkhead { max-workers = 3, queue-size = 8, queue-timeout = 500ms }
    }
    history {
      target = "${warehouse}", deadline = 5s
      circuit-breaker { failure-threshold = 10, open-for = ${openFor}, slow-call-duration = 150ms, count-window { size = 40, failure-ratio = 0.5, minimum-calls = 20, slow-ratio = 0.8 } }
      bulkhead { max-workers = 8, queue-size = 8, queue-timeout = 200ms }
    }
    users {
      target = "${people}", deadline = 5s, attempt-timeout = 2s
      retry { max-attempts = 2, base-delay = 10ms, idempotent = true, budget { } }
      circuit-breaker { failure-threshold = 5, open-for = ${openFor} }
      bulkhead { max-workers = 10, queue-size = 50 }
    }
    profile {
      target = "${people}", deadline = 5s, attempt-timeout = 2s
      circuit-breaker { failure-threshold = 5, open-for = ${openFor} }
    }
    suggestions { target = "${people}", deadline = 5s }`;

/// Calls a second, and what they ask for: of a slow service no more at once than the admin port makes.
const LOAD = {orders: [16, 'orders'], checkout: [6, 'orders'], history: [12, 'orders'], users: [14, 'users'], profile: [8, 'profile'], suggestions: [6, 'profile']};

/// Callers who don't wait for each other, on connections of their own, and what they were told.
class Load {
  constructor(address, token) {
    Object.assign(this, {address, token, inFlight: 0, id: 0});
    this.agent = new http.Agent({keepAlive: true, maxSockets: CONNECTIONS});
    this.told = Object.fromEntries(Object.keys(LOAD).map((name) => [name, {calls: 0, succeeded: 0}]));
    this.rest = Object.fromEntries(Object.keys(LOAD).map((name) => [name, Math.random()]));
  }

  start() {
    this.last = performance.now();
    this.timer = setInterval(() => this.#tick(), TICK);
  }

  #tick() {
    const now = performance.now();
    const seconds = Math.min(1, (now - this.last) / 1000); // a machine that slept isn't made up for
    this.last = now;
    for (const [name, [rate, kind]] of Object.entries(LOAD))
      for (this.rest[name] += rate * seconds; this.rest[name] >= 1; --this.rest[name])
        if (this.inFlight < CONNECTIONS) // else it would wait in this process, and come in a crowd
          this.#call(name, `/${kind}/${++this.id % 1000}`);
  }

  #call(name, path) {
    const body = JSON.stringify({value: path, timeout: 10});
    ++this.inFlight;
    const end = (status) => {
      --this.inFlight;
      this.count(name, status === 200);
      if (status !== 200 && status !== 502)
        this.surprise ??= `a call of ${name}: ${status}`;
    };
    const request = http.request(`${this.address}api/v1/guards/${name}/call`, {method: 'POST', agent: this.agent,
      headers: {Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/json', 'Content-Length': body.length}}, (answer) => {
      answer.resume();
      answer.once('end', () => end(answer.statusCode));
    });
    request.once('error', (error) => end(error.code ?? error.message));
    request.end(body);
  }

  /// A call, of these callers or of somebody else's.
  count(name, isSuccess) {
    ++this.told[name].calls;
    this.told[name].succeeded += isSuccess ? 1 : 0;
  }

  /// All that were made have been answered then.
  async stop() {
    clearInterval(this.timer);
    await until('all callers have their answers', () => this.inFlight === 0);
    this.agent.destroy();
    assert.equal(this.surprise, undefined);
  }
}

export class Shop {
  constructor({bulwarkd, flakyService, token, openFor}) {
    Object.assign(this, {programs: {bulwarkd, flakyService}, token, openFor});
  }

  async start() {
    this.warehouse = await new Service().start(this.programs.flakyService);
    this.people = await new Service().start(this.programs.flakyService);
    this.daemon = await new RealDaemon({program: this.programs.bulwarkd, token: this.token, name: 'shop', guards: guards(this.warehouse.address, this.people.address, this.openFor)}).start();
    this.load = new Load(this.daemon.address, this.token);
    this.load.start();
    this.#watchMachine();
    return this;
  }

  // What a question takes that nothing delays but a machine without time for it, at worst; in ms.
  #watchMachine() {
    this.stall = 0;
    this.watch = setInterval(() => {
      const begun = performance.now();
      const look = () => (this.stall = Math.max(this.stall, performance.now() - begun));
      fetch(`${this.people.address}/stats`).then(look, look);
    }, 500);
  }

  async get(where) {
    const answer = await fetch(`${this.daemon.address}api/v1/${where}`);
    assert.equal(answer.status, 200, where);
    return answer.json();
  }

  guard(name) {
    return this.get(`guards/${name}`);
  }

  /// What a guard has counted until now and from now on.
  async since(name) {
    const before = (await this.guard(name)).calls;
    return async () => {
      const {calls} = await this.guard(name);
      return Object.fromEntries(Object.entries(calls).map(([key, value]) => [key, value - before[key]]));
    };
  }

  /// Everything that was asked for has been answered once, and callers and guards agree about it.
  async checkBooks() {
    await this.load.stop();
    const {guards: all} = await this.get('guards');
    for (const {name, calls} of all) {
      const told = this.load.told[name];
      assert.equal(calls.in_flight, 0, name);
      assert.equal(calls.calls, told.calls, `calls of ${name}`);
      assert.equal(calls.succeeded, told.succeeded, `successes of ${name}`);
      assert.equal(calls.calls, calls.succeeded + calls.failed + calls.rejected + calls.timed_out + calls.cancelled, `the sum of ${name}`);
    }
    return all;
  }

  async stop() {
    clearInterval(this.watch);
    clearInterval(this.load?.timer);
    this.load?.agent.destroy();
    await this.daemon?.stop();
    this.warehouse?.stop();
    this.people?.stop();
  }
}
