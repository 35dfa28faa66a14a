// The guard: idle and lifetime limits act, "keep" works, a busy cluster is never touched, clusters of notebooks are only
// told of, budgets ask; and whatever way a server ends, no cluster runs afterwards that should not, and none was stopped
// that should not.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { scenario } from './harness.mjs';
import { RemoteGateway } from './gateways.mjs';
import * as panel from './steps.mjs';

export const gate = true;

/** How long before it acts the guard tells, in seconds: minutes would be too long for a test. */
const WARN = 8;

const SETTINGS = `
guard:
  idle: never
  warn: ${WARN} s
  others: { idle: 6 s }
cost:
  currency: EUR
  scheduler_hour: 3.6
  options:
    profile:
      Small Worker: { worker_hour: 36 }
  budget: { day: 60 }
`;

await scenario('guard', { timeout: 20 * 60_000 }, async t => {
  const config = join(t.tmp, 'gatehouse.yaml');
  await writeFile(config, SETTINGS);
  const gateway = await RemoteGateway.create(t);
  /** A server at the site's gateway. */
  const serve = name =>
    t.serve({ stateDir: join(t.tmp, name), args: ['--config', config], env: gateway.environment() });
  const on = name => sitesClusters(gateway).then(states => states[name] ?? 'GONE');
  const becomes = (name, state, timeout = 30_000) =>
    t.until(async () => (await on(name)) === state, {
      timeout,
      what: async () => `${name} ${state}, but ${await on(name)}`
    });

  const [server] = await t.step('a gateway of a site, and a server', () =>
    Promise.all([serve('limits'), gateway.start()])
  );
  const api = panel.api(server);
  const page = await t.page(server.url);
  await panel.gatewayUp(page);
  /** A cluster's lease; the guard knows that of a new one a second later. */
  const lease = async name => {
    let found;
    await t.until(async () => (found = (await api('GET', `clusters/${name}`)).body?.lease), {
      what: () => `a lease of ${name}`
    });
    return found;
  };
  /** Makes a cluster by the API and waits until it runs. */
  const make = async (request, ask = api) => {
    const { body } = await ask('POST', 'clusters', request);
    t.ok(body.name, `a cluster is made: ${JSON.stringify(body)}`);
    await becomes(body.name, 'RUNNING', 60_000);
    return body.name;
  };
  const deeds = async what =>
    (await api('GET', 'guard')).body.deeds.filter(deed => deed.what === what).map(deed => deed.cluster);

  await t.step('an idle limit from the form: told, kept with one click, told again, stopped', async () => {
    await panel.openForm(page);
    const section = panel.part(page, 'lease-section');
    await panel.part(section, 'lease-idle-on').check();
    await panel.part(section, 'lease-idle').fill('0.05');
    await panel.part(section, 'error-lease-idle').waitFor();
    await section.scrollIntoViewIfNeeded();
    await t.shot(page, 'form-too-short');
    await panel.part(section, 'lease-idle').fill('0.4');
    await panel.part(section, 'error-lease-idle').waitFor({ state: 'detached' });
    await t.shot(page, 'form');
    const name = await panel.createCluster(page, { label: 'idles' });
    await panel.clusterState(page, name, 'RUNNING');
    const card = panel.card(page, name);
    await panel.part(card, 'lease-told').waitFor({ timeout: 60_000 });
    const notice = panel.part(page, 'notice').filter({ hasText: `idles and is stopped in ${WARN} s` });
    await notice.waitFor();
    await t.shot(page, 'told');
    const first = (await lease(name)).due_at;
    t.match(await notice.innerText(), /Cluster idles idles/, 'its label');
    await panel.part(notice, 'notice-action').click();
    await panel.part(card, 'lease-told').waitFor({ state: 'detached' });
    await t.until(async () => (await deeds('kept')).includes(name));
    await sleep(Math.max(0, first - Date.now()) + 2000);
    t.equal(await on(name), 'RUNNING', 'after the time at which it would have been stopped');
    const { note, enforced_by } = await lease(name);
    t.equal(enforced_by, 'gatehouse', 'who enforces it');
    t.match(note, /The gateway stops it after 48 s without work/, "the site's own timeout was set from it");
    await panel.clusterGone(page, name);
    await becomes(name, 'GONE');
    t.equal(await deeds('stopped'), [name], 'what the guard stopped');
    await panel.part(page, 'guard-history').locator('summary').click();
    await panel.part(page, 'deed').first().waitFor();
    await t.shot(page, 'history');
  });

  await t.step(
    'a busy cluster is never touched; an adaptive one without workers is, when it idles',
    async () => {
      const terms = { idle_s: WARN + 3, lifetime_s: null, stops: true, at_end: 'stop' };
      const adaptive = { mode: 'adaptive', minimum: 0, maximum: 1 };
      const busy = await make({ label: 'busy', scaling: { mode: 'manual', workers: 1 } });
      const oracle = await panel.Oracle.open(t, { gateway: gateway.connection(), cluster: busy });
      await panel.workerCount(page, busy, 1);
      await oracle.ask('keep_busy');
      await t.until(async () => (await api('GET', `clusters/${busy}`)).body.summary.tasks_processing > 0);
      t.equal((await api('PUT', `clusters/${busy}/lease`, terms)).status, 200, 'a limit for a busy one');
      const began = Date.now();
      const idle = await make({ label: 'adaptive', lease: terms, scaling: adaptive });
      await becomes(idle, 'GONE', 40_000);
      await sleep(Math.max(0, began + 3000 * (WARN + 3) - Date.now()));
      t.equal(await on(busy), 'RUNNING', 'the busy one, after three times its limit');
      const { idle_since, due_at, told } = await lease(busy);
      t.equal({ idle_since, due_at, told }, { idle_since: null, due_at: null, told: false }, 'its lease');
      await t.shot(page, 'busy');
      // A client that stays connected and results in memory are no work.
      await oracle.ask('let_go');
      await becomes(busy, 'GONE', 60_000);
      await oracle.close().catch(() => undefined);
    }
  );

  await t.step('a lifetime limit, set on the card', async () => {
    const name = await make({ label: 'short-lived' });
    const card = panel.card(page, name);
    await panel.part(card, 'lease-change').click();
    await t.shot(page, 'lease-form');
    await panel.part(card, 'lease-lifetime-on').check();
    await panel.part(card, 'lease-lifetime').fill('0.0042');
    await panel.part(card, 'lease-apply').click();
    await panel.part(card, 'lease-form').waitFor({ state: 'detached' });
    await t.until(async () => (await lease(name)).limit === 'lifetime', {
      what: () => 'the limit that comes first'
    });
    const before = await lease(name);
    const notice = panel.part(page, 'notice').filter({ hasText: 'Cluster short-lived is stopped in' });
    await notice.waitFor({ timeout: 30_000 });
    await panel.part(card, 'keep').focus();
    await page.keyboard.press('Enter');
    await panel.part(card, 'lease-told').waitFor({ state: 'detached' });
    await notice.waitFor({ state: 'detached', timeout: 3000 });
    await t.until(() => page.evaluate(() => document.activeElement.dataset.testid === 'lease-change'), {
      what: () => 'the keyboard on the line that says when it ends'
    });
    t.ok((await lease(name)).due_at > before.due_at, 'it has more time');
    await notice.waitFor({ timeout: 30_000 });
    await becomes(name, 'GONE', 40_000);
    const refused = await api('PUT', `clusters/${name}/lease`, { stops: true, at_end: 'stop' });
    // While it stops, or when it is gone.
    t.ok([404, 409].includes(refused.status), `a lease of a cluster that ends: ${refused.status}`);
  });

  await t.step('a cluster of a notebook gets a notice only, with its end one click away', async () => {
    const name = await fromPython(t, gateway);
    await panel.clusterState(page, name, 'RUNNING');
    const { terms, enforced_by } = await lease(name);
    t.equal([terms.stops, terms.at_end, enforced_by], [false, 'keep', 'nobody'], 'its lease');
    const notice = panel.part(page, 'notice').filter({ hasText: 'has had no work for 6 s' });
    await notice.waitFor({ timeout: 30_000 });
    t.match(await notice.innerText(), new RegExp(`Cluster ${name.slice(0, 8)} has`), 'its short name');
    await sleep(1000 * (WARN + 5));
    t.equal(await on(name), 'RUNNING', 'long after the notice');
    await t.shot(page, 'notebook-told');
    await panel.part(notice, 'notice-action').click();
    await becomes(name, 'GONE');
  });

  await t.step('what it costs, and a question before a budget is exceeded', async () => {
    const name = await make({ label: 'costs', scaling: { mode: 'manual', workers: 1 } });
    await panel.workerCount(page, name, 1);
    await panel
      .part(panel.card(page, name), 'cluster-cost')
      .filter({ hasText: /EUR · 39\.60\/h/ })
      .waitFor({ timeout: 40_000 });
    await panel.part(page, 'usage-today').filter({ hasText: 'EUR' }).waitFor();
    // The server's question is its refusal.
    t.expectErrors(page, /status of 409/);
    await panel.openScale(page, name);
    const card = panel.card(page, name);
    await panel.part(card, 'scale-workers').fill('2');
    await panel.part(card, 'scale-apply').click();
    const question = panel.part(page, 'confirm-accept');
    await question.waitFor();
    await t.shot(page, 'over-budget');
    t.match(
      await page.locator('dialog').innerText(),
      /75\.60 EUR an hour.*budget of 60\.00 EUR for today/s,
      'what it says'
    );
    await question.click();
    await panel.workerCount(page, name, 2);
    const refused = await api('POST', 'clusters', { scaling: { mode: 'manual', workers: 1 } });
    t.equal([refused.status, refused.body.code], [409, 'over_budget'], 'one more cluster');
    await page.emulateMedia({ colorScheme: 'dark' });
    await t.shot(page, 'usage-dark');
    await page.emulateMedia({ colorScheme: 'light' });
    await api('DELETE', `clusters/${name}`);
    await becomes(name, 'GONE');
    const { usage } = (await api('GET', 'guard')).body;
    t.ok(usage.today.amount > 0.01, `what was spent stays: ${JSON.stringify(usage)}`);
    t.equal(usage.month.amount, usage.today.amount, 'this month');
  });
  await page.context().close();
  t.equal((await server.stop()).code, 0, 'exit code');

  await t.step('SIGTERM, and SIGKILL of the whole group 300 ms later', async () => {
    const server = await serve('killed-soon');
    const ask = panel.api(server);
    const keep = { stops: true, at_end: 'keep' };
    const [one, two, kept, notebook] = await Promise.all([
      make({ label: 'one' }, ask),
      make({ label: 'two' }, ask),
      make({ label: 'kept', lease: keep }, ask),
      fromPython(t, gateway)
    ]);
    process.kill(-server.pid, 'SIGTERM');
    await sleep(300);
    // It may be gone already: then it ended in order.
    if (!server.outcome) {
      process.kill(-server.pid, 'SIGKILL');
    }
    await server.exited;
    await Promise.all([one, two].map(name => becomes(name, 'GONE')));
    t.equal(await Promise.all([kept, notebook].map(on)), ['RUNNING', 'RUNNING'], 'the others');
    await Promise.all([kept, notebook].map(name => shutDownAtSite(gateway, name)));
  });

  await t.step('SIGKILL alone: the next start settles what it finds, and stops nothing else', async () => {
    const server = await serve('killed');
    const ask = panel.api(server);
    const [stop, kept, overdue, notebook] = await Promise.all([
      make({ label: 'stop' }, ask),
      make({ label: 'kept', lease: { stops: true, at_end: 'keep' } }, ask),
      make({ label: 'overdue', lease: { lifetime_s: 45, stops: true, at_end: 'keep' } }, ask),
      fromPython(t, gateway)
    ]);
    await t.until(async () => (await ask('GET', `clusters/${notebook}`)).body?.lease);
    process.kill(-server.pid, 'SIGKILL');
    await server.exited;
    await sleep(1000);
    t.equal(
      await Promise.all([stop, kept, notebook].map(on)),
      Array(3).fill('RUNNING'),
      'while nobody guards'
    );

    const next = await serve('killed');
    const asked = panel.api(next);
    await becomes(stop, 'GONE');
    await becomes(overdue, 'GONE', 60_000);
    t.equal(await Promise.all([kept, notebook].map(on)), ['RUNNING', 'RUNNING'], 'the others');
    const { body: guard } = await asked('GET', 'guard');
    t.match(JSON.stringify(guard.deeds), /the Gatehouse that it belonged to was killed/, 'its history');
    t.equal((await next.stop()).code, 0, 'exit code');
    t.equal(await Promise.all([kept, notebook].map(on)), ['RUNNING', 'RUNNING'], 'after an end in order');
    await Promise.all([kept, notebook].map(name => shutDownAtSite(gateway, name)));
  });

  await t.step('JupyterLab: the status bar tells, although the panel was never opened', async () => {
    const stateDir = join(t.tmp, 'lab');
    const lab = await t.lab({ stateDir, extraArgs: [`--GatehouseApp.config_file=${config}`] });
    const page = await t.page(lab.url);
    await page.locator('#jp-main-statusbar').waitFor({ timeout: 60_000 });
    await t.until(() => panel.embeddedGateway(stateDir));
    const own = await panel.embeddedGateway(stateDir);
    await page.waitForFunction(() =>
      performance
        .getEntriesByType('resource')
        .some(({ name, responseStatus }) => /dask-gatehouse\/glance/.test(name) && responseStatus === 200)
    );
    t.ok(!(await panel.part(page, 'status-bar').isVisible()), 'nothing to say without clusters');
    const name = await fromPython(t, { connection: () => own });
    await panel
      .part(page, 'status-bar')
      .filter({ hasText: /1 cluster.*EUR\/h/ })
      .waitFor({ timeout: 60_000 });
    const told = page.locator('.jp-toast-message, .Toastify__toast').filter({ hasText: 'no work for 6 s' });
    await told.first().waitFor({ timeout: 60_000 });
    const first = await told.first().elementHandle();
    await t.shot(page, 'status-bar');
    await panel.part(page, 'status-bar').click();
    await panel.gatewayUp(page);
    await panel.clusterState(page, name, 'RUNNING');
    await panel.part(panel.card(page, name), 'keep').click();

    const mine = await panel.createCluster(page, { label: 'mine' });
    await panel.clusterState(page, mine, 'RUNNING');
    // The status bar's word goes when it is no longer so, and the panel has the next one.
    await first.waitForElementState('hidden', { timeout: 20_000 });
    await panel.part(panel.card(page, mine), 'lease-change').click();
    await t.shot(page, 'lab-light');
    const before = await panel.census(t);
    t.expectErrors(page, /status of 50\d|WebSocket/);
    process.kill(before.server[0].pid, 'SIGKILL');
    await t.until(
      async () => {
        const { server } = await panel.census(t);
        return server.length === 1 && server[0].pid !== before.server[0].pid;
      },
      { what: () => 'another server' }
    );
    await panel.gatewayUp(page);
    await sleep(4000);
    await panel.clusterState(page, mine, 'RUNNING');
    await panel.clusterState(page, name, 'RUNNING');
    await panel.part(panel.card(page, name), 'keep').click({ timeout: 30_000 });
    await told.first().waitFor({ state: 'detached', timeout: 5000 });
    await page.context().close();

    process.kill(-lab.pid, 'SIGTERM');
    await sleep(300);
    if (!lab.outcome) {
      process.kill(-lab.pid, 'SIGKILL');
    }
    await lab.exited;
    await t.until(async () => (await panel.census(t)).scheduler.length === 0, {
      timeout: 60_000,
      what: async () => `no scheduler left, but ${JSON.stringify(await panel.census(t))}`
    });
  });
});

