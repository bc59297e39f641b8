// Pictures of the page for documents, of a daemon that runs:
//
//     PAGE_URL=http://127.0.0.1:PORT node tests/apps/page/pictures.mjs FOLDER [SECONDS] [HASH...]
//
// First SECONDS pass, so that there is something in the charts; HASH is what comes after the address,
// "#/" (the wall) otherwise. Each is made dark and light.

import path from 'node:path';
import {launch, openPage} from './browser.mjs';

const [folder, seconds = '60', ...hashes] = process.argv.slice(2);
if (!folder || !process.env.PAGE_URL) {
  console.log('usage: PAGE_URL=http://127.0.0.1:PORT pictures.mjs FOLDER [SECONDS] [HASH...]');
  process.exit(2);
}
const browser = await launch();
const page = await openPage(browser, {viewport: {width: 1440, height: 900}});
await page.goto(process.env.PAGE_URL);
await page.waitForTimeout(1000 * Number(seconds));
for (const hash of hashes.length > 0 ? hashes : ['#/']) {
  await page.evaluate((to) => (location.hash = to), hash);
  await page.waitForTimeout(3000);
  for (const theme of ['dark', 'light']) {
    if ((await page.evaluate(() => document.documentElement.dataset.theme)) !== theme)
      await page.locator('#theme').click();
    await page.waitForTimeout(1000);
    const name = hash.replace(/[^\w-]+/g, '-').replace(/^-+|-+$/g, '') || 'wall';
    await page.screenshot({path: path.join(folder, `${name}-${theme}.png`)});
  }
}
await browser.close();
