// Every pane in JupyterLab, on a cluster with work of every kind: its numbers are compared with what Dask's own client
// reads from the scheduler at the same time.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import {
  column,
  exact,
  exactly,
  latest,
  managed,
  near,
  nearly,
  perWorker,
  sum,
  tally,
  together,
  within
} from './agree.mjs';
import { scenario } from './harness.mjs';
import * as panel from './steps.mjs';

/** Two small workers: the work has more data than they may keep in memory. */
const CONFIG = `
embedded:
  profiles:
    Tiny Worker:
      threads: 2
      memory: 640 MiB
`;

export const gate = true;

await scenario('panes', async t => {
  const config = join(t.tmp, 'gatehouse.yaml');
  await writeFile(config, CONFIG);
  const lab = await t.lab({
    env: { GATEHOUSE_CONFIG: config },
    extraArgs: ['--LabApp.expose_app_in_browser=True']
  });
  const page = await t.page(lab.url, { viewport: { width: 1600, height: 1000 } });
  await panel.openPanel(page);
  await panel.gatewayUp(page);
  const name = await panel.createCluster(page, { options: { profile: 'Tiny Worker' }, label: 'mixed' });
  await panel.clusterState(page, name, 'RUNNING');
  await panel.scale(page, name, 2);
  const oracle = await panel.Oracle.open(t, { stateDir: lab.stateDir, cluster: name });
  await t.step('work of every kind runs', async () => {
    await oracle.ask('mix');
    await oracle.ask('keep_busy');
  });

  /** Opens a pane, waits until its numbers are those of the scheduler, takes a picture. */
  const check = (plot, agree) =>
    t.step(plot, async () => {
      const pane = await panel.openPane(page, name, plot);
      await agreed(pane, agree);
      // The pointer is still where the menu was.
      await page.mouse.move(2, 2);
      await page.waitForTimeout(300);
      await t.shot(page, plot);
      return pane;
    });

  /** Both sides move on: they must agree at some moment. */
  async function agreed(pane, agree) {
    let why = 'it shows nothing';
    await t.until(
      async () => {
        why = agree(await panel.inspect(pane), await oracle.ask('facts')) ?? '';
        return !why;
      },
      { interval: 300, what: () => `the numbers of the scheduler: ${why}` }
    );
  }

  await check('cluster-memory', (shown, facts) => {
    const of = part => shown.rows.find(([row]) => row === part)?.[1];
    return (
      managed(of('Managed'), together(facts)) ??
      exactly(of('Spilled'), sum(facts, 'spilled'), 'spilled') ??
      exactly(of('Limit'), sum(facts, 'limit'), 'limit') ??
      nearly(shown.sums[1], sum(facts, 'process'), 0.03, 'stored')
    );
  });
  await t.step('the work was too much for memory', async () => {
    t.ok(sum(await oracle.ask('facts'), 'spilled') > 0, 'something is on disk');
  });
  await check(
    'workers-memory',
    perWorker({
      Managed: managed,
      Spilled: exact('spilled'),
      Limit: exact('limit'),
      Stored: near('process', 0.03)
    })
  );
  await check('processing', perWorker({ Processing: exact('processing'), Threads: exact('threads') }));
  await check('occupancy', perWorker({ Occupancy: near('occupancy', 0.2) }));
  await check('cpu', perWorker({ CPU: within('cpu', 25) }));
  const workers = await check(
    'workers',
    perWorker({
      Name: exact('name'),
      Status: exact('status'),
      Threads: exact('threads'),
      Limit: exact('limit'),
      Memory: near('process', 0.03),
      Managed: managed,
      Spilled: exact('spilled'),
      'In memory': exact('in_memory'),
      Processing: exact('processing'),
      Occupancy: near('occupancy', 0.2),
      CPU: within('cpu', 25),
      'File descriptors': within('fds', 10)
    })
  );
  await t.step('the table of workers is sorted and searched', async () => {
    const names = () => workers.locator('tbody tr td:first-child').allInnerTexts();
    const [first, second] = await names();
    await panel.part(workers, 'filter').fill(second);
    await t.until(async () => (await names()).join() === second, { what: () => `only ${second}` });
    await panel.part(workers, 'filter').fill('');
    await t.until(async () => (await names()).length === 2, { what: () => 'both workers' });
    const title = workers.getByRole('button', { name: 'Name' });
    for (const order of [
      [second, first],
      [first, second]
    ]) {
      await t.until(
        async () => {
          await title.click();
          return (await names()).join() === order.join();
        },
        { what: () => `the order ${order}` }
      );
    }
  });
  await check('cluster-map', (shown, facts) => {
    const busy = perWorker({ Processing: exact('processing'), Memory: near('process', 0.03) })(shown, facts);
    return busy ?? exactly(shown.spots.length >= 2, true, 'every worker is there');
  });

  await check('timeseries-cpu', latest({ CPU: within('cpu', 50) }));
  await check(
    'timeseries-memory',
    latest({ Stored: near('process', 0.03), Managed: managed, Spilled: exact('spilled') })
  );
  await t.step('a plot over time is zoomed, pulled along and shown whole again', async () => {
    const pane = await panel.openPane(page, name, 'timeseries-memory');
    const times = async () => (await panel.inspect(pane)).rows.map(([at]) => at);
    const seconds = async () => {
      const all = await times();
      return (all[0] - all.at(-1)) / 1e6;
    };
    await t.until(async () => (await seconds()) > 20, { what: () => '20 s of samples' });
    const plot = await panel.part(pane, 'plot').boundingBox();
    const middle = [plot.x + plot.width / 2, plot.y + plot.height / 2];
    await page.mouse.move(...middle);
    // A minute becomes some ten seconds.
    for (let turn = 0; turn < 2; turn++) {
      await page.mouse.wheel(0, -400);
    }
    await t.until(async () => (await seconds()) < 15, { what: () => 'a shorter stretch' });
    const [newest] = await times();
    await page.mouse.down();
    await page.mouse.move(middle[0] + plot.width / 3, middle[1], { steps: 5 });
    await page.mouse.up();
    await t.until(async () => (await times())[0] < newest, { what: () => 'older samples' });
    await page.mouse.move(2, 2);
    await t.shot(page, 'timeseries-memory-zoomed');
    await panel.part(pane, 'zoom-reset').click();
    await t.until(async () => (await seconds()) > 20, { what: () => 'all samples' });
    await pane.locator('.gh-plot-body').focus();
    await page.keyboard.press('+');
    await panel.part(pane, 'zoom-reset').waitFor();
    await page.keyboard.press('0');
    await panel.part(pane, 'zoom-reset').waitFor({ state: 'detached' });
  });
  for (const plot of ['timeseries-network', 'timeseries-disk']) {
    await check(plot, shown => {
      const rates = shown.rows.flatMap(([, ...values]) => values);
      const wrong = rates.some(rate => !(rate >= 0));
      return wrong || shown.rows.length < 3
        ? `the rows ${JSON.stringify(shown.rows.slice(0, 3))}`
        : undefined;
    });
  }

  const records = await oracle.ask('records');
  await check('errors', shown => {
    const counted = tally(
      shown.rows,
      ([prefix]) => prefix,
      row => row[column(shown, 'Tasks')]
    );
    const erred = records.filter(({ status }) => status === 'error');
    return exactly(
      counted,
      tally(erred, ({ prefix }) => prefix),
      'errors by prefix'
    );
  });
  await t.step('an error shows its traceback', async () => {
    const pane = await panel.pane(page, name, 'errors');
    await pane.getByText('ValueError').first().click();
    await pane.getByText('mixed_work.py').first().waitFor();
    await t.shot(page, 'traceback');
  });

  const { samples, functions } = await oracle.ask('profile');
  await check('profile', shown => {
    const [Function, Samples] = ['Function', 'Samples'].map(title => column(shown, title));
    const found = tally(
      shown.rows,
      row => row[Function],
      row => row[Samples]
    );
    return (
      nearly(shown.rows[0]?.[Samples], samples, 0.3, 'samples') ??
      nearly(found.occupy, functions.occupy, 0.3, 'samples in occupy')
    );
  });

  await t.step('task-groups', async () => {
    const pane = await panel.openPane(page, name, 'task-groups');
    await t.until(
      async () => {
        const shown = await panel.inspect(pane);
        const [All, Needs] = ['All', 'Needs'].map(title => column(shown, title));
        const found = shown.rows.map(row => [
          row[0],
          [row[All], row[Needs] ? row[Needs].split(', ').sort() : []]
        ]);
        const agree = exactly(
          Object.fromEntries(found.sort()),
          Object.fromEntries(Object.entries(await oracle.ask('groups')).sort()),
          'groups'
        );
        if (agree) {
          await panel.part(pane, 'refresh-plot').click();
        }
        return !agree && found.some(([, [, needs]]) => needs.length > 0);
      },
      { interval: 500, what: () => 'groups and what they need, as the scheduler has them' }
    );
    await page.mouse.move(2, 2);
    await page.waitForTimeout(300);
    await t.shot(page, 'task-groups');
  });

  const logs = await check('logs', () => undefined);
  await t.step('the logs are those of scheduler and workers', async () => {
    const texts = async () => (await panel.inspect(logs)).rows.map(([, text]) => text);
    const holds = async expected => {
      const shown = (await texts()).join('\n');
      return expected.length > 0 && expected.every(([, text]) => shown.includes(text.trim()));
    };
    await t.until(async () => holds(await oracle.ask('logs')), { what: () => "the scheduler's log" });
    const [address] = Object.keys(await oracle.ask('facts'));
    await panel.part(logs, 'choose-worker').selectOption(address);
    const worker = await oracle.ask('logs', { worker: address });
    await t.until(() => holds(worker), { what: () => `the log of ${address}` });
    await t.shot(page, 'log-of-a-worker');
  });

  await t.step('task stream and progress', async () => {
    const stream = await panel.openPane(page, name, 'task-stream');
    await t.until(async () => (await panel.inspect(stream)).records === records.length, {
      what: () => `${records.length} records`
    });
    await panel.part(stream, 'fit').click();
    await t.shot(page, 'task-stream');
    const progress = await panel.openPane(page, name, 'progress');
    const states = await oracle.ask('progress');
    await t.until(
      async () => {
        const { prefixes } = await panel.inspect(progress);
        const shown = Object.fromEntries(prefixes.map(({ name, counts }) => [name, counts]));
        return Object.entries(states).every(
          ([prefix, expected]) =>
            Object.entries(shown[prefix] ?? {}).every(([state, n]) => n === (expected[state] ?? 0)) &&
            shown[prefix]
        );
      },
      { what: () => `the states ${JSON.stringify(states)}` }
    );
    await t.shot(page, 'progress');
  });

  await t.step('Status has all of the first page', async () => {
    const status = await panel.openPane(page, name, 'status');
    const of = plot => panel.part(status, `part-${plot}`);
    for (const plot of ['cluster-memory', 'workers-memory', 'processing', 'progress']) {
      await t.until(async () => (await panel.inspect(of(plot))).rows.length > 0, {
        what: () => `rows in ${plot}`
      });
    }
    await agreed(of('processing'), perWorker({ Processing: exact('processing') }));
    const stream = panel.part(status, 'pane-task-stream');
    await t.until(async () => (await panel.inspect(stream)).records === records.length, {
      what: () => `${records.length} records`
    });
    await t.shot(page, 'status');
    for (const tab of ['cpu', 'occupancy']) {
      await panel.part(status, `tab-${tab}`).click();
      await of(tab).waitFor();
    }
    await t.shot(page, 'status-occupancy');
  });

  await t.step('a table stays a table across a reload', async () => {
    const pane = await panel.openPane(page, name, 'processing');
    await panel.part(pane, 'as-table').click();
    await panel.part(pane, 'table').waitFor();
    // JupyterLab keeps its layout a moment after it changed.
    await page.waitForTimeout(1500);
    await page.reload();
    await panel.gatewayUp(page);
    const again = await panel.pane(page, name, 'processing');
    await panel.part(again, 'table').waitFor();
    await t.shot(page, 'table');
    await panel.part(again, 'as-table').click();
    await panel.part(again, 'plot').waitFor();
  });

  await t.step('two clusters side by side, in the dark and in high contrast', async () => {
    const other = await panel.createCluster(page, { options: { profile: 'Tiny Worker' }, label: 'other' });
    await panel.clusterState(page, other, 'RUNNING');
    await panel.scale(page, other, 1);
    const theirs = await panel.openPane(page, other, 'workers-memory');
    await panel.dock(page, 'Worker Memory · other', 'right');
    const ours = await panel.openPane(page, name, 'workers-memory');
    await t.until(async () => (await panel.inspect(theirs)).rows.length === 1, { what: () => 'one worker' });
    await t.until(async () => (await panel.inspect(ours)).rows.length === 2, { what: () => 'two workers' });
    for (const theme of ['JupyterLab Dark', 'JupyterLab Dark High Contrast']) {
      await page.evaluate(
        theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme }),
        theme
      );
      await page.waitForTimeout(1000);
      await t.shot(page, theme.toLowerCase().replaceAll(' ', '-'));
    }
    await panel.openPane(page, name, 'status');
    await page.waitForTimeout(1000);
    await t.shot(page, 'status-high-contrast');
    await panel.shutDown(page, other);
    await panel.clusterGone(page, other);
  });

  await t.step('where the site refuses the feed, panes say what is missing', async () => {
    const server = await t.serve({ stateDir: lab.stateDir, args: ['--scheduler-feed', 'off'] });
    const bare = await t.page(server.url);
    await panel.gatewayUp(bare);
    const occupancy = await panel.openPane(bare, name, 'occupancy');
    await panel.part(occupancy, 'limited').waitFor();
    const processing = await panel.openPane(bare, name, 'processing');
    await panel.part(processing, 'limited').waitFor();
    await agreed(processing, perWorker({ Threads: exact('threads') }));
    await t.shot(bare, 'refused');
    await server.stop();
  });

  await oracle.ask('let_go');
  await oracle.close();
  await panel.shutDown(page, name);
  await panel.clusterGone(page, name);
  await lab.stop();
});
