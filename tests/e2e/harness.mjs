// A scenario: steps with names, the real things started for it, pictures of what a person would see, and nothing left
// behind. `await scenario('name', async t => { … })` in a file of this folder; `export const gate = true;` puts it in
// the gate.

import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect, isDeepStrictEqual } from 'node:util';

import * as browser from './harness/browser.mjs';
import { belongingTo, kill } from './harness/processes.mjs';
import { npmStart, run, serve, startLab } from './harness/services.mjs';
import { checkout, environment, temporary } from './harness/surroundings.mjs';

const SCENARIO_MS = 15 * 60_000;
const LEFTOVER_MS = 15_000;

/** Runs a scenario and ends the process with 0 only if it passed. */
export async function scenario(name, ...rest) {
  const body = rest.pop();
  const { timeout = SCENARIO_MS } = rest[0] ?? {};
  await perform(new Scenario('e2e', name, text => console.log(text)), body, timeout);
}

/**
 * Runs a bench: `t.report` prints its results on standard output, everything else goes to standard error. `flags` are given
 * to the browser besides.
 */
export async function bench(name, body, { timeout = 60 * 60_000, flags } = {}) {
  const t = new Scenario('bench', name, text => console.error(text));
  await perform(Object.assign(t, { flags }), body, timeout);
}

async function perform(t, body, timeout) {
  const began = Date.now();
  const errors = [];
  const note = error => errors.push(error);
  const interrupted = new Promise((_, reject) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
      process.once(signal, () => reject(new Error(`interrupted by ${signal}`)));
    }
  });
  const late = sleep(timeout, null, { ref: false }).then(() => {
    throw new Error(`it took longer than ${timeout / 60_000} minutes; it was at: ${t.current}`);
  });
  try {
    await t.prepare();
    await Promise.race([body(t), interrupted, late]);
    t.complain();
  } catch (error) {
    note(error);
    await t.picture().catch(note);
  }
  await t.tidy(errors.length === 0).catch(note);
  const took = ((Date.now() - began) / 1000).toFixed(1);
  for (const error of errors) {
    t.say(`\n${error.stack ?? error}`);
  }
  t.say(
    errors.length ? `✘ ${t.name} failed after ${took} s; see ${t.out}` : `✔ ${t.name} passed in ${took} s`
  );
  process.exit(errors.length ? 1 : 0);
}

class Scenario {
  constructor(kind, name, say) {
    Object.assign(this, { kind, name, say });
    this.services = [];
    this.pages = [];
    this.deferred = [];
    this.counters = {};
    this.current = 'its start';
  }

  async prepare() {
    this.checkout = checkout();
    this.root = this.checkout.root;
    this.python = this.checkout.python;
    this.binary = this.checkout.server;
    this.out = join(this.root, 'target', this.kind, this.name);
    rmSync(this.out, { recursive: true, force: true });
    mkdirSync(this.out, { recursive: true });
    this.tmp = temporary();
    this.env = environment(this.tmp);
    this.browser = await browser.launch(this.checkout.chromium, this.flags);
  }

  /** One thing that a person would name; its errors carry the name. */
  async step(name, body) {
    this.current = name;
    const began = Date.now();
    const took = () => `${((Date.now() - began) / 1000).toFixed(1)} s`;
    try {
      const result = await body();
      this.say(`  ✔ ${name}  ${took()}`);
      return result;
    } catch (error) {
      this.say(`  ✘ ${name}  ${took()}`);
      throw new Error(`${name}: ${error.message}`, { cause: error });
    }
  }

  /** JupyterLab: `{ url, base, token, pid, stateDir, stop(), exited, log() }`. */
  lab(options) {
    return startLab(this, options);
  }

  /** `npm start`: as `lab`, and `ctrlC()`. */
  start(options) {
    return npmStart(this, options);
  }

  /** The standalone server: `{ url, base, stateDir, ready, stop(), exited, log() }`. */
  serve(options) {
    return serve(this, options);
  }

  /** A program run to its end: `{ code, signal, stdout, stderr }`. */
  run(program, args, options) {
    return run(this, program, args, options);
  }

  /** A page of its own browser context; what it logs as an error fails the scenario, unless `expectErrors` matches it. */
  async page(url, options = {}) {
    const { page, complaints } = await browser.open(this.browser, url, {
      ...options,
      services: this.services
    });
    this.pages.push(complaints);
    return page;
  }

