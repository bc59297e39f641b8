// What an operator sees.

import assert from 'node:assert/strict';

export const tileOf = (page, name) => page.locator('.wall .tile').filter({has: page.locator('.name').getByText(name, {exact: true})});
const guardHash = (name) => `#/guards/${encodeURIComponent(name)}`;

export const watch = {
  wall: {
    says: 'each guard has a tile with state by shape and word, figures and a live chart',
    async run(test) {
      const page = await test.open();
      const tile = tileOf(page, test.guard);
      await tile.waitFor();
      assert.equal((await tile.locator('.word').innerText()).trim(), 'Closed');
      assert.equal(await tile.locator('.head use').getAttribute('href'), '#i-closed');
      const text = await tile.innerText();
      for (const label of ['calls/s', 'failing', 'p50', 'p99'])
        assert.ok(text.includes(label), `${label} in ${text}`);
      assert.match(text, /permits \d+\/\d+[^]*queue \d+\/\d+|no bulkhead/);
      // Calls that come now are in its figures and its chart a moment later.
      for (let i = 0; i < 20; ++i)
        await test.api('POST', `guards/${encodeURIComponent(test.guard)}/call`, {value: i, timeout: 5});
      await page.waitForFunction((link) => Number(link.querySelector('.figure b').textContent) > 0, await tile.elementHandle());
      await page.waitForFunction((link) => {
        const canvas = link.querySelector('canvas');
        const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
        copy.drawImage(canvas, 0, 0);
        return copy.getImageData(0, 0, canvas.width, canvas.height).data.some((value) => value > 0);
      }, await tile.elementHandle());
      const {content} = await test.api('GET', 'guards');
      assert.match(await page.locator('.total').innerText(), new RegExp(`^${content.guards.length.toLocaleString('en-US')} guards`));
    },
  },

  trip: {
    says: 'a breaker that trips is seen at once, first of all, and why; its recovery too',
    async run(test) {
      await test.heal();
      const page = await test.open();
      const tile = tileOf(page, test.guard);
      await tile.waitFor();
      const begun = await page.evaluate(() => performance.timeOrigin);
      await test.trip();
      await tile.locator('.word').getByText('Open', {exact: true}).waitFor({timeout: 3000});
      assert.equal(await tile.locator('.head use').getAttribute('href'), '#i-open');
      const isAmongFirst = () => page.waitForFunction((name) => {
        const tiles = [...document.querySelectorAll('.wall .tile')];
        const at = tiles.findIndex((each) => each.querySelector('.name').textContent === name);
        return tiles.slice(0, at + 1).every((each) => each.dataset.condition === 'open');
      }, test.guard);
      await isAmongFirst();
      await tile.click();
      await page.locator('.badge b').getByText('Open', {exact: true}).waitFor();
      const sentence = page.locator('.sentence');
      await sentence.waitFor();
      assert.match(await sentence.innerText(), /open since (\d{4}-\d\d-\d\d )?\d\d:\d\d:\d\d because/);
      await page.locator('.errors tbody tr').first().waitFor();
      await page.locator('.events').getByText('Closed → Open').first().waitFor();
      await page.locator('.timeline li[data-state="open"]').first().waitFor({state: 'attached'});
      await test.heal();
      await page.locator('.badge b').getByText('Closed', {exact: true}).waitFor();
      assert.equal(await page.evaluate(() => performance.timeOrigin), begun, 'without a reload');
    },
  },

  find: {
    says: 'the wall is searched, filtered and put in order; the choice is in the address',
    async run(test) {
      await test.heal();
      const page = await test.open();
      await tileOf(page, test.guard).waitFor();
      const names = () => page.locator('.wall .tile .name').allInnerTexts();
      await page.keyboard.press('/');
      await page.keyboard.type(test.guard);
      const {content} = await test.api('GET', 'guards');
      const found = content.guards.filter(({name, target}) => name.includes(test.guard) || target.includes(test.guard)).map(({name}) => name).sort();
      await page.waitForFunction((wanted) => [...document.querySelectorAll('.wall .tile .name')].map((name) => name.textContent).sort().join() === wanted, found.join());
      assert.ok((await names()).includes(test.guard));
      assert.match(page.url(), new RegExp(`q=${encodeURIComponent(test.guard)}`));
      await page.reload();
      await tileOf(page, test.guard).waitFor();
      assert.equal(await page.getByRole('searchbox').inputValue(), test.guard);
      await page.getByRole('searchbox').fill('there is no such guard');
      await page.getByText('No guard fits.').waitFor();
      await page.getByRole('searchbox').fill('');

      await page.getByRole('combobox', {name: 'Order'}).selectOption('name');
      await page.waitForFunction(() => {
        const shown = [...document.querySelectorAll('.wall .tile .name')].map((name) => name.textContent);
        const sorted = [...shown].sort(new Intl.Collator('en', {numeric: true}).compare);
        return shown.length > 0 && shown.join() === sorted.join();
      });
      await test.operate('force_open');
      const open = page.getByRole('button', {name: /Open$/}).and(page.locator('[data-condition="open"]'));
      await open.click();
      await tileOf(page, test.guard).waitFor();
      assert.equal(await open.getAttribute('aria-pressed'), 'true');
      await page.waitForFunction(() => [...document.querySelectorAll('.wall .tile')].every((tile) => tile.dataset.condition === 'open'));
      await open.click();
      await test.operate('close');
    },
  },

  guard: {
    says: 'a guard’s page has its states, calls, latency, events and policy',
    async run(test) {
      await test.heal();
      const page = await test.open(guardHash(test.guard));
      await page.getByRole('heading', {level: 1, name: test.guard}).waitFor();
      for (const name of ['States', 'Calls a second', 'Latency', 'Events', 'Policy'])
        await page.getByRole('heading', {level: 2, name, exact: true}).waitFor();
      await page.locator('.chart canvas').nth(1).waitFor();
      await test.operate('force_open');
      await page.locator('.events').getByText('Closed → Forced open').first().waitFor();
      await page.locator('.timeline li[data-state="forced_open"]').first().waitFor({state: 'attached'});
      const spans = await page.locator('.timeline li').evaluateAll((items) => items.map((item) => item.dataset.state));
      assert.ok(spans.length > 1 && spans.every((state, i) => state !== spans[i - 1]), spans.join());
      await test.operate('close');
      await page.locator('.events').getByText('Forced open → Closed').first().waitFor();
      await page.locator('.policy dt').getByText('deadline', {exact: true}).waitFor();
      await page.goto(`${test.address}#/guards/nobody`);
      await page.getByText('This node has no guard “nobody”.').waitFor();
    },
  },

  nodes: {
    says: 'the nodes, with their states and what they have counted',
    async run(test) {
      const page = await test.open('#/nodes');
      const {content} = await test.api('GET', 'nodes');
      for (const node of content.nodes) {
        const row = page.locator('table.nodes tbody tr').filter({has: page.getByRole('rowheader', {name: node.name, exact: true})});
        await row.waitFor();
        assert.ok((await row.innerText()).includes(String(node.state)), node.state);
      }
      assert.equal(await page.locator('table.nodes tbody tr').count(), content.nodes.length);
    },
  },

  events: {
    says: 'events come as they happen, and older ones from the journal',
    async run(test) {
      await test.heal();
      const page = await test.open('#/events');
      await page.getByRole('button', {name: 'States', exact: true}).click();
      await test.operate('disable');
      const {breaker} = await test.guardNow();
      await page.locator('.events li').filter({hasText: breaker}).filter({hasText: 'Closed → Disabled'}).first().waitFor();
      await test.operate('close');
      await page.getByRole('button', {name: 'Changes', exact: true}).click();
      await page.locator('.events li').filter({hasText: breaker}).first().waitFor();
    },
  },

  older: {
    says: 'the journal has what the daemon no longer tells, however much has happened since',
    async run(test) {
      await test.heal();
      const {breaker, policy} = await test.guardNow();
      const place = `breakers/${encodeURIComponent(breaker)}`;
      assert.equal((await test.policy({deadline: '4321ms'})).status, 200);
      await test.operate('metrics_only');
      await test.operate('close');
      // What it tells is only since its start.
      await test.daemon?.halt();
      await test.daemon?.start();
      const page = await test.open('#/events');
      await page.locator('#connection').getByText('Live').waitFor();
      for (let i = 0; i < 110; ++i)
        for (const action of ['disable', 'close'])
          await test.api('POST', place, {action});
      await page.waitForFunction(() => document.querySelectorAll('.events li').length >= 200);
      const change = page.locator('.events li').filter({hasText: '4321ms'});
      const transition = page.locator('.events li').filter({hasText: 'Closed → Metrics only'});
      if (test.daemon)
        assert.equal(await change.count() + await transition.count(), 0);
      // A hundred entries at a time, of which some may be from after the list's begin.
      while (await change.count() === 0) {
        const shown = await page.locator('.events li').count();
        await page.getByRole('button', {name: /journal/}).click();
        await page.waitForFunction((before) => document.querySelectorAll('.events li').length > before, shown);
      }
      await transition.filter({has: page.locator('.why').getByText(/^(metrics only|operator)$/)}).first().waitFor();
      const times = await page.locator('.events time').evaluateAll((all) => all.map((time) => time.dateTime));
      assert.deepEqual(times, [...times].sort().reverse(), 'newest first');
      // To the journal's begin, and no further.
      for (const end = page.getByText('There is nothing older.'); !(await end.isVisible());)
        await page.getByRole('button', {name: /journal/}).click();
      assert.equal(await change.count(), 1, 'and nothing twice');
      await test.policy({deadline: policy.deadline});
    },
  },

  ways: {
    says: 'from the wall to a guard and back, with what was chosen, without a reload and to the keyboard’s place',
    async run(test) {
      await test.heal();
      const page = await test.open();
      const begun = await page.evaluate(() => performance.timeOrigin);
      const title = page.getByRole('heading', {level: 1, name: test.guard, exact: true});
      const back = page.getByRole('link', {name: 'All guards'});
      await tileOf(page, test.guard).click();
      await title.waitFor();
      await back.click();
      const search = page.getByRole('searchbox');
      await search.fill(test.guard);
      await page.getByRole('combobox', {name: 'Order'}).selectOption('name');
      await tileOf(page, test.guard).click();
      await title.waitFor();
      await back.click();
      assert.equal(await search.inputValue(), test.guard, 'the choice is still there');
      assert.equal(await page.getByRole('combobox', {name: 'Order'}).inputValue(), 'name');
      await tileOf(page, test.guard).click();
      await title.waitFor();
      await page.keyboard.press('/');
      await search.waitFor();
      await page.waitForTimeout(200); // sleeps: what would take the focus away comes later
      await page.keyboard.type(test.guard);
      assert.equal(await search.inputValue(), test.guard);
      await page.goBack();
      await title.waitFor();
      await page.keyboard.press('Escape');
      await tileOf(page, test.guard).waitFor();
      assert.equal(await page.evaluate(() => performance.timeOrigin), begun, 'without a reload');
    },
  },

  hostile: {
    says: 'what comes from outside is text, whatever is in it',
    onlyMock: true,
    async run(test) {
      const {HOSTILE_NAME: name} = await import('./simulation.mjs');
      const page = await test.open(`#/?q=${encodeURIComponent('<img')}`);
      await tileOf(page, name).click();
      await page.getByRole('heading', {level: 1, name, exact: true}).waitFor();
      await page.locator('.policy dt').first().waitFor();
      assert.equal(await page.locator('main img').count(), 0);
    },
  },
};
