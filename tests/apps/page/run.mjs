// The dashboard in a real Chromium: all scenarios, or those that are named.
//
//     node tests/apps/page/run.mjs [NAME...]
//     BULWARKD=PROGRAM node tests/apps/page/run.mjs [NAME...]
//     PAGE_URL=http://127.0.0.1:PORT TOKEN=... node tests/apps/page/run.mjs [NAME...]
//
// Against a simulated daemon (mock.mjs), one of their own, or one that runs already. PAGE_GUARD names the guard that is moved,
// "echo" otherwise: it needs a circuit breaker that is its own, and a target that answers numbers.
// Exit code 77 where something that the tests need isn't there.

import assert from 'node:assert/strict';
import {existsSync} from 'node:fs';
import path from 'node:path';
import {chromiumPath, complaintsOf, launch, modules, openPage, Relay} from './browser.mjs';
import {MockDaemon, uplotFolder} from './mock.mjs';
import {access} from './access.mjs';
import {RealDaemon} from './daemon.mjs';
import {line} from './line.mjs';
import {load} from './load.mjs';
import {steer} from './steer.mjs';
import {watch} from './watch.mjs';

const SKIPPED = 77;
const scenarios = {...watch, ...steer, ...line, ...access, ...load};
const {PAGE_URL: url, BULWARKD: program, TOKEN: token = 'token-of-the-test', PAGE_GUARD: guard = 'echo'} = process.env;

function missing() {
  if (!chromiumPath())
    return 'Chromium: apt-get install chromium, or name it in CHROMIUM';
  if (!existsSync(path.join(modules, 'node_modules/playwright-core')))
    return `playwright-core: npm install in ${modules}, where tests/apps/page/package.json is copied to`;
  if (!url && !program && !existsSync(uplotFolder))
    return `uPlot: npm install in ${path.dirname(path.dirname(uplotFolder))}`;
  return null;
}

/// What a scenario is given.
class Test {
  constructor(browser) {
    Object.assign(this, {browser, token, guard, pages: [], isMock: !url && !program});
  }

  async start({guards = 24} = {}) {
    if (this.isMock)
      this.daemon = await new MockDaemon({guards, token}).start();
    else if (program)
      this.daemon = await new RealDaemon({program, token}).start();
    this.direct = this.daemon?.address ?? url.replace(/\/?$/, '/');
    const {hostname: host, port} = new URL(this.direct);
    this.relay = await new Relay({host, port: Number(port)}).start();
    this.address = this.relay.address;
  }

  async open(hash = '', options = {}, before = async () => {}) {
    const page = await openPage(this.browser, options);
    this.pages.push(page);
    await before(page);
    await page.goto(this.address + hash);
    return page;
  }

  /// The daemon's API, past the page.
  async api(method, where, body) {
    const answer = await fetch(`${this.direct}api/v1/${where}`, {method, body: body === undefined ? undefined : JSON.stringify(body),
      headers: {Authorization: `Bearer ${token}`, ...(body === undefined ? {} : {'Content-Type': 'application/json'})}});
    const text = await answer.text();
    return {status: answer.status, content: text === '' ? null : JSON.parse(text)};
  }

  async guardNow() {
    const {status, content} = await this.api('GET', `guards/${encodeURIComponent(this.guard)}`);
    assert.equal(status, 200, `there is no guard ${this.guard}`);
    return content;
  }

  /// It can't be told here.
  skip(why) {
    this.skipped = why;
  }

  async operate(action) {
    const {breaker} = await this.guardNow();
    const {status} = await this.api('POST', `breakers/${encodeURIComponent(breaker)}`, {action});
    assert.equal(status, 204);
  }

  policy(settings) {
    return this.api('PUT', `guards/${encodeURIComponent(this.guard)}/policy`, settings);
  }

  /// Its target fails from now on, and it is called until its breaker is open.
  async trip() {
    assert.equal((await this.policy({chaos: {'error-rate': 1}})).status, 200);
    for (let i = 0; i < 200; ++i) {
      if ((await this.guardNow()).state === 'open')
        return;
      await this.api('POST', `guards/${encodeURIComponent(this.guard)}/call`, {value: i, timeout: 5});
    }
    assert.fail(`200 failed calls didn't open the breaker of ${this.guard}`);
  }

  async heal() {
    await this.policy({chaos: {'error-rate': 0}});
    await this.operate('reset');
  }

  async end() {
    const complaints = [];
    for (const page of this.pages) {
      complaints.push(...(await complaintsOf(page).catch(() => [])));
      await page.context().close();
    }
    this.relay.stop();
    await this.daemon?.stop();
    assert.deepEqual(complaints, [], 'the page complained');
  }
}

let failures = 0;
let skipped = 0;

async function run(browser, name) {
  const {says, run: scenario, guards, onlyMock} = scenarios[name];
  if (onlyMock && (url || program))
    return console.log(`-- ${name}: only with the simulated daemon`), true;
  const test = new Test(browser);
  const begun = Date.now();
  try {
    await test.start({guards});
    try {
      await scenario(test);
    } catch (error) {
      if (process.env.PAGE_SHOTS)
        await test.pages.at(-1)?.screenshot({path: path.join(process.env.PAGE_SHOTS, `failed-${name}.png`)});
      await test.end().catch((more) => console.log(String(more)));
      throw error;
    }
    await test.end();
    if (test.skipped) {
      console.log(`-- ${name}: skipped, ${test.skipped}`);
      skipped += 1;
      return true;
    }
    console.log(`ok ${name}: ${says} (${((Date.now() - begun) / 1000).toFixed(1)} s)`);
    return true;
  } catch (error) {
    console.log(`FAILED ${name}: ${says}\n${error.stack}`);
    return false;
  }
}

const why = missing();
if (why) {
  console.log(`skipped, there is no ${why}`);
  process.exit(SKIPPED);
}
const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(scenarios);
const unknown = names.filter((name) => !(name in scenarios));
if (unknown.length > 0) {
  console.log(`no such scenario: ${unknown.join(', ')}. There are: ${Object.keys(scenarios).join(', ')}`);
  process.exit(2);
}
const browser = await launch();
for (const name of names)
  failures += (await run(browser, name)) ? 0 : 1;
await browser.close();
process.exit(failures > 0 ? 1 : skipped === names.length ? SKIPPED : 0);
