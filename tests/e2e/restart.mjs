// Every way to end, row by row of the table "End" in ARCHITECTURE.md, and two JupyterLabs at once. What is left is
// counted by looking at the processes.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';

import { scenario } from './harness.mjs';
import * as panel from './steps.mjs';

const NOTHING = { jupyter: 0, server: 0, gateway: 0, proxy: 0, scheduler: 0, worker: 0, kernel: 0 };

export const gate = true;

await scenario('restart', async t => {
  await t.step('SIGTERM of JupyterLab ends everything', async () => {
    const { lab, page } = await withCluster(t, 'sigterm');
    await startKernel(lab);
    const before = await panel.census(t);
    t.ok(before.kernel.length > 0 && before.worker.length > 0, 'a kernel and a worker are there');
    await lab.stop('SIGTERM');
    await left(t, NOTHING);
    await page.context().close();
  });

  await t.step('Ctrl-C of `npm start` ends everything', async () => {
    const stateDir = join(t.tmp, 'ctrl-c');
    // What it ends is the question here, not what it builds.
    const lab = await t.start({ stateDir, args: ['--no-build'] });
    const page = await t.page(lab.url);
    await panel.openPanel(page);
    await panel.gatewayUp(page);
    await runningCluster(page);
    await page.goto('about:blank');
    const { code, signal } = await lab.ctrlC();
    t.ok(code === 0 || code === 130 || signal === 'SIGINT', `npm start ended with ${code ?? signal}`);
    // It waits for what it ends: when the prompt is back, all of it is gone.
    await left(t, NOTHING, 1000);
    await page.context().close();
  });

  await t.step('SIGKILL of our server: it is restarted and attaches; nothing else notices', async () => {
    const { lab, page, name } = await withCluster(t, 'server-killed');
    const before = await panel.census(t);
    t.equal(before.server.length, 1, 'servers');
    // Until the next server listens, nobody answers behind the proxy.
    t.expectErrors(page, /status of 50\d|WebSocket/);
    process.kill(before.server[0].pid, 'SIGKILL');
    await t.until(
      async () => {
        const { server } = await panel.census(t);
        return server.length === 1 && server[0].pid !== before.server[0].pid;
      },
      { timeout: 30_000, what: () => 'another server' }
    );
    const after = await panel.census(t);
    for (const kind of ['gateway', 'scheduler', 'worker']) {
      t.equal(pids(after[kind]), pids(before[kind]), `${kind} processes`);
    }
    // The panel finds its way back by itself, and what it does next reaches the same gateway.
    await panel.gatewayUp(page);
    await panel.clusterState(page, name, 'RUNNING');
    await panel.scale(page, name, 2);
    await t.shot(page, 'server-restarted');
    await lab.stop();
    await left(t, NOTHING);
    await page.context().close();
  });

  await t.step('SIGKILL of JupyterLab is as Ctrl-C', async () => {
    const { lab, page } = await withCluster(t, 'lab-killed');
    await page.context().close();
    process.kill(lab.pid, 'SIGKILL');
    await lab.exited;
    await left(t, NOTHING, 60_000);
  });

  await t.step(
    'SIGKILL of JupyterLab and server at once: the next start attaches, and ends what was to end',
    async () => {
      const stateDir = join(t.tmp, 'all-killed');
      const { lab, page, name } = await withCluster(t, 'all-killed', stateDir);
      await panel.keepAtEnd(page, name);
      // This one's lease says that it ends with its Gatehouse, as leases do where nobody chooses.
      const ends = await panel.createCluster(page);
      await panel.clusterState(page, ends, 'RUNNING');
      await page.context().close();
      const before = await panel.census(t);
      // The server first and in one breath, so that it can't see its parent go.
      for (const { pid } of [...before.server, ...before.jupyter]) {
        process.kill(pid, 'SIGKILL');
      }
      await lab.exited;
      const orphaned = await panel.census(t);
      t.equal(pids(orphaned.gateway), pids(before.gateway), 'the gateway lives on');
      t.equal(pids(orphaned.scheduler), pids(before.scheduler), 'the scheduler lives on');

      const again = await t.lab({ stateDir });
      const next = await t.page(again.url);
      await panel.openPanel(next);
      await panel.gatewayUp(next);
      await panel.clusterState(next, name, 'RUNNING');
      await panel.workerCount(next, name, 1);
      await panel.clusterGone(next, ends);
      await t.until(async () => (await panel.census(t)).scheduler.length === 1);
      const after = await panel.census(t);
      t.equal(pids(after.gateway), pids(before.gateway), 'the same gateway');
      t.ok(pids(before.scheduler).includes(pids(after.scheduler)), 'the same scheduler');
      await panel.scale(next, name, 2);
      await t.shot(next, 'attached');
      await again.stop();
      await left(t, NOTHING);
      await next.context().close();
    }
  );

  await t.step('two JupyterLabs share one gateway; the last one out ends it', async () => {
    const stateDir = join(t.tmp, 'shared');
    const { lab: first, page: one, name } = await withCluster(t, 'shared', stateDir);
    const second = await t.lab({ stateDir });
    const two = await t.page(second.url);
    await panel.openPanel(two);
    await panel.gatewayUp(two);
    await panel.clusterState(two, name, 'RUNNING');
    await t.shot(two, 'second-lab');
    const both = await panel.census(t);
    t.equal(both.server.length, 2, 'servers');
    t.equal(both.gateway.length, 1, 'gateways');

    const mine = await runningCluster(two);
    await panel.clusterState(one, mine, 'RUNNING');

    await one.context().close();
    await first.stop();
    const alone = await panel.census(t);
    t.equal(pids(alone.gateway), pids(both.gateway), 'the gateway outlives the first JupyterLab');
    await panel.clusterState(two, mine, 'RUNNING');
    await panel.scale(two, mine, 2);
    await t.shot(two, 'after-first');
    await second.stop();
    await left(t, NOTHING);
    await two.context().close();
  });
});

/** A JupyterLab with the panel open and a cluster of one worker. */
async function withCluster(t, label, stateDir = join(t.tmp, label)) {
  await rm(stateDir, { recursive: true, force: true });
  const lab = await t.lab({ stateDir });
  const page = await t.page(lab.url);
  await panel.openPanel(page);
  await panel.gatewayUp(page);
  const name = await runningCluster(page);
  await t.shot(page, label);
  return { lab, page, name };
}

/** Makes a cluster of one worker in the form and waits for it. */
async function runningCluster(page) {
  const name = await panel.createCluster(page);
  await panel.clusterState(page, name, 'RUNNING');
  await panel.scale(page, name, 1);
  return name;
}

/** Starts a kernel, as a notebook would. */
async function startKernel(lab) {
  const answer = await fetch(`${lab.base}api/kernels`, {
    method: 'POST',
    headers: { authorization: `token ${lab.token}`, 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'python3' })
  });
  if (!answer.ok) {
    throw new Error(`POST api/kernels: ${answer.status}`);
  }
}

/** Waits until exactly these numbers of processes are left of what the scenario started. */
async function left(t, expected, timeout = 30_000) {
  const counts = async () => {
    const found = await panel.census(t);
    return Object.fromEntries(Object.keys(expected).map(kind => [kind, found[kind].length]));
  };
  await t.until(async () => JSON.stringify(await counts()) === JSON.stringify(expected), {
    timeout,
    what: async () => `${JSON.stringify(expected)} left, not ${JSON.stringify(await panel.census(t))}`
  });
}

function pids(processes) {
  return processes
    .map(({ pid }) => pid)
    .sort()
    .join();
}
