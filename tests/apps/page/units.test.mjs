// The page's own arithmetic, without a browser: node --test tests/apps/page/units.test.mjs

import assert from 'node:assert/strict';
import test from 'node:test';
import {count, duration, elapsed, share} from '../../../apps/bulwarkd/page/format.js';
import {flatten, nest, parse} from '../../../apps/bulwarkd/page/settings.js';
import {conditionOf} from '../../../apps/bulwarkd/page/states.js';
import {SECONDS, Store} from '../../../apps/bulwarkd/page/store.js';
import {Lines} from '../../../apps/bulwarkd/page/stream.js';

const guard = (calls, more = {}) => ({name: 'db', target: 'db', state: 'closed', breaker: 'db', bulkhead: null, permits: null, chaos: false,
  latency: {count: 1, p50: 0.01, p90: 0.02, p99: 0.03, max: 0.04}, ...more,
  calls: {calls: 0, succeeded: 0, failed: 0, rejected: 0, timed_out: 0, cancelled: 0, in_flight: 0, ...calls}});
const at = (seconds) => new Date(1_700_000_000_000 + 1000 * seconds).toISOString();
const sample = (store, seconds, calls, more) => store.takeSample({time: at(seconds), guards: calls ? [guard(calls, more)] : []}, false);
const last = (store, series, n) => [...store.read(store.guards.get('db'), series, new Float32Array(SECONDS))].slice(-n);

test('figures have three digits and a unit, and a dash where there is none', () => {
  assert.deepEqual([0, 3.44, 9.96, 128, 999.4, 1234, 99_949, 123_456, 3.4e6, NaN, undefined].map(count),
    ['0', '3.4', '10', '128', '999', '1.2k', '99.9k', '123k', '3.4M', '–', '–']);
  assert.deepEqual([0, 0.0004, 0.034, 0.5, 1, NaN].map(share), ['0%', '<0.1%', '3.4%', '50%', '100%', '–']);
  assert.deepEqual([0, 12e-6, 0.0034, 0.25, 0.9999, 1.25, 75, 4000, 200_000, null].map(duration),
    ['0', '12 µs', '3.4 ms', '250 ms', '1 s', '1.3 s', '1 min 15 s', '1 h 6 min', '2 d 7 h', '–']);
  assert.deepEqual([0.7, 59.9, -1].map(elapsed), ['0 s', '59 s', '0 s']);
});

test('rates are differences of counters, second by second', () => {
  const store = new Store();
  sample(store, 0.1, {succeeded: 1000});
  for (let i = 1; i <= 10; ++i)
    sample(store, i + 0.1, {succeeded: 1000 + 8 * i, failed: i, rejected: i});
  assert.deepEqual(last(store, 'succeeded', 3), [8, 8, 8]);
  assert.deepEqual(last(store, 'failed', 1), [1]);
  const {rate, share: bad} = store.guards.get('db').recent;
  assert.ok(Math.abs(rate - 10) < 1e-3 && Math.abs(bad - 0.2) < 1e-3, `${rate} ${bad}`);
});

test('a guard that is not in a sample has done nothing', () => {
  const store = new Store();
  sample(store, 0.1, {});
  sample(store, 1.1, {succeeded: 5});
  sample(store, 2.1);
  sample(store, 3.1);
  assert.deepEqual(last(store, 'succeeded', 3), [5, 0, 0]);
});

test('a daemon that counts anew gives no negative rates', () => {
  const store = new Store();
  sample(store, 0.1, {succeeded: 1000});
  sample(store, 1.1, {succeeded: 1010});
  sample(store, 2.1, {succeeded: 4});
  assert.deepEqual(last(store, 'succeeded', 2), [10, 4]);
});

test('while there was no connection the charts have a hole', () => {
  const store = new Store();
  sample(store, 0.1, {succeeded: 0});
  sample(store, 1.1, {succeeded: 10});
  sample(store, 30.1, {succeeded: 1000});
  sample(store, 31.1, {succeeded: 1010});
  const values = last(store, 'succeeded', 30);
  assert.equal(values.at(-1), 10);
  assert.ok(values.slice(1, -1).every(Number.isNaN), values.join());
});

