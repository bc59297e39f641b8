// All guards at once. Only those in the window have an element; the others are a place in a list.

import {h, icon, setAttribute, setText} from './dom.js';
import {count, exact, share} from './format.js';
import {CONDITIONS} from './states.js';
import {Tile} from './tile.js';

const HEIGHT = 132;
const NARROWEST = 246;
const BETWEEN = 8;
const DRAWING = 5; // ms a frame for charts
const HOLD = 2500; // ms without a hand on it, before guards change their places

const down = (figure) => (a, b) => (figure(b) || 0) - (figure(a) || 0) || a.order - b.order;
const ORDERS = {
  worst: ['Worst first', (a, b) => a.rank - b.rank || a.order - b.order],
  name: ['Name', (a, b) => a.order - b.order],
  calls: ['Calls a second', down((guard) => guard.recent.rate)],
  failing: ['Share failing', down((guard) => guard.recent.share)],
  p99: ['p99', down((guard) => guard.latency.p99)],
  queue: ['Queue', down((guard) => guard.now.permits?.queued)],
};

export class Wall {
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.tiles = new Map(); // name -> Tile
    this.spare = [];
    this.order = [];
    this.current = null; // the guard that Tab reaches
    this.touched = 0;
  }

  mount(root, parameters) {
    this.title = 'Guards';
    this.search = h('input', {type: 'search', placeholder: 'Search guards ( / )', 'aria-label': 'Search guards by name or target',
      'aria-keyshortcuts': '/', autocomplete: 'off', spellcheck: 'false', oninput: () => this.#choose()});
    this.search.value = parameters.get('q') ?? '';
    this.condition = CONDITIONS.some((each) => each.name === parameters.get('show')) ? parameters.get('show') : null;
    this.sort = h('select', {'aria-label': 'Order', onchange: () => this.#choose()},
      Object.entries(ORDERS).map(([value, [word]]) => h('option', {value}, word)));
    this.sort.value = parameters.get('sort') in ORDERS ? parameters.get('sort') : 'worst';
    this.chips = CONDITIONS.map((each) => this.#chip(each));
    this.total = h('p.total');
    this.list = h('ul.wall', {role: 'list', 'aria-label': 'Guards', onkeydown: (event) => this.#key(event),
      onfocusin: (event) => this.#focused(event), onpointermove: () => (this.touched = performance.now())});
    this.empty = h('p.empty', {hidden: true});
    root.append(
      h('div.title', h('h1', 'Guards'), this.total),
      h('div.tools', h('div.chips', {role: 'group', 'aria-label': 'Show only'}, this.chips.map((chip) => chip.button)),
        h('span.push'), this.search, h('label.choice', h('span', 'Order'), this.sort), this.app.intervalChoice()),
      this.list, this.empty);
    this.onScroll = () => this.app.invalidate();
    addEventListener('scroll', this.onScroll, {passive: true});
    this.resized = new ResizeObserver(() => {
      this.layout = null;
      this.app.invalidate();
    });
    this.resized.observe(this.list);
    this.sorted = null;
  }

  unmount() {
    removeEventListener('scroll', this.onScroll);
    this.resized.disconnect();
  }

  focusSearch() {
    this.search.focus();
    this.search.select();
  }

  #chip({name, word, icon: shape}) {
    const number = h('b');
    const button = h('button.chip', {type: 'button', 'data-condition': name, 'aria-pressed': 'false', onclick: () => {
      this.condition = this.condition === name ? null : name;
      this.#choose();
    }}, icon(shape), number, ` ${word}`);
    return {name, button, number};
  }

  // The choice is in the address: it can be sent to somebody, and Back leads back to it.
  #choose() {
    const parameters = new URLSearchParams();
    if (this.search.value !== '')
      parameters.set('q', this.search.value);
    if (this.condition)
      parameters.set('show', this.condition);
    if (this.sort.value !== 'worst')
      parameters.set('sort', this.sort.value);
    const text = parameters.toString();
    this.app.replaceAddress(text === '' ? '#/' : `#/?${text}`);
    this.sorted = null;
    this.app.invalidate();
  }

  render() {
    this.#renderTotals();
    this.#arrange();
    const layout = this.#measure();
    const [first, last] = this.#visible(layout);
    this.#place(layout, first, last);
  }

  #renderTotals() {
    const totals = this.store.totals();
    if (totals.guards === 0 && this.store.second === null)
      setText(this.total, '');
    else
      setText(this.total, `${exact(totals.guards)} guards · ${count(totals.rate)} calls/s · ${share(totals.share)} failing · ${
        exact(totals.active)} in flight`);
    for (const {name, button, number} of this.chips) {
      const n = totals.conditions[name] ?? 0;
      setText(number, exact(n));
      setAttribute(button, 'aria-pressed', String(this.condition === name));
      setAttribute(button, 'data-none', String(n === 0));
    }
  }

  // Who is looking at a tile or has the pointer on it wants it to stay where it is.
  #arrange() {
    const now = performance.now();
    const isHeld = this.sorted !== null && now - this.touched < HOLD;
    if (this.sorted === this.store.version || isHeld)
      return;
    this.sorted = this.store.version;
    const wanted = this.search.value.trim().toLowerCase();
    this.order = this.store.names.map((name) => this.store.guards.get(name)).filter((guard) =>
      (!this.condition || guard.condition === this.condition)
      && (wanted === '' || guard.name.toLowerCase().includes(wanted) || (guard.now.target ?? '').toLowerCase().includes(wanted)));
    this.order.sort(ORDERS[this.sort.value][1]);
    this.positions = new Map(this.order.map((guard, position) => [guard.name, position]));
    this.empty.hidden = this.order.length > 0;
    if (this.order.length === 0)
      setText(this.empty, this.store.second === null ? 'Waiting for the first figures …'
        : this.store.guards.size === 0 ? 'This node has no guards.' : 'No guard fits.');
    if (!this.positions.has(this.current))
      this.current = this.order[0]?.name ?? null;
  }

  #measure() {
    if (!this.layout) {
      const width = this.list.clientWidth;
      const columns = Math.max(1, Math.floor((width + BETWEEN) / (NARROWEST + BETWEEN)));
      this.layout = {columns, width: (width - (columns - 1) * BETWEEN) / columns, window: innerHeight};
    }
    const rows = Math.ceil(this.order.length / this.layout.columns);
    const height = Math.max(0, rows * (HEIGHT + BETWEEN) - BETWEEN);
    if (this.height !== height)
      this.list.style.height = `${this.height = height}px`;
    return this.layout;
  }

  #visible({columns}) {
    const top = -this.list.getBoundingClientRect().top;
    const row = HEIGHT + BETWEEN;
    const first = Math.max(0, Math.floor(top / row));
    const last = Math.ceil((top + innerHeight) / row);
    return [first * columns, Math.min(this.order.length, last * columns)];
  }

  #place({columns, width}, first, last) {
    const wanted = this.order.slice(first, last);
    const focused = this.list.contains(document.activeElement) ? this.current : null;
    // The one with the focus stays, though it be out of sight; so does the one that Tab goes to.
    const position = this.positions.get(this.current);
    if (position !== undefined && (position < first || position >= last))
      position < first ? wanted.unshift(this.order[position]) : wanted.push(this.order[position]);
    const names = new Set(wanted.map((guard) => guard.name));
    for (const [name, tile] of this.tiles)
      if (!names.has(name)) {
        this.tiles.delete(name);
        this.spare.push(tile);
      }
    let next = this.list.firstChild;
    for (const guard of wanted) {
      let tile = this.tiles.get(guard.name);
      if (!tile)
        this.tiles.set(guard.name, tile = this.spare.pop() ?? new Tile());
      const at = this.positions.get(guard.name);
      tile.place((at % columns) * (width + BETWEEN), Math.floor(at / columns) * (HEIGHT + BETWEEN), width, at, this.order.length);
      tile.show(this.store, guard);
      setAttribute(tile.link, 'tabindex', guard.name === this.current ? '0' : '-1');
      if (tile.element === next)
        next = next.nextSibling;
      else
        this.list.insertBefore(tile.element, next);
    }
    this.#draw(wanted);
    for (const tile of this.spare)
      tile.element.remove();
    this.spare.length = Math.min(this.spare.length, 40);
    // Whoever was moved in the document has lost the focus.
    if (focused && document.activeElement === document.body)
      this.tiles.get(this.current)?.link.focus({preventScroll: true});
  }

  // Charts as far as a frame has time for them; the rest in the next.
  #draw(guards) {
    const begun = performance.now();
    for (const guard of guards) {
      if (performance.now() - begun > DRAWING)
        return this.app.invalidate();
      this.tiles.get(guard.name).draw(this.store, guard);
    }
  }

  #focused(event) {
    const tile = [...this.tiles.values()].find((each) => each.link === event.target);
    if (tile && tile.name !== this.current) {
      this.current = tile.name;
      this.app.invalidate();
    }
  }

  #key(event) {
    const at = this.positions.get(this.current);
    const {columns, window: height} = this.layout;
    const page = columns * Math.max(1, Math.floor(height / (HEIGHT + BETWEEN)) - 1);
    const step = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, PageUp: -page, PageDown: page,
      Home: -Infinity, End: Infinity}[event.key];
    if (step === undefined || at === undefined || event.ctrlKey || event.altKey || event.metaKey)
      return;
    event.preventDefault();
    this.touched = performance.now();
    const to = Math.min(this.order.length - 1, Math.max(0, at + step));
    this.current = this.order[to].name;
    const top = this.list.getBoundingClientRect().top + Math.floor(to / columns) * (HEIGHT + BETWEEN);
    const header = 56;
    if (top < header)
      scrollBy(0, top - header);
    else if (top + HEIGHT > innerHeight)
      scrollBy(0, top + HEIGHT + BETWEEN - innerHeight);
    this.render();
    this.tiles.get(this.current)?.link.focus({preventScroll: true});
  }
}
