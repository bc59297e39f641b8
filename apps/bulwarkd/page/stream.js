// The daemon's events, for as long as the page is open: read with fetch, since EventSource tells
// neither the status of a refusal nor the comments that show that a quiet line lives. A lost line is
// dialled again after 0.5 s, then twice as long each time up to 10 s, less a fifth at most by chance.

import {eventsPath} from './api.js';

const FIRST_WAIT = 500;
const LONGEST_WAIT = 10_000;
const SILENCE = 40_000; // the daemon says something every 15 s

export class Stream {
  /// handlers: event(kind, data, fresh), changed(). `fresh`: of a new line, before its first sample.
  constructor(samples, handlers) {
    this.samples = samples;
    this.handlers = handlers;
    this.lastId = 0;
    this.live = false;
    this.lostSince = null;
    this.nextTry = null;
    this.wait = FIRST_WAIT;
    this.abort = null;
    this.timer = null;
  }

  /// Also with another interval of samples.
  start(samples = this.samples) {
    this.samples = samples;
    clearTimeout(this.timer);
    this.abort?.abort();
    this.nextTry = null;
    this.#run(this.abort = new AbortController());
  }

  /// Until start(): the line is closed, and that is no loss.
  rest() {
    clearTimeout(this.timer);
    const abort = this.abort;
    this.abort = null;
    abort?.abort();
    this.live = false;
    this.lostSince = null;
    this.handlers.changed();
  }

  async #run(abort) {
    try {
      await this.#read(abort);
    } catch {
      // Why is of no use to anybody; that it is so is shown.
    }
    if (this.abort !== abort)
      return; // another has begun since
    abort.abort();
    if (this.live || this.lostSince === null)
      this.lostSince = Date.now();
    this.live = false;
    this.nextTry = Date.now() + this.wait * (1 - 0.2 * Math.random());
    this.wait = Math.min(LONGEST_WAIT, 2 * this.wait);
    this.timer = setTimeout(() => this.start(), this.nextTry - Date.now());
    this.handlers.changed();
  }

  async #read(abort) {
    const watchdog = () => setTimeout(() => abort.abort(), SILENCE);
    let silence = watchdog();
    try {
      const answer = await fetch(eventsPath(this.lastId, this.samples), {
        signal: abort.signal,
        cache: 'no-store',
        headers: {Accept: 'text/event-stream'},
      });
      if (!answer.ok)
        throw new Error(String(answer.status));
      this.live = true;
      this.lostSince = null;
      this.wait = FIRST_WAIT;
      this.fresh = true;
      this.handlers.changed();
      const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
      const lines = new Lines((event) => this.#take(event));
      for (;;) {
        const {value, done} = await reader.read();
        if (done || this.abort !== abort)
          return;
        clearTimeout(silence);
        silence = watchdog();
        lines.add(value);
      }
    } finally {
      clearTimeout(silence);
    }
  }

  #take({id, kind, text}) {
    let data;
    try {
      data = JSON.parse(text);
    } catch {
      return;
    }
    if (/^\d+$/.test(id))
      this.lastId = Number(id);
    this.handlers.event(kind, data, this.fresh);
    if (kind === 'sample')
      this.fresh = false;
  }
}

/// Server-sent events out of pieces of text, as the HTML standard has it.
export class Lines {
  constructor(take) {
    this.take = take;
    this.rest = '';
    this.event = {id: '', kind: 'message', data: []};
  }

  add(piece) {
    const text = this.rest + piece;
    let begin = 0;
    for (let end; (end = text.indexOf('\n', begin)) >= 0; begin = end + 1)
      this.#line(text.slice(begin, text[end - 1] === '\r' ? end - 1 : end));
    this.rest = text.slice(begin);
  }

  #line(line) {
    if (line === '') {
      if (this.event.data.length > 0)
        this.take({id: this.event.id, kind: this.event.kind, text: this.event.data.join('\n')});
      this.event = {id: '', kind: 'message', data: []};
      return;
    }
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'id')
      this.event.id = value;
    else if (field === 'event')
      this.event.kind = value;
    else if (field === 'data')
      this.event.data.push(value);
  }
}