test('a sample every five seconds fills five', () => {
  const store = new Store();
  store.interval = 5;
  sample(store, 0.1, {succeeded: 0});
  sample(store, 5.1, {succeeded: 50});
  sample(store, 10.1, {succeeded: 60});
  assert.deepEqual(last(store, 'succeeded', 10), [10, 10, 10, 10, 10, 2, 2, 2, 2, 2]);
});

test('a clock that is set back does not stop the figures', () => {
  const store = new Store();
  sample(store, 100.1, {succeeded: 0});
  sample(store, 101.1, {succeeded: 10});
  sample(store, 50.1, {succeeded: 20});
  sample(store, 51.1, {succeeded: 23});
  assert.deepEqual(last(store, 'succeeded', 1), [3]);
});

test('two samples that a second begins between are no second', () => {
  const store = new Store();
  sample(store, 0.9, {succeeded: 0});
  sample(store, 1.1, {succeeded: 10});
  assert.equal(store.second, -1 + Math.floor(Date.parse(at(0)) / 1000));
  sample(store, 2.1, {succeeded: 12});
  assert.equal(Math.round(last(store, 'succeeded', 1)[0]), 10);
});

test('guards that a new line does not tell of, or a sample calls gone, are gone', () => {
  const store = new Store();
  sample(store, 0.1, {});
  store.takeSample({time: at(1), guards: [guard({}, {name: 'other'})]}, true);
  assert.deepEqual(store.names, ['other']);
  store.takeSample({time: at(2), guards: [guard({})], gone: ['other']}, false);
  assert.deepEqual(store.names, ['db']);
});

test('a transition that is told twice is one', () => {
  const store = new Store();
  sample(store, 0.1, {});
  const event = {id: 7, time: at(0.5), name: 'db', from: 'closed', to: 'open', why: 'failure_threshold', generation: 2};
  assert.equal(store.takeTransition(event), true);
  assert.equal(store.takeTransition(event), false);
  assert.equal(store.events.length, 1);
});

test('rejections of the same kind without a pause are one line', () => {
  const store = new Store();
  sample(store, 0.1, {});
  for (const [seconds, why] of [[1, 'circuit_open'], [2, 'circuit_open'], [3, 'bulkhead_full'], [4, 'circuit_open'], [30, 'circuit_open']])
    store.takeRejections({guard: 'db', part: 'db', why, count: 3, time: at(seconds)});
  assert.deepEqual(store.events.map(({why, count: n}) => [why, n]), [['circuit_open', 9], ['bulkhead_full', 3], ['circuit_open', 3]]);
});

test('a change is of the time that the daemon says, whenever it is told', () => {
  const store = new Store();
  sample(store, 100.1, {});
  store.takeChange({id: 3, time: at(7), who: 'ann', what: 'circuit breaker db', from: '', to: 'reset'});
  assert.equal(store.events[0].at, Date.parse(at(7)));
  // A transition that is told after it, and was before.
  store.takeTransition({id: 4, time: at(6), name: 'db', from: 'open', to: 'closed', why: 'operator'});
  assert.deepEqual(store.events.map(({kind}) => kind), ['transition', 'change']);
});

test('a guard has its own events and not those of others whose names begin alike', () => {
  const store = new Store();
  const others = [{name: 'db2', breaker: 'db2'}, {name: 'calm', breaker: null}];
  store.takeSample({time: at(0.1), guards: [guard({}, {bulkhead: 'writers'}), ...others.map((each) => guard({}, each))]}, true);
  const change = (what) => store.takeChange({time: at(1), who: 'ann', what, from: '', to: 'x'});
  const own = ['circuit breaker db', 'bulwark.guards.db.deadline', 'bulwark.circuit-breakers.db.open-for', 'bulwark.bulkheads.writers.max-workers'];
  for (const what of [...own, 'circuit breaker db2', 'bulwark.guards.db2.deadline', 'bulwark.guards.calm.retry.db', 'bulwark.drain-timeout', 'bulwarkd 0.1.0'])
    change(what);
  for (const name of ['db', 'db2'])
    store.takeTransition({id: 1, time: at(2), name, from: 'closed', to: 'open', why: 'failure_threshold'});
  store.takeRejections({time: at(3), guard: 'db2', part: 'db', why: 'circuit_open', count: 1});
  const of = (name) => store.eventsOf(store.guards.get(name)).map(({kind, what, name: breaker, guard: whose}) => what ?? `${kind} ${breaker ?? whose}`);
  assert.deepEqual(of('db'), [...own, 'transition db']);
  assert.deepEqual(of('db2'), ['circuit breaker db2', 'bulwark.guards.db2.deadline', 'transition db2', 'rejections db2']);
  assert.deepEqual(of('calm'), ['bulwark.guards.calm.retry.db']);
});

