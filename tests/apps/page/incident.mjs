// An incident, played with a bulwarkd, the services behind it and callers, all real: normal, slow,
// failing, forced open by hand, repaired, reset. As it is seen and steered in the dashboard, or, with
// --client, with bulwarkctl alone, whose commands and answers are printed.
//
//     BULWARKD=PROGRAM FLAKY_SERVICE=PROGRAM [BULWARKCTL=PROGRAM] node tests/apps/page/incident.mjs
//         [--client] [--pictures FOLDER] [--unhurried SECONDS]
//
// --pictures leaves the wall and the guard's page as PNGs; --unhurried stays that long in each phase,
// so that there is something in the charts. Exit code 77 where there is no Chromium, and where it failed on a machine that had no time for it.

import assert from 'node:assert/strict';
import {execFile, spawn} from 'node:child_process';
import {existsSync, readFileSync, writeFileSync} from 'node:fs';
import path from 'node:path';
import {promisify} from 'node:util';
import {chromiumPath, complaintsOf, launch, modules, openPage} from './browser.mjs';
import {PATIENCE, Shop, until} from './shop.mjs';
import {tileOf} from './watch.mjs';

const SLOW = {delay_ms: 200};
const FAILING = {delay_ms: 20, error_share: 0.95};
const REPAIRED = {delay_ms: 0, error_share: 0};
const CAUSE = /open since .* because (too large a share of calls failed|a probe failed)/; // the first, and of each time after
const SKIPPED = 77;
const STALLED = 1000; // ms
const TOKEN = 'token-of-the-incident';
const SETTLED = 3; // seconds of calls before anything is said about them

const argument = (name) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? undefined : process.argv[at + 1];
};
const isClient = process.argv.includes('--client');
const pictures = argument('--pictures');
const unhurried = Number(argument('--unhurried') ?? 0);
const {BULWARKD: bulwarkd, FLAKY_SERVICE: flakyService, BULWARKCTL: bulwarkctl} = process.env;

const begun = Date.now();
const say = (text) => console.log(`${((Date.now() - begun) / 1000).toFixed(1).padStart(6)} s  ${text}`);
const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, 1000 * seconds));

/// What the shop's own people do and see, whoever steers: it is the same in both ways.
class Incident {
  constructor(shop) {
    this.shop = shop;
  }

  async normal() {
    const counts = await this.shop.since('orders');
    await until('calls go through', async () => (await counts()).succeeded > SETTLED * 10);
    for (const {name, state, calls} of (await this.shop.get('guards')).guards) {
      assert.ok(state === 'closed' || state === null, `${name} is ${state}`);
      assert.equal(calls.failed + calls.timed_out, 0, `failures of ${name}`);
    }
  }

  async slow() {
    await this.shop.warehouse.faults(SLOW);
    const why = await until('the slow calls of history open its breaker', async () => {
      const found = await this.shop.get('breakers/history/why');
      return found.state === 'open' ? found : null;
    });
    assert.match(why.sentence, /because too large a share of calls was slow/);
    await until('orders take as long', async () => (await this.shop.guard('orders')).latency.p99 >= SLOW.delay_ms / 1000);
    assert.equal((await this.shop.guard('orders')).state, 'closed', 'slow is not broken');
  }

  async failing() {
    await this.shop.warehouse.faults(FAILING);
    for (const name of ['orders', 'checkout'])
      await until(`${name} is open`, async () => (await this.shop.guard(name)).state === 'open');
    const why = await this.shop.get('breakers/orders/why');
    assert.match(why.sentence, CAUSE);
    assert.match(why.errors[0].last_text, /HTTP 503/);
    const others = ['users', 'profile'];
    for (const name of others)
      assert.equal((await this.shop.guard(name)).state, 'closed', `${name} has another target`);
  }

  /// While it is forced open, not one call reaches the target, and no probe does.
  async forcedOpen() {
    const {state, attempts} = await until('orders is forced open', async () => {
      const guard = await this.shop.guard('orders');
      return guard.state === 'forced_open' && guard.permits.active === 0 ? guard : null;
    });
    assert.equal(state, 'forced_open');
    const counts = await this.shop.since('orders');
    await until('calls are refused', async () => (await counts()).rejected > 20);
    assert.equal((await counts()).succeeded, 0);
    this.attempts = attempts;
  }

  async repaired() {
    await this.shop.warehouse.faults(REPAIRED);
    for (const name of ['checkout', 'history'])
      await until(`${name} closes by itself`, async () => (await this.shop.guard(name)).state === 'closed');
    const {state, attempts} = await this.shop.guard('orders');
    assert.equal(state, 'forced_open', 'what was done by hand stays');
    assert.equal(attempts, this.attempts, 'and not one attempt was made');
  }

