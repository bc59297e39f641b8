// What the page knows: each guard's figures, five minutes of them second by second, and events.
// The daemon counts from its start; rates are differences, made here.

import {conditionOf, rankOf} from './states.js';

export const SECONDS = 300;
const RECENT = 10; // seconds that "now" means
const MAX_EVENTS = 1000;
const GAP = 4; // seconds without a sample: the charts show a hole instead of an average

const COUNTERS = ['succeeded', 'failed', 'timed_out', 'rejected'];
const SERIES = [...COUNTERS, 'p50', 'p90', 'p99'];

class Guard {
  constructor(now) {
    this.name = now.name;
    this.now = now;
    this.base = {...now.calls};
    this.recent = {rate: NaN, share: NaN};
    this.condition = 'normal';
    this.rank = 0;
    this.version = 0;
    this.history = {};
    for (const series of SERIES)
      this.history[series] = new Float32Array(SECONDS).fill(NaN);
  }

  /// Of the last interval where the daemon tells them, else of all calls since its start.
  get latency() {
    return this.now.latency_recent ?? this.now.latency ?? {};
  }

  /// Seconds `first` .. `last` get the mean of what came since the last time, or a hole.
  commit(first, last, seconds, hole) {
    for (const counter of COUNTERS) {
      const [before, after] = [this.base[counter] ?? 0, this.now.calls[counter] ?? 0];
      // Fewer than before: the daemon was started anew.
      this.#fill(counter, first, last, hole ? NaN : (after >= before ? after - before : after) / seconds);
    }
    this.base = {...this.now.calls};
    const quiet = hole || !(this.latency.count > 0 || this.latency.p50 > 0);
    for (const quantile of ['p50', 'p90', 'p99'])
      this.#fill(quantile, first, last, quiet ? NaN : this.latency[quantile] ?? NaN);
  }

  #fill(series, first, last, value) {
    const array = this.history[series];
    for (let second = Math.max(first, last - SECONDS + 1); second <= last; ++second)
      array[second % SECONDS] = value;
  }

  judge(last) {
    let [all, bad, seconds] = [0, 0, 0];
    for (let second = last - RECENT + 1; second <= last; ++second) {
      const slot = second % SECONDS;
      const good = this.history.succeeded[slot];
      if (Number.isNaN(good))
        continue;
      const lost = this.history.failed[slot] + this.history.timed_out[slot] + this.history.rejected[slot];
      all += good + lost;
      bad += lost;
      ++seconds;
    }
    this.recent.rate = seconds > 0 ? all / seconds : NaN;
    this.recent.share = all > 0 ? bad / all : NaN;
    this.condition = conditionOf(this.now, this.recent);
    this.rank = rankOf(this.condition);
    ++this.version;
  }
}

export class Store {
  constructor() {
    this.node = '';
    this.guards = new Map();
    this.names = []; // in order
    this.breakers = new Map(); // name -> transitions, oldest first
    this.events = []; // oldest first
    this.second = null; // the last that is complete
    this.version = 0; // grows with each second
    this.clockAhead = 0; // the daemon's clock less ours, in ms
    this.lostSince = null; // by our clock, in ms
  }

  /// The daemon's time, in ms; it stands while the daemon is away.
  now() {
    return (this.lostSince ?? Date.now()) + this.clockAhead;
  }

  takeSample({time, guards, gone = []}, isWhole) {
    const at = Date.parse(time);
    this.clockAhead = at - Date.now();
    if (isWhole)
      this.#keepOnly(new Set(guards.map((guard) => guard.name)));
    else if (gone.length > 0)
      this.#keepOnly(new Set(this.names.filter((name) => !gone.includes(name))));
    let isNew = false;
    for (const now of guards) {
      const guard = this.guards.get(now.name);
      if (!guard) {
        this.guards.set(now.name, new Guard(now));
        isNew = true;
        continue;
      }
      Object.assign(guard.now, now);
      guard.condition = conditionOf(guard.now, guard.recent);
      guard.rank = rankOf(guard.condition);
      ++guard.version;
    }
    if (isNew)
      this.#sort();
    this.#tick(at / 1000);
  }

  /// What the daemon has now: guards that are gone go.
  keepOnly(names) {
    this.#keepOnly(new Set(names));
  }

