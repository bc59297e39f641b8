// Events as lines: what happened, to whom, when.

import {h, icon} from './dom.js';
import {clock, exact, words} from './format.js';
import {iconOf, stateOf, STATES} from './states.js';

const LONGEST = 200;

// `linkTo`: the address of a guard's page by the guard's or its part's name, or null; undefined where
// whose events these are is known.
function line(event, linkTo) {
  const time = h('time', {datetime: new Date(event.at).toISOString()}, clock(event.at));
  const name = (text) => {
    if (!linkTo || !text)
      return null;
    const address = linkTo(text);
    return address ? h('a.who', {href: address}, text) : h('b.who', text);
  };
  switch (event.kind) {
    case 'transition':
      return [time, icon(iconOf(event.to)), h('span.what', name(event.name),
        h('span', `${stateOf(event.from).word} → ${stateOf(event.to).word}`),
        event.why ? h('span.why', words(event.why)) : null)];
    case 'rejections':
      return [time, icon('none'), h('span.what', name(event.guard), h('span', `${exact(event.count)} rejected`),
        h('span.why', [words(event.why ?? ''), event.part && event.part !== event.guard ? ` by ${event.part}` : ''].join('')))];
    default: {
      const [from, to] = [event.from, event.to].map((value) =>
        value === null || value === undefined ? '' : value in STATES ? stateOf(value).word : String(value));
      return [time, icon('key'), h('span.what', h('b.who', event.what ?? event.kind),
        from || to ? h('span', `${from || '–'} → ${to || '–'}`) : null,
        event.who ? h('span.why', `by ${event.who}`) : null)];
    }
  }
}

/// Newest first; drawn anew only where there is something new.
export class EventList {
  constructor(label, linkTo) {
    this.linkTo = linkTo;
    this.element = h('ol.events', {'aria-label': label, tabindex: '0'});
    this.stamp = '';
  }

  /// The last of them, or all.
  render(events, all = false) {
    const shown = all ? [...events] : events.slice(-LONGEST);
    const stamp = `${shown.length} ${shown.at(-1)?.at} ${shown.map((event) => event.count ?? '').join()} ${shown.at(0)?.at}`;
    if (this.stamp === stamp)
      return;
    this.stamp = stamp;
    this.element.replaceChildren(...(shown.length === 0
      ? [h('li.none', 'Nothing yet.')]
      : shown.reverse().map((event) => h('li', {'data-to': event.to ?? null}, line(event, this.linkTo)))));
  }
}
