// All events: those that the stream has told, and from the journal what was before them.

import {getJournal} from './api.js';
import {h, setText} from './dom.js';
import {EventList} from './event_list.js';

const KINDS = [['', 'All'], ['transition', 'States'], ['rejections', 'Rejections'], ['change', 'Changes']];

// A transition's cause stands where others have who did it.
const fromJournal = (entry) => ({...entry, at: Date.parse(entry.time),
  ...(entry.kind === 'transition' ? {name: entry.what, why: entry.who} : {kind: 'change'})});

export class EventsPage {
  constructor(app) {
    this.app = app;
    this.store = app.store;
    this.older = [];
    this.before = null;
  }

  mount(root, parameters) {
    this.title = 'Events';
    this.kind = KINDS.some(([kind]) => kind === parameters.get('kind')) ? parameters.get('kind') : '';
    this.chips = KINDS.map(([kind, word]) => h('button.chip', {type: 'button', 'aria-pressed': String(kind === this.kind), onclick: () => this.#choose(kind)}, word));
    this.list = new EventList('Events', (name) => this.#linkTo(name));
    this.note = h('span.hint', {role: 'status'});
    this.more = h('button', {type: 'button', onclick: () => this.#readOlder()}, 'Older ones from the journal');
    root.append(h('div.title', h('h1', 'Events')),
      h('div.tools', h('div.chips', {role: 'group', 'aria-label': 'Show only'}, this.chips)),
      h('section.panel.tall', this.list.element), h('p.more', this.more, this.note));
  }

  unmount() {}

  #linkTo(name) {
    const guard = this.store.guards.get(name) ?? this.store.guardsOf(name)[0];
    return guard ? `#/guards/${encodeURIComponent(guard.name)}` : null;
  }

  #choose(kind) {
    this.kind = kind;
    this.chips.forEach((chip, i) => chip.setAttribute('aria-pressed', String(KINDS[i][0] === kind)));
    this.app.replaceAddress(kind === '' ? '#/events' : `#/events?kind=${kind}`);
    this.list.stamp = '';
    this.app.invalidate();
  }

  render() {
    this.list.render([...this.older, ...this.store.events].filter((event) => this.kind === '' || event.kind === this.kind),
      this.older.length > 0);
  }

  // Entries' ids are milliseconds since 1970, or a little more where there were many at once.
  async #readOlder() {
    try {
      const first = Math.min(...this.store.events.map((event) => event.at));
      this.before ??= first < Infinity ? Math.ceil(first) + 1000 : null;
      for (let older = []; older.length === 0;) {
        const {entries} = await getJournal(this.before);
        if (entries.length === 0)
          return setText(this.note, 'There is nothing older.');
        this.before = Math.min(...entries.map((entry) => entry.id));
        older = entries.map(fromJournal).filter((event) => event.at < first);
        this.older = [...older, ...this.older].sort((a, b) => a.at - b.at);
      }
      setText(this.note, '');
      this.app.invalidate();
    } catch (problem) {
      setText(this.note, problem.status === 404 ? 'This daemon keeps no journal.' : problem.message);
    }
  }
}
