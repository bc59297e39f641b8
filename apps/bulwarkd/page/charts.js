// The charts of a guard's page: calls and latency with uPlot, and the states above them on the same
// five minutes.

import uPlot from './uplot/uPlot.esm.js';
import {h, icon, setAttribute} from './dom.js';
import {clock, count, duration, elapsed, NONE} from './format.js';
import {iconOf, stateOf} from './states.js';
import {SECONDS} from './store.js';
import {colour} from './tile_chart.js';

export const AXIS = 58; // px left of what is drawn, of all charts and of the states

const dashes = {p50: undefined, p90: [6, 3], p99: [2, 3]};
const CALLS = [
  ['succeeded', 'succeeded', 'calls'],
  ['rejected', 'rejected', 'warn', [6, 3]],
  ['failed', 'failed', 'lost'],
  ['timed_out', 'timed out', 'late', [2, 3]],
];
const LATENCY = ['p50', 'p90', 'p99'].map((name) => [name, name, name === 'p50' ? 'calls' : name === 'p90' ? 'late' : 'warn', dashes[name]]);

const fromZero = {range: (_, low, high) => [0, high > 0 ? high * 1.08 : 1]};
// A median of 2 ms and a p99 of 2 s, both to be read. Whole powers of ten, that it doesn't jump.
const byTens = {distr: 3, range: (_, low, high) => [10 ** Math.floor(Math.log10(low || 0.001)), 10 ** Math.ceil(Math.log10((high || 0.01) * 1.01))]};
const powersOfTen = (_, axis, low, high) => {
  const first = Math.round(Math.log10(low));
  return Array.from({length: Math.round(Math.log10(high)) - first + 1}, (_, i) => 10 ** (first + i));
};

/// One chart of several series of a guard.
class Chart {
  constructor(title, series, format, scale) {
    this.scale = scale;
    this.series = series;
    this.format = format;
    this.readings = series.map(([, label, name, dash]) => {
      const value = h('b', NONE);
      return {value, element: h('span.reading', h('span.stroke', {'data-tone': name, 'data-dash': dash ? String(dash[0]) : null}), `${label} `, value)};
    });
    this.moment = h('span.moment');
    this.holder = h('div.chart', {role: 'img', 'aria-label': title});
    this.element = h('section.panel', h('div.panel-head', h('h2', title), this.moment,
      h('span.push'), this.readings.map((reading) => reading.element)), this.holder);
    this.data = [new Float64Array(SECONDS), ...series.map(() => new Float64Array(SECONDS))];
  }

  mount() {
    this.resized = new ResizeObserver(() => this.#fit());
    this.resized.observe(this.holder);
  }

  unmount() {
    this.resized.disconnect();
    this.plot?.destroy();
    this.plot = null;
  }

  /// Colours and width are given at its making.
  rebuild() {
    this.plot?.destroy();
    this.plot = null;
    this.#fit();
  }

  #fit() {
    const width = this.holder.clientWidth;
    if (width === 0)
      return;
    if (this.plot)
      return void (this.plot.width === width || this.plot.setSize({width, height: this.height()}));
    this.plot = new uPlot(this.#options(width), this.data, this.holder);
  }

  height() {
    return innerWidth < 600 ? 130 : 168;
  }

  #options(width) {
    const axis = {
      stroke: colour('muted'), font: '11px system-ui, sans-serif', ticks: {show: false},
      grid: {stroke: colour('grid'), width: 1},
    };
    return {
      width, height: this.height(), legend: {show: false}, padding: [8, 8, 0, 0],
      cursor: {y: false, drag: {setScale: false, x: false, y: false}, points: {size: 6}, sync: {key: 'guard'}},
      scales: {x: {time: true}, y: this.scale},
      axes: [
        {...axis, space: width < 500 ? 50 : 80, size: 26,
          values: (_, at) => at.map((t) => (width < 500 ? clock(1000 * t).slice(-8, -3) : clock(1000 * t).slice(-8)))},
        {...axis, size: AXIS, space: 32, values: (_, at) => at.map((value) => this.format(value)),
          ...(this.scale === byTens ? {splits: powersOfTen, filter: (_, at) => at} : {})},
      ],
      series: [{}, ...this.series.map(([, label, name, dash], i) => ({
        label, stroke: colour(name), dash, width: 1.5, spanGaps: false, points: {show: false},
        fill: i === 0 && this.series === CALLS ? colour('calls-fill') : undefined,
      }))],
      hooks: {setCursor: [() => this.#read()]},
    };
  }

  render(store, guard) {
    for (let i = 0; i < SECONDS; ++i)
      this.data[0][i] = store.second - SECONDS + 1 + i;
    this.series.forEach(([name], i) => {
      const values = this.data[i + 1];
      store.read(guard, name, values);
    });
    // uPlot knows holes as null, which no typed array can hold.
    this.plot?.setData([this.data[0], ...this.data.slice(1).map((values) => Array.from(values, (x) => (x > 0 || x === 0 && this.scale === fromZero ? x : null)))]);
    this.#read();
  }

  // What the pointer is at, else the last second.
  #read() {
    const at = this.plot?.cursor.idx ?? null;
    this.moment.textContent = at === null ? '' : clock(1000 * this.data[0][at]).slice(-8);
    this.readings.forEach(({value}, i) => {
      const text = this.format(this.data[i + 1][at ?? SECONDS - 1]);
      if (value.textContent !== text)
        value.textContent = text;
    });
  }
}

export const callsChart = () => new Chart('Calls a second', CALLS, count, fromZero);
export const latencyChart = () => new Chart('Latency', LATENCY, duration, byTens);

/// Which states the breaker was in: a strip in the scale of the charts below it.
export class Timeline {
  constructor() {
    this.strip = h('ol.timeline', {'aria-label': 'States of the last five minutes'});
    this.element = h('section.panel', h('div.panel-head', h('h2', 'States')), this.strip);
    this.stamp = '';
  }

  render(store, guard) {
    const end = store.second + 1;
    const begin = end - SECONDS;
    const spans = store.spansOf(guard, begin, end);
    const stamp = spans.map(({from, state}) => `${state}${from}`).join() + store.second;
    if (this.stamp === stamp)
      return;
    this.stamp = stamp;
    while (this.strip.children.length > spans.length)
      this.strip.lastChild.remove();
    while (this.strip.children.length < spans.length)
      this.strip.append(h('li', icon('none'), h('span')));
    spans.forEach(({from, to, state}, i) => {
      const item = this.strip.children[i];
      const share = (to - from) / SECONDS;
      item.style.flexGrow = String(Math.max(0.004, share));
      setAttribute(item, 'data-state', state ?? 'unknown');
      item.firstChild.firstChild.setAttribute('href', `#i-${iconOf(state)}`);
      const word = state === undefined ? 'not known' : stateOf(state).word;
      item.lastChild.textContent = word;
      item.title = `${word}, ${clock(1000 * from).slice(-8)} – ${to >= end ? 'now' : clock(1000 * to).slice(-8)} (${elapsed(to - from)})`;
    });
  }
}