  async reset() {
    assert.equal((await this.shop.guard('orders')).state, 'closed');
    const counts = await this.shop.since('orders');
    await until('orders are taken again', async () => (await counts()).succeeded > 20);
    const {failed, rejected, timed_out: timedOut} = await counts();
    assert.equal(failed + rejected + timedOut, 0);
  }
}

/// In the dashboard: the wall, then the page of the guard that is steered.
class Dashboard {
  constructor(shop) {
    this.shop = shop;
  }

  async open() {
    this.browser = await launch();
    this.page = await openPage(this.browser);
    this.page.setDefaultTimeout(PATIENCE);
    await this.page.goto(this.shop.daemon.address);
  }

  word(name, word) {
    return tileOf(this.page, name).locator('.word').getByText(word, {exact: true}).waitFor({timeout: PATIENCE});
  }

  /// A figure of a guard's tile, as soon as it fits.
  figure(name, label, fits) {
    return until(`${label} of ${name} on the wall`, async () => {
      const figures = await tileOf(this.page, name).locator('.figure').evaluateAll((all) =>
        Object.fromEntries(all.map((each) => [each.querySelector('i').textContent, each.querySelector('b').textContent])));
      return fits(figures[label]);
    });
  }

  async goTo(hash) {
    await this.page.evaluate((to) => (location.hash = to), hash);
  }

  badge(word) {
    return this.page.locator('.badge b').getByText(word, {exact: true}).waitFor({timeout: PATIENCE});
  }

  async act(word) {
    await this.page.getByRole('group', {name: 'Circuit breaker'}).getByRole('button', {name: word, exact: true}).click();
    await this.page.getByRole('dialog', {name: new RegExp(`^${word}:`)}).getByRole('button', {name: word, exact: true}).click();
  }

  async unlock() {
    const dialog = this.page.getByRole('dialog', {name: 'Unlock changes'});
    await dialog.getByLabel('Token').fill(TOKEN);
    await dialog.getByLabel('Your name').fill('ada');
    await dialog.getByRole('button', {name: 'Unlock'}).click();
  }

  /// What is empty below is left out.
  async picture(name) {
    if (!pictures)
      return;
    await sleep(Math.min(unhurried, 5)); // what was done is in the charts then
    const {width, height} = this.page.viewportSize();
    const {y, height: used} = await this.page.locator('#main').boundingBox();
    await this.page.screenshot({path: path.join(pictures, `${name}.png`), clip: {x: 0, y: 0, width, height: Math.min(height, Math.ceil(y + used))}});
  }

  async normal() {
    await this.word('orders', 'Closed');
    await this.figure('orders', 'failing', (text) => text === '0%');
  }

  async slow() {
    await this.word('history', 'Open');
    await this.figure('orders', 'p99', (text) => /^[2-9]\d\d ms$|^[\d.]+ s$/.test(text));
  }

  async failing() {
    for (const name of ['orders', 'checkout', 'history'])
      await this.word(name, 'Open');
    await this.word('users', 'Closed');
    await until('the worst come first', () => this.page.locator('.wall .tile').evaluateAll((tiles) =>
      tiles.some((tile) => tile.dataset.condition === 'open' && /translate\(0px, ?0px\)/.test(tile.parentElement.style.transform))));
    await this.picture('wall');
  }

  async forceOpen() {
    await tileOf(this.page, 'orders').click();
    await this.page.locator('.sentence').getByText(CAUSE).waitFor();
    await this.page.locator('.errors tbody').getByText(/HTTP 503/).first().waitFor();
    await this.act('Force open');
    await this.unlock();
    await this.badge('Forced open');
    await this.page.locator('.events').getByText(/→ Forced open/).first().waitFor();
    await this.picture('guard');
  }

  async repaired() {
    await this.badge('Forced open');
    await this.goTo('#/');
    for (const [name, word] of [['checkout', 'Closed'], ['history', 'Closed'], ['orders', 'Forced open']])
      await this.word(name, word);
  }

  async setRight() {
    await this.goTo('#/guards/orders');
    await this.act('Reset');
    await this.badge('Closed');
  }

  async reset() {
    await this.goTo('#/');
    await this.word('orders', 'Closed');
    await this.figure('orders', 'failing', (text) => text === '0%');
    assert.deepEqual(await complaintsOf(this.page), [], 'the page complained');
  }

  async close() {
    await this.browser?.close();
  }
}

/// With bulwarkctl alone.
class Client {
  constructor(shop) {
    this.shop = shop;
  }

  async open() {
    this.environment = {...process.env, BULWARK_URL: this.shop.daemon.address.replace(/\/$/, ''), BULWARK_TOKEN: TOKEN, BULWARK_OPERATOR: 'ada', NO_COLOR: '1'};
  }

  /// What it prints; its exit code is as told.
  async run(line, code = 0) {
    const words = line.split(' ');
    const ended = await promisify(execFile)(bulwarkctl, words, {env: this.environment}).catch((error) => error);
    console.log(`$ bulwarkctl ${line}\n${ended.stdout}${ended.stderr}`);
    assert.equal(ended.code ?? 0, code, line);
    if (words[0] === 'call')
      this.shop.load.count(words[1], code === 0);
    return ended.stdout + ended.stderr;
  }

