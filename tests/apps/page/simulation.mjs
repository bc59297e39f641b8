// A node that isn't one: guards with calls, breakers and bulkheads out of a seeded chance, as the
// dashboard's API tells of them. Some are calm, some slow, some trip and recover.

/// mulberry32: the same numbers for the same seed.
export function chance(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const NAMES = ['payments', 'orders', 'search', 'inventory', 'sessions', 'catalog', 'mail', 'geo', 'prices', 'reviews', 'images', 'ledger',
  'accounts', 'shipping', 'tax', 'fraud-check', 'exports', 'recommendations', 'audit', 'push', 'carts', 'vouchers', 'quotes', 'documents'];
const CLOSED = ['closed', 'half_open', 'open'];

export const HOSTILE_NAME = '<img src=x onerror=alert(1)>&"\'/100%';

export class SimulatedGuard {
  constructor(name, index, random, emit) {
    this.name = name;
    this.random = random;
    this.emit = emit;
    this.version = 0;
    this.target = index % 3 === 0 ? name : `10.0.0.${10 + (index % 40)}:4711/${name}`;
    this.rate = Math.exp(Math.log(2) + random() * Math.log(400));
    this.median = 0.002 * Math.exp(random() * 4);
    this.kind = index % 12 === 5 ? 'tripping' : index % 12 === 8 ? 'flaky' : index % 12 === 3 ? 'slow' : 'normal';
    this.phase = random() * 60;
    this.breaker = index % 10 === 9 ? null : {name: `${name}.breaker`, state: 'closed', since: 0, nextProbe: null, generation: 1, failures: 0,
      successes: 0, cause: null, errors: new Map()};
    this.policy = {
      deadline: '5s', 'attempt-timeout': '1s',
      retry: {'max-attempts': 3, 'base-delay': '100ms', 'max-delay': '2s', jitter: 'full', idempotent: false},
      ...(this.breaker ? {'circuit-breaker': {'failure-threshold': 5, 'success-threshold': 2, 'open-for': '8s', 'half-open-calls': 1}} : {}),
      ...(index % 4 === 3 ? {} : {bulkhead: {'max-workers': 10, 'queue-size': 100, 'queue-timeout': '500ms'}}),
    };
    this.permits = this.policy.bulkhead ? {active: 0, limit: 10, queued: 0, queue_size: 100} : null;
    this.calls = {calls: 0, succeeded: 0, failed: 0, rejected: 0, timed_out: 0, cancelled: 0, in_flight: 0};
    this.latency = {count: 0, p50: 0, p90: 0, p99: 0, max: 0};
    this.retries = 0;
    this.rejectedNow = 0;
  }

  get json() {
    return {name: this.name, target: this.target, state: this.breaker?.state ?? null, breaker: this.breaker?.name ?? null,
      bulkhead: this.permits ? `${this.name}.bulkhead` : null, calls: this.calls, attempts: this.calls.calls + this.retries,
      retries: this.retries, late_replies: 0, budget_refused: 0, hedges: 0, fallbacks: 0, latency: this.latency,
      chaos: Boolean(this.policy.chaos), permits: this.permits};
  }

  enter(state, why, now) {
    const breaker = this.breaker;
    const from = breaker.state;
    if (from === state)
      return;
    breaker.generation += 1;
    Object.assign(breaker, {state, since: now, failures: 0, successes: 0});
    breaker.nextProbe = state === 'open' ? now + 1000 * parseFloat(this.policy['circuit-breaker']['open-for']) : null;
    if (state === 'open')
      breaker.cause = why;
    this.version += 1;
    this.emit('transition', {time: new Date(now).toISOString(), name: breaker.name, from, to: state, why, generation: breaker.generation});
  }

  operate(action, now) {
    const to = {force_open: 'forced_open', disable: 'disabled', metrics_only: 'metrics_only', reset: 'closed', close: 'closed'}[action];
    if (action === 'reset')
      this.breaker.errors.clear();
    this.enter(to, 'operator', now);
  }

  // One call at a time where the outcome may move the breaker; `failing`: the chance of a failure.
  call(now, failing) {
    const breaker = this.breaker;
    this.calls.calls += 1;
    this.version += 1;
    if (breaker && (breaker.state === 'forced_open' || breaker.state === 'open' && now < breaker.nextProbe)) {
      this.calls.rejected += 1;
      this.rejectedNow += 1;
      return 'circuit_open';
    }
    if (breaker?.state === 'open')
      this.enter('half_open', 'open_for', now);
    if (this.random() >= failing) {
      this.calls.succeeded += 1;
      if (breaker)
        this.#succeeded(breaker, now);
      return null;
    }
    const isLate = this.random() < 0.6;
    this.calls[isLate ? 'timed_out' : 'failed'] += 1;
    if (this.policy.retry)
      this.retries += 2;
    const error = isLate ? 'timed_out' : 'target_failed';
    if (breaker)
      this.#failed(breaker, error, now);
    return error;
  }

  #succeeded(breaker, now) {
    breaker.failures = 0;
    if (breaker.state === 'half_open' && ++breaker.successes >= Number(this.policy['circuit-breaker']['success-threshold']))
      this.enter('closed', 'success_threshold', now);
  }

  #failed(breaker, error, now) {
    const known = breaker.errors.get(error) ?? {error, count: 0};
    breaker.errors.set(error, {...known, count: known.count + 1, last: new Date(now).toISOString(), node: 'b', guard: this.name,
      last_text: error === 'timed_out' ? 'no answer within 1s' : 'runtime_error("connection reset by peer")'});
    breaker.failures += 1;
    if (breaker.state === 'half_open')
      this.enter('open', 'probe_failed', now);
    else if (breaker.state === 'closed' && breaker.failures >= Number(this.policy['circuit-breaker']['failure-threshold']))
      this.enter('open', 'failure_threshold', now);
  }

  // What the world does to it: `t` seconds since the start.
  #weather(t) {
    const chaos = Number(this.policy.chaos?.['error-rate'] ?? 0);
    const at = (t + this.phase) % 60;
    const own = this.kind === 'tripping' ? (at > 35 && at < 50 ? 0.95 : 0.004)
      : this.kind === 'flaky' ? 0.07 : this.random() < 0.01 ? 0.02 : 0.0005;
    return Math.max(chaos, own);
  }

  step(now, t, seconds) {
    const wave = 1 + 0.25 * Math.sin((t + this.phase) / 9) + 0.1 * (this.random() - 0.5);
    const expected = this.rate * wave * seconds;
    let calls = Math.floor(expected) + (this.random() < expected % 1 ? 1 : 0);
    const failing = this.#weather(t);
    if (calls === 0)
      return;
    // Most are alike: counted in one step, so that a thousand guards cost little.
    const isCalm = !this.breaker || this.breaker.state === 'closed';
    if (isCalm && failing < 0.3 && calls > 4) {
      const bad = Math.min(calls, Math.floor(calls * failing) + (this.random() < (calls * failing) % 1 ? 1 : 0));
      this.calls.calls += calls;
      this.calls.succeeded += calls - bad;
      this.calls.failed += bad;
      this.version += 1;
    } else {
      for (; calls > 0; --calls)
        this.call(now, failing);
    }
    this.#measure(t, failing);
    if (this.rejectedNow > 0)
      this.emit('rejections', {guard: this.name, part: this.breaker.name, why: 'circuit_open', count: this.rejectedNow});
    this.rejectedNow = 0;
  }

  #measure(t, failing) {
    const slow = this.kind === 'slow' ? 1 + 3 * Math.max(0, Math.sin((t + this.phase) / 15)) : 1;
    const p50 = this.median * slow * (1 + 0.1 * this.random());
    this.latency = {count: this.calls.succeeded + this.calls.failed, p50, p90: p50 * 2.1, p99: p50 * (5 + 3 * this.random()) + (failing > 0.3 ? 0.8 : 0),
      max: Math.max(this.latency.max, p50 * 9)};
    if (!this.permits)
      return;
    const used = CLOSED.includes(this.breaker?.state ?? 'closed') ? this.rate * p50 * 3 : 0;
    const limit = this.permits.limit;
    this.permits = {...this.permits, active: Math.min(limit, Math.round(used)), queued: Math.min(100, Math.max(0, Math.round((used - limit) * 2)))};
    this.calls.in_flight = 0;
  }

  why(now) {
    const breaker = this.breaker;
    const errors = [...breaker.errors.values()];
    const what = errors.map(({error, count}) => `${count} x ${error}`).join(', ');
    const since = new Date(breaker.since).toISOString();
    const probe = breaker.nextProbe ? `; next probe in ${Math.max(0, (breaker.nextProbe - now) / 1000).toFixed(1)}s` : '';
    const sentence = breaker.state === 'open' ? `open since ${since} because of ${breaker.cause?.replaceAll('_', ' ')}: ${what || 'no errors known'}${probe}`
      : breaker.state === 'forced_open' ? `forced open since ${since} by an operator` : `${breaker.state.replaceAll('_', ' ')}; ${breaker.failures} failures in a row`;
    return {name: breaker.name, state: breaker.state, since: new Date(breaker.since).toISOString(), next_probe: breaker.nextProbe ? new Date(breaker.nextProbe).toISOString() : null,
      generation: breaker.generation, failures: breaker.failures, successes: breaker.successes, probes: 0,
      failure_threshold: Number(this.policy['circuit-breaker']['failure-threshold']), window: null, cause: breaker.cause, errors, sentence};
  }
}

export function makeGuards(count, seed, emit) {
  const random = chance(seed);
  const guards = new Map();
  for (let i = 0; i < count; ++i) {
    const name = i === 11 ? HOSTILE_NAME : i < NAMES.length ? NAMES[i] : `${NAMES[i % NAMES.length]}-${String(Math.floor(i / NAMES.length)).padStart(2, '0')}`;
    guards.set(name, new SimulatedGuard(name, i, chance(Math.floor(random() * 2 ** 32)), emit));
  }
  // The one that tests move: calm unless somebody moves it.
  const calm = new SimulatedGuard('echo', 0, chance(seed + 1), emit);
  Object.assign(calm, {kind: 'normal', rate: 5});
  guards.set('echo', calm);
  return guards;
}
