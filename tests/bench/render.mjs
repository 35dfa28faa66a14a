// Panning the task stream: our pane beside Bokeh's /tasks page, of the same scheduler with the same records, in the
// same browser, in turn. Frame to frame, while the same drag is going on. Bokeh leaves out nine of ten rectangles
// while it is dragged, from 2000 on; we draw them all.

import { join } from 'node:path';

import { bench } from '../e2e/harness.mjs';
import { frames } from '../e2e/pixels.mjs';
import * as panel from '../e2e/steps.mjs';

const SIZES = { '1k': 1_000, '10k': 10_000, '100k': 100_000 };
// Records a call: the watcher reads them between two calls, as it would read a burst.
const CHUNK = 10_000;
const LANES = 64;
const ROUNDS = 5;
const DRAG_MS = 2500;
const REACH_PX = 240;

await bench('render', async t => {
  const server = await t.serve({ args: ['--config', join(t.root, 'examples', 'gatehouse.yaml')] });
  // Panes of clusters that were shut down ask for them once more.
  const page = await t.page(server.url, { expectErrors: /40[49]/ });
  await panel.gatewayUp(page);
  for (const [label, count] of Object.entries(SIZES)) {
    const sides = await prepare(t, server, page, count);
    const p95 = { ours: [], bokeh: [] };
    for (let round = 0; round < ROUNDS; round++) {
      for (const side of round % 2 ? ['bokeh', 'ours'] : ['ours', 'bokeh']) {
        p95[side].push(await pan(t, sides[side]));
      }
    }
    t.report({
      metric: `pan_p95_ms_${label}`,
      unit: 'ms',
      ours: round(median(p95.ours)),
      peer: 'bokeh /tasks',
      peer_value: round(median(p95.bokeh))
    });
    const script = await sides.ours.script();
    t.report({ metric: `pan_p95_script_ms_${label}`, unit: 'ms', ours: round(percentile95(script)) });
    await sides.close();
  }
  await server.stop();
});

/** A cluster whose scheduler holds `count` records, with our pane and Bokeh's page of it open. */
async function prepare(t, server, page, count) {
  const name = await panel.createCluster(page);
  await panel.clusterState(page, name, 'RUNNING');
  await panel.scale(page, name, 1);
  const oracle = await panel.Oracle.open(t, { stateDir: server.stateDir, cluster: name });
  const root = await panel.openPane(page, name, 'task-stream');
  for (let done = 0; done < count; done += CHUNK) {
    const share = Math.min(CHUNK, count - done);
    await oracle.ask('inject', { first: done, count: share, total: count, lanes: LANES });
    await t.until(async () => (await panel.inspect(root)).records >= done + share, {
      timeout: 60_000,
      what: async () => `${done + share} records, not ${(await panel.inspect(root)).records}`
    });
  }
  const shown = await panel.inspect(root);
  t.equal(shown.rects, count, 'rectangles in our pane');
  await panel.part(root, 'fit').click();

  const bokeh = await page.context().newPage();
  await bokeh.goto(new URL(`clusters/${name}/tasks`, server.url).href);
  await bokeh.waitForFunction(
    count => {
      const models = window.Bokeh?.documents[0]?._all_models;
      const sources = [...(models?.values() ?? [])].filter(model => model.type === 'ColumnDataSource');
      return sources.some(source => (source.data.start ?? source.data.key)?.length >= count);
    },
    count,
    { timeout: 120_000 }
  );
  return {
    ours: {
      page,
      canvas: panel.part(root, 'raster'),
      view: () => root.evaluate(element => element.gatehouse.inspect().view.t0_us),
      script: () => root.evaluate(element => element.gatehouse.frameStats())
    },
    bokeh: {
      page: bokeh,
      canvas: bokeh.locator('.bk-Canvas').first(),
      view: () =>
        bokeh.evaluate(() => {
          const models = [...window.Bokeh.documents[0]._all_models.values()];
          return models.find(model => model.type === 'Plot' || model.type === 'Figure').x_range.start;
        })
    },
    async close() {
      await bokeh.close();
      await oracle.close();
      await panel.part(page, 'pane-close').first().click();
      await panel.shutDown(page, name);
      await panel.clusterGone(page, name);
    }
  };
}

/** Drags the plot to and fro, and returns the 95th percentile of the times between frames. */
async function pan(t, { page, canvas, view }) {
  await page.bringToFront();
  // What it has to catch up with is no part of the drag.
  await frames(page, 5);
  const box = await canvas.boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(x, y);
  await page.mouse.down();
  await frames(page, 2);
  const before = await view();
  await page.evaluate(() => {
    window.e2eFrames = [];
    window.e2eRecording = true;
    const frame = now => {
      window.e2eFrames.push(now);
      if (window.e2eRecording) {
        requestAnimationFrame(frame);
      }
    };
    requestAnimationFrame(frame);
  });
  const until = Date.now() + DRAG_MS;
  let step = 0;
  let moved = false;
  while (Date.now() < until) {
    step += 1;
    await page.mouse.move(x + REACH_PX * Math.sin(step / 12), y);
    moved ||= step % 6 === 0 && (await view()) !== before;
  }
  const painted = await page.evaluate(() => {
    window.e2eRecording = false;
    return window.e2eFrames;
  });
  // A page that is slow has not come to painting it yet: a second of drag can be a minute of its work.
  await t.until(async () => moved || (await view()) !== before, {
    timeout: 180_000,
    what: () => `a moved view of ${page.url()}`
  });
  await page.mouse.up();
  return percentile95(painted.slice(1).map((now, i) => now - painted[i]));
}

function percentile95(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.ceil(sorted.length * 0.95) - 1];
}

function round(value) {
  return Math.round(value * 100) / 100;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