function headers({ user, password }) {
  return { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` };
}

/** What the gateway itself says of its clusters: states by name. */
async function sitesClusters(gateway) {
  const answer = await fetch(`${gateway.address}/api/v1/clusters/`, { headers: headers(gateway) });
  const reports = await answer.json();
  return Object.fromEntries(Object.entries(reports).map(([name, { status }]) => [name, status]));
}

async function shutDownAtSite(gateway, name) {
  const { status } = await fetch(`${gateway.address}/api/v1/clusters/${name}`, {
    method: 'DELETE',
    headers: headers(gateway)
  });
  if (status !== 204) {
    throw new Error(`the gateway answered ${status} to the end of ${name}`);
  }
}

/** A cluster that Python made, as in a notebook whose kernel is gone. */
async function fromPython(t, gateway) {
  const { address, proxy, user, password } = gateway.connection();
  const code = [
    'import sys',
    'from dask_gateway import BasicAuth, Gateway',
    'address, proxy, user, password = sys.argv[1:]',
    'gateway = Gateway(address, proxy_address=proxy, auth=BasicAuth(user, password=password))',
    'cluster = gateway.new_cluster(shutdown_on_close=False)',
    'print(cluster.name)',
    'cluster.close()',
    'gateway.close()'
  ].join('\n');
  const {
    stdout,
    stderr,
    code: status
  } = await t.run(t.python, ['-c', code, address, proxy, user, password]);
  if (status !== 0) {
    throw new Error(`Python made no cluster:\n${stderr}`);
  }
  return stdout.trim();
}
