// One guard of the wall.

import {h, icon, setAttribute, setIcon, setText} from './dom.js';
import {count, duration, elapsed, share} from './format.js';
import {iconOf, stateOf} from './states.js';
import {clearTile, drawTile} from './tile_chart.js';

const figure = (label, title) => {
  const value = h('b');
  return [value, h('span.figure', {title}, value, h('i', label))];
};

export class Tile {
  constructor() {
    this.icon = icon('none');
    this.title = h('span.name');
    this.word = h('span.word');
    this.since = h('span.since');
    let [rate, bad, p50, p99] = [];
    [this.rate, rate] = figure('calls/s', 'calls that ended, a second, over 10 s');
    [this.bad, bad] = figure('failing', 'failed, timed out or rejected, of those that ended in the last 10 s');
    [this.p50, p50] = figure('p50', 'half of the calls take no longer');
    [this.p99, p99] = figure('p99', '99 of 100 calls take no longer');
    this.canvas = h('canvas', {'aria-hidden': 'true'});
    this.canvas.clientSize = {width: 0, height: 34};
    this.meter = h('span.meter', {'aria-hidden': 'true'}, h('span'));
    this.permits = h('span');
    this.queue = h('span');
    this.mark = h('span.mark');
    this.link = h('a.tile', {tabindex: '-1'},
      h('span.head', this.icon, this.title, h('span.state', this.word, this.since)),
      h('span.figures', rate, bad, p50, p99), this.canvas,
      h('span.foot', this.permits, this.meter, this.queue, this.mark));
    this.element = h('li', {role: 'listitem'}, this.link);
    this.version = -1;
  }

  place(x, y, width, position, size) {
    const spot = `translate(${x}px,${y}px)`;
    if (this.spot !== spot)
      this.element.style.transform = this.spot = spot;
    if (this.width !== width) {
      this.width = width;
      this.element.style.width = `${width}px`;
      this.canvas.clientSize.width = width - 22;
    }
    setAttribute(this.element, 'aria-posinset', String(position + 1));
    setAttribute(this.element, 'aria-setsize', String(size));
  }

  /// Writes what differs from what it shows.
  show(store, guard) {
    const isNew = this.name !== guard.name;
    if (isNew) {
      this.name = guard.name;
      setText(this.title, guard.name);
      this.title.title = guard.name;
      setAttribute(this.link, 'href', `#/guards/${encodeURIComponent(guard.name)}`);
      clearTile(this.canvas);
    }
    const since = store.sinceOf(guard);
    const state = guard.now.state ?? 'none';
    setText(this.since, guard.condition === 'failing' ? stateOf(state).word.toLowerCase()
      : state === 'closed' || Number.isNaN(since) ? '' : elapsed((store.now() - since) / 1000));
    if (isNew || this.version !== guard.version) {
      this.version = guard.version;
      this.#write(guard, state);
    }
  }

  /// Apart from the figures: charts may wait for the next frame. Returns whether there was anything to do.
  draw(store, guard) {
    return drawTile(this.canvas, store, guard);
  }

  #write(guard, state) {
    const isFailing = guard.condition === 'failing'; // through a breaker that lets it
    setIcon(this.icon, isFailing ? 'failing' : iconOf(state));
    setText(this.word, isFailing ? 'Failing' : stateOf(state).word);
    setAttribute(this.link, 'data-state', state);
    setAttribute(this.link, 'data-condition', guard.condition);
    setText(this.rate, count(guard.recent.rate));
    setText(this.bad, share(guard.recent.share));
    const latency = guard.latency;
    setText(this.p50, latency.count === 0 ? '–' : duration(latency.p50));
    setText(this.p99, latency.count === 0 ? '–' : duration(latency.p99));
    this.#writePermits(guard.now.permits);
    setText(this.mark, guard.now.chaos ? 'chaos' : guard.condition === 'busy' ? 'busy' : '');
  }

  #writePermits(permits) {
    this.meter.hidden = !permits;
    if (!permits) {
      setText(this.permits, 'no bulkhead');
      setText(this.queue, '');
      return;
    }
    setText(this.permits, `permits ${count(permits.active)}/${count(permits.limit)}`);
    setText(this.queue, `queue ${count(permits.queued)}/${count(permits.queue_size)}`);
    const used = permits.limit > 0 ? Math.min(1, permits.active / permits.limit) : 0;
    this.meter.firstChild.style.transform = `scaleX(${used.toFixed(2)})`;
  }
}
