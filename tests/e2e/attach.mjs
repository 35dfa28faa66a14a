// Schedulers that no gateway knows: one of a LocalCluster in a notebook and one with TLS, attached by their address, seen in
// the same panes, kept over a restart, let go. Who is connected and which versions differ, of these and of a gateway's
// cluster. A kernel that is set up for another gateway is named.

import { spawn } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { scenario } from './harness.mjs';
import { kill } from './harness/processes.mjs';
import * as notebook from './notebooks.mjs';
import * as panel from './steps.mjs';

const CELLS = {
  cluster: `from dask.distributed import Client, LocalCluster
cluster = LocalCluster(n_workers=1, threads_per_worker=2, dashboard_address="127.0.0.1:0")
client = Client(cluster)
print(cluster.scheduler_address, client.id)`,
  work: `import time
def nap(x):
    time.sleep(0.02)
    return x
kept = client.map(nap, range(60), pure=False)
print(sum(client.gather(kept)))`,
  close: `client.close()
cluster.close()`
};

await scenario('attach', async t => {
  const folder = join(t.tmp, 'notebooks');
  await mkdir(folder);
  await writeFile(join(folder, 'local.ipynb'), JSON.stringify(notebookOf(CELLS)));
  const old = join(t.root, '.venv-2023.1', 'bin', 'python');
  await kernelspec(t, 'old', { display_name: 'Dask 2023.1', argv: [old, '-m', 'ipykernel_launcher'] });
  await kernelspec(t, 'elsewhere', {
    display_name: 'Elsewhere',
    argv: [t.python, '-m', 'ipykernel_launcher', '-f', '{connection_file}'],
    env: { DASK_GATEWAY__ADDRESS: 'http://elsewhere.example:8000' }
  });
  const lab = await t.step('JupyterLab starts', () =>
    t.lab({ notebookDir: folder, extraArgs: ['--LabApp.expose_app_in_browser=True'] })
  );
  const page = await t.page(notebook.address(lab, 'local.ipynb'), { expectErrors: /4(09|22)/ });
  await notebook.open(page);
  await panel.openPanel(page);
  await panel.gatewayUp(page);

  await t.step(
    'a kernel that is set up for another gateway is named, until the note is put away',
    async () => {
      const note = panel.part(page, 'kernel-note');
      await note.waitFor({ timeout: 60_000 });
      await note.locator('summary').click();
      const said = await note.innerText();
      t.match(said, /Elsewhere/, 'the kernel');
      t.match(said, /gateway\.address is http:\/\/elsewhere\.example:8000/, 'what differs');
      t.match(said, /DASK_GATEWAY__ADDRESS.*kernel\.json/s, 'what to do');
      t.equal(await note.count(), 1, 'notes: the other kernels find what Gatehouse finds');
      await t.shot(page, 'kernel-note');
      await panel.part(page, 'kernel-note-dismiss').click();
      await note.waitFor({ state: 'detached' });
      let told = false;
      page.on('websocket', socket =>
        socket.on('framereceived', ({ payload }) => {
          told ||= /"event":"kernel_notes".*Elsewhere/s.test(payload);
        })
      );
      await page.reload();
      await notebook.open(page);
      await panel.openPanel(page);
      await panel.gatewayUp(page);
      await t.until(() => told, { what: () => 'the notes, told once more' });
      await page.waitForTimeout(500);
      t.equal(await note.count(), 0, 'notes after a reload');
    }
  );

  const local = await t.step('a notebook makes a LocalCluster', async () => {
    await notebook.run(t, page, 0);
    const { stdout } = await notebook.outputs(page, 0);
    const [address, client] = stdout.trim().split(' ');
    t.match(address, /^tcp:\/\//, 'its address');
    return { address, client };
  });

  await t.step('wrong addresses are explained beside the field', async () => {
    await page.evaluate(() => window.jupyterapp.commands.execute('gatehouse:attach'));
    const address = panel.part(page, 'attach-address');
    await address.waitFor();
    for (const [typed, words] of [
      ['', /Type the scheduler/],
      ['tcp://127.0.0.1:1', /Nothing listens/],
      ['http://127.0.0.1:8787/status', /dashboard/],
      [lab.base.replace(/^http:\/\/(.*)\/$/, 'tcp://$1'), /does not answer as a scheduler|hung up/],
      ['inproc://10.0.0.1/1/1', /processes=True/]
    ]) {
      await address.fill(typed);
      await panel.part(page, 'attach-submit').click();
      const error = panel.part(page, 'error-address').filter({ hasText: words });
      await error.waitFor({ timeout: 30_000 });
    }
    await t.shot(page, 'wrong-address');
    t.ok(
      await address.evaluate(element => element === document.activeElement),
      'the keyboard is in the field'
    );
  });

  const name = await t.step('the right one is attached, by keyboard alone', async () => {
    await panel.part(page, 'attach-address').fill(local.address);
    await page.keyboard.press('Tab');
    await page.keyboard.type('Notebook');
    await page.keyboard.press('Enter');
    const card = attachedCard(page);
    await card.waitFor({ timeout: 30_000 });
    await liveWith(page, card, 1);
    t.match(await card.innerText(), /Notebook/, 'its label');
    for (const absent of ['scale', 'shut-down', 'run-job-here', 'insert-connect-code']) {
      t.equal(await panel.part(card, absent).count(), 0, `buttons “${absent}”`);
    }
    await t.shot(page, 'attached');
    return card.getAttribute('data-cluster');
  });

  await t.step('the same address is not attached twice', async () => {
    await panel.part(page, 'attach').click();
    await panel.part(page, 'attach-address').fill(local.address);
    await panel.part(page, 'attach-submit').click();
    await panel
      .part(page, 'attach-error')
      .filter({ hasText: /already/ })
      .waitFor();
    await panel.home(page);
  });

  await t.step('its panes carry what it does', async () => {
    const card = attachedCard(page, name);
    const stream = await openPane(page, card, name, 'task-stream');
    await notebook.run(t, page, 1);
    t.equal((await notebook.outputs(page, 1)).stdout.trim(), '1770', 'the sum of the work');
    await panel.part(card, 'open-task-stream').click();
    await t.until(async () => (await panel.inspect(stream)).records >= 60, {
      what: () => '60 records in the task stream'
    });
    await t.shot(page, 'task-stream');
    const progress = await openPane(page, card, name, 'progress');
    await t.until(
      async () =>
        (await panel.inspect(progress)).prefixes.some(
          ({ name, counts }) => name === 'nap' && counts.memory === 60
        ),
      {
        what: async () => `60 naps in memory, not ${JSON.stringify((await panel.inspect(progress)).prefixes)}`
      }
    );
    await t.shot(page, 'progress');
    const workers = await openPane(page, card, name, 'workers');
    await t.until(async () => (await workers.locator('tbody tr').count()) === 1, {
      what: () => 'its worker in the table'
    });
    const logs = await openPane(page, card, name, 'logs');
    await logs
      .getByText(/Register worker|Receive client/)
      .first()
      .waitFor({ timeout: 30_000 });
    await t.shot(page, 'logs');
  });

  await t.step('who is connected, and versions that are equal and that differ', async () => {
    await panel.part(attachedCard(page, name), 'about').click();
    const view = panel.part(page, 'client-view');
    await view.waitFor({ timeout: 30_000 });
    t.equal((await focused(page)).testid, 'back', 'where the keyboard is');
    t.match(await view.innerText(), /Direct/, 'how Python connects');
    const client = page.locator(`[data-testid="connected-client"][data-client="${local.client}"]`);
    await client.waitFor({ timeout: 30_000 });
    t.match(await client.innerText(), /connected for .*python 3\..*keeps 60 results/s, 'what is known of it');
    t.equal(await panel.part(page, 'connected-client').count(), 1, 'clients: Gatehouse is none of them');
    await panel.part(page, 'versions-equal').waitFor({ timeout: 30_000 });
    await t.shot(page, 'about-equal');

    await panel.part(page, 'versions-kernel').selectOption({ label: 'Dask 2023.1' });
    await mismatch(page, 'distributed', 'breaks').waitFor({ timeout: 30_000 });
    t.match(await mismatch(page, 'dask', 'breaks').innerText(), /graph/, 'what another dask breaks');
    const shown = await versionsShown(page);
    const installed = await installedIn(t, old);
    for (const package_ of [
      'python',
      'dask',
      'distributed',
      'msgpack',
      'cloudpickle',
      'tornado',
      'lz4',
      'numpy',
      'pandas'
    ]) {
      t.equal(shown[package_].at(-1), installed[package_] ?? '–', `${package_} of the kernel`);
    }
    await t.shot(page, 'about-differs');
    await theme(page, 'JupyterLab Dark');
    await t.shot(page, 'about-differs-dark');
    await theme(page, 'JupyterLab Light');
    await panel.home(page);
    await t.until(async () => (await focused(page)).cluster === name, {
      what: () => 'the keyboard back on the card'
    });
  });

  const secure = await t.step(
    'a scheduler with TLS takes the right files, and says which are wrong',
    async () => {
      const certificates = join(t.tmp, 'certificates');
      await mkdir(certificates);
      const scheduler = await tlsScheduler(t, certificates);
      await panel.part(page, 'attach').click();
      t.equal(
        await panel.part(page, 'attach-ca_file').count(),
        0,
        'fields for certificates of a tcp:// address'
      );
      await panel.part(page, 'attach-address').fill(scheduler.address);
      await panel.part(page, 'attach-label').fill('Secure');
      for (const [field, file] of [
        ['ca_file', 'other-ca.pem'],
        ['cert_file', 'client.pem'],
        ['key_file', 'client.key']
      ]) {
        await panel.part(page, `attach-${field}`).fill(join(certificates, file));
      }
      await panel.part(page, 'attach-submit').click();
      await panel
        .part(page, 'error-ca_file')
        .filter({ hasText: /vouches/ })
        .waitFor({ timeout: 30_000 });
      await t.shot(page, 'wrong-authority');
      await panel.part(page, 'attach-ca_file').fill(join(certificates, 'ca.pem'));
      await panel.part(page, 'attach-submit').click();
      const card = page.locator('[data-testid="attached-card"]').filter({ hasText: 'Secure' });
      await card.waitFor({ timeout: 30_000 });
      await liveWith(page, card, 1);
      const cluster = await card.getAttribute('data-cluster');
      const stream = await openPane(page, card, cluster, 'task-stream');
      await scheduler.work(25);
      await t.until(async () => (await panel.inspect(stream)).records >= 25, {
        what: () => '25 records over TLS'
      });
      return { scheduler, cluster };
    }
  );

  await t.step('both are there again after a restart of the server', async () => {
    const [server] = await t.processes('server');
    t.expectErrors(page, /status of 50\d|WebSocket/);
    kill(server.pid, 'SIGKILL');
    await t.until(async () => (await t.processes('server')).some(({ pid }) => pid !== server.pid), {
      what: () => 'a new server'
    });
    // What the new process itself knows: cards may still show what the old one told.
    await t.until(
      async () => {
        const answer = await fetch(`${lab.base}gatehouse/api/v1/attached`, {
          headers: { authorization: `token ${lab.token}`, 'x-gatehouse': '1' }
        });
        const list = await answer.json();
        return list.length === 2 && list.every(({ live }) => live === 'live');
      },
      { timeout: 60_000, what: () => 'both live again' }
    );
    await panel.part(page, 'connection-lost').waitFor({ state: 'detached', timeout: 60_000 });
    await panel.gatewayUp(page);
    for (const cluster of [name, secure.cluster]) {
      await liveWith(page, attachedCard(page, cluster), 1, 90_000);
    }
    await t.shot(page, 'restarted');
  });

  await t.step("a gateway's cluster: the client view of the tutorial, and who is connected", async () => {
    const made = await panel.createCluster(page, { options: { profile: 'Small Worker' } });
    await panel.clusterState(page, made, 'RUNNING');
    await panel.scale(page, made, 1);
    const oracle = await panel.Oracle.open(t, { stateDir: lab.stateDir, cluster: made });
    await panel.part(panel.card(page, made), 'about').click();
    const view = panel.part(page, 'client-view');
    await view.waitFor({ timeout: 30_000 });
    const said = await view.innerText();
    for (const words of [/Cluster object/, /dask_gateway\.GatewayCluster/, new RegExp(made)]) {
      t.match(said, words, 'the client view');
    }
    t.match(
      await panel.part(page, 'client-dashboard').getAttribute('href'),
      new RegExp(`^http.*clusters/${made}/status$`),
      'the dashboard'
    );
    const clients = panel.part(page, 'connected-client');
    await t.until(async () => (await clients.count()) === 1, {
      what: () => 'the one client that is connected'
    });
    // Not with the kernel that was chosen last: with that of the notebook.
    await panel
      .part(page, 'versions')
      .locator('thead')
      .filter({ hasText: 'Python 3' })
      .waitFor({ timeout: 30_000 });
    t.equal(await panel.part(page, 'versions-kernel').inputValue(), 'python3', 'the kernel');
    await panel.part(page, 'versions-equal').waitFor({ timeout: 30_000 });
    await t.shot(page, 'gateway-cluster');
    await oracle.close();
    await t.until(async () => (await clients.count()) === 0, { what: () => 'nobody connected any more' });
    await panel.home(page);
    await panel.openPane(page, made, 'progress');
    await panel.part(panel.card(page, made), 'label-edit').focus();
    await page.keyboard.press('Enter');
    await panel.part(panel.card(page, made), 'label-input').fill('renamed');
    await page.keyboard.press('Enter');
    await page
      .locator('#jp-main-dock-panel .lm-TabBar-tab')
      .filter({ hasText: 'Progress · renamed' })
      .waitFor();
    await panel.shutDown(page, made);
    await panel.clusterGone(page, made);
  });

  await t.step('a scheduler that ended is named, and detached', async () => {
    await notebook.run(t, page, 2);
    const card = attachedCard(page, name);
    await panel
      .part(card, 'attached-message')
      .filter({ hasText: /Trying again/ })
      .waitFor({ timeout: 60_000 });
    await t.shot(page, 'ended');
    await panel.part(card, 'detach').focus();
    await page.keyboard.press('Enter');
    await card.waitFor({ state: 'detached', timeout: 30_000 });
    await t.until(async () => (await focused(page)).testid === 'attach', {
      what: () => 'the keyboard on the way to attach once more'
    });
    const recording = panel.part(page, 'recording').filter({ hasText: 'Notebook' });
    await recording.first().waitFor({ timeout: 30_000 });
    await panel.part(attachedCard(page, secure.cluster), 'detach').click();
    await attachedCard(page).waitFor({ state: 'detached', timeout: 30_000 });
    await secure.scheduler.work(5);
    await t.shot(page, 'detached');
  });

  await t.step('JupyterLab ends and leaves nothing', () => lab.stop());
});

function notebookOf(cells) {
  const cell = ([id, source]) => ({
    cell_type: 'code',
    id,
    source,
    metadata: {},
    outputs: [],
    execution_count: null
  });
  return {
    cells: Object.entries(cells).map(cell),
    metadata: { kernelspec: { name: 'python3', display_name: 'Python 3 (ipykernel)', language: 'python' } },
    nbformat: 4,
    nbformat_minor: 5
  };
}

/** Installs a kernelspec for the user of the first JupyterLab. */
async function kernelspec(t, name, spec) {
  const folder = join(t.tmp, 'home-1', '.local', 'share', 'jupyter', 'kernels', name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'kernel.json'), JSON.stringify({ language: 'python', ...spec }));
}

