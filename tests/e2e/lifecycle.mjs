// The life of clusters: their states with times and reasons, their size however and by whomever it is set, their labels,
// and their end, of one, several and all. On a gateway that comes along, and on a site's.

import { join } from 'node:path';

import { scenario } from './harness.mjs';
import { RemoteGateway } from './gateways.mjs';
import * as panel from './steps.mjs';
import { User } from './users.mjs';

export const gate = true;

await scenario('lifecycle', { timeout: 25 * 60_000 }, async t => {
  await onSite(t);
  await atHome(t);
  await inLab(t);
});

/** The gateway that comes along: Python's door shows what notebooks ask for, and files tell why a cluster failed. */
async function atHome(t) {
  const server = await t.serve({
    stateDir: join(t.tmp, 'home-state'),
    args: ['--config', join(t.root, 'examples', 'gatehouse.yaml')]
  });
  const page = await t.page(server.url, { expectErrors: /(status of|response code:) 4\d\d/ });
  const api = panel.api(server);
  await panel.gatewayUp(page);
  const user = await User.open(t, server.ready.kernel_env);
  const card = name => panel.card(page, name);

  const name = await t.step('PENDING, then RUNNING, with times', async () => {
    const name = await panel.createCluster(page, { label: 'etl' });
    t.match(await time(page, name), /^(starting for )?\d+ s$/, 'its time');
    await panel.clusterState(page, name, 'RUNNING');
    await t.until(async () => /^[2-9] s$/.test(await time(page, name)), { what: () => 'an age that grows' });
    t.equal(await asked(page, name), null, 'a size that nobody asked for');
    return name;
  });

  await t.step('manual, up and down', async () => {
    await manual(page, name, 2);
    await says(t, page, name, 'manual 2');
    await manual(page, name, 1);
    await says(t, page, name, 'manual 1');
  });

  await t.step('manual, adaptive, manual: each holds', async () => {
    await adapt(page, name, 1, 2);
    await says(t, page, name, 'adaptive 1–2');
    await manual(page, name, 2);
    await says(t, page, name, 'manual 2');
    // Adaptive scaling would let one go after nine idle seconds.
    await page.waitForTimeout(12_000);
    t.equal(await asked(page, name), 'manual 2', 'what was asked');
    t.equal(await user.does('workers', { name }), 2, 'workers, as Python counts them');
    await manual(page, name, 0);
    await says(t, page, name, 'manual 0');
  });

  await t.step('adaptive goes up under load and down after it', async () => {
    await adapt(page, name, 0, 2);
    await user.does('load', { name, tasks: 60, seconds: 1 });
    await panel.workerCount(page, name, 2);
    t.match(await panel.part(card(name), 'cluster-scaling').innerText(), /adaptive 0–2/, 'its bounds');
    await t.shot(page, 'adaptive-up');
    await user.does('let_go');
    await panel.workerCount(page, name, 0, 120_000);
    await says(t, page, name, 'adaptive 0–2');
  });

  await t.step('Workers over Time shows both', async () => {
    const pane = await panel.openPane(page, name, 'timeseries-workers');
    let table;
    await t.until(
      async () => {
        table = await panel.inspect(pane);
        return table.rows?.length > 8;
      },
      { what: () => 'rows of the pane' }
    );
    t.equal(table.columns, ['Time', 'Asked for', 'Present'], 'columns');
    const column = at => table.rows.map(row => row[at]).filter(value => typeof value === 'number');
    t.equal(Math.max(...column(1)), 2, 'most workers asked for');
    t.equal(Math.max(...column(2)), 2, 'most workers present');
    t.equal([column(1)[0], column(2)[0]], [0, 0], 'the latest, which comes first');
    await t.shot(page, 'workers-over-time');
  });

  await t.step('what a notebook asks for is seen', async () => {
    await user.does('scale', { name, workers: 1 });
    await says(t, page, name, 'manual 1');
    await panel.workerCount(page, name, 1);
    await user.does('adapt', { name, minimum: 1, maximum: 2 });
    await says(t, page, name, 'adaptive 1–2');
    await user.does('adapt', { name, active: false });
    await says(t, page, name, 'manual 1');
  });

  await t.step("the user's own label, changed where it stands", async () => {
    await card(name).hover();
    await panel.part(card(name), 'label-edit').click();
    await panel.part(card(name), 'label-input').fill('taxi rides');
    await page.keyboard.press('Enter');
    const title = panel.part(card(name), 'cluster-title');
    await title.filter({ hasText: 'taxi rides' }).waitFor();
    const pane = await panel.pane(page, name, 'timeseries-workers');
    await panel.paneSays(pane, 'taxi rides');
    await panel.part(card(name), 'label-edit').focus();
    await page.keyboard.press('Enter');
    await panel.part(card(name), 'label-input').fill('never kept');
    await page.keyboard.press('Escape');
    await title.filter({ hasText: 'taxi rides' }).waitFor();
    const long = await api('PUT', `clusters/${name}/label`, { label: 'x'.repeat(81) });
    t.equal(long.status, 422, 'status of a label that is too long');
    const gone = await api('PUT', 'clusters/nowhere/label', { label: 'x' });
    t.equal(gone.status, 404, 'status of a label for nobody');
  });

  await t.step('a cluster made and stopped in Python comes and goes by itself', async () => {
    const made = await user.does('new');
    await panel.clusterState(page, made, 'RUNNING');
    await user.does('scale', { name: made, workers: 1 });
    await says(t, page, made, 'manual 1');
    await panel.workerCount(page, made, 1);
    await user.does('stop', { name: made });
    await panel.clusterState(page, made, 'STOPPED');
    t.match(await time(page, made), /^ended after \d+ s$/, 'its time');
    await t.shot(page, 'stopped-lingers');
    await panel.clusterGone(page, made, 20_000);
  });

  await t.step('a scheduler that ends at its start, with its logs', async () => {
    const failing = await panel.createCluster(page, {
      options: { environment_vars: 'PYTHONHOME: /nowhere' },
      label: 'broken'
    });
    await panel.clusterState(page, failing, 'FAILED');
    t.match(
      await panel.part(card(failing), 'cluster-reason').innerText(),
      /scheduler has ended/,
      'the reason'
    );
    t.match(await time(page, failing), /^failed after \d+ s$/, 'its time');
    const tail = panel.part(card(failing), 'tail-text').first();
    await tail.filter({ hasText: 'PYTHONHOME' }).waitFor();
    await t.shot(page, 'failed-with-logs');
    await card(failing).locator('[data-testid="cluster-tails"] > summary').click();
    t.ok(!(await tail.isVisible()), 'logs fold');
    t.ok((await card(name).getAttribute('data-state')) === 'RUNNING', 'the other one goes on');
    const { body } = await api('GET', `clusters/${failing}/tails`);
    t.equal(body.tails[0].of, 'scheduler', 'the first log');
    await panel.part(card(failing), 'dismiss').click();
    await panel.clusterGone(page, failing);
  });

  await t.step('the logs of one that runs', async () => {
    const { body } = await api('GET', `clusters/${name}/tails`);
    t.equal(body.message, null, 'no excuse');
    t.match(body.tails[0].text, /Scheduler at/, "the scheduler's log");
    t.ok(
      body.tails.some(tail => /^worker /.test(tail.of)),
      "a worker's log"
    );
  });

  const others = await t.step('what would be lost is asked of the scheduler', async () => {
    const others = [];
    for (const label of ['second', 'third']) {
      others.push(await panel.createCluster(page, { label }));
    }
    for (const other of others) {
      await panel.clusterState(page, other, 'RUNNING');
    }
    await user.does('hold', { name, results: 3, busy: 2 });
    await panel.part(card(name), 'shut-down').click();
    const dialog = panel.part(page, 'confirm');
    await dialog.waitFor();
    const words = await dialog.innerText();
    t.match(words, /Shut down taxi rides\?/, 'the question');
    t.match(words, /2 tasks under way/, 'tasks');
    t.match(words, /3 results in memory \(\d/, 'results and bytes');
    t.match(words, /1 client connected/, 'clients');
    await t.shot(page, 'what-is-lost');
    await panel.part(page, 'confirm-cancel').click();
    await page.waitForTimeout(500);
    t.equal(await card(name).getAttribute('data-state'), 'RUNNING', 'its state after a no');
    await panel.part(card(others[0]), 'shut-down').click();
    await dialog.getByText('Nothing is lost').waitFor();
    await panel.part(page, 'confirm-cancel').click();
    return others;
  });

  await t.step('several are shut down, and only these', async () => {
    await panel.part(page, 'select-clusters').click();
    for (const other of others) {
      await panel.part(card(other), 'cluster-select').check();
    }
    await t.shot(page, 'two-chosen');
    await panel.part(page, 'shut-down-chosen').click();
    const dialog = panel.part(page, 'confirm');
    await dialog.getByText('Shut down 2 clusters?').waitFor();
    t.match(await dialog.innerText(), /second: nothing$/m, 'what is lost with each');
    await panel.part(page, 'confirm-accept').click();
    await panel.part(page, 'stop-progress').waitFor();
    await t.shot(page, 'two-end');
    await panel.part(page, 'stop-words').filter({ hasText: '2 clusters are shut down' }).waitFor();
    await panel.clusterState(page, others[0], 'STOPPED');
    await t.shot(page, 'two-ended');
    for (const other of others) {
      await panel.clusterGone(page, other);
    }
    t.ok(!(await panel.part(page, 'stop-progress').isVisible()), 'the progress goes with them');
    t.equal(await card(name).getAttribute('data-state'), 'RUNNING', 'the one that was not chosen');
  });

  await t.step('a page of dark colours', async () => {
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.waitForTimeout(500);
    await t.shot(page, 'dark');
    await page.emulateMedia({ colorScheme: 'light' });
  });

  await t.step('stopped while a client is connected', async () => {
    await panel.shutDown(page, name);
    await panel.clusterState(page, name, 'STOPPING');
    t.match(await time(page, name), /^stopping for \d+ s$/, 'its time');
    await panel.clusterState(page, name, 'STOPPED');
    await panel.clusterGone(page, name);
  });
  await user.leave();
  await page.context().close();
  await server.stop();
}

/** A site's gateway, whose files are elsewhere and whose kernels go past us. */
async function onSite(t) {
  const gateway = await RemoteGateway.create(t, { max_workers: 3 });
  await gateway.start();
  const stateDir = join(t.tmp, 'site-state');
  let server = await t.serve({ stateDir, env: gateway.environment() });
  let page = await t.page(server.url, { expectErrors: /(status of|response code:) (4\d\d|502)/ });
  let api = panel.api(server);
  await panel.gatewayUp(page);
  const user = await User.open(t, {
    ...gateway.environment(),
    DASK_GATEWAY__PROXY_ADDRESS: `${gateway.port}`
  });

  await t.step('PENDING counts its time and is cancelled', async () => {
    const name = await panel.createCluster(page, { options: { slow: '40' }, label: 'slow' });
    await panel.clusterState(page, name, 'PENDING');
    await t.until(async () => /^starting for [3-9] s$/.test(await time(page, name)), {
      what: async () => `a time that grows; it is “${await time(page, name)}”`
    });
    await t.shot(page, 'pending');
    t.equal(
      await panel.part(panel.card(page, name), 'shut-down').innerText(),
      'Cancel',
      'what ends its start'
    );
    await panel.part(panel.card(page, name), 'shut-down').click();
    await panel.part(page, 'confirm').getByText('given up').waitFor();
    await panel.confirmDialog(page);
    await panel.clusterState(page, name, 'STOPPED');
    await panel.clusterGone(page, name);
  });

  const name = await t.step('a size asked for while PENDING outlives our server', async () => {
    const name = await user.does('submit', { slow: 14 });
    await panel.clusterState(page, name, 'PENDING');
    await panel.openScale(page, name);
    await panel.part(panel.card(page, name), 'scale-workers').fill('2');
    await panel.part(panel.card(page, name), 'scale-apply').click();
    await says(t, page, name, 'manual 2 once it runs');
    await t.shot(page, 'scaled-while-pending');
    await page.context().close();
    await server.stop('SIGKILL');
    server = await t.serve({ stateDir, env: gateway.environment() });
    page = await t.page(server.url, { expectErrors: /(status of|response code:) (4\d\d|502)/ });
    api = panel.api(server);
    await panel.clusterState(page, name, 'PENDING');
    await says(t, page, name, 'manual 2 once it runs');
    await panel.clusterState(page, name, 'RUNNING');
    await panel.workerCount(page, name, 2);
    await says(t, page, name, 'manual 2');
    return name;
  });

  await t.step('a notebook that goes past us is believed by what the scheduler says', async () => {
    await user.does('scale', { name, workers: 1 });
    await says(t, page, name, 'manual 1');
    await user.does('adapt', { name, minimum: 1, maximum: 3 });
    await says(t, page, name, 'adaptive 1–3');
    await user.does('adapt', { name, active: false });
    await says(t, page, name, 'manual 1');
  });

  await t.step('more than the gateway allows, in its own words', async () => {
    await panel.openScale(page, name);
    await panel.part(panel.card(page, name), 'scale-workers').fill('9');
    await panel.part(panel.card(page, name), 'scale-apply').click();
    const warning = panel.part(panel.card(page, name), 'scale-warning');
    await warning.waitFor();
    t.match(await warning.innerText(), /limit of 3 workers/, 'its words');
    await says(t, page, name, 'manual 3');
    await panel.workerCount(page, name, 3);
    const pending = (await api('POST', 'clusters', { options: { slow: 4 }, label: 'greedy' })).body.name;
    const early = await api('POST', `clusters/${pending}/adapt`, { minimum: 0, maximum: 50 });
    t.equal(early.status, 200, `status of a size asked for early, with ${JSON.stringify(early.body)}`);
    await panel.clusterState(page, pending, 'RUNNING');
    const problem = panel.part(panel.card(page, pending), 'cluster-problem');
    await problem.filter({ hasText: 'limit of 3 workers' }).waitFor();
    await says(t, page, pending, 'adaptive 0–3');
    await t.shot(page, 'limits');
    const wrong = await api('POST', `clusters/${pending}/adapt`, { minimum: 2, maximum: 1 });
    t.equal(wrong.status, 422, 'status of bounds in the wrong order');
    await panel.shutDown(page, pending);
    await panel.clusterGone(page, pending);
  });

  await t.step('a bad command and a bad value: the likely causes', async () => {
    const missing = await panel.createCluster(page, { options: { note: 'no such command' } });
    await panel.clusterState(page, missing, 'FAILED');
    const reason = await panel.part(panel.card(page, missing), 'cluster-reason').innerText();
    t.match(reason, /at once.*command for schedulers/s, 'the causes');
    t.ok(!(await panel.part(panel.card(page, missing), 'cluster-tails').isVisible()), 'no logs from a site');
    const { body } = await api('GET', `clusters/${missing}/tails`);
    t.match(body.message, /does not give out the logs/, 'what is said about the logs');
    // Past us, nobody checks that values are text.
    const bad = await user.does('submit', { environment_vars: { A: 1 } });
    await panel.clusterState(page, bad, 'FAILED');
    t.match(await panel.part(panel.card(page, bad), 'cluster-reason').innerText(), /at once/, 'its causes');
    const ends = await panel.createCluster(page, { options: { fail: true } });
    await panel.clusterState(page, ends, 'FAILED');
    await t.shot(page, 'failed-on-site');
    const refused = await api('POST', `clusters/${ends}/scale`, { workers: 1 });
    t.equal(refused.status, 409, 'status of scaling one that failed');
    for (const over of [missing, bad, ends]) {
      await panel.part(panel.card(page, over), 'dismiss').click();
      await panel.clusterGone(page, over);
    }
    t.equal(await panel.card(page, name).getAttribute('data-state'), 'RUNNING', 'the other one');
  });

  await t.step('a shutdown that the gateway does not hear says so and is offered again', async () => {
    // Killed, so that it can't end its clusters.
    gateway.child.kill('SIGKILL');
    await gateway.exited;
    await panel.gatewayState(page, 'down');
    await panel.part(panel.card(page, name), 'shut-down').click();
    await panel.part(page, 'confirm').waitFor({ timeout: 20_000 });
    await panel.confirmDialog(page);
    const problem = panel.part(panel.card(page, name), 'cluster-problem');
    await problem.filter({ hasText: /could not be shut down.*again/s }).waitFor({ timeout: 30_000 });
    t.ok(await panel.part(panel.card(page, name), 'shut-down').isEnabled(), 'it can be tried again');
    await t.shot(page, 'not-heard');
    await gateway.start();
    // A site's gateway that has forgotten it: so it is over.
    await panel.clusterState(page, name, 'STOPPED', 30_000);
    await panel.clusterGone(page, name);
    for (const { pid } of await t.processes('scheduler', 'worker')) {
      process.kill(pid, 'SIGKILL');
    }
  });
  await user.leave();
  await page.context().close();
  await server.stop();
}

/** JupyterLab's own dialog, and all clusters at once. */
async function inLab(t) {
  const lab = await t.lab({ stateDir: join(t.tmp, 'lab-state') });
  const page = await t.page(lab.url);
  await panel.openPanel(page);
  await panel.gatewayUp(page);

  await t.step('all are shut down from the command palette', async () => {
    const names = [];
    for (const label of ['one', 'two', 'three']) {
      names.push(await panel.createCluster(page, { label }));
    }
    for (const name of names) {
      await panel.clusterState(page, name, 'RUNNING');
    }
    await t.shot(page, 'lab-three');
    await panel.part(page, 'select-clusters').click();
    await panel.part(page, 'chosen').waitFor();
    await page.keyboard.press('Control+Shift+C');
    await page.locator('.lm-CommandPalette-input').fill('Shut Down All Clusters');
    await page.locator('.lm-CommandPalette-item[data-command="gatehouse:shut-down-all"]').click();
    const dialog = page.locator('.jp-Dialog');
    await dialog.getByText('Shut down 3 clusters?').waitFor();
    const lines = (await dialog.innerText())
      .split('\n')
      .filter(line => /^• (one|two|three): nothing$/.test(line));
    t.equal(lines.length, 3, 'lines of what is lost');
    await t.shot(page, 'lab-question');
    await panel.confirmDialog(page);
    await panel.part(page, 'stop-progress').waitFor();
    await panel
      .part(page, 'stop-words')
      .filter({ hasText: '3 clusters are shut down' })
      .waitFor({ timeout: 60_000 });
    await t.shot(page, 'lab-all-ended');
    for (const name of names) {
      await panel.clusterGone(page, name);
    }
    await panel.part(page, 'no-clusters').waitFor();
    const next = await panel.createCluster(page, { label: 'next' });
    t.equal(
      await panel.part(panel.card(page, next), 'cluster-select').count(),
      0,
      'marks to choose by, when those that were to be chosen from are gone'
    );
  });
  await page.context().close();
  await lab.stop();
}

async function adapt(page, name, minimum, maximum) {
  const card = panel.card(page, name);
  await panel.openScale(page, name);
  await panel.part(card, 'scale-mode-adaptive').check({ force: true });
  await panel.part(card, 'scale-minimum').fill(String(minimum));
  await panel.part(card, 'scale-maximum').fill(String(maximum));
  await panel.part(card, 'scale-apply').click();
  await panel.part(card, 'scale-form').waitFor({ state: 'detached' });
}

async function manual(page, name, workers) {
  const card = panel.card(page, name);
  await panel.openScale(page, name);
  await panel.part(card, 'scale-mode-manual').check({ force: true });
  await panel.part(card, 'scale-workers').fill(String(workers));
  await panel.part(card, 'scale-apply').click();
  await panel.workerCount(page, name, workers);
}

/** What a card says was asked of the cluster's size; `null` where it says nothing. */
async function asked(page, name) {
  const words = panel.part(panel.card(page, name), 'cluster-scaling');
  return (await words.isVisible()) ? words.innerText() : null;
}

async function says(t, page, name, words) {
  await t.until(async () => (await asked(page, name)) === words, {
    timeout: 45_000,
    what: async () => `“${words}” on the card, which says “${await asked(page, name)}”`
  });
}

/** What a card says of the time of its state. */
async function time(page, name) {
  return panel.part(panel.card(page, name), 'cluster-time').innerText();
}
