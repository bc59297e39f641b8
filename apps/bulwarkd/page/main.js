// The page as a whole: what is at which address, the line to the daemon, one drawing a frame.

import {forgetToken, getGuards, token} from './api.js';
import {askForToken} from './dialogs.js';
import {h, icon, setAttribute, setIcon, setText} from './dom.js';
import {EventsPage} from './events.js';
import {clock, elapsed} from './format.js';
import {GuardPage} from './guard.js';
import {NodesPage} from './nodes.js';
import {stateOf} from './states.js';
import {Store} from './store.js';
import {Stream} from './stream.js';
import {forgetColours} from './tile_chart.js';
import {Wall} from './wall.js';

const INTERVALS = [['0.25', '¼ s'], ['1', '1 s'], ['5', '5 s']];
const UNSEEN = 5 * 60_000; // ms in the background, after which the line is closed
const $ = (id) => document.getElementById(id);

function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

function keep(name, value) {
  try {
    localStorage.setItem(name, value);
  } catch {
    // It is forgotten with the page, then.
  }
}

class App {
  constructor() {
    this.store = new Store();
    this.wallAddress = '#/';
    this.interval = INTERVALS.some(([value]) => value === kept('interval')) ? kept('interval') : '1';
    this.store.interval = Number(this.interval);
    this.stream = new Stream(this.interval, {event: (...event) => this.#take(...event), changed: () => this.#lineChanged()});
    this.frame = null;
    this.connection = {icon: icon('lost'), text: h('span')};
    $('connection').append(this.connection.icon, this.connection.text);
  }

  start() {
    addEventListener('hashchange', () => this.#route());
    addEventListener('keydown', (event) => this.#key(event));
    addEventListener('online', () => document.hidden || this.stream.live || this.stream.start());
    document.addEventListener('visibilitychange', () => this.#seen());
    matchMedia('(prefers-color-scheme: light)').addEventListener('change', (event) =>
      kept('theme') === null && this.#setTheme(event.matches ? 'light' : 'dark'));
    $('theme').append(icon('theme'), h('span'));
    $('theme').addEventListener('click', () => {
      const theme = document.documentElement.dataset.theme === 'dark' ? 'light' : 'dark';
      keep('theme', theme);
      this.#setTheme(theme);
    });
    $('unlock').append(icon('key'), h('span'));
    $('unlock').addEventListener('click', async () => {
      token() === null ? await askForToken() : forgetToken();
      this.#renderUnlock();
    });
    this.#nameTheme();
    this.#renderUnlock();
    this.#route();
    this.stream.start();
    this.#askName();
    if (document.hidden)
      this.#seen(); // opened in the background: nothing tells that it went there
    setInterval(() => this.invalidate(), 1000); // times that pass while nothing comes
  }

  /// Draws at the next frame, once.
  invalidate() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.view?.render();
      this.#renderLine();
      this.#renderTitle();
      this.#renderUnlock();
    });
  }

  toast(text, isWrong = false) {
    const toast = h(isWrong ? 'p.toast.wrong' : 'p.toast', text);
    $('toasts').append(toast);
    setTimeout(() => toast.remove(), isWrong ? 12_000 : 6000);
  }

  intervalChoice() {
    const select = h('select', {'aria-label': 'Figures every', onchange: () => {
      this.interval = select.value;
      this.store.interval = Number(this.interval);
      keep('interval', this.interval);
      this.stream.start(this.interval);
    }}, INTERVALS.map(([value, word]) => h('option', {value}, word)));
    select.value = this.interval;
    return h('label.choice', h('span', 'Every'), select);
  }

  /// Another choice in the same view: no step in the history.
  replaceAddress(hash) {
    history.replaceState(null, '', hash);
    this.address = hash;
  }

  async #askName() {
    try {
      const {node, guards} = await getGuards();
      this.store.node = node;
      setText($('node'), node ?? '');
      return guards;
    } catch {
      return null; // the line says so
    }
  }

  #route() {
    const [path, query = ''] = location.hash.replace(/^#/, '').split('?');
    if (path === 'main') {
      // The link that skips to the content.
      this.replaceAddress(this.address ?? '#/');
      return void $('main').focus();
    }
    const [, what = '', name = ''] = path.split('/');
    const isFirst = !this.view;
    if (this.view instanceof Wall) {
      this.wallAddress = this.address;
      this.wallScroll = scrollY;
    }
    this.address = location.hash || '#/';
    this.view?.unmount();
    $('main').replaceChildren();
    const view = what === 'guards' && name !== '' ? new GuardPage(this, decoded(name))
      : what === 'nodes' ? new NodesPage(this) : what === 'events' ? new EventsPage(this) : new Wall(this);
    this.view = view;
    view.mount($('main'), new URLSearchParams(query));
    for (const link of document.querySelectorAll('nav a')) {
      const isHere = link.dataset.view === (view instanceof NodesPage ? 'nodes' : view instanceof EventsPage ? 'events' : 'wall');
      isHere ? link.setAttribute('aria-current', 'page') : link.removeAttribute('aria-current');
    }
    view.render();
    scrollTo(0, view instanceof Wall ? this.wallScroll ?? 0 : 0);
    if (!isFirst)
      $('main').focus({preventScroll: true});
    this.invalidate();
  }

  #key(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || document.querySelector('dialog[open]'))
      return;
    const isTyping = /^(INPUT|TEXTAREA|SELECT)$/.test(event.target.tagName);
    if (event.key === '/' && !isTyping) {
      event.preventDefault();
      if (!(this.view instanceof Wall)) {
        history.pushState(null, '', '#/'); // which tells nobody
        this.#route();
      }
      this.view.focusSearch();
    } else if (event.key === 'Escape' && !isTyping && this.view instanceof GuardPage) {
      location.hash = this.wallAddress;
    }
  }

  #take(kind, data, fresh) {
    switch (kind) {
      case 'sample':
        this.store.takeSample(data, fresh);
        break;
      case 'transition':
        if (this.store.takeTransition(data) && !fresh && this.store.second !== null)
          this.#announce(data);
        break;
      case 'rejections':
        this.store.takeRejections(data);
        break;
      case 'change':
        this.store.takeChange(data);
        if (!fresh)
          this.#guardsMayHaveChanged();
        break;
    }
    this.invalidate();
  }

