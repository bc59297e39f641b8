// A guard's policy: read, changed field by field or as text, and shown as a difference before any of
// it takes effect. What is permitted is the daemon's to say.

import {changePolicy, getGuard} from './api.js';
import {withToken} from './dialogs.js';
import {h} from './dom.js';
import {flatten, nest, parse} from './settings.js';

const written = (value) => (value === null || value === undefined ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value));

export class Policy {
  constructor(app, name) {
    this.app = app;
    this.name = name;
    this.body = h('div.policy');
    this.edit = h('button', {type: 'button', onclick: () => this.#edit()}, 'Edit');
    this.element = h('section.panel', {'aria-label': 'Policy'}, h('div.panel-head', h('h2', 'Policy'), h('span.push'), this.edit), this.body);
    this.#show(h('p.hint', 'Reading …'));
  }

  async load() {
    try {
      this.policy = (await getGuard(this.name)).policy ?? {};
      if (!this.form)
        this.#read();
    } catch (problem) {
      // What is being written stays; what is wrong is said at the latest when it is sent.
      if (this.form)
        return;
      this.policy = null;
      this.edit.hidden = false;
      this.#show(h('p.mistake', problem.message));
    }
  }

  #show(...content) {
    this.body.replaceChildren(...content);
  }

  // In blocks, as the configuration has them.
  #blocks(row) {
    const blocks = new Map([['', []]]);
    for (const [path, value] of flatten(this.policy)) {
      const dot = path.lastIndexOf('.');
      const block = dot < 0 ? '' : path.slice(0, dot);
      blocks.set(block, [...(blocks.get(block) ?? []), row(path, path.slice(dot + 1), value)]);
    }
    return [...blocks].filter(([, rows]) => rows.length > 0).map(([block, rows]) => h('div.block', block === '' ? null : h('h3', block), rows));
  }

  #read() {
    this.form = null;
    this.edit.hidden = false;
    const blocks = this.#blocks((path, key, value) => h('div.row', h('dt', key), h('dd', written(value) || '–')));
    this.#show(blocks.length > 0 ? h('dl', blocks) : h('p.hint', 'Nothing is set.'));
  }

  async #edit() {
    if (!this.policy)
      await this.load();
    if (!this.policy || this.form)
      return;
    this.edit.hidden = true;
    this.fields = [];
    const blocks = this.#blocks((path, key, value) => this.#field(path, key, value));
    this.text = h('textarea', {rows: '5', id: 'policy-text', spellcheck: 'false', placeholder: 'retry { max-attempts = 5 }\ndeadline = 2s'});
    this.mistakes = h('div.mistakes', {role: 'alert'});
    this.form = h('form', {novalidate: true, onsubmit: (event) => {
      event.preventDefault();
      this.#compare();
    }}, blocks,
      h('details', h('summary', 'Other settings, as text'),
        h('label', {for: 'policy-text'}, 'In the syntax of the configuration, instead of the fields above'), this.text),
      this.mistakes,
      h('div.buttons', h('button', {type: 'button', onclick: () => this.#leave()}, 'Cancel'),
        h('button.primary', {type: 'submit'}, 'Show difference')));
    this.#show(this.form);
    this.fields[0]?.input.focus();
  }

  #field(path, key, value) {
    const id = `field-${path}`;
    const text = written(value);
    const input = typeof value === 'boolean'
      ? h('select', {id}, ['true', 'false'].map((word) => h('option', {value: word}, word)))
      : h('input', {id, type: 'text', autocomplete: 'off', spellcheck: 'false', inputmode: typeof value === 'number' ? 'decimal' : null});
    input.value = text;
    const mark = () => input.classList.toggle('changed', input.value.trim() !== text);
    input.addEventListener('input', mark);
    this.fields.push({path, value, text, input});
    return h('div.row', h('label', {for: id}, key), input);
  }

  #leave() {
    this.#read();
    this.edit.focus();
  }

  #wanted() {
    if (this.text.value.trim() !== '')
      return this.text.value;
    return nest(this.fields.filter(({input, text}) => input.value.trim() !== text)
      .map(({path, value, input}) => [path, parse(input.value, value)]));
  }

  async #compare() {
    const wanted = this.#wanted();
    if (typeof wanted === 'object' && Object.keys(wanted).length === 0)
      return this.#complain('Nothing is different.');
    const answer = await this.#send(wanted, true);
    if (!answer)
      return;
    if ((answer.changes ?? []).length === 0)
      return this.#complain('That is what is in force already.');
    this.#showChanges(wanted, answer.changes);
  }

  #showChanges(wanted, changes, news = '') {
    const back = () => {
      this.#show(this.form);
      this.form.append(this.mistakes);
      this.form.append(this.form.querySelector('.buttons'));
    };
    const apply = h('button.primary', {type: 'button', onclick: async () => {
      apply.disabled = true;
      await this.#apply(wanted, changes);
      apply.disabled = false;
    }}, changes.length === 1 ? 'Apply this change' : `Apply ${changes.length} changes`);
    this.#show(h('div.difference',
      h('p', 'Nothing has been changed yet. This would be:'),
      h('table', h('caption.unseen', 'Difference'),
        h('thead', h('tr', h('th', {scope: 'col'}, 'Setting'), h('th', {scope: 'col'}, 'In force'), h('th', {scope: 'col'}, 'New'))),
        h('tbody', changes.map(({path, from, to}) => h('tr', h('th', {scope: 'row'}, path),
          h('td', h('del', written(from) || 'not set')), h('td', h('ins', written(to) || 'not set')))))),
      this.mistakes,
      h('div.buttons', h('button', {type: 'button', onclick: back}, 'Back'), apply)));
    this.#complain(news);
    apply.focus();
  }

  // What was shown is what is done: another operator, or a reload, may have been quicker.
  async #apply(wanted, shown) {
    const now = await this.#send(wanted, true);
    if (!now)
      return;
    const changes = now.changes ?? [];
    if (changes.length > 0 && JSON.stringify(changes) !== JSON.stringify(shown))
      return this.#showChanges(wanted, changes, 'It was changed meanwhile. This is the difference now.');
    if (changes.length > 0 && !await this.#send(wanted, false))
      return;
    this.app.toast(changes.length === 0 ? `Policy of ${this.name}: that is what is in force already`
      : `Policy of ${this.name}: ${changes.length === 1 ? 'one change' : `${changes.length} changes`} in force`);
    this.form = null;
    await this.load();
    this.edit.focus();
  }

  async #send(wanted, dryRun) {
    this.#complain();
    try {
      return (await withToken(() => changePolicy(this.name, wanted, dryRun)))?.result;
    } catch (problem) {
      this.#complain(problem.message, problem.mistakes);
      return undefined;
    }
  }

  // Each mistake, and at its field where it names one.
  #complain(sentence = '', mistakes = []) {
    for (const {input, path} of this.fields) {
      const isWrong = mistakes.some((mistake) => new RegExp(`(^|[\\s."'])${path.replaceAll('.', '\\.')}($|[\\s:"',])`).test(mistake));
      input.toggleAttribute('aria-invalid', isWrong);
      if (isWrong)
        input.setAttribute('aria-invalid', 'true');
    }
    this.mistakes.replaceChildren(...(sentence === '' ? [] : [h('p.mistake', sentence),
      ...(mistakes.length > 0 ? [h('ul', mistakes.map((mistake) => h('li', mistake)))] : [])]));
  }
}
