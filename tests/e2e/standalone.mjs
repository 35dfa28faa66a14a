// The same panel in a browser without JupyterLab: form, panes, job; and nothing without the token.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { scenario } from './harness.mjs';
import { pixelsMatch } from './pixels.mjs';
import * as panel from './steps.mjs';

export const gate = true;

await scenario('standalone', async t => {
  const server = await t.step('the server starts', () =>
    t.serve({ args: ['--config', join(t.root, 'examples', 'gatehouse.yaml')] })
  );

  await t.step('without the token there is nothing', async () => {
    const base = new URL('/', server.url);
    for (const path of ['', 'api/v1/status', 'api/v1/clusters', 'api/v1/openapi.json', 'gatehouse_bg.wasm']) {
      const answer = await fetch(new URL(path, base));
      t.ok([401, 403].includes(answer.status), `GET /${path} without the token is ${answer.status}`);
      const wrong = await fetch(new URL(`${path}?token=wrong`, base));
      t.ok([401, 403].includes(wrong.status), `GET /${path} with a wrong token is ${wrong.status}`);
    }
    const stranger = await t.page(base.href, { expectErrors: /401|403/ });
    t.ok(!(await panel.part(stranger, 'new-cluster').isVisible()), 'no panel without the token');
    await t.shot(stranger, 'no-token');
    await stranger.context().close();
  });

  const page = await t.page(server.url);
  await t.step('the page finds its gateway', async () => {
    await panel.gatewayUp(page);
    t.ok(!new URL(page.url()).searchParams.has('token'), 'the token does not stay in the address');
    await t.shot(page, 'page');
  });

  const name = await t.step('a cluster is made in the form', async () => {
    await panel.openForm(page);
    await panel.setOption(page, 'profile', 'Medium Worker');
    await panel.setOption(page, 'environment_vars', '{"GREETING": "hello from the page"}');
    await t.shot(page, 'form');
    const name = await panel.createCluster(page, { label: 'standalone' });
    await panel.clusterState(page, name, 'RUNNING');
    await panel.scale(page, name, 1);
    return name;
  });

  await t.step('panes and job work as in JupyterLab', async () => {
    const oracle = await panel.Oracle.open(t, { stateDir: server.stateDir, cluster: name });
    const progress = await panel.openPane(page, name, 'progress');
    await progress.waitFor();
    const code = await readFile(join(t.root, 'examples', 'array_job.py'), 'utf8');
    const job = await panel.runJob(page, name, code);
    t.equal(job.state, 'succeeded', `state of the job, which printed:\n${job.text}`);
    t.match(job.text, /shape: \(5000,\)/, 'the result');
    t.match(job.text, /: hello from the page/, "the worker's variable");
    await t.shot(page, 'job');
    await panel.home(page);
    const stream = await panel.openPane(page, name, 'task-stream');
    const records = await oracle.ask('records');
    await t.until(async () => (await panel.inspect(stream)).records === records.length, {
      timeout: 10_000,
      what: () => `${records.length} records in the pane`
    });
    await pixelsMatch(t, page, stream, records);
    await t.shot(page, 'task-stream');
    await oracle.close();
  });

  await t.step('it adapts to the work', async () => {
    await panel.openScale(page, name);
    const own = panel.card(page, name);
    await panel.part(own, 'scale-mode-adaptive').check({ force: true });
    await panel.part(own, 'scale-minimum').fill('0');
    await panel.part(own, 'scale-maximum').fill('2');
    await panel.part(own, 'scale-apply').click();
    await panel
      .part(own, 'cluster-scaling')
      .filter({ hasText: /adaptive/i })
      .waitFor();
    const busy = 'import time\nclient.gather(client.map(time.sleep, [0.5] * 60, pure=False))';
    await panel.startJob(page, name, busy);
    await panel.home(page);
    await panel.workerCount(page, name, 2);
    await t.shot(page, 'adaptive');
    // Without work they leave: three looks in a row, three seconds apart.
    await panel.workerCount(page, name, 0);
  });

  await t.step('it is shut down', async () => {
    await panel.shutDown(page, name);
    await panel.clusterGone(page, name);
    await t.shot(page, 'gone');
  });

  await t.step('the server ends and leaves nothing', async () => {
    const { code } = await server.stop();
    t.equal(code, 0, 'exit code on SIGTERM');
  });
});
