// The task stream's tools, standalone: statistics compared with what Dask's own client reads, filter, errors, details.

import { column } from './agree.mjs';
import { scenario } from './harness.mjs';
import * as panel from './steps.mjs';

const WORK = `
import random, time
from distributed import wait

def quick(x):
    time.sleep(0.01 + random.random() * 0.03)
    return x

def load(x):
    time.sleep(0.1)
    return bytes(400_000)

def join(a, b):
    return len(a) + len(b)

def boom(x):
    if x % 9 == 0:
        raise ValueError(f"no {x}")
    return x

loaded = client.map(load, range(24), pure=False)
joined = [client.submit(join, loaded[i], loaded[-1 - i], pure=False) for i in range(12)]
wait(client.map(quick, range(120), pure=False) + joined + client.map(boom, range(45), pure=False))
`;

await scenario('stream', async t => {
  const server = await t.serve({ args: ['--config', `${t.root}/examples/gatehouse.yaml`] });
  const page = await t.page(server.url);
  await panel.gatewayUp(page);
  const name = await panel.createCluster(page, { label: 'stream' });
  await panel.clusterState(page, name, 'RUNNING');
  await panel.scale(page, name, 2);
  const oracle = await panel.Oracle.open(t, { stateDir: server.stateDir, cluster: name });
  const job = await panel.runJob(page, name, WORK);
  t.equal(job.state, 'succeeded', `state of the job, which printed:\n${job.text}`);
  await panel.home(page);
  const records = await oracle.ask('records');
  let stream = await panel.openPane(page, name, 'task-stream');
  const complete = () =>
    t.until(async () => (await panel.inspect(stream)).records === records.length, {
      what: () => `${records.length} records in the pane`
    });
  await complete();
  await panel.part(stream, 'fit').click();
  const aside = () => panel.part(stream, 'stream-aside');
  const press = async key => {
    await stream.locator('.gh-stream-plot').focus();
    await page.keyboard.press(key);
  };

  await t.step('the table holds what the scheduler reports', async () => {
    await press('s');
    await t.until(async () => (await table(stream)).length > 0, { what: () => 'a table of prefixes' });
    const expected = {};
    for (const record of records) {
      expected[record.prefix] = (expected[record.prefix] ?? 0) + 1;
    }
    const found = Object.fromEntries((await table(stream)).map(([prefix, tasks]) => [prefix, Number(tasks)]));
    t.equal(found, expected, 'tasks by prefix');
    await t.shot(page, 'statistics');
  });

  await t.step('a marked stretch has its own figures', async () => {
    const box = await panel.part(stream, 'raster').boundingBox();
    await page.keyboard.down('Shift');
    await page.mouse.move(box.x + box.width * 0.25, box.y + 60);
    await page.mouse.down();
    await page.mouse.move(box.x + box.width * 0.5, box.y + 80, { steps: 5 });
    await page.mouse.up();
    await page.keyboard.up('Shift');
    await aside().getByText('Selection').waitFor();
    const { view, plot } = await panel.inspect(stream);
    const at = share => view.t0_us + ((view.t1_us - view.t0_us) * plot.w * share) / plot.w;
    const tasks = records.filter(record =>
      record.bars.some(bar => bar.action === 'compute' && bar.stop_us > at(0.25) && bar.start_us < at(0.5))
    ).length;
    const counted = (await table(stream)).reduce((sum, [, tasks]) => sum + Number(tasks), 0);
    // A task may begin or end within a pixel of the edge.
    t.ok(Math.abs(counted - tasks) <= 4, `${counted} tasks are counted, the scheduler says ${tasks}`);
    await t.shot(page, 'selection');
    await press('Escape');
    await aside().getByText('In view').waitFor();
  });

  await t.step('errors are met one after the other, with their story', async () => {
    const seen = new Set();
    for (let i = 0; i < 5; i++) {
      await press('e');
      const details = panel.part(stream, 'task-details');
      await details.getByText(/ValueError\('no \d+'\)/).waitFor();
      // Its key comes from the server a moment later.
      await t.until(async () => !seen.has(await keyOf(details)) && (await keyOf(details)) !== '…', {
        what: () => 'another error'
      });
      seen.add(await keyOf(details));
      await details.locator('[data-testid="story"] li').first().waitFor();
    }
    const keys = records.filter(record => record.status === 'error').map(record => record.key);
    t.equal([...seen].sort(), keys.sort(), 'keys of the errors');
    await t.shot(page, 'error');
    await press('Escape');
  });

  await t.step('a filter stays across a reload', async () => {
    await press('0');
    await stream.locator('footer').getByRole('button', { name: /^load/ }).click();
    await t.until(async () => (await table(stream)).length === 1, { what: () => 'one prefix in the table' });
    await page.waitForTimeout(400);
    const before = (await panel.inspect(stream)).view;
    await page.reload();
    await panel.gatewayUp(page);
    stream = await panel.pane(page, name, 'task-stream');
    await complete();
    await panel.part(stream, 'filter-clear').waitFor();
    const { view } = await panel.inspect(stream);
    const px = (before.t1_us - before.t0_us) / 1000;
    t.ok(Math.abs(view.t0_us - before.t0_us) < 5 * px, 'the window is the same');
    await panel.part(stream, 'palette').click();
    await press('s');
    await t.until(async () => (await table(stream)).length === 1, { what: () => 'one prefix in the table' });
    await t.shot(page, 'filtered');
    await panel.part(stream, 'filter-clear').click();
    await t.until(async () => (await table(stream)).length > 3, { what: () => 'all prefixes in the table' });
  });

  await t.step('workers are filtered by name', async () => {
    const [{ worker }] = (await panel.inspect(stream)).lanes;
    await panel.part(stream, 'filter-workers').fill(worker);
    await t.until(async () => (await panel.inspect(stream)).lanes.every(lane => lane.worker === worker), {
      what: () => `rows of ${worker} only`
    });
    await t.until(async () => (await stream.locator('.gh-stream-worker').count()) === 1, {
      what: () => 'one name beside the rows'
    });
    await t.shot(page, 'worker');
  });

  await t.step('Progress says how long work takes yet, and nothing once it is done', async () => {
    await panel.home(page);
    const progress = await panel.openPane(page, name, 'progress');
    const left = async () => {
      const shown = await panel.inspect(progress);
      const at = column(shown, 'Left');
      const [done, all] = ['Done', 'All'].map(title => column(shown, title));
      const nap = shown.rows.find(([prefix]) => prefix === 'nap');
      return { nap: nap?.[at], whole: shown.sums[at], isDone: nap?.[done] === nap?.[all] && nap?.[all] > 0 };
    };
    const figure = progress.locator('.gh-pane-figures').getByText(/left/);
    const tasks = await oracle.ask('naps', { count: 2000 });
    await t.until(
      async () => {
        const { nap, whole } = await left();
        return nap > 0 && whole > 0;
      },
      { timeout: 60_000, what: async () => `a time left, not ${JSON.stringify(await left())}` }
    );
    await figure.waitFor();
    await t.shot(page, 'time-left');
    await panel.part(progress, 'as-table').click();
    await panel.part(progress, 'table').getByRole('columnheader', { name: 'Left' }).waitFor();
    await panel.part(progress, 'as-table').click();
    t.equal(await oracle.ask('hurry'), tasks, 'tasks that ended');
    await t.until(
      async () => {
        const { nap, whole, isDone } = await left();
        return isDone && nap === null && whole === null;
      },
      { timeout: 60_000, what: async () => `nothing left, not ${JSON.stringify(await left())}` }
    );
    await figure.waitFor({ state: 'detached' });
  });

  await oracle.close();
  await panel.shutDown(page, name);
  await panel.clusterGone(page, name);
  await server.stop();
});

/** Rows of the table of prefixes, as texts. */
async function table(stream) {
  return panel
    .part(stream, 'stats-table')
    .locator('tbody tr')
    .evaluateAll(rows => rows.map(row => [...row.cells].map(cell => cell.innerText.replace(/\u202f/g, ''))));
}

/** The key in the details of a task. */
async function keyOf(details) {
  return details.locator('dd').first().innerText();
}
