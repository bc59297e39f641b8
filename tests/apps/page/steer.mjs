// What an operator does.

import assert from 'node:assert/strict';

const guardHash = (name) => `#/guards/${encodeURIComponent(name)}`;

async function unlock(page, token, name = 'ada') {
  const dialog = page.getByRole('dialog', {name: 'Unlock changes'});
  await dialog.getByLabel('Token').fill(token);
  await dialog.getByLabel('Your name').fill(name);
  await dialog.getByRole('button', {name: 'Unlock'}).click();
}

async function lookAtDifference(page, attempts) {
  await page.getByLabel('max-attempts', {exact: true}).fill(String(attempts));
  await page.getByRole('button', {name: 'Show difference'}).click();
}

const act = (page, word) => page.getByRole('group', {name: 'Circuit breaker'}).getByRole('button', {name: word, exact: true}).click();
const sure = (page, word) => page.getByRole('dialog', {name: new RegExp(`^${word}:`)}).getByRole('button', {name: word, exact: true}).click();
const badge = (page, word) => page.locator('.badge b').getByText(word, {exact: true}).waitFor();

export const steer = {
  operate: {
    says: 'a breaker is forced open and closed, after a yes and with the token, which this tab alone keeps',
    async run(test) {
      await test.heal();
      const page = await test.open(guardHash(test.guard));
      await badge(page, 'Closed');
      await act(page, 'Force open');
      // Nothing has happened: Cancel has the focus, and Escape is a no.
      const question = page.getByRole('dialog', {name: /^Force open:/});
      await question.waitFor();
      assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Cancel');
      await page.keyboard.press('Escape');
      await question.waitFor({state: 'detached'});
      assert.equal((await test.guardNow()).state, 'closed');

      await act(page, 'Force open');
      await sure(page, 'Force open');
      await unlock(page, 'not-the-token-at-all');
      await page.getByRole('alert').getByText('refused this token').waitFor();
      assert.equal((await test.guardNow()).state, 'closed');
      await unlock(page, test.token);
      await badge(page, 'Forced open');
      assert.equal((await test.guardNow()).state, 'forced_open');
      await page.locator('.sentence').waitFor();

      await act(page, 'Reset');
      await sure(page, 'Reset');
      await badge(page, 'Closed');
      assert.equal((await test.guardNow()).state, 'closed');

      const places = await page.evaluate((token) => ({
        local: JSON.stringify({...localStorage}).includes(token), cookie: document.cookie, session: JSON.stringify({...sessionStorage}).includes(token),
        address: location.href.includes(token), text: document.body.textContent.includes(token),
      }), test.token);
      assert.deepEqual(places, {local: false, cookie: '', session: true, address: false, text: false});
      await page.getByRole('button', {name: 'Lock', exact: true}).click();
      assert.ok(!(await page.evaluate((token) => JSON.stringify({...sessionStorage}).includes(token), test.token)));
    },
  },

  words: {
    says: 'a token that no daemon can have is refused at once, and a browser that keeps nothing is no hindrance',
    async run(test) {
      await test.heal();
      const page = await test.open(guardHash(test.guard), {}, (page) => page.context().addInitScript(() => {
        const refuse = () => { throw new DOMException('The operation is insecure.', 'SecurityError'); };
        Object.defineProperty(window, 'sessionStorage', {get: refuse});
      }));
      await badge(page, 'Closed');
      await act(page, 'Force open');
      await sure(page, 'Force open');
      for (const wrong of ['пароль-пароль-пароль', 'two words', 'schlüssel']) {
        await unlock(page, wrong);
        await page.getByRole('alert').getByText('A token is one word of visible ASCII characters.').waitFor();
      }
      await unlock(page, test.token);
      await badge(page, 'Forced open');
      await act(page, 'Reset');
      await sure(page, 'Reset');
      await badge(page, 'Closed');
      await page.getByRole('button', {name: 'Lock', exact: true}).click();
      await act(page, 'Reset');
      await sure(page, 'Reset');
      await page.getByRole('dialog', {name: 'Unlock changes'}).waitFor();
    },
  },

  meanwhile: {
    says: 'what somebody else has changed since the difference was shown isn’t overwritten unseen',
    async run(test) {
      const {policy} = await test.guardNow();
      const attempts = Number(policy.retry['max-attempts']);
      const now = async () => Number((await test.guardNow()).policy.retry['max-attempts']);
      const page = await test.open(guardHash(test.guard));
      await page.getByRole('button', {name: 'Edit', exact: true}).click();
      await lookAtDifference(page, attempts + 2);
      await unlock(page, test.token);
      const apply = page.getByRole('button', {name: 'Apply this change'});
      await apply.waitFor();
      await test.policy({retry: {'max-attempts': attempts + 5}});
      await apply.click();
      await page.getByRole('alert').getByText('It was changed meanwhile. This is the difference now.').waitFor();
      assert.equal(await now(), attempts + 5, 'nothing is done yet');
      assert.equal(await page.locator('.difference del').innerText(), String(attempts + 5));
      // Somebody else has done just that: there is nothing left to do.
      await test.policy({retry: {'max-attempts': attempts + 2}});
      await apply.click();
      await page.getByText('that is what is in force already').waitFor();
      const edit = page.getByRole('button', {name: 'Edit', exact: true});
      await edit.click();
      await lookAtDifference(page, attempts);
      await apply.click();
      await edit.waitFor();
      assert.equal(await now(), attempts);
    },
  },

  unread: {
    says: 'a policy that can’t be read takes no form away, and can be edited later',
    async run(test) {
      const {policy} = await test.guardNow();
      const attempts = Number(policy.retry['max-attempts']);
      const page = await test.open(guardHash(test.guard));
      const edit = page.getByRole('button', {name: 'Edit', exact: true});
      const field = page.getByLabel('max-attempts', {exact: true});
      await page.locator('.policy dt').first().waitFor();
      const place = new RegExp(`/api/v1/guards/${encodeURIComponent(test.guard)}$`);
      const refuse = () => page.route(place, (route) => route.fulfill({status: 503, contentType: 'application/problem+json', body: '{"detail":"the node is busy"}'}));
      await edit.click();
      await field.fill(String(attempts + 1));
      await refuse();
      const refused = page.waitForResponse(place);
      await test.operate('reset'); // a change, after which it is read again
      await (await refused).finished();
      await page.waitForTimeout(200); // sleeps: what must not happen
      assert.equal(await field.inputValue(), String(attempts + 1));
      // What was applied is in force, also where it can't be shown.
      await lookAtDifference(page, attempts + 1);
      await unlock(page, test.token);
      await page.getByRole('button', {name: 'Apply this change'}).click();
      await page.locator('.policy .mistake').getByText('the node is busy').waitFor();
      await page.unroute(place);
      await edit.click();
      await field.waitFor();
      assert.equal(await field.inputValue(), String(attempts + 1));
      await page.getByRole('button', {name: 'Cancel', exact: true}).click();
      await test.policy({retry: {'max-attempts': attempts}});
    },
  },

  policy: {
    says: 'a policy is changed after its difference was shown; a mistake is named and changes nothing',
    async run(test) {
      const before = (await test.guardNow()).policy;
      const attempts = Number(before.retry?.['max-attempts'] ?? 1);
      assert.ok(before.retry, `${test.guard} needs a retry policy for this`);
      const page = await test.open(guardHash(test.guard));
      await page.getByRole('button', {name: 'Edit', exact: true}).click();
      const field = page.getByLabel('max-attempts', {exact: true});

      await field.fill('-3');
      await page.getByRole('button', {name: 'Show difference'}).click();
      await unlock(page, test.token);
      const mistake = page.locator('.mistakes li').first();
      await mistake.waitFor();
      assert.match(await mistake.innerText(), /max-attempts/);
      assert.equal(await field.getAttribute('aria-invalid'), 'true');
      assert.deepEqual((await test.guardNow()).policy, before);

      await field.fill(String(attempts + 2));
      await page.getByRole('button', {name: 'Show difference'}).click();
      const row = page.locator('.difference tbody tr').filter({hasText: 'max-attempts'});
      await row.waitFor();
      assert.equal(await page.locator('.difference tbody tr').count(), 1);
      assert.match(await row.locator('del').innerText(), new RegExp(`^${attempts}$`));
      assert.match(await row.locator('ins').innerText(), new RegExp(`^${attempts + 2}$`));
      assert.deepEqual((await test.guardNow()).policy, before, 'only shown so far');

      await page.getByRole('button', {name: 'Back', exact: true}).click();
      assert.equal(await field.inputValue(), String(attempts + 2));
      await page.getByRole('button', {name: 'Show difference'}).click();
      await page.getByRole('button', {name: 'Apply this change'}).click();
      await page.locator('.policy dd').getByText(String(attempts + 2), {exact: true}).first().waitFor();
      assert.equal(Number((await test.guardNow()).policy.retry['max-attempts']), attempts + 2);

      // The same as text, and back.
      await page.getByRole('button', {name: 'Edit', exact: true}).click();
      await page.getByText('Other settings, as text').click();
      await page.getByLabel(/syntax of the configuration/).fill(`retry { max-attempts = ${attempts} }`);
      await page.getByRole('button', {name: 'Show difference'}).click();
      await page.getByRole('button', {name: 'Apply this change'}).click();
      await page.getByRole('button', {name: 'Edit', exact: true}).waitFor();
      assert.equal(Number((await test.guardNow()).policy.retry['max-attempts']), attempts);
    },
  },
};