  #keepOnly(names) {
    for (const name of this.guards.keys())
      if (!names.has(name))
        this.guards.delete(name);
    this.#sort();
  }

  #sort() {
    const collator = new Intl.Collator('en', {numeric: true});
    this.names = [...this.guards.keys()].sort(collator.compare);
    this.names.forEach((name, order) => (this.guards.get(name).order = order));
    ++this.version;
  }

  #tick(time) {
    const second = Math.floor(time);
    if (this.second === null || second < this.second - 1) {
      // The first, or a clock that was set back.
      this.second = second - 1;
      this.sampled = time;
      for (const guard of this.guards.values())
        guard.base = {...guard.now.calls};
      return;
    }
    if (second - 1 <= this.second || time - this.sampled < 0.5)
      return;
    const hole = time - this.sampled > Math.max(GAP, 2.5 * (this.interval ?? 1));
    for (const guard of this.guards.values()) {
      guard.commit(this.second + 1, second - 1, time - this.sampled, hole);
      guard.judge(second - 1);
    }
    this.second = second - 1;
    this.sampled = time;
    ++this.version;
  }

  takeTransition(event) {
    const at = Date.parse(event.time);
    const list = this.breakers.get(event.name) ?? [];
    if (list.some((each) => each.id === event.id && each.at === at))
      return false;
    list.push({...event, at});
    if (list.length > 200)
      list.shift();
    this.breakers.set(event.name, list);
    for (const guard of this.guardsOf(event.name)) {
      if (at <= this.now() - 60_000)
        break; // an old one, told again: the sample knows better
      guard.now.state = event.to;
      guard.condition = conditionOf(guard.now, guard.recent);
      guard.rank = rankOf(guard.condition);
      ++guard.version;
    }
    this.#addEvent({...event, kind: 'transition', at});
    return true;
  }

  takeChange(event) {
    this.#addEvent({...event, kind: 'change', at: Date.parse(event.time)});
  }

  /// They come summed by the second; of the same kind without a pause they are one line.
  takeRejections(event) {
    const at = Date.parse(event.time);
    for (let i = this.events.length - 1; i >= Math.max(0, this.events.length - 50); --i) {
      const each = this.events[i];
      if (each.kind === 'transition' && this.guards.get(event.guard)?.now.breaker === each.name)
        break;
      if (each.kind === 'rejections' && each.guard === event.guard && each.part === event.part && each.why === event.why) {
        if (at - each.until > 5000)
          break;
        each.count += event.count;
        each.until = at;
        return;
      }
    }
    this.#addEvent({...event, kind: 'rejections', at, until: at});
  }

  // By time: a transition may be told a moment after a change that came later.
  #addEvent(event) {
    let place = this.events.length;
    while (place > 0 && this.events[place - 1].at > event.at)
      --place;
    this.events.splice(place, 0, event);
    if (this.events.length > MAX_EVENTS)
      this.events.splice(0, this.events.length - MAX_EVENTS);
    ++this.version;
  }

  guardsOf(breaker) {
    return [...this.guards.values()].filter((guard) => guard.now.breaker === breaker);
  }

  /// What happened to a guard: its own, and that of its parts.
  eventsOf({name, now}) {
    const groups = [`guards.${name}`, now.breaker && `circuit-breakers.${now.breaker}`, now.bulkhead && `bulkheads.${now.bulkhead}`];
    const ofChange = (what) => (now.breaker && what === `circuit breaker ${now.breaker}`)
      || groups.some((group) => group && what.startsWith(`bulwark.${group}.`));
    return this.events.filter((event) =>
      event.kind === 'transition' ? event.name === now.breaker
        : event.kind === 'rejections' ? event.guard === name : ofChange(String(event.what ?? '')));
  }

  /// The breaker's states between two times in seconds: {from, to, state}, undefined where it isn't known. Before
  /// the first transition that is known it was in what that one left. What doesn't lead to the next, for the
  /// daemon was started anew, ended at a time that nobody knows.
  spansOf({now}, begin, end) {
    const known = this.breakers.get(now.breaker) ?? [];
    const steps = [{at: 1000 * begin, to: known[0]?.from ?? now.state ?? null}, ...known];
    const within = (at) => Math.min(end, Math.max(begin, at / 1000));
    return steps.map(({at, to}, i) => {
      const next = steps[i + 1];
      const isSo = i === 0 || to === (next ? next.from : now.state);
      return {from: within(at), to: next ? within(next.at) : end, state: isSo ? to : undefined};
    }).filter(({from, to}) => to > from);
  }

  /// When the breaker's state began, in ms, where its last transition is known and led to it.
  sinceOf(guard) {
    const last = this.breakers.get(guard.now.breaker)?.at(-1);
    return last?.to === guard.now.state ? last.at : NaN;
  }

  /// One series of the last five minutes, oldest first, into an array of that length.
  read(guard, series, into) {
    const array = guard.history[series];
    const begin = (this.second + 1) % SECONDS;
    into.set(array.subarray(begin), 0);
    into.set(array.subarray(0, begin), SECONDS - begin);
    return into;
  }

  /// How many guards are in each condition, calls a second, share of failures.
  totals() {
    const conditions = {};
    let [rate, bad, active] = [0, 0, 0];
    for (const guard of this.guards.values()) {
      conditions[guard.condition] = (conditions[guard.condition] ?? 0) + 1;
      active += guard.now.calls.in_flight ?? 0;
      if (guard.recent.rate > 0) {
        rate += guard.recent.rate;
        bad += guard.recent.rate * (guard.recent.share || 0);
      }
    }
    return {conditions, rate, share: rate > 0 ? bad / rate : NaN, active, guards: this.guards.size};
  }
}
