// From a click to the first painted plot, and the bytes for it, through JupyterLab's proxy and with nothing cached: one of
// our panes beside Bokeh's page of that plot, our Status beside Bokeh's. The peer goes past our server, straight from
// Jupyter's proxy to the gateway; its click is the start of its page.
//
// pane_first_paint_ms, status_first_paint_ms: until the largest plot has colours of tasks.
// pane_bytes, status_bytes: what the browser received from the click on. The panel was there before it, with JupyterLab's own
// parts; `with_panel` has its bytes besides.

import { bench } from '../e2e/harness.mjs';
import * as panel from '../e2e/steps.mjs';
import { median, round } from './figures.mjs';

const ROUNDS = 7;
const PLOTS = [
  { metric: 'pane', ours: 'task-stream', bokeh: 'individual-task-stream' },
  { metric: 'status', ours: 'status', bokeh: 'status' }
];

await bench('first-plot', async t => {
  const lab = await t.lab();
  const hall = await t.page(lab.url);
  await panel.openPanel(hall);
  await panel.gatewayUp(hall);
  const name = await panel.createCluster(hall);
  await panel.clusterState(hall, name, 'RUNNING');
  await panel.scale(hall, name, 2);
  const gateway = await panel.embeddedGateway(lab.stateDir);
  const oracle = await panel.Oracle.open(t, { stateDir: lab.stateDir, cluster: name, gateway });
  await oracle.ask('inject', { first: 0, count: 1000, total: 1000, lanes: 4 });

  const bokehUrl = plot =>
    `${lab.base}proxy/${new URL(gateway.address).port}/clusters/${name}/${plot}?token=${lab.token}`;
  const sides = {
    ours: plot => ours(t, lab, name, plot.ours),
    bokeh: plot => bokeh(t, bokehUrl(plot.bokeh))
  };
  for (const plot of PLOTS) {
    const found = { ours: [], bokeh: [] };
    for (let n = 0; n < ROUNDS; n++) {
      for (const side of n % 2 ? ['bokeh', 'ours'] : ['ours', 'bokeh']) {
        t.current = `${plot.metric}, ${side}, round ${n + 1}`;
        t.say(t.current);
        found[side].push(await sides[side](plot));
      }
    }
    const peer = `bokeh /${plot.bokeh}`;
    for (const [metric, unit, of] of [
      ['first_paint_ms', 'ms', ({ ms }) => ms],
      ['bytes', 'bytes', ({ bytes }) => bytes]
    ]) {
      const more =
        metric === 'bytes'
          ? { with_panel: round(median(found.ours.map(({ bytes, panel }) => bytes + panel))) }
          : {};
      t.report({
        metric: `${plot.metric}_${metric}`,
        unit,
        ours: round(median(found.ours.map(of))),
        peer,
        peer_value: round(median(found.bokeh.map(of))),
        ...more
      });
    }
  }
  await oracle.close();
  await panel.shutDown(hall, name);
  await panel.clusterGone(hall, name);
  await hall.context().close();
  await lab.stop();
});

/** A pane in a new JupyterLab page: from the click on the card's button. */
async function ours(t, lab, name, plot) {
  const page = await t.page(`${lab.base}api`);
  const bytes = await received(page, url => /dask[-_]gatehouse|gatehouse\//.test(url));
  // A workspace of its own has no panes yet.
  await page.goto(`${lab.base}lab/workspaces/first-plot-${t.next('workspace')}?token=${lab.token}`);
  await panel.openPanel(page);
  await panel.clusterState(page, name, 'RUNNING');
  // What JupyterLab does after its start is no part of it.
  await page.waitForTimeout(2000);
  await page.evaluate(() => {
    addEventListener('click', event => (window.e2eBegan ??= event.timeStamp), { capture: true });
  });
  const before = bytes();
  const painted = page.evaluate(firstPaint, '#jp-main-dock-panel');
  await panel.openPane(page, name, plot);
  const ms = (await painted) - (await page.evaluate(() => window.e2eBegan));
  const result = { ms, bytes: bytes() - before, panel: before };
  await page.context().close();
  return result;
}

/** Bokeh's page, from its start. */
async function bokeh(t, url) {
  const page = await t.page(new URL('/api', url).href, { expectErrors: /./ });
  const bytes = await received(page, () => true);
  await page.goto(url, { waitUntil: 'commit' });
  const ms = await page.evaluate(firstPaint, 'html');
  const result = { ms, bytes: bytes() };
  await page.context().close();
  return result;
}

/** Counts what arrives, compressed as it is, and WebSocket messages. */
async function received(page, counts) {
  const session = await page.context().newCDPSession(page);
  await session.send('Network.enable');
  await session.send('Network.setCacheDisabled', { cacheDisabled: true });
  const urls = new Map();
  let total = 0;
  session.on('Network.requestWillBeSent', ({ requestId, request }) => urls.set(requestId, request.url));
  session.on('Network.webSocketCreated', ({ requestId, url }) => urls.set(requestId, url));
  const add = (requestId, bytes) => {
    if (counts(urls.get(requestId) ?? '')) {
      total += bytes;
    }
  };
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) =>
    add(requestId, encodedDataLength)
  );
  session.on('Network.webSocketFrameReceived', ({ requestId, response }) => {
    const { opcode, payloadData } = response;
    add(requestId, opcode === 1 ? Buffer.byteLength(payloadData) : Buffer.byteLength(payloadData, 'base64'));
  });
  return () => total;
}

/** In the page: when the largest plot below `selector` first had colours, in milliseconds of the page's clock. */
function firstPaint(selector) {
  const PATIENCE_MS = 60_000;
  const canvases = root =>
    [...root.querySelectorAll('*')].flatMap(element =>
      element.tagName === 'CANVAS' ? [element] : element.shadowRoot ? canvases(element.shadowRoot) : []
    );
  const coloured = canvas => {
    const context = canvas.getContext('2d');
    for (let line = 1; line < 24; line++) {
      const y = Math.floor((canvas.height * line) / 24);
      const { data } = context.getImageData(0, y, canvas.width, 1);
      let found = 0;
      for (let i = 0; i < data.length; i += 4) {
        const [r, g, b, a] = data.subarray(i, i + 4);
        found += a > 200 && Math.max(r, g, b) - Math.min(r, g, b) > 60 ? 1 : 0;
      }
      if (found > 20) {
        return true;
      }
    }
    return false;
  };
  return new Promise((resolve, reject) => {
    const look = () => {
      const root = document.querySelector(selector);
      const found = root ? canvases(root).map(canvas => [canvas.width * canvas.height, canvas]) : [];
      const most = Math.max(10_000, ...found.map(([size]) => size));
      // Ours has a second canvas of the same size above it.
      if (found.some(([size, canvas]) => size > 0.5 * most && coloured(canvas))) {
        resolve(performance.now());
      } else if (performance.now() > PATIENCE_MS) {
        reject(new Error('nothing was painted'));
      } else {
        requestAnimationFrame(look);
      }
    };
    requestAnimationFrame(look);
  });
}
