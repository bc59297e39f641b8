// What an operator does.

import assert from 'node:assert/strict';

const guardHash = (name) => `#/guards/${encodeURIComponent(name)}`;

async function unlock(page, token, name = 'ada') {
  const dialog = page.getByRole('dialog', {name: 'Unlock changes'});
  await dialog.getByLabel('Token').fill(token);
  await dialog.getByLabel('Your name').fill(name);
  await dialog.getByRole('button', {name: 'Unlock'}).click();
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
      await unlock(page, 'not the token');
      await page.getByRole('alert').getByText('refused this token').waitFor();
      assert.equal((await test.guardNow()).state, 'closed');
      await unlock(page, test.token);
      await badge(page, 'Forced open');
      assert.equal((await test.guardNow()).state, 'forced_open');
      await page.locator('.sentence').waitFor();

      await act(page, 'Close');
      await sure(page, 'Close');
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
