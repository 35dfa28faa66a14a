// The same panel in a browser without JupyterLab: form, panes, job; and nothing without the token.

import { readFile, writeFile } from 'node:fs/promises';
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
    const said = await stranger.locator('body').innerText();
    t.match(said, /Open the whole address/, 'a page that says what to do');
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
    t.match(
      await page.locator('[data-field="profile"]').innerText(),
      /2 threads, 4 GiB/,
      'what the profile means'
    );
    await panel.setOption(page, 'idle_timeout', '-5');
    await panel.part(page, 'error-idle_timeout').waitFor();
    await panel.setOption(page, 'idle_timeout', '0');
    await panel.part(page, 'cluster-label').fill('x'.repeat(100));
    t.match(
      await panel.part(page, 'error-label').innerText(),
      /80 characters.*100/,
      'a label that is too long'
    );
    await panel.part(page, 'create-cluster').click();
    t.equal((await panel.part(page, 'cluster-label').inputValue()).length, 100, 'characters that are kept');
    await t.shot(page, 'form');
    const name = await panel.createCluster(page, { label: 'standalone' });
    t.equal(await focused(page, 'cluster'), name, 'the card that has the keyboard');
    await panel.clusterState(page, name, 'RUNNING');
    for (const key of ['Escape', 'Enter']) {
      await panel.openScale(page, name);
      await panel.part(panel.card(page, name), 'scale-workers').fill('1');
      await page.keyboard.press(key);
      await panel.part(panel.card(page, name), 'scale-form').waitFor({ state: 'detached' });
      t.equal(await focused(page, 'testid'), 'scale', `what has the keyboard after ${key}`);
    }
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
    await panel.part(page, 'tile-panes').click();
    await t.shot(page, 'side-by-side');
    await page.setViewportSize({ width: 600, height: 900 });
    for (const [plot, title] of [
      ['progress', /^Progress/],
      ['jobs', /^Job:/],
      ['task-stream', /^Task Stream/]
    ]) {
      await panel.part(page, 'pane-tab').filter({ hasText: title }).click();
      const slots = page.locator('[data-testid="pane"]:visible');
      const shown = await slots.evaluateAll(all => all.map(slot => slot.dataset.plot).join());
      t.equal(shown, plot, 'the pane of the chosen tab in a narrow window');
    }
    await t.shot(page, 'narrow');
    await page.setViewportSize({ width: 1440, height: 900 });
    await panel.part(page, 'tile-panes').click();
    await oracle.close();
  });

  await t.step('connect code works outside of Jupyter, and holds no secret', async () => {
    await panel.part(panel.card(page, name), 'insert-connect-code').click();
    await panel.part(page, 'notice').filter({ hasText: 'copied' }).waitFor();
    const code = await page.evaluate(() => navigator.clipboard.readText());
    const { password } = await panel.embeddedGateway(server.stateDir);
    t.ok(!code.includes(password), 'no password in it');
    const file = join(t.tmp, 'connect.py');
    await writeFile(file, `${code}\nprint(client.submit(sum, [1, 2]).result())\n`);
    const { code: exit, stdout, stderr } = await t.run(t.python, [file]);
    t.equal(`${exit} ${stdout.trim()}`, '0 3', `its end, with ${stderr}`);
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
    await panel.part(panel.card(page, name), 'shut-down').click();
    await panel.part(page, 'confirm').waitFor();
    await page.keyboard.press('Enter');
    await panel.part(page, 'confirm').waitFor({ state: 'hidden' });
    t.ok(await panel.card(page, name).isVisible(), 'Enter alone shuts nothing down');
    await panel.shutDown(page, name);
    await panel.clusterGone(page, name);
    await t.shot(page, 'gone');
    const job = panel.part(page, 'job').first();
    t.match(await job.innerText(), /standalone/, 'the job still names its cluster by its label');
  });

  await t.step('the server ends and leaves nothing', async () => {
    const { code } = await server.stop();
    t.equal(code, 0, 'exit code on SIGTERM');
    t.ok(!server.log().includes("can't be asked"), 'no warning of a gateway that was ended on purpose');
    await panel.gatewayState(page, 'offline');
    t.ok(await panel.part(page, 'new-cluster').isDisabled(), 'nothing can be asked of a server that is gone');
    await t.shot(page, 'offline');
  });
});

/** What the element that has the keyboard carries as this `data-` attribute. */
function focused(page, name) {
  return page.evaluate(name => document.activeElement.dataset[name], name);
}