  /// The same of a command that goes on until it has printed what fits.
  async watch(line, fits) {
    const process_ = spawn(bulwarkctl, line.split(' '), {env: this.environment, stdio: ['ignore', 'pipe', 'inherit']});
    let said = '';
    process_.stdout.on('data', (text) => (said += text));
    await until(line, () => fits(said)).finally(() => process_.kill('SIGINT'));
    console.log(`$ bulwarkctl ${line}\n${said}^C\n`);
  }

  async normal() {
    assert.match(await this.run('list'), /orders +http:\S+ +closed/);
  }

  async slow() {
    assert.match(await this.run('stats'), /orders +closed.* [2-9]\d\dms/);
    // It opens and closes again: probes that are slow succeed.
    assert.match(await this.run('journal --limit 5'), /history: closed -> open \(slow_ratio\)/);
  }

  async failing() {
    await this.watch('stats --watch --interval 1', (said) => /orders +(open|half_open)[^]*orders +(open|half_open)/.test(said));
    assert.match(await this.run('breaker orders why'), /HTTP 503/);
  }

  async forceOpen() {
    assert.match(await this.run('breaker orders force-open'), /force-open done/);
    assert.match(await this.run('call orders /orders/7', 1), /circuit_open/);
    assert.match(await this.run('policy orders set circuit-breaker.open-for=5s retry.max-attempts=2 --dry-run'), /3 -> 2/);
    assert.match(await this.run('policy orders set circuit-breaker.open-for=5s retry.max-attempts=2'), /-> 5s/);
    assert.match(await this.run('policy orders set circuit-breaker.open-for=soon', 1), /open-for/);
  }

  async repaired() {
    assert.match(await this.run('list'), /orders +http:\S+ +forced_open/);
  }

  async setRight() {
    assert.match(await this.run('breaker orders reset'), /reset done/);
  }

  async reset() {
    assert.match(await this.run('call users /users/7'), /"id":7/);
    const {file} = this.shop.daemon;
    const right = readFileSync(file, 'utf8');
    writeFileSync(file, right.replace('deadline', 'deadlin'));
    assert.match(await this.run('config reload', 1), /orders\.deadlin: no such key/);
    writeFileSync(file, right);
    assert.match(await this.run('config diff'), /5s ->/);
    assert.match(await this.run('config reload'), /2 -> 3/);
    const journal = await this.run('journal --limit 30');
    for (const wanted of [/orders: (open|half_open) -> forced_open/, /operator +circuit breaker orders: .*reset \(ada\)/, /orders: forced_open -> closed/])
      assert.match(journal, wanted);
    await this.run('stats');
  }

  async close() {}
}

async function play(incident, hands) {
  for (const phase of ['normal', 'slow', 'failing', 'forceOpen', 'repaired', 'setRight']) {
    const before = {slow: SLOW, failing: FAILING, repaired: REPAIRED}[phase];
    say(before ? `${phase}: the warehouse has ${JSON.stringify(before)}` : phase);
    if (incident[phase])
      await incident[phase]();
    await sleep(unhurried);
    await hands[phase]();
    if (phase === 'forceOpen')
      await incident.forcedOpen();
  }
  await incident.reset();
  await sleep(unhurried);
  await hands.reset();
}

if (!isClient && (!chromiumPath() || !existsSync(path.join(modules, 'node_modules/playwright-core')))) {
  console.log('skipped: no Chromium, or no playwright-core');
  process.exit(SKIPPED);
}
const shop = new Shop({bulwarkd, flakyService, token: TOKEN, openFor: unhurried > 0 ? '10s' : '3s'});
const hands = isClient ? new Client(shop) : new Dashboard(shop);
try {
  await shop.start();
  await hands.open();
  await play(new Incident(shop), hands);
  for (const {name, calls} of await shop.checkBooks())
    say(`${name}: ${calls.calls} calls, ${calls.succeeded} succeeded, ${calls.failed} failed, ${calls.rejected} rejected, ${calls.timed_out} timed out`);
} catch (error) {
  console.log(`FAILED: ${error.stack}\n${(shop.daemon?.said ?? '').split('\n').slice(-40).join('\n')}`);
  process.exitCode = 1;
  if (shop.stall > STALLED) {
    console.log(`skipped: the machine let a service wait for ${(shop.stall / 1000).toFixed(1)} s, and nothing can be told`);
    process.exitCode = SKIPPED;
  }
  if (process.env.PAGE_SHOTS)
    await hands.page?.screenshot({path: path.join(process.env.PAGE_SHOTS, 'failed-incident.png')}).catch(() => {});
} finally {
  await hands.close();
  await shop.stop();
}