/** The `data-` attributes of the element that has the keyboard. */
function focused(page) {
  return page.evaluate(() => ({ ...document.activeElement.dataset }));
}

function attachedCard(page, name) {
  return page.locator(`[data-testid="attached-card"]${name ? `[data-cluster="${name}"]` : ''}`);
}

/** Waits until a card says that its scheduler answers and has this many workers. */
async function liveWith(page, card, workers, timeout = 60_000) {
  await card
    .and(page.locator('[data-live="Attached"]'))
    .locator(`[data-testid="attached-figures"][data-workers="${workers}"]`)
    .waitFor({ timeout });
}

async function openPane(page, card, name, plot) {
  const button = panel.part(card, `open-${plot}`);
  if (!(await button.isVisible())) {
    await panel.part(card, 'panes-menu').locator('summary').click();
  }
  await button.click();
  return panel.pane(page, name, plot);
}

function mismatch(page, package_, agreement) {
  return page.locator(`[data-testid="mismatch"][data-package="${package_}"][data-agreement="${agreement}"]`);
}

/** The table's versions by package, a list each. */
async function versionsShown(page) {
  const rows = await panel
    .part(page, 'versions')
    .locator('tbody tr')
    .evaluateAll(rows =>
      rows.map(row => [row.dataset.package, [...row.querySelectorAll('td')].map(cell => cell.innerText)])
    );
  return Object.fromEntries(rows);
}

