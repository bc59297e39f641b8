// When the daemon is away.

import assert from 'node:assert/strict';
import {tileOf} from './watch.mjs';

// Five minutes are half a second here.
const shorten = () => {
  const wait = window.setTimeout;
  window.setTimeout = (what, milliseconds, ...more) => wait(what, milliseconds === 300_000 ? 500 : milliseconds, ...more);
};

// It isn't woken by a network that comes, either.
async function assertRests(page) {
  const asked = [];
  page.on('request', (request) => asked.push(request.url()));
  await page.evaluate(() => dispatchEvent(new Event('online')));
  await page.waitForTimeout(500); // sleeps: what must not happen
  assert.deepEqual(asked.filter((url) => url.includes('/events')), []);
}

export const line = {
  restart: {
    says: 'the daemon’s restart: since when figures are old is said, and they go on by themselves',
    async run(test) {
      await test.heal();
      const page = await test.open();
      const tile = tileOf(page, test.guard);
      await tile.waitFor();
      await page.locator('#connection').getByText('Live').waitFor();
      const begun = await page.evaluate(() => performance.timeOrigin);
      const colour = () => tile.locator('.figure b').first().evaluate((element) => getComputedStyle(element).color);
      const before = await colour();
      const count = await page.locator('.wall .tile').count();

      // One that isn't ours is only out of reach for a while.
      await test.daemon?.halt();
      test.relay.cut();
      await page.locator('#lost').getByText(/^No connection since \d\d:\d\d:\d\d\.$/).waitFor();
      await page.locator('#lost').getByText(/Next try in \d+ s/).waitFor();
      assert.notEqual(await colour(), before, 'old figures look old');
      assert.equal(await page.locator('.wall .tile').count(), count, 'and are still there');
      // It doesn't dial all the time.
      let dials = 0;
      test.relay.server.on('connection', () => ++dials);
      await page.waitForTimeout(6000); // sleeps: what is measured is how seldom something happens
      assert.ok(dials >= 1 && dials <= 8, `${dials} dials in 6 s`);

      await test.daemon?.start();
      test.relay.mend();
      await page.getByRole('button', {name: 'Try now'}).click().catch(() => {}); // unless it was quicker
      await page.locator('#lost').waitFor({state: 'hidden'});
      await page.locator('#connection').getByText('Live').waitFor();
      assert.equal(await colour(), before);
      await test.operate('force_open');
      await tile.locator('.word').getByText('Forced open', {exact: true}).waitFor();
      await test.operate('close');
      await tile.locator('.word').getByText('Closed', {exact: true}).waitFor();
      assert.equal(await page.evaluate(() => performance.timeOrigin), begun, 'without a reload');
      const {content} = await test.api('GET', 'guards');
      await page.waitForFunction((n) => document.querySelector('.total').textContent.startsWith(`${n} guards`), content.guards.length.toLocaleString('en-US'));
    },
  },

  by_itself: {
    says: 'a line that was cut is dialled again without anybody’s doing',
    async run(test) {
      const page = await test.open();
      await page.locator('#connection').getByText('Live').waitFor();
      test.relay.cut();
      await page.locator('#lost').getByText(/^No connection since/).waitFor();
      test.relay.mend();
      await page.locator('#lost').waitFor({state: 'hidden', timeout: 12_000});
    },
  },

  unseen: {
    says: 'a tab that nobody looks at gives its connection back, and takes it up again',
    async run(test) {
      const page = await test.open('', {}, (page) => page.context().addInitScript(shorten));
      await page.locator('#connection').getByText('Live').waitFor();
      const look = (hidden) => page.evaluate((isHidden) => {
        Object.defineProperty(document, 'hidden', {configurable: true, get: () => isHidden});
        document.dispatchEvent(new Event('visibilitychange'));
      }, hidden);
      await look(true);
      await look(false);
      await page.waitForTimeout(800); // sleeps: what is looked at again keeps it
      assert.equal(await page.locator('#connection').innerText(), 'Live');
      await look(true);
      await page.locator('#connection').getByText('Connecting').waitFor();
      await assertRests(page);
      assert.ok(await page.locator('#lost').isHidden(), 'and calls it no loss');
      await look(false);
      await page.locator('#connection').getByText('Live').waitFor();
    },
  },

  background: {
    says: 'a tab that was opened in the background gives its connection back too',
    async run(test) {
      const page = await test.open('', {}, (page) => page.context().addInitScript(shorten).then(() => page.context().addInitScript(() =>
        Object.defineProperty(document, 'hidden', {configurable: true, get: () => true}))));
      await page.locator('#connection').getByText('Live').waitFor();
      await page.locator('#connection').getByText('Connecting').waitFor();
      await assertRests(page);
    },
  },
};
