// A thousand guards, four times a second.

import assert from 'node:assert/strict';

const GUARDS = 1000;
const SECONDS = 12;
const LONGEST = 50; // ms, of 95 of 100 frames

// Intervals of frames for a while, in ms.
const frames = (page, seconds) => page.evaluate((milliseconds) => new Promise((resolve) => {
  const begun = performance.now();
  const times = [];
  let last = begun;
  const frame = (now) => {
    times.push(now - last);
    last = now;
    now - begun < milliseconds ? requestAnimationFrame(frame) : resolve(times.slice(1));
  };
  requestAnimationFrame(frame);
}), 1000 * seconds);

export const load = {
  frames: {
    says: `${GUARDS} guards, 4 updates a second: 95 of 100 frames take ${LONGEST} ms at most, at rest and scrolling`,
    guards: GUARDS,
    async run(test) {
      const {content} = await test.api('GET', 'guards');
      if (content.guards.length < GUARDS)
        return console.log(`-- frames: this daemon has ${content.guards.length} guards, of ${GUARDS}`);
      const page = await test.open();
      await page.getByRole('combobox', {name: 'Figures every'}).selectOption('0.25');
      await page.locator('.wall .tile').nth(10).waitFor();
      const shown = await page.locator('.wall .tile').count();
      assert.ok(shown < 100, `${shown} of ${GUARDS} have an element`);
      const before = test.daemon?.samples;
      const still = await frames(page, SECONDS);
      if (test.isMock) {
        const updates = (test.daemon.samples - before) / SECONDS;
        assert.ok(updates > 3.5, `${updates} updates a second came`);
      }
      await page.mouse.move(600, 500);
      const scrolling = frames(page, SECONDS);
      for (let i = 0; i < SECONDS * 4; ++i) {
        await page.mouse.wheel(0, i % 16 < 10 ? 700 : -900);
        await page.waitForTimeout(200); // sleeps: a hand at the wheel
      }
      for (const [what, times] of [['at rest', still], ['scrolling', await scrolling]]) {
        times.sort((a, b) => a - b);
        const at = (share) => times[Math.min(times.length - 1, Math.floor(share * times.length))];
        console.log(`-- frames ${what}: ${times.length} in ${SECONDS} s, p50 ${at(0.5).toFixed(1)} ms, p95 ${at(0.95).toFixed(1)} ms, p99 ${at(0.99).toFixed(1)} ms, longest ${times.at(-1).toFixed(1)} ms`);
        assert.ok(at(0.95) <= LONGEST, `${what}: p95 is ${at(0.95)} ms`);
      }
    },
  },
};
