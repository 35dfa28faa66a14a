// What watching costs: the scheduler's processor time for each task, and the browser's, at a steady load with nobody
// watching, with our panes open, and with Bokeh's /status open; in a new random order in each round.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { bench } from '../e2e/harness.mjs';
import { interval95, median, round, shuffled } from './figures.mjs';
import * as panel from '../e2e/steps.mjs';

const ROUNDS = Number(process.env.OVERHEAD_ROUNDS ?? 8);
const SECONDS = 10;
const IDLE_S = 8;
const IDLE_ROUNDS = 5;
const RATE = 200;
const WORKERS = 2;
const PANES = ['task-stream', 'progress', 'workers-memory'];
const MODES = ['nobody', 'ours', 'bokeh'];
// Of `/proc/PID/stat`, on every Linux that there is.
const TICKS_A_SECOND = 100;

await bench('overhead', async t => {
  const server = await t.serve({ args: ['--config', join(t.root, 'examples', 'gatehouse.yaml')] });
  const hall = await t.page(server.url, { expectErrors: /40[49]/ });
  await panel.gatewayUp(hall);
  const name = await panel.createCluster(hall);
  await panel.clusterState(hall, name, 'RUNNING');
  await panel.scale(hall, name, WORKERS);
  await hall.context().close();
  const oracle = await panel.Oracle.open(t, { stateDir: server.stateDir, cluster: name });
  const [scheduler] = await t.processes('scheduler');
  await oracle.ask('load', { seconds: SECONDS, rate: RATE });

  const perTask = { nobody: [], ours: [], bokeh: [] };
  const points = { nobody: [], ours: [], bokeh: [] };
  const bytesPerRect = [];
  for (let n = 0; n < ROUNDS; n++) {
    for (const mode of shuffled(MODES)) {
      const shown = await show(t, server, name, mode);
      const before = { scheduler: cpu(scheduler.pid), browser: browserCpu(), bytes: shown.bytes() };
      const rects = await shown.rects();
      const { tasks, seconds } = await oracle.ask('load', { seconds: SECONDS, rate: RATE });
      perTask[mode].push((1000 * (cpu(scheduler.pid) - before.scheduler)) / tasks);
      points[mode].push((100 * (browserCpu() - before.browser)) / seconds);
      if (mode === 'ours') {
        await t.until(async () => (await shown.rects()) - rects >= tasks);
        bytesPerRect.push((shown.bytes() - before.bytes) / ((await shown.rects()) - rects));
      }
      await shown.close();
    }
  }
  const idle = { nobody: [], ours: [], bokeh: [] };
  for (let n = 0; n < IDLE_ROUNDS; n++) {
    for (const mode of shuffled(MODES)) {
      const shown = await show(t, server, name, mode);
      const before = browserCpu();
      await shown.page.waitForTimeout(1000 * IDLE_S);
      idle[mode].push((100 * (browserCpu() - before)) / IDLE_S);
      await shown.close();
    }
  }

  const against = mode => interval95(perTask[mode].map((value, n) => value - perTask.nobody[n]));
  const added = { ours: against('ours'), bokeh: against('bokeh') };
  t.report({
    metric: 'scheduler_ms_per_task',
    unit: 'ms',
    ours: round(median(perTask.ours), 3),
    peer: 'bokeh /status',
    peer_value: round(median(perTask.bokeh), 3),
    nobody: round(median(perTask.nobody), 3)
  });
  t.report({
    metric: 'scheduler_added_ms_per_task',
    unit: 'ms',
    ours: round(added.ours.mean, 3),
    peer: 'bokeh /status',
    peer_value: round(added.bokeh.mean, 3),
    interval95: [added.ours.low, added.ours.high].map(value => round(value, 3)),
    peer_interval95: [added.bokeh.low, added.bokeh.high].map(value => round(value, 3))
  });
  const beyond = (values, base) => round(Math.max(0, median(values) - base));
  const base = median(points.nobody);
  t.report({
    metric: 'browser_cpu_points',
    unit: '% of a core',
    ours: beyond(points.ours, base),
    peer: 'bokeh /status',
    peer_value: beyond(points.bokeh, base)
  });
  t.report({
    metric: 'browser_idle_cpu_points',
    unit: '% of a core',
    ours: beyond(idle.ours, median(idle.nobody)),
    peer: 'bokeh /status',
    peer_value: beyond(idle.bokeh, median(idle.nobody)),
    nobody: round(median(idle.nobody))
  });
  t.report({ metric: 'bytes_per_rect', unit: 'B', ours: round(median(bytesPerRect)) });
  await oracle.close();
  await server.stop();
});

/** Opens what is to be watched, and waits until it has caught up. */
async function show(t, server, name, mode) {
  let received = 0;
  const url = {
    nobody: 'about:blank',
    ours: server.url,
    bokeh: new URL(`clusters/${name}/status${new URL(server.url).search}`, server.url).href
  }[mode];
  const page = await t.page(mode === 'nobody' ? new URL('health', server.url).href : url, {
    // The page of nobody has no token for its icon.
    expectErrors: /40[149]/
  });
  page.on('websocket', socket => socket.on('framereceived', ({ payload }) => (received += payload.length)));
  let root = null;
  if (mode === 'ours') {
    await panel.gatewayUp(page);
    for (const plot of PANES) {
      const opened = await panel.openPane(page, name, plot);
      root ??= opened;
    }
    // All of them in sight, as Bokeh's are.
    await panel.part(page, 'tile-panes').click();
    await t.until(async () => (await panel.inspect(root)).caughtUp);
  } else if (mode === 'bokeh') {
    await page.waitForFunction(() => window.Bokeh?.documents[0]?._all_models.size > 0);
  }
  await page.waitForTimeout(2000);
  return {
    page,
    bytes: () => received,
    rects: async () => (root ? (await panel.inspect(root)).rects : 0),
    close: () => page.context().close()
  };
}

/** Processor time of a process, seconds. */
function cpu(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

/** Processor time of the browser that this bench started, all its processes together, seconds. */
function browserCpu() {
  const parents = new Map();
  for (const entry of readdirSync('/proc').filter(name => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      parents.set(Number(entry), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It ended while we looked.
    }
  }
  const isOurs = pid => pid === process.pid || (parents.has(pid) && isOurs(parents.get(pid)));
  const browser = [...parents.keys()].filter(pid => {
    try {
      return /chrom/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8')) && isOurs(pid);
    } catch {
      return false;
    }
  });
  return browser.reduce((sum, pid) => {
    try {
      return sum + cpu(pid);
    } catch {
      return sum;
    }
  }, 0);
}
