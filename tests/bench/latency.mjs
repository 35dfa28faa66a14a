// From a task's end on its worker to the frame that shows it: our pane, and Bokeh's task stream of the same scheduler, in
// turn. All clocks are one machine's.

import { join } from 'node:path';

import { bench } from '../e2e/harness.mjs';
import { median, percentile95, round } from './figures.mjs';
import * as panel from '../e2e/steps.mjs';

const TASKS = 60;
const GAP_S = 0.25;
const ROUNDS = 3;

await bench('latency', async t => {
  const server = await t.serve({ args: ['--config', join(t.root, 'examples', 'gatehouse.yaml')] });
  const page = await t.page(server.url, { expectErrors: /40[49]/ });
  await panel.gatewayUp(page);
  const name = await panel.createCluster(page);
  await panel.clusterState(page, name, 'RUNNING');
  await panel.scale(page, name, 1);
  const oracle = await panel.Oracle.open(t, { stateDir: server.stateDir, cluster: name });
  const root = await panel.openPane(page, name, 'task-stream');
  const bokeh = await page.context().newPage();
  await bokeh.goto(new URL(`clusters/${name}/individual-task-stream`, server.url).href);
  await bokeh.waitForFunction(() => window.Bokeh?.documents[0]?._all_models.size > 0);
  // What is compiled, connected and drawn for the first time is no part of it.
  await oracle.ask('paced', { count: 10, gap: GAP_S });

  const found = { ours: [], bokeh: [] };
  for (let n = 0; n < ROUNDS; n++) {
    for (const side of n % 2 ? ['bokeh', 'ours'] : ['ours', 'bokeh']) {
      const watched = side === 'ours' ? page : bokeh;
      await watched.bringToFront();
      const target = side === 'ours' ? await root.elementHandle() : null;
      await watched.evaluate(watch, target);
      await oracle.ask('paced', { count: TASKS, gap: GAP_S });
      await watched.waitForTimeout(1500);
      const shown = await watched.evaluate(seen);
      t.ok(shown.length >= TASKS * 0.9, `${shown.length} of ${TASKS} tasks were shown (${side})`);
      const ends = side === 'ours' ? null : await endsByKey(oracle);
      found[side].push(...shown.map(({ task, now }) => now - (ends ? ends.get(task) : task)));
    }
  }
  for (const [metric, figure] of [
    ['task_to_pixel_p50_ms', median],
    ['task_to_pixel_p95_ms', percentile95]
  ]) {
    t.report({
      metric,
      unit: 'ms',
      ours: round(figure(found.ours)),
      peer: 'bokeh /individual-task-stream',
      peer_value: round(figure(found.bokeh))
    });
  }
  await oracle.close();
  await panel.shutDown(page, name);
  await panel.clusterGone(page, name);
  await server.stop();
});

/** When the scheduler's tasks ended, milliseconds: Bokeh's page holds no times but relative ones. */
async function endsByKey(oracle) {
  const records = await oracle.ask('records');
  return new Map(records.map(({ key, bars }) => [key, Math.max(...bars.map(bar => bar.stop_us)) / 1000]));
}

/**
 * In the page: notes for each task that is new in a frame when the frame after it began, that is, when it was seen.
 * Bokeh's page forgets its history now and then, so there a task is known by its key.
 */
function watch(root) {
  const models = root ? [] : [...window.Bokeh.documents[0]._all_models.values()];
  const source = models.find(model => model.type === 'ColumnDataSource' && model.data.duration);
  const known = new Set(source?.data.key);
  let next = root?.gatehouse.inspect().records;
  const fresh = () => {
    const found = [];
    if (root) {
      for (const { records } = root.gatehouse.inspect(); next < records; next++) {
        const places = root.gatehouse.locate(next);
        found.push(Math.max(...places.map(place => place.start_us + place.duration_us)) / 1000);
      }
    } else {
      const { key } = source.data;
      for (let i = key.length - 1; i >= 0 && !known.has(key[i]); i--) {
        known.add(key[i]);
        found.push(key[i]);
      }
    }
    return found;
  };
  window.e2eSeen = [];
  window.e2eWatching = true;
  let due = [];
  const frame = () => {
    const now = performance.timeOrigin + performance.now();
    window.e2eSeen.push(...due.map(task => ({ task, now })));
    due = fresh();
    if (window.e2eWatching) {
      requestAnimationFrame(frame);
    }
  };
  requestAnimationFrame(frame);
}

/** In the page: what was seen since, and when; ours by the task's end, Bokeh's by its key. */
function seen() {
  window.e2eWatching = false;
  return window.e2eSeen;
}
