// A notebook first: `Gateway()` before the panel was ever opened, the tutorial from first to last cell, its cluster in
// the panel, its dashboard link, and connect code for a cluster that was made in the form.

import { copyFile, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { scenario } from './harness.mjs';
import * as notebook from './notebooks.mjs';
import * as panel from './steps.mjs';

export const gate = true;

await scenario('notebook', async t => {
  const folder = join(t.tmp, 'notebooks');
  await mkdir(folder);
  for (const file of ['tutorial.ipynb', 'make_taxi_data.py']) {
    await copyFile(join(t.root, 'examples', file), join(folder, file));
  }
  const lab = await t.step('JupyterLab starts', () =>
    t.lab({ notebookDir: folder, extraArgs: ['--LabApp.expose_app_in_browser=True'] })
  );
  const page = await t.page(notebook.address(lab, 'tutorial.ipynb'));
  const cells = await t.step('the tutorial opens', () => notebook.open(page));

  await t.step('Gateway() needs no argument, with the panel still closed', async () => {
    await notebook.runTo(t, page, cells, 'choose');
    t.ok(!(await panel.part(page, 'gateway-status').isVisible()), 'the panel was not opened');
    const { stderr } = await notebook.outputs(page, cells.indexOf('options'));
    t.equal(stderr, '', 'what the options cell printed to stderr');
    await t.shot(page, 'options');
  });

  const name = await t.step('its cluster shows in the panel within 2 s', async () => {
    await panel.openPanel(page);
    await panel.gatewayUp(page);
    t.equal((await panel.clusterNames(page)).length, 0, 'clusters before');
    await page.evaluate(watchCards);
    await notebook.runTo(t, page, cells, 'cluster');
    await panel.card(page).first().waitFor({ timeout: 10_000 });
    const [name] = await panel.clusterNames(page);
    const seen = await page.evaluate(() => window.e2eSeen);
    const answer = await fetch(new URL(`gatehouse/api/v1/clusters/${name}?token=${lab.token}`, lab.base));
    const { started_at: started } = await answer.json();
    const late = seen[name] - started;
    t.ok(late <= 2000, `the card appeared ${late} ms after the cluster was made`);
    await t.shot(page, 'cluster');
    return name;
  });

  await t.step('its dashboard link opens', async () => {
    await notebook.runTo(t, page, cells, 'dashboard');
    const { result } = await notebook.outputs(page, cells.indexOf('dashboard'));
    const link = result.replaceAll("'", '');
    t.ok(link.endsWith(`/clusters/${name}/status`), `dashboard_link is ${link}`);
    const dashboard = await page.context().newPage();
    await dashboard.goto(new URL(link, lab.base).href);
    await dashboard
      .locator('.bk-Figure, .bk-Canvas, canvas')
      .first()
      .waitFor({ state: 'attached', timeout: 30_000 });
    await t.shot(dashboard, 'dashboard');
    await dashboard.close();
  });

  await t.step('the panes show its work', async () => {
    const stream = await panel.openPane(page, name, 'task-stream');
    await notebook.runTo(t, page, cells, 'size');
    await t.until(async () => (await panel.inspect(stream)).records >= 48, {
      timeout: 10_000,
      what: () => 'a record for each file that was read'
    });
    await t.shot(page, 'task-stream');
  });

  await t.step('the cluster leaves after its shutdown', async () => {
    // The pane of a cluster that is gone asks for it, and the browser logs the answer as an error.
    t.expectErrors(page, /404 .*\/api\/v1\/clusters\/[0-9a-f]{32}\)/);
    await notebook.runTo(t, page, cells, 'close');
    await panel.clusterGone(page, name);
    await t.shot(page, 'closed');
  });

  await t.step('the array job runs in the context manager, to the last cell', async () => {
    await notebook.runTo(t, page, cells, cells.at(-1));
    const { stdout } = await notebook.outputs(page, cells.indexOf('array-job'));
    t.match(stdout, /profile : Small Worker/, 'options printed by the context manager');
    t.match(stdout, /tls:\/\/127\.0\.0\.1:\d+'?: \d+/, 'process ids of the workers');
    await t.until(async () => (await panel.clusterNames(page)).length === 0, {
      timeout: 30_000,
      what: () => 'no cluster left in the panel'
    });
    await t.shot(page, 'tutorial-done');
  });

  await t.step('no secret is in the notebook, and no configuration of the user was touched', async () => {
    const text = await notebook.text(page);
    for (const secret of await secrets(lab.stateDir)) {
      t.ok(!text.includes(secret), "the notebook holds none of the gateway's secrets");
    }
    // Dask's own client leaves a template there, all of it commented out.
    const config = await readFile(join(t.tmp, 'home-1', '.config', 'dask', 'gateway.yaml'), 'utf8').catch(
      () => ''
    );
    t.equal(
      config.split('\n').filter(line => /^[^#\s]/.test(line)),
      [],
      'lines of ~/.config/dask/gateway.yaml'
    );
  });

  await t.step('connect code of a cluster made in the form runs', async () => {
    const made = await panel.createCluster(page, { options: { profile: 'Small Worker' } });
    await panel.clusterState(page, made, 'RUNNING');
    await panel.scale(page, made, 1);
    await notebook.activate(page);
    const before = await notebook.count(page);
    await panel.part(panel.card(page, made), 'insert-connect-code').click();
    await t.until(async () => (await notebook.count(page)) === before + 1, { what: () => 'one more cell' });
    const { index, source } = await notebook.find(page, `gateway.connect("${made}")`);
    t.match(source, /Gateway\(\)/, 'the inserted code');
    await notebook.run(t, page, index);
    const { result } = await notebook.outputs(page, index);
    t.match(result, /<Client: .*processes=1 threads=1/, 'the client');
    await t.shot(page, 'connected');
    await panel.shutDown(page, made);
    await panel.clusterGone(page, made);
  });

  await t.step('JupyterLab ends and leaves nothing', () => lab.stop());
});

/** What nobody but the gateway and its clients may know. */
async function secrets(stateDir) {
  const { password, encrypt_key: key } = JSON.parse(
    await readFile(join(stateDir, 'gateway', 'gateway.json'), 'utf8')
  );
  return [password, key];
}

/** In the page: notes when each cluster's card is seen first. */
function watchCards() {
  window.e2eSeen = {};
  const look = () => {
    for (const card of document.querySelectorAll('[data-testid="cluster-card"]')) {
      window.e2eSeen[card.dataset.cluster] ??= Date.now();
    }
  };
  new MutationObserver(look).observe(document.body, { subtree: true, childList: true, attributes: true });
}
