// This node and those that it is connected to.

import {getNodes} from './api.js';
import {h, icon, setText} from './dom.js';
import {count, duration, exact, share} from './format.js';

const EVERY = 2000;
const SHAPES = {here: 'closed', connected: 'closed', lost: 'open'};
const shapeOf = (state) => SHAPES[state] ?? 'half_open';

const lostShare = ({succeeded = 0, failed = 0, timed_out = 0, rejected = 0} = {}) => {
  const bad = failed + timed_out + rejected;
  return succeeded + bad > 0 ? bad / (succeeded + bad) : NaN;
};

export class NodesPage {
  constructor(app) {
    this.app = app;
  }

  mount(root) {
    this.title = 'Nodes';
    this.total = h('p.total');
    this.rows = h('tbody');
    this.problem = h('p.empty', 'Asking the nodes …');
    const head = [['Node'], ['State'], ['Address', 'wide'], ['Calls', 'number wide'], ['Calls/s', 'number'], ['Not served', 'number'],
      ['In flight', 'number wide'], ['p50', 'number wide'], ['p99', 'number'], ['Restarts', 'number wide'], ['Age', 'number wide']];
    this.table = h('table.nodes', {hidden: true}, h('caption.unseen', 'Nodes'),
      h('thead', h('tr', head.map(([word, kind]) => h('th', {scope: 'col', class: kind}, word)))), this.rows);
    root.append(h('div.title', h('h1', 'Nodes'), this.total), this.problem, h('section.panel', this.table));
    this.before = new Map();
    this.timer = setInterval(() => document.hidden || this.#ask(), EVERY);
    this.#ask();
  }

  unmount() {
    clearInterval(this.timer);
  }

  render() {}

  async #ask() {
    if (this.asking)
      return;
    this.asking = true;
    try {
      this.#show(await getNodes());
    } catch (problem) {
      if (this.table.hidden)
        setText(this.problem, problem.message);
    }
    this.asking = false;
  }

  #show({nodes = [], total, unresolved}) {
    const at = performance.now() / 1000;
    this.problem.hidden = true;
    this.table.hidden = false;
    setText(this.total, [`${exact(nodes.length)} ${nodes.length === 1 ? 'node' : 'nodes'}`,
      total?.calls ? `${exact(total.calls.calls)} calls in all` : null,
      total?.latency ? `p99 ${duration(total.latency.p99)}` : null,
      unresolved > 0 ? `${exact(unresolved)} unresolved at lost nodes` : null].filter(Boolean).join(' · '));
    this.rows.replaceChildren(...nodes.map((node) => this.#row(node, at)));
  }

  #row(node, at) {
    const calls = node.calls ?? {};
    const key = `${node.name} ${node.address}`;
    const before = this.before.get(key);
    const isDifference = before && calls.calls >= before.calls && at - before.at > 0.5;
    const rate = isDifference ? (calls.calls - before.calls) / (at - before.at) : NaN;
    this.before.set(key, {calls: calls.calls, at});
    const cell = (value, kind) => h('td', {class: kind}, value);
    return h('tr', {'data-state': node.state},
      h('th', {scope: 'row'}, node.name || '–'),
      h('td.node-state', icon(shapeOf(node.state)), String(node.state ?? '–')),
      cell(node.address ?? '', 'wide mono'), cell(exact(calls.calls), 'number wide'), cell(count(rate), 'number'),
      cell(share(lostShare(calls)), 'number'), cell(exact(calls.in_flight), 'number wide'),
      cell(duration(node.latency?.p50), 'number wide'), cell(duration(node.latency?.p99), 'number'),
      cell(exact(node.restarts), 'number wide'), cell(duration(node.age), 'number wide'));
  }
}