test('states over time are those that transitions tell, and none where they tell something else', () => {
  const store = new Store();
  const begin = Date.parse(at(0)) / 1000;
  const spans = (now) => store.spansOf({now: {breaker: 'db', state: now}}, begin, begin + 100).map(({from, to, state}) => [from - begin, to - begin, state]);
  assert.deepEqual(spans('closed'), [[0, 100, 'closed']]);
  const step = (id, seconds, from, to) => store.takeTransition({id, time: at(seconds), name: 'db', from, to, why: 'operator'});
  step(1, -5, 'half_open', 'closed');
  step(2, 10, 'closed', 'open');
  step(3, 20, 'open', 'forced_open');
  assert.deepEqual(spans('forced_open'), [[0, 10, 'closed'], [10, 20, 'open'], [20, 100, 'forced_open']]);
  // The daemon was started anew: closed, and no transition said so.
  assert.deepEqual(spans('closed'), [[0, 10, 'closed'], [10, 20, 'open'], [20, 100, undefined]]);
  step(4, 60, 'closed', 'open');
  assert.deepEqual(spans('open'), [[0, 10, 'closed'], [10, 20, 'open'], [20, 60, undefined], [60, 100, 'open']]);
  // Of the second that isn't drawn yet.
  step(5, 101, 'open', 'half_open');
  assert.deepEqual(spans('half_open').at(-1), [60, 100, 'open']);
});

test('the worst that ails a guard is what it is counted as', () => {
  const calm = {rate: 1, share: 0};
  assert.equal(conditionOf(guard({}), calm), 'normal');
  assert.equal(conditionOf(guard({}, {permits: {active: 1, limit: 10, queued: 2, queue_size: 9}}), calm), 'busy');
  assert.equal(conditionOf(guard({}, {permits: {active: 10, limit: 10, queued: 0, queue_size: 9}}), {rate: 1, share: 0.2}), 'failing');
  assert.equal(conditionOf(guard({}, {state: 'half_open'}), {rate: 1, share: 0.2}), 'half_open');
  assert.equal(conditionOf(guard({}, {state: 'forced_open'}), calm), 'open');
  assert.equal(conditionOf(guard({}, {state: 'disabled'}), calm), 'unprotected');
  assert.equal(conditionOf(guard({}, {state: null}), {rate: NaN, share: NaN}), 'normal');
});

test('events are read whole wherever their text is cut', () => {
  const text = 'id: 1\nevent: transition\ndata: {"a":1}\n\n: still here\n\nevent: sample\r\ndata: {"b":\r\ndata: 2}\r\n\r\ndata:x\n\nid: 9\n\n';
  const expected = [{id: '1', kind: 'transition', text: '{"a":1}'}, {id: '', kind: 'sample', text: '{"b":\n2}'}, {id: '', kind: 'message', text: 'x'}];
  for (let cut = 0; cut <= text.length; ++cut) {
    const taken = [];
    const lines = new Lines((event) => taken.push(event));
    lines.add(text.slice(0, cut));
    lines.add(text.slice(cut));
    assert.deepEqual(taken, expected, `cut at ${cut}`);
  }
});

test('settings go to fields and back', () => {
  const settings = {deadline: '5s', retry: {'max-attempts': 3, budget: {ratio: 0.1}, 'retry-on': ['timed_out']}, hedge: null};
  const fields = flatten(settings);
  assert.deepEqual(fields.map(([path]) => path), ['deadline', 'retry.max-attempts', 'retry.budget.ratio', 'retry.retry-on', 'hedge']);
  assert.deepEqual(nest(fields), settings);
  assert.deepEqual([parse(' 5 ', 3), parse('many', 3), parse('false', true), parse('2s', '5s'), parse('["a"]', []), parse('["a"', [])],
    [5, 'many', false, '2s', ['a'], '["a"']);
});
