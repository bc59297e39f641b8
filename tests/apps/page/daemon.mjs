// A bulwarkd of the tests' own, for scenarios that are to see the real one.

import assert from 'node:assert/strict';
import {spawn} from 'node:child_process';
import {mkdtempSync, rmSync, writeFileSync} from 'node:fs';
import net from 'node:net';
import {tmpdir} from 'node:os';
import path from 'node:path';

const READY_WITHIN = 20_000; // ms

const freePort = () => new Promise((resolve) => {
  const server = net.createServer().listen(0, '127.0.0.1', () => {
    const {port} = server.address();
    server.close(() => resolve(port));
  });
});

/// Guards of all kinds, for scenarios that say none of their own.
const SOME_GUARDS = `echo {
      target = "echo", deadline = 5s, attempt-timeout = 1s
      retry { max-attempts = 2, base-delay = 1ms, max-delay = 2ms }
      circuit-breaker { failure-threshold = 5, open-for = 30s }
      bulkhead { max-workers = 10, queue-size = 100, queue-timeout = 500ms }
    }
    failing { target = "failing", deadline = 5s, circuit-breaker { failure-threshold = 3 } }
    slow { target = "slow", deadline = 2s }
    second { target = "echo", deadline = 5s, bulkhead { max-workers = 2, queue-size = 3 } }`;

const configuration = ({name, guards, port, tokenFile, journal}) => `bulwark {
  name = ${JSON.stringify(name)}
  listen { port = 0 }
  admin { port = ${port}, token-file = ${JSON.stringify(tokenFile)} }
  journal { file = ${JSON.stringify(journal)} }
  guards {
    ${guards}
  }
}
`;

export class RealDaemon {
  constructor({program, token, name = 'a', guards = SOME_GUARDS}) {
    Object.assign(this, {program, name, guards, folder: mkdtempSync(path.join(tmpdir(), 'bulwark-page-'))});
    this.tokenFile = path.join(this.folder, 'token');
    writeFileSync(this.tokenFile, token, {mode: 0o600});
  }

  /// Also again, at the same port.
  async start() {
    this.port ??= await freePort();
    this.file = path.join(this.folder, 'bulwarkd.conf');
    writeFileSync(this.file, configuration({...this, journal: path.join(this.folder, 'journal.db')}));
    this.said = '';
    this.process = spawn(this.program, [`--config-file=${this.file}`], {stdio: ['ignore', 'pipe', 'pipe']});
    for (const stream of [this.process.stdout, this.process.stderr])
      stream.on('data', (text) => (this.said += text));
    this.ended = new Promise((resolve) => this.process.once('close', resolve));
    const until = Date.now() + READY_WITHIN;
    while (Date.now() < until && this.process.exitCode === null) {
      if (await fetch(`${this.address}readyz`).then((answer) => answer.ok, () => false))
        return this;
      await new Promise((resolve) => setTimeout(resolve, 50)); // sleeps: nothing tells us
    }
    await this.stop();
    return assert.fail(`bulwarkd isn't ready: ${this.said}`);
  }

  get address() {
    return `http://127.0.0.1:${this.port}/`;
  }

  /// As an operator's supervisor ends it.
  async halt() {
    this.process.kill('SIGTERM');
    await this.ended;
  }

  async stop() {
    await this.halt();
    rmSync(this.folder, {recursive: true, force: true});
  }
}
