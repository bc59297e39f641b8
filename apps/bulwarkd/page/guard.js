// One guard: what it does now and did in the last five minutes, why its breaker is open, what may be
// done about it, and its policy.

import {getWhy, operate, Problem} from './api.js';
import {callsChart, latencyChart, Timeline} from './charts.js';
import {confirm, withToken} from './dialogs.js';
import {h, icon, setAttribute, setIcon, setText} from './dom.js';
import {EventList} from './event_list.js';
import {clock, count, duration, elapsed, exact, share} from './format.js';
import {Policy} from './policy.js';
import {ACTIONS, iconOf, stateOf} from './states.js';

const WHY_EVERY = 2000;

// The daemon's sentence has the times of UTC, the page those of whoever looks.
const localTimes = (text) => text.replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, (time) => clock(Date.parse(time)));

export class GuardPage {
  constructor(app, name) {
    this.app = app;
    this.store = app.store;
    this.name = name;
  }

  mount(root) {
    this.title = this.name;
    this.root = root;
    this.missing = h('p.empty', {hidden: true});
    this.icon = icon('none');
    this.word = h('b');
    this.since = h('span');
    this.badge = h('span.badge', this.icon, this.word, this.since);
    this.target = h('span.target');
    this.actions = h('div.actions', {role: 'group', 'aria-label': 'Circuit breaker'}, ACTIONS.map((action) =>
      h(action.danger ? 'button.careful' : 'button', {type: 'button', 'data-action': action.name, onclick: () => this.#act(action)}, action.word)));
    this.figures = new Map();
    const figures = h('dl.kpis', ['calls/s', 'failing', 'p50', 'p99', 'in flight', 'permits', 'queue', 'retries'].map((label) => {
      const value = h('dd');
      this.figures.set(label, value);
      return h('div', h('dt', label), value);
    }));
    this.why = h('section.panel.why-panel', {'aria-label': 'Why', hidden: true});
    this.timeline = new Timeline();
    this.charts = [callsChart(), latencyChart()];
    this.policy = new Policy(this.app, this.name);
    this.list = new EventList('Events of this guard');
    this.events = h('section.panel', h('div.panel-head', h('h2', 'Events')), this.list.element);
    this.content = h('div.guard',
      h('div.kpi-row', figures), this.why,
      h('div.columns', h('div.left', this.timeline.element, this.charts.map((chart) => chart.element), this.events),
        h('div.right', this.policy.element)));
    root.append(
      h('a.back', {href: this.app.wallAddress}, icon('back'), 'All guards'),
      h('div.title', h('h1', this.name), this.badge, this.target, h('span.push'), this.actions),
      this.missing, this.content);
    for (const chart of this.charts)
      chart.mount();
    this.policy.load();
    this.timer = setInterval(() => document.hidden || this.#askWhy(), WHY_EVERY);
    this.#askWhy();
  }

  unmount() {
    clearInterval(this.timer);
    this.gone = true;
    for (const chart of this.charts)
      chart.unmount();
  }

  recolour() {
    for (const chart of this.charts)
      chart.rebuild();
    this.drawn = null;
  }

  get guard() {
    return this.store.guards.get(this.name);
  }

  /// Somebody has changed something: the policy, perhaps.
  changed() {
    this.policy.load();
  }

  render() {
    const guard = this.guard;
    this.missing.hidden = Boolean(guard);
    this.content.hidden = this.badge.hidden = !guard;
    if (!guard) {
      this.actions.hidden = true;
      return setText(this.missing, this.store.second === null ? 'Waiting for the first figures …' : `This node has no guard “${this.name}”.`);
    }
    this.#renderState(guard);
    this.#renderFigures(guard);
    if (this.drawn !== this.store.version) {
      this.drawn = this.store.version;
      this.timeline.render(this.store, guard);
      for (const chart of this.charts)
        chart.render(this.store, guard);
      this.list.render(this.store.eventsOf(guard));
    }
  }

  #renderState(guard) {
    const state = guard.now.state ?? 'none';
    if (this.state !== state) {
      this.state = state;
      setIcon(this.icon, iconOf(state));
      setText(this.word, stateOf(state).word);
      setAttribute(this.badge, 'data-state', state);
      setAttribute(this.badge, 'title', stateOf(state).means);
      for (const button of this.actions.children) {
        const action = ACTIONS.find((each) => each.name === button.dataset.action);
        button.disabled = action.state === state;
      }
      this.#askWhy();
    }
    this.actions.hidden = !guard.now.breaker;
    const since = this.store.sinceOf(guard);
    setText(this.since, Number.isNaN(since) ? '' : `for ${elapsed((this.store.now() - since) / 1000)}`);
    setText(this.target, `→ ${guard.now.target ?? ''}${guard.now.chaos ? ' · with chaos' : ''}`);
  }

  #renderFigures(guard) {
    const {now, recent, latency} = guard;
    const put = (label, value, title) => {
      const element = this.figures.get(label);
      setText(element, value);
      setAttribute(element, 'title', title);
    };
    const calls = now.calls;
    put('calls/s', count(recent.rate), `${exact(calls.calls)} in all`);
    put('failing', share(recent.share), `in all: ${exact(calls.failed)} failed, ${exact(calls.timed_out)} timed out, ${exact(calls.rejected)} rejected, ${exact(calls.cancelled)} cancelled`);
    const isEmpty = latency.count === 0;
    put('p50', isEmpty ? '–' : duration(latency.p50), 'half of the calls take no longer');
    put('p99', isEmpty ? '–' : duration(latency.p99), `99 of 100 calls take no longer; the longest took ${duration(latency.max)}`);
    put('in flight', count(calls.in_flight), 'calls in progress');
    const permits = now.permits;
    put('permits', permits ? `${count(permits.active)} / ${count(permits.limit)}` : '–', permits ? `of bulkhead ${now.bulkhead ?? ''}` : 'no bulkhead');
    put('queue', permits ? `${count(permits.queued)} / ${count(permits.queue_size)}` : '–', permits ? 'calls that wait for a permit' : 'no bulkhead');
    put('retries', count(now.retries), `${exact(now.attempts)} attempts, ${exact(now.retries)} retries, ${exact(now.budget_refused)} refused by the budget, ${exact(now.hedges)} hedges, ${exact(now.fallbacks)} fallbacks`);
  }

  async #askWhy() {
    const breaker = this.guard?.now.breaker;
    if (!breaker || this.asking || this.unknown === breaker)
      return;
    this.asking = true;
    try {
      this.#showWhy(await getWhy(breaker));
    } catch (problem) {
      // What was said last stays, or nothing. One of another node can't be asked here.
      this.unknown = problem.status === 404 ? breaker : null;
    }
    this.asking = false;
  }

  #showWhy(why) {
    const errors = why.errors ?? [];
    const isClosed = why.state === 'closed';
    this.why.hidden = isClosed && errors.length === 0;
    const stamp = JSON.stringify([why.state, why.sentence, errors]);
    if (this.why.hidden || this.whyStamp === stamp)
      return;
    this.whyStamp = stamp;
    setAttribute(this.why, 'data-state', why.state);
    const isUnfolded = this.why.querySelector('details')?.open ?? false;
    const table = errors.length === 0 ? [] : [this.#errors(errors)];
    // While it is closed they are of the past: there for who asks.
    this.why.replaceChildren(...(isClosed
      ? [h('details', {open: isUnfolded}, h('summary', 'Last errors of the circuit breaker'), h('p.hint', localTimes(why.sentence ?? '')), table)]
      : [h('p.sentence', icon(iconOf(why.state)), h('span', localTimes(why.sentence ?? ''))), ...table]));
  }

  #errors(errors) {
    return h('table.errors', h('caption.unseen', 'Last errors'),
      h('thead', h('tr', ['Error', 'Count', 'Last', 'Node', 'Guard'].map((word) => h('th', {scope: 'col'}, word)))),
      h('tbody', errors.map((error) => h('tr', h('th', {scope: 'row'}, error.error), h('td', exact(error.count)),
        h('td.text', error.last_text ?? ''), h('td', error.node ?? ''), h('td', error.guard ?? '')))));
  }

  async #act(action) {
    const guard = this.guard;
    const breaker = guard.now.breaker;
    const others = this.store.guardsOf(breaker).filter((each) => each !== guard).map((each) => each.name);
    const isSure = await confirm(`${action.word}: ${breaker}?`, [
      h('p', action.means),
      h('p.hint', `${stateOf(guard.now.state).word} now; ${count(guard.recent.rate)} calls a second come to ${guard.name}.`),
      others.length > 0 ? h('p.hint', `The breaker is also that of ${others.slice(0, 5).join(', ')}${others.length > 5 ? ` and ${others.length - 5} more` : ''}.`) : null,
    ], action.word, action.danger);
    if (!isSure)
      return;
    try {
      if (await withToken(() => operate(breaker, action.name))) {
        this.app.toast(`${action.word}: ${breaker} – done`);
        this.#askWhy();
      }
    } catch (problem) {
      this.app.toast(problem instanceof Problem ? `${action.word}: ${problem.message}` : String(problem), true);
    }
  }
}
