// What a scenario starts and ends: JupyterLab, `npm start` itself, the standalone server.

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createWriteStream, existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

import { kill } from './processes.mjs';
import { environment, freePort } from './surroundings.mjs';

const READY_MS = 120_000;
// Longer than what JupyterLab allows our server, which is longer than what that allows the gateway.
const END_MS = 90_000;
const TAIL = 40;

/** A program that serves pages until it is told to end. */
export class Service {
  constructor(what, log, program, args, options) {
    this.what = what;
    this.logFile = log;
    this.ending = false;
    // A group of its own: the scenario's own Ctrl-C must not end what it is about to end in order.
    this.child = spawn(program, args, { detached: true, stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.pid = this.child.pid;
    const file = createWriteStream(log);
    this.child.stdout.pipe(file, { end: false });
    this.child.stderr.pipe(file, { end: false });
    this.exited = new Promise((resolve, reject) => {
      this.child.once('error', reject);
      this.child.once('exit', (code, signal) => {
        this.ending = true;
        this.outcome = { code, signal };
        resolve(this.outcome);
      });
    });
  }

  /** Everything it has printed. */
  log() {
    return readFileSync(this.logFile, 'utf8');
  }

  tail() {
    return this.log().trimEnd().split('\n').slice(-TAIL).join('\n');
  }

  /** Asks it to end, waits for that, and returns `{ code, signal }`. */
  async stop(signal = 'SIGTERM') {
    return this.end(() => kill(this.pid, signal), signal);
  }

  async end(ask, signal) {
    this.ending = true;
    if (!this.outcome) {
      ask();
      const late = sleep(END_MS, 'late', { ref: false });
      if ((await Promise.race([this.exited, late])) === 'late') {
        // Python answers SIGABRT with what each of its threads is doing.
        kill(this.pid, 'SIGABRT');
        await sleep(1000);
        throw new Error(`${this.what} did not end within ${END_MS / 1000} s of ${signal}:\n${this.tail()}`);
      }
    }
    return this.outcome;
  }

  /** Waits for `ready` to give something, for as long as the program lives. */
  async whenReady(ready) {
    const deadline = Date.now() + READY_MS;
    while (Date.now() < deadline && !this.outcome) {
      const found = await ready();
      if (found) {
        return found;
      }
      await sleep(100);
    }
    const how = this.outcome
      ? `ended (${JSON.stringify(this.outcome)})`
      : `was not ready within ${READY_MS / 1000} s`;
    throw new Error(`${this.what} ${how}:\n${this.tail()}`);
  }

  /** The first line of JSON with `"event": "ready"` on its standard output. */
  firstReadyLine() {
    let found;
    createInterface({ input: this.child.stdout }).on('line', line => {
      if (line.startsWith('{')) {
        const message = JSON.parse(line);
        found ??= message.event === 'ready' ? message : undefined;
      }
    });
    return this.whenReady(() => found);
  }
}

/** Removes what jobs leave in this folder of the checkout, and nothing that was there before. */
function leaveAsItWas(t, folder) {
  const names = () => (existsSync(folder) ? readdirSync(folder) : []);
  const before = existsSync(folder) && new Set(names());
  t.defer(() => {
    if (!before) {
      rmSync(folder, { recursive: true, force: true });
      return;
    }
    for (const name of names().filter(name => !before.has(name))) {
      rmSync(join(folder, name), { recursive: true, force: true });
    }
  });
}

/** JupyterLab, with the arguments and variables of `npm start`, and its own process as the child; below `prefix`. */
export async function startLab(t, { stateDir, notebookDir, prefix = '/', extraArgs = [], env = {} } = {}) {
  const number = t.next('lab');
  const token = randomBytes(24).toString('hex');
  const port = await freePort();
  const folder = notebookDir ?? join(t.root, 'examples');
  if (!notebookDir) {
    leaveAsItWas(t, join(folder, 'gatehouse-jobs'));
  }
  const args = [
    ...t.checkout.lab_arguments,
    `--ServerApp.port=${port}`,
    `--ServerApp.root_dir=${folder}`,
    `--ServerApp.base_url=${prefix}`,
    ...extraArgs
  ];
  const lab = new Service('JupyterLab', join(t.out, `jupyterlab-${number}.log`), t.checkout.jupyter, args, {
    cwd: folder,
    env: {
      // Each JupyterLab has its own home, so that none restores the layout of another.
      ...environment(t.tmp, `home-${number}`),
      ...t.checkout.lab_environment,
      JUPYTER_TOKEN: token,
      PYTHONFAULTHANDLER: '1',
      ...(stateDir ? { GATEHOUSE_STATE_DIR: stateDir } : {}),
      ...env
    }
  });
  t.started(lab);
  const base = `http://127.0.0.1:${port}${prefix}`;
  Object.assign(lab, {
    base,
    token,
    url: `${base}lab?token=${token}`,
    stateDir: stateDir ?? t.env.GATEHOUSE_STATE_DIR
  });
  await lab.whenReady(async () => {
    const answer = await fetch(`${base}api/status`, { headers: { authorization: `token ${token}` } }).catch(
      () => null
    );
    return answer?.ok;
  });
  return lab;
}

/** `npm start`, as a person types it; `ctrlC()` is what the terminal does then. */
export async function npmStart(t, { stateDir, args = [], env = {} } = {}) {
  const port = await freePort();
  const log = join(t.out, `npm-start-${t.next('start')}.log`);
  const words = ['start', '--', '--no-browser', '--ready-json', '--port', String(port), ...args];
  const start = new Service('npm start', log, 'npm', words, {
    cwd: t.root,
    env: { ...t.env, ...(stateDir ? { GATEHOUSE_STATE_DIR: stateDir } : {}), ...env }
  });
  t.started(start);
  const ready = await start.firstReadyLine();
  Object.assign(start, {
    base: ready.base_url,
    token: ready.token,
    url: ready.url,
    jupyterPid: ready.pid,
    stateDir: stateDir ?? t.env.GATEHOUSE_STATE_DIR,
    // A terminal sends it to everybody in its foreground group: npm, the launcher and the tool.
    ctrlC: () => start.end(() => kill(-start.pid, 'SIGINT'), 'Ctrl-C')
  });
  return start;
}

/** The standalone server. */
export async function serve(t, { stateDir, args = [], env = {} } = {}) {
  const log = join(t.out, `serve-${t.next('serve')}.log`);
  const state = stateDir ?? t.env.GATEHOUSE_STATE_DIR;
  const { GATEHOUSE_ASSETS: assets } = t.checkout.lab_environment;
  const words = [
    'serve',
    '--ready-json',
    '--state-dir',
    state,
    '--python',
    t.python,
    '--assets',
    assets,
    ...args
  ];
  const server = new Service('gatehouse serve', log, t.binary, words, {
    cwd: t.tmp,
    env: { ...t.env, ...env }
  });
  t.started(server);
  const ready = await server.firstReadyLine();
  Object.assign(server, { url: ready.url, base: new URL('/', ready.url).href, ready, stateDir: state });
  return server;
}

/** Runs a program to its end. */
export async function run(t, program, args, { env = {}, cwd = t.tmp, timeout = 60_000 } = {}) {
  const child = spawn(program, args, {
    cwd,
    env: { ...t.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout
  });
  const result = { stdout: '', stderr: '' };
  child.stdout.on('data', data => (result.stdout += data));
  child.stderr.on('data', data => (result.stderr += data));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ ...result, code, signal }));
  });
}
