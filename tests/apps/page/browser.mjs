// Chromium with the page in it, by way of a relay that can be cut; and what goes wrong unseen: errors
// in the console, exceptions, what the content security policy had to forbid.

import {existsSync} from 'node:fs';
import {createRequire} from 'node:module';
import net from 'node:net';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

const here = path.dirname(fileURLToPath(import.meta.url));
export const modules = process.env.PAGE_MODULES ?? path.resolve(here, '../../../build/dev/tests/apps/page');

export const chromiumPath = () => [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((file) => file && existsSync(file));

export function launch() {
  const {chromium} = createRequire(path.join(modules, 'package.json'))('playwright-core');
  // Without a sandbox: it has none for root, and all that is opened is this page.
  return chromium.launch({executablePath: chromiumPath(), args: ['--no-sandbox', '--disable-dev-shm-usage']});
}

/// A line that can be cut and mended, between the page and the daemon.
export class Relay {
  constructor(target) {
    Object.assign(this, {target, sockets: new Set(), isCut: false});
    this.server = net.createServer((near) => this.#join(near));
  }

  async start() {
    await new Promise((resolve) => this.server.listen(0, '127.0.0.1', resolve));
    this.address = `http://127.0.0.1:${this.server.address().port}/`;
    return this;
  }

  #join(near) {
    if (this.isCut)
      return void near.destroy();
    const far = net.connect(this.target);
    for (const [one, other] of [[near, far], [far, near]]) {
      this.sockets.add(one);
      one.on('error', () => {});
      one.on('close', () => (this.sockets.delete(one), other.destroy()));
      one.pipe(other);
    }
  }

  cut() {
    this.isCut = true;
    for (const socket of this.sockets)
      socket.destroy();
  }

  mend() {
    this.isCut = false;
  }

  stop() {
    this.cut();
    this.server.close();
  }
}

/// A page of its own, with what it complained of in `page.complaints`.
export async function openPage(browser, options = {}) {
  const context = await browser.newContext({viewport: {width: 1280, height: 800}, colorScheme: 'dark', ...options});
  await context.addInitScript(() => {
    window.forbidden = [];
    addEventListener('securitypolicyviolation', (event) => window.forbidden.push(`${event.violatedDirective}: ${event.blockedURI}`));
  });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  page.complaints = [];
  page.foreign = [];
  page.on('pageerror', (error) => page.complaints.push(error.stack));
  page.on('request', (request) => {
    if (!request.url().startsWith('http://127.0.0.1:'))
      page.foreign.push(request.url());
  });
  page.on('console', (message) => {
    // Chromium's own line for each refused request or lost connection: those are wanted in some tests.
    if (['error', 'warning'].includes(message.type()) && !message.text().startsWith('Failed to load resource'))
      page.complaints.push(message.text());
  });
  return page;
}

export async function complaintsOf(page) {
  return [...page.complaints, ...(await page.evaluate(() => window.forbidden)), ...page.foreign.map((url) => `asked for ${url}`)];
}
