// For everybody: with keys alone, by name and role, with enough contrast, on a phone, at rest.

import assert from 'node:assert/strict';
import {tileOf} from './watch.mjs';

const guardHash = (name) => `#/guards/${encodeURIComponent(name)}`;
const focused = (page) => page.evaluate(() => document.activeElement.textContent.trim() || document.activeElement.getAttribute('aria-label'));

// Tab until the focus is where it should be.
async function tabTo(page, isThere, what) {
  for (let i = 0; i < 60; ++i) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(isThere))
      return;
  }
  assert.fail(`Tab doesn't reach ${what}`);
}

const hasOutline = (page) => page.evaluate(() => {
  const style = getComputedStyle(document.activeElement);
  return style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2;
});

/// Texts of less contrast to what is behind them than they need, and icons: as WCAG counts it.
function poorContrast() {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = 1;
  const context = canvas.getContext('2d', {willReadFrequently: true});
  const known = new Map();
  const rgba = (colour) => {
    if (!known.has(colour)) {
      context.clearRect(0, 0, 1, 1);
      context.fillStyle = colour;
      context.fillRect(0, 0, 1, 1);
      known.set(colour, [...context.getImageData(0, 0, 1, 1).data].map((x) => x / 255));
    }
    return known.get(colour);
  };
  const over = ([r, g, b, a], [r2, g2, b2]) => [r * a + r2 * (1 - a), g * a + g2 * (1 - a), b * a + b2 * (1 - a), 1];
  const ground = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const colour = rgba(getComputedStyle(e).backgroundColor);
      if (colour[3] > 0)
        layers.push(colour);
      if (colour[3] === 1)
        break;
    }
    return layers.reduceRight((below, layer) => over(layer, below), [1, 1, 1, 1]);
  };
  const light = ([r, g, b]) => {
    const linear = (x) => (x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  };
  const contrast = (a, b) => {
    const [x, y] = [light(a), light(b)].sort((m, n) => n - m);
    return (x + 0.05) / (y + 0.05);
  };
  const poor = new Set();
  const check = (element, what, least) => {
    const box = element.getBoundingClientRect();
    if (box.width === 0 || box.height === 0 || getComputedStyle(element).visibility === 'hidden' || element.closest('.unseen, .skip'))
      return;
    const behind = ground(element);
    const found = contrast(over(rgba(getComputedStyle(element).color), behind), behind);
    if (found < least)
      poor.add(`${element.tagName}.${element.getAttribute('class') ?? ''} “${what}”: ${found.toFixed(2)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node; (node = walker.nextNode());)
    if (node.data.trim() !== '' && !node.parentElement.closest('script, noscript, option'))
      check(node.parentElement, node.data.trim().slice(0, 30), 4.5);
  for (const icon of document.querySelectorAll('svg.icon'))
    check(icon, icon.firstChild.getAttribute('href'), 3);
  for (const input of document.querySelectorAll('input, select, textarea'))
    check(input, input.value, 4.5);
  return [...poor];
}

/// What can be used and has no name, by Chromium's own accessibility tree; and what else is amiss.
async function nameless(page) {
  const session = await page.context().newCDPSession(page);
  const {nodes} = await session.send('Accessibility.getFullAXTree');
  await session.detach();
  const used = ['button', 'link', 'textbox', 'searchbox', 'combobox', 'checkbox', 'dialog', 'table', 'image', 'img', 'navigation', 'group', 'heading', 'list'];
  const wrong = nodes.filter((node) => !node.ignored && used.includes(node.role?.value) && !node.name?.value
    && !(node.role.value === 'group' && node.properties?.length === 0)).map((node) => `${node.role.value} without a name`);
  const roles = new Set(nodes.filter((node) => !node.ignored).map((node) => node.role?.value));
  // Behind a question there is nothing.
  for (const role of roles.has('dialog') ? ['heading'] : ['banner', 'main', 'navigation', 'heading'])
    if (!roles.has(role))
      wrong.push(`no ${role}`);
  wrong.push(...await page.evaluate(() => {
    const ids = [...document.querySelectorAll('[id]')].map((element) => element.id);
    return [
      ...ids.filter((id, i) => ids.indexOf(id) !== i).map((id) => `id ${id} twice`),
      ...(document.querySelectorAll('h1').length === 1 ? [] : [`${document.querySelectorAll('h1').length} h1`]),
      ...(document.documentElement.lang ? [] : ['no language']),
      ...(document.title ? [] : ['no title']),
      ...[...document.querySelectorAll('[style]:not(.uplot, .uplot *)')].filter((e) => /url|expression/.test(e.getAttribute('style'))).map(() => 'style with url'),
    ];
  }));
  return wrong;
}

// Every view there is, with a breaker that is open.
async function eachView(test, page, look) {
  await test.operate('force_open');
  const views = {
    wall: ['#/', () => tileOf(page, test.guard).waitFor()],
    guard: [guardHash(test.guard), () => page.locator('.policy dt').first().waitFor()],
    nodes: ['#/nodes', () => page.locator('table.nodes tbody tr').first().waitFor()],
    events: ['#/events', () => page.locator('.events time').first().waitFor()],
  };
  for (const [name, [hash, isThere]] of Object.entries(views)) {
    await page.goto(test.address + hash);
    await isThere();
    await look(name);
  }
  // What comes over a guard's page.
  await page.goto(test.address + guardHash(test.guard));
  await page.getByRole('button', {name: 'Edit', exact: true}).click();
  await page.getByText('Other settings, as text').click();
  await look('policy edited');
  await page.getByRole('button', {name: 'Reset', exact: true}).click();
  await look('question');
  await page.keyboard.press('Escape');
  await page.getByRole('button', {name: 'Unlock', exact: true}).click();
  await look('token');
  await page.keyboard.press('Escape');
  await test.operate('close');
}

export const access = {
  keyboard: {
    says: 'all of it with the keyboard, and where the focus is can be seen',
    async run(test) {
      await test.heal();
      const page = await test.open();
      await tileOf(page, test.guard).waitFor();
      await page.keyboard.press('Tab');
      assert.equal(await focused(page), 'Skip to content');
      await page.keyboard.press('Enter');
      assert.equal(await page.evaluate(() => document.activeElement.id), 'main');
      await tabTo(page, () => document.activeElement.matches('.tile'), 'the wall');
      assert.ok(await hasOutline(page));
      // One stop for the whole wall; inside it, arrows.
      const name = () => page.evaluate(() => document.activeElement.querySelector('.name')?.textContent);
      const first = await name();
      await page.keyboard.press('ArrowRight');
      assert.notEqual(await name(), first);
      await page.keyboard.press('ArrowLeft');
      assert.equal(await name(), first);
      await page.keyboard.press('End');
      await page.keyboard.press('ArrowDown');
      const last = await name();
      assert.ok(last);
      await page.waitForTimeout(1500); // sleeps: figures come meanwhile, which must not take the focus away
      assert.equal(await name(), last);
      // The one with the focus comes to the front, and keeps it.
      while ((await name()) !== test.guard)
        await page.keyboard.press('ArrowLeft');
      await test.operate('force_open');
      await page.waitForFunction(() => document.activeElement.closest('li')?.style.transform === 'translate(0px, 0px)'
        || document.activeElement.dataset.condition === 'open' && document.activeElement.closest('li').ariaPosInSet < 10);
      assert.equal(await name(), test.guard);
      await test.operate('close');
      await page.keyboard.press('Home');
      await page.keyboard.press('/');
      await page.keyboard.type(test.guard);
      await page.waitForFunction(() => document.querySelectorAll('.wall .tile').length < 4);
      await tabTo(page, () => document.activeElement.matches('.tile'), 'the tile that was found');
      while ((await name()) !== test.guard)
        await page.keyboard.press('ArrowRight');
      await page.keyboard.press('Enter');
      await page.getByRole('heading', {level: 1, name: test.guard}).waitFor();

      await page.locator('.badge b').getByText('Closed', {exact: true}).waitFor();
      await tabTo(page, () => document.activeElement.textContent === 'Force open', 'Force open');
      assert.ok(await hasOutline(page));
      await page.keyboard.press('Enter');
      await page.getByRole('dialog').waitFor();
      await page.keyboard.press('Tab');
      assert.equal(await focused(page), 'Force open');
      await page.keyboard.press('Enter');
      await page.getByRole('dialog', {name: 'Unlock changes'}).waitFor();
      await page.keyboard.type(test.token);
      await page.keyboard.press('Enter');
      await page.locator('.badge b').getByText('Forced open', {exact: true}).waitFor();
      await test.operate('close');
      await page.keyboard.press('Escape');
      await page.locator('.wall').waitFor();
    },
  },

  names: {
    says: 'everything that is used has a name and a role, each view one heading',
    async run(test) {
      await test.heal();
      const page = await test.open();
      const wrong = [];
      await eachView(test, page, async (view) => wrong.push(...(await nameless(page)).map((each) => `${view}: ${each}`)));
      assert.deepEqual(wrong, []);
    },
  },

  contrast: {
    says: 'each text has a contrast of 4.5 to what is behind it, each icon 3: dark, light, and without a connection',
    async run(test) {
      await test.heal();
      const poor = [];
      for (const colorScheme of ['dark', 'light']) {
        const page = await test.open('', {colorScheme});
        assert.equal(await page.evaluate(() => document.documentElement.dataset.theme), colorScheme);
        const look = async (view) => poor.push(...(await page.evaluate(poorContrast)).map((each) => `${colorScheme}, ${view}: ${each}`));
        await eachView(test, page, look);
        await page.goto(`${test.address}#/`);
        await tileOf(page, test.guard).waitFor();
        test.relay.cut();
        await page.locator('#lost').getByText(/^No connection since/).waitFor();
        await look('without a connection');
        test.relay.mend();
      }
      assert.deepEqual([...new Set(poor)], []);
    },
  },

  theme: {
    says: 'dark or light as the system has it, until the operator says otherwise, and then so after a reload',
    async run(test) {
      const page = await test.open('', {colorScheme: 'light'});
      const themeIs = (theme) => page.waitForFunction((wanted) => document.documentElement.dataset.theme === wanted, theme);
      await themeIs('light');
      await page.emulateMedia({colorScheme: 'dark'});
      await themeIs('dark');
      await page.getByRole('button', {name: 'Light', exact: true}).click();
      await themeIs('light');
      await page.reload();
      await themeIs('light');
    },
  },

  phone: {
    says: '360 px wide: nothing is cut off and nothing scrolls sideways',
    async run(test) {
      await test.heal();
      const page = await test.open('', {viewport: {width: 360, height: 740}, hasTouch: true});
      const wrong = [];
      await eachView(test, page, async (view) => {
        const beyond = await page.evaluate(() => {
          const width = document.documentElement.clientWidth;
          const found = [...document.querySelectorAll('body *')].filter((element) => {
            const box = element.getBoundingClientRect();
            return box.width > 0 && (box.right > width + 1 || box.left < -1) && !element.closest('.unseen, .uplot, .sprite');
          }).map((element) => `${element.tagName}.${element.className}`);
          return [...found, ...(document.documentElement.scrollWidth > width ? [`scrolls: ${document.documentElement.scrollWidth} of ${width}`] : [])];
        });
        wrong.push(...beyond.map((each) => `${view}: ${each}`));
      });
      assert.deepEqual(wrong, []);
    },
  },

  motion: {
    says: 'who wants no motion sees none',
    async run(test) {
      const page = await test.open('', {reducedMotion: 'reduce'});
      await tileOf(page, test.guard).waitFor();
      const moving = await page.evaluate(() => [...document.querySelectorAll('*')].filter((element) => {
        const style = getComputedStyle(element);
        return /[1-9]/.test(style.transitionDuration) || style.animationName !== 'none';
      }).map((element) => element.className));
      assert.deepEqual(moving, []);
    },
  },
};