  /** From now on, errors of this page that match are fine. */
  expectErrors(page, pattern) {
    this.pages.find(complaints => complaints.page === page)?.expected.push(pattern);
  }

  /** A picture in `target/e2e/NAME/`. */
  async shot(page, name) {
    const number = String(this.next('shot')).padStart(2, '0');
    await page.screenshot({ path: join(this.out, `${number}-${name}.png`) });
  }

  /** Prints one result of a bench; `more` are fields beyond the common ones, such as an interval. */
  report({ metric, unit, ours, peer = null, peer_value = null, ...more }) {
    const ratio = peer_value === null ? null : ours / peer_value;
    console.log(JSON.stringify({ bench: this.name, metric, unit, ours, peer, peer_value, ratio, ...more }));
  }

  /** The living processes of this scenario, or those of some kinds: `[{ pid, kind, command }]`. */
  async processes(...kinds) {
    const all = belongingTo(this.tmp);
    return kinds.length ? all.filter(({ kind }) => kinds.includes(kind)) : all;
  }

  ok(condition, what) {
    if (!condition) {
      throw new Error(`not so: ${what}`);
    }
  }

  equal(actual, expected, what) {
    if (!isDeepStrictEqual(actual, expected)) {
      throw new Error(`${what}: ${inspect(actual)} where ${inspect(expected)} was expected`);
    }
  }

  match(text, pattern, what) {
    if (!pattern.test(text)) {
      throw new Error(`${what}: ${inspect(text)} does not match ${pattern}`);
    }
  }

  /** Waits until `condition` holds; one that throws does not hold yet. `what()` says what was waited for. */
  async until(condition, { timeout = 30_000, interval = 100, what = () => 'a condition' } = {}) {
    const deadline = Date.now() + timeout;
    let reason;
    for (;;) {
      try {
        if (await condition()) {
          return;
        }
        reason = undefined;
      } catch (error) {
        reason = error;
      }
      if (Date.now() >= deadline) {
        break;
      }
      await sleep(interval);
    }
    const waited = await Promise.resolve()
      .then(what)
      .catch(error => `(${error.message})`);
    throw new Error(
      `after ${timeout / 1000} s there is still not ${waited}${reason ? `: ${reason.message}` : ''}`
    );
  }

  /** Does something at the end, whatever happens; the last one first. */
  defer(cleanup) {
    this.deferred.push(cleanup);
  }

  started(service) {
    this.services.push(service);
  }

  /** 1, 2, 3 … */
  next(what) {
    this.counters[what] = (this.counters[what] ?? 0) + 1;
    return this.counters[what];
  }

  complain() {
    const found = this.pages.flatMap(complaints => complaints.found);
    if (found.length) {
      throw new Error(`the page logged errors:\n  ${found.join('\n  ')}`);
    }
  }

  /** What there was to see when it failed. */
  async picture() {
    const open = this.pages.filter(({ page }) => !page.isClosed());
    for (const [i, { page, found }] of open.entries()) {
      await page.screenshot({ path: join(this.out, `failure-${i + 1}.png`), timeout: 10_000 });
      if (found.length) {
        this.say(`  errors of ${page.url().replace(/token=\w+/, 'token=…')}:\n    ${found.join('\n    ')}`);
      }
    }
    for (const service of this.services) {
      this.say(`  the end of ${service.logFile}:\n${service.tail().replace(/^/gm, '    ')}`);
    }
  }

  /** Ends everything; what a passed scenario's own services leave behind is an error. */
  async tidy(passed) {
    const failures = [];
    const attempt = work => work().catch(error => failures.push(error));
    if (this.browser) {
      await attempt(() => this.browser.close());
    }
    for (const cleanup of this.deferred.reverse()) {
      await attempt(async () => cleanup());
    }
    for (const service of this.services.filter(service => !service.outcome)) {
      await attempt(() => service.stop());
    }
    const deadline = Date.now() + LEFTOVER_MS;
    while (belongingTo(this.tmp).length && Date.now() < deadline) {
      await sleep(200);
    }
    const left = belongingTo(this.tmp);
    left.forEach(({ pid }) => kill(pid, 'SIGKILL'));
    if (passed && left.length) {
      failures.push(
        new Error(`left behind: ${left.map(({ pid, command }) => `\n  ${pid} ${command}`).join('')}`)
      );
    }
    rmSync(this.tmp, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    if (failures.length) {
      throw failures.length === 1
        ? failures[0]
        : new AggregateError(failures, failures.map(String).join('\n'));
    }
  }
}