/** What an interpreter itself says it has: an independent witness. */
async function installedIn(t, python) {
  const script = `import json, sys
from importlib.metadata import distributions
found = {d.metadata["Name"]: d.version for d in distributions()}
print(json.dumps({**found, "python": ".".join(map(str, sys.version_info[:3]))}))`;
  return JSON.parse((await t.run(python, ['-c', script])).stdout);
}

async function theme(page, name) {
  await page.evaluate(
    name => window.jupyterapp.commands.execute('apputils:change-theme', { theme: name }),
    name
  );
  await page.waitForTimeout(1000);
}

/** A scheduler with TLS; `work(n)` runs n tasks on it. */
async function tlsScheduler(t, certificates) {
  const child = spawn(t.python, [join(import.meta.dirname, 'tls_scheduler.py'), certificates], {
    env: { ...t.env, DASK_CONFIG: t.tmp },
    cwd: certificates,
    stdio: ['pipe', 'pipe', 'inherit']
  });
  const exited = new Promise(resolve => child.once('exit', resolve));
  t.defer(async () => {
    child.stdin.end();
    await exited;
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => {
    const { value, done } = await lines.next();
    if (done) {
      throw new Error('the scheduler with TLS ended');
    }
    return JSON.parse(value);
  };
  const { address } = await next();
  return {
    address,
    async work(tasks) {
      child.stdin.write(`${tasks}\n`);
      await next();
    }
  };
}
