// What is asked before something happens: the token once, and a yes before a breaker is moved.

import {forgetToken, operator, rememberToken, token} from './api.js';
import {h} from './dom.js';

// Shows a dialog until it is closed; true where it was by its main button.
function ask(title, content, yes, {danger = false, first = null} = {}) {
  return new Promise((resolve) => {
    const id = 'dialog-title';
    const form = h('form', {method: 'dialog'},
      h('h2', {id}, title), content,
      h('div.buttons', h('button', {type: 'button', onclick: () => dialog.close('')}, 'Cancel'),
        h(danger ? 'button.danger' : 'button.primary', {type: 'submit', value: 'yes'}, yes)));
    const dialog = h('dialog', {'aria-labelledby': id, onclose: () => {
      dialog.remove();
      resolve(dialog.returnValue === 'yes');
    }}, form);
    document.body.append(dialog);
    dialog.showModal();
    (first ?? form.querySelector('.buttons button')).focus();
  });
}

/// Resolves to whether there is a token now.
export async function askForToken(why = '') {
  const secret = h('input', {type: 'password', required: true, autocomplete: 'off', id: 'token', spellcheck: 'false'});
  const name = h('input', {type: 'text', maxlength: '64', autocomplete: 'username', id: 'operator', value: operator()});
  const isGiven = await ask('Unlock changes', [
    why === '' ? null : h('p.mistake', {role: 'alert'}, why),
    h('label', {for: 'token'}, 'Token'), secret,
    h('p.hint', 'What is in the daemon’s token file. It is kept in this tab only, and forgotten when it is closed.'),
    h('label', {for: 'operator'}, 'Your name'), name,
    h('p.hint', 'For the journal; without it, your address is written down.'),
  ], 'Unlock', {first: secret});
  const given = secret.value.trim();
  if (!isGiven || given === '')
    return false;
  // Others can't be sent in a header, and no daemon takes them.
  if (!/^[\x21-\x7e]+$/.test(given))
    return askForToken('A token is one word of visible ASCII characters.');
  rememberToken(given, name.value.replace(/[^\x20-\x7e]/g, '').trim());
  return true;
}

export const confirm = (title, content, yes, danger) => ask(title, content, yes, {danger});

/// Does something that needs the token: asks for it where there is none or it is refused, as often
/// as it takes. Undefined where the operator gives up; other refusals are thrown.
export async function withToken(change) {
  let why = '';
  for (;;) {
    if (token() === null && !(await askForToken(why)))
      return undefined;
    try {
      return {result: await change()};
    } catch (problem) {
      if (problem.status !== 401)
        throw problem;
      forgetToken();
      why = 'The daemon refused this token.';
    }
  }
}
