// The main job in JupyterLab: a cluster from the form, scaled, watched, used by a job, shut down; what the panes draw
// is compared with what Dask's own client reads from the same scheduler.

import { readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { scenario } from './harness.mjs';
import { frames, pixelsMatch, widest } from './pixels.mjs';
import * as panel from './steps.mjs';

const GREETING = 'hello from the form';

export const gate = true;

await scenario('main-job', async t => {
  const lab = await t.step('JupyterLab starts', () =>
    t.lab({ extraArgs: ['--LabApp.expose_app_in_browser=True'] })
  );
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
    const output = panel.part(panel.jobView(page), 'job-output');
    await output.getByText('sleeping').waitFor({ timeout: 60_000 });
    await panel.cancelJob(page);
    await panel.jobState(page, ['cancelled'], 30_000);
    await t.shot(page, 'job-cancelled');
    await panel.openPane(page, name, 'task-stream');
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

  await t.step('a rectangle tells its key, duration and worker', async () => {
    const place = await widest(page, stream, await oracle.ask('records'));
    const canvas = await panel.part(stream, 'raster').boundingBox();
    await page.mouse.move(canvas.x + place.x, canvas.y + place.y);
    const tip = panel.part(stream, 'tip');
    // A tuple's key is shown as Python writes it; its name is enough here.
    const [name] = /[\w-]+-[0-9a-f]{8,}/.exec(place.key);
    await tip.filter({ hasText: name }).waitFor({ timeout: 10_000 });
    const said = await tip.innerText();
    t.ok(said.includes(place.worker), `the worker ${place.worker} in: ${said}`);
    t.match(said, /\d\s?(µs|ms|s)\b/, 'a duration');
    await t.shot(page, 'hover');
  });

  await t.step('panning stops following, and a button resumes it', async () => {
    await panel.part(stream, 'follow').click();
    await t.until(async () => (await panel.inspect(stream)).following, { what: () => 'following' });
    const canvas = await panel.part(stream, 'raster').boundingBox();
    const before = (await panel.inspect(stream)).view;
    await page.mouse.move(canvas.x + canvas.width / 2, canvas.y + canvas.height / 2);
    await page.mouse.down();
    await page.mouse.move(canvas.x + canvas.width / 2 + 120, canvas.y + canvas.height / 2, { steps: 6 });
    await page.mouse.up();
    await frames(page, 2);
    const after = await panel.inspect(stream);
    t.ok(!after.following, 'the pane stands still');
    const moved = (before.t0_us - after.view.t0_us) / ((before.t1_us - before.t0_us) / after.plot.w);
    t.ok(Math.abs(moved - 120) < 12, `the plot moved with the pointer: ${moved.toFixed(1)} px`);
  });

  await t.step('the dark theme reaches panel and panes', async () => {
    await panel.theme(page, 'JupyterLab Dark');
    await pixelsMatch(t, page, stream, await oracle.ask('records'), { dark: true });
    await t.shot(page, 'dark');
    await panel.theme(page, 'JupyterLab Light');
  });

  await t.step('after a reload the panes are there again', async () => {
    const { length } = await oracle.ask('records');
    await page.reload();
    await panel.gatewayUp(page);
    await t.until(
      async () => (await panel.inspect(await panel.pane(page, name, 'task-stream'))).records === length,
      {
        what: () => `${length} records in the restored pane`
      }
    );
    await t.shot(page, 'reloaded');
  });

  await t.step('Progress equals the prefix states of the scheduler', async () => {
    await oracle.ask('hold', { count: 20 });
    const expected = await oracle.ask('progress');
    t.ok(
      Object.values(expected).some(counts => counts.erred > 0),
      'a state of each kind is there'
    );
    const progress = await panel.openPane(page, name, 'progress');
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
