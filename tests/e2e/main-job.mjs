// The main job in JupyterLab: a cluster from the form, scaled, watched, used by a job, shut down; what the panes draw
// is compared with what Dask's own client reads from the same scheduler.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { scenario } from './harness.mjs';
import { pixelsMatch } from './pixels.mjs';
import * as panel from './steps.mjs';

const GREETING = 'hello from the form';

export const gate = true;

await scenario('main-job', async t => {
  const lab = await t.step('JupyterLab starts', () => t.lab());
  const page = await t.page(lab.url);

  await t.step('the panel finds its gateway', async () => {
    await panel.openPanel(page);
    await panel.gatewayUp(page);
    await t.shot(page, 'panel');
  });

  const name = await t.step('a cluster is made in the form', async () => {
    await panel.openForm(page);
    await panel.setOption(page, 'profile', 'Medium Worker');
    await panel.setOption(page, 'environment_vars', `GREETING: ${GREETING}`);
    await t.shot(page, 'form');
    return panel.createCluster(page, { label: 'main job' });
  });

  await t.step('it runs, with two workers', async () => {
    await panel.clusterState(page, name, 'RUNNING');
    await t.shot(page, 'running');
    await panel.scale(page, name, 2);
    await t.shot(page, 'scaled');
  });

  const oracle = await panel.Oracle.open(t, { stateDir: lab.stateDir, cluster: name });
  await t.step('the profile and the variable took effect', async () => {
    const workers = Object.values(await oracle.ask('workers'));
    t.equal(workers.length, 2, 'workers');
    for (const worker of workers) {
      t.equal(worker.nthreads, 2, 'threads of a Medium Worker');
      t.equal(worker.memory_limit, 4 * 2 ** 30, 'memory of a Medium Worker');
    }
    const values = Object.values(await oracle.ask('variable', { name: 'GREETING' }));
    t.equal(values.join(), [GREETING, GREETING].join(), 'GREETING on the workers');
  });

  const stream = await t.step('both panes open', async () => {
    await panel.openPane(page, name, 'progress');
    const stream = await panel.openPane(page, name, 'task-stream');
    await panel.dock(page, 'Progress', 'bottom');
    await panel.pane(page, name, 'progress');
    return stream;
  });

  await t.step('the array job runs from the panel', async () => {
    const code = await readFile(join(t.root, 'examples', 'array_job.py'), 'utf8');
    const job = await panel.runJob(page, name, code);
    t.equal(job.state, 'succeeded', `state of the job, which printed:\n${job.text}`);
    t.match(job.text, /shape: \(5000,\)/, 'the result');
    t.match(job.text, /mean: (0\.99|1\.00)/, 'the mean of the result');
    t.equal(job.text.split(`: ${GREETING}`).length - 1, 2, "workers' variables in the output");
    await t.shot(page, 'job');
    await panel.home(page);
  });

  await t.step('a job can be cancelled', async () => {
    await panel.startJob(page, name, 'import time\nprint("sleeping", flush=True)\ntime.sleep(600)');
    const view = panel.part(page, 'job-view');
    await panel.part(view, 'job-output').getByText('sleeping').waitFor({ timeout: 60_000 });
    await panel.part(view, 'job-cancel').click();
    await view.locator('[data-state="cancelled"]').waitFor({ timeout: 30_000 });
    await t.shot(page, 'job-cancelled');
    await panel.home(page);
  });

  await t.step('the pane holds every record of the scheduler', async () => {
    const records = await oracle.ask('records');
    t.ok(records.length >= 150, `the array job left ${records.length} records`);
    await t.until(async () => (await panel.inspect(stream)).records === records.length, {
      timeout: 10_000,
      what: async () =>
        `${records.length} records in the pane, which has ${(await panel.inspect(stream)).records}`
    });
    const rectangles = records.reduce((sum, record) => sum + record.bars.length, 0);
    t.equal((await panel.inspect(stream)).rects, rectangles, 'rectangles');
    await pixelsMatch(t, page, stream, records);
    await t.shot(page, 'task-stream');
  });

  await t.step('Progress equals the prefix states of the scheduler', async () => {
    await oracle.ask('hold', { count: 20 });
    const expected = await oracle.ask('progress');
    t.ok(
      Object.values(expected).some(counts => counts.erred > 0),
      'a state of each kind is there'
    );
    const progress = await panel.pane(page, name, 'progress');
    await t.until(async () => sameProgress((await panel.inspect(progress)).prefixes, expected), {
      timeout: 10_000,
      what: async () =>
        `progress ${JSON.stringify(expected)}, not ${JSON.stringify((await panel.inspect(progress)).prefixes)}`
    });
    await t.shot(page, 'progress');
    await oracle.ask('release');
  });

  await t.step('it is shut down after a question', async () => {
    await oracle.close();
    await panel.part(panel.card(page, name), 'shut-down').click();
    await t.shot(page, 'question');
    await panel.confirmDialog(page);
    await panel.clusterGone(page, name);
    await t.shot(page, 'gone');
    await t.until(async () => (await t.processes('worker', 'scheduler')).length === 0, {
      timeout: 30_000,
      what: async () =>
        `no scheduler or worker, but: ${JSON.stringify(await t.processes('worker', 'scheduler'))}`
    });
  });

  await t.step('JupyterLab ends and leaves nothing', () => lab.stop());
});

/** Whether the pane's prefixes are the scheduler's: names, counts and colours. */
function sameProgress(prefixes, expected) {
  const shown = Object.fromEntries((prefixes ?? []).map(prefix => [prefix.name, prefix]));
  const names = Object.keys(expected);
  return (
    names.length === Object.keys(shown).length &&
    names.every(name => {
      const { color, ...counts } = expected[name];
      return (
        shown[name]?.color.toLowerCase() === color.toLowerCase() &&
        Object.entries(counts).every(([state, count]) => shown[name].counts[state] === count)
      );
    })
  );
}