  // For those who hear the page. Many at once are one sentence.
  #announce({name, to}) {
    this.news ??= [];
    this.news.push(`${name}: ${stateOf(to).word}`);
    this.newsTimer ??= setTimeout(() => {
      const rest = this.news.length - 3;
      setText(this.spoken ??= $('toasts').appendChild(h('p.unseen')), this.news.slice(0, 3).join(', ') + (rest > 0 ? `, and ${rest} more` : ''));
      this.news = this.newsTimer = null;
    }, 1500);
  }

  #guardsMayHaveChanged() {
    this.view?.changed?.();
    this.reading ??= setTimeout(async () => {
      this.reading = null;
      const guards = await this.#askName();
      if (guards)
        this.store.keepOnly(guards.map((guard) => guard.name));
      this.invalidate();
    }, 300);
  }

  #lineChanged() {
    this.store.lostSince = this.stream.lostSince;
    if (this.stream.live && this.store.second !== null) {
      this.#askName();
      this.view?.changed?.();
    }
    this.invalidate();
  }

  // A browser has few connections to one daemon, for all its tabs: those that nobody looks at give theirs back.
  #seen() {
    clearTimeout(this.unseen);
    if (document.hidden) {
      this.unseen = setTimeout(() => this.stream.rest(), UNSEEN);
      return;
    }
    if (!this.stream.live)
      this.stream.start();
    this.invalidate();
  }

  #renderLine() {
    const {live, lostSince, nextTry} = this.stream;
    const isLost = !live && lostSince !== null;
    setAttribute(document.body, 'data-line', isLost ? 'lost' : 'live');
    setIcon(this.connection.icon, isLost ? 'lost' : 'live');
    setText(this.connection.text, isLost ? 'No connection' : live ? 'Live' : 'Connecting');
    $('lost').hidden = !isLost;
    if (!isLost)
      return;
    this.banner ??= this.#makeBanner();
    // Told once; only what follows is counted.
    setText(this.banner.since, `No connection since ${clock(lostSince)}.`);
    const wait = nextTry === null ? 0 : Math.ceil(Math.max(0, (nextTry - Date.now()) / 1000));
    setText(this.banner.next, ` The figures are ${elapsed((Date.now() - lostSince) / 1000)} old. ${wait > 0 ? `Next try in ${wait} s.` : 'Trying …'}`);
  }

  // For who has the page in a tab behind others.
  #renderTitle() {
    const open = this.stream.live ? [...this.store.guards.values()].filter((guard) => guard.condition === 'open').length : 0;
    const title = `${open > 0 ? `(${open} open) ` : ''}${this.view.title} · ${this.store.node || 'bulwarkd'}`;
    if (document.title !== title)
      document.title = title;
  }

  #makeBanner() {
    const [since, next] = [h('b', {role: 'status'}), h('span')];
    $('lost').append(icon('lost'), h('span', since, next), h('button', {type: 'button', onclick: () => this.stream.start()}, 'Try now'));
    return {since, next};
  }

  #renderUnlock() {
    const isUnlocked = token() !== null;
    setText($('unlock').lastChild, isUnlocked ? 'Lock' : 'Unlock');
    setAttribute($('unlock'), 'title', isUnlocked ? 'Forget the token' : 'Enter the token that changes need');
  }

  #setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    forgetColours();
    this.#nameTheme();
    this.view?.recolour?.();
    this.invalidate();
  }

  #nameTheme() {
    const other = document.documentElement.dataset.theme === 'dark' ? 'Light' : 'Dark';
    setText($('theme').lastChild, other);
    setAttribute($('theme'), 'title', `Switch to the ${other.toLowerCase()} theme`);
  }
}

function decoded(name) {
  try {
    return decodeURIComponent(name);
  } catch {
    return name;
  }
}

new App().start();
