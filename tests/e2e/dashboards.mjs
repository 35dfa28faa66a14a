// Bokeh's own plots through our door: a real gateway, its real dashboard, a JupyterLab below a prefix of three segments.
// Every plot that the dashboard names opens on a page of its own, and its WebSocket brings data.

import { scenario } from './harness.mjs';
import * as panel from './steps.mjs';

const PREFIX = '/one/two/three/';
// Three at a time: each of them has a document of its own in the scheduler, which two cores share with the browser.
const SIDE_BY_SIDE = 3;
// Those that must change while there is work; others do only where there are errors, graphics cards, or new functions.
const LIVELY = [
  'Cluster Memory',
  'Graph',
  'Occupancy',
  'Progress',
  'Scheduler System',
  'Task Stream',
  'Workers'
];

await scenario('dashboards', async t => {
  const lab = await t.step('JupyterLab starts below a prefix of three segments', () =>
    t.lab({ prefix: PREFIX })
  );
  const gatehouse = new URL('gatehouse/', lab.base);
  const headers = { authorization: `token ${lab.token}` };
  const get = path => fetch(new URL(path, gatehouse), { headers, redirect: 'manual' });

  const page = await t.page(lab.url);
  const name = await t.step('a cluster with a worker has something to show', async () => {
    await panel.openPanel(page);
    await panel.gatewayUp(page);
    const name = await panel.createCluster(page);
    await panel.clusterState(page, name, 'RUNNING');
    await panel.scale(page, name, 1);
    return name;
  });
  const oracle = await panel.Oracle.open(t, { stateDir: lab.stateDir, cluster: name });
  await oracle.ask('load', { seconds: 2, rate: 20 });

  const plots = await t.step('its plots are those that the dashboard names', async () => {
    const { address } = await panel.embeddedGateway(lab.stateDir);
    const straight = await (await fetch(`${address}/clusters/${name}/individual-plots.json`)).json();
    const plots = await (await get(`api/v1/clusters/${name}/plots`)).json();
    t.ok(plots.length >= 30, `only ${plots.length} plots`);
    t.equal(
      plots.map(({ path }) => path).sort(),
      Object.values(straight)
        .map(path => `clusters/${name}${path}`)
        .sort(),
      'the paths of the plots'
    );
    return plots;
  });

  await t.step('redirects and links stay below the prefix', async () => {
    for (const [path, place] of [
      ['', 'status'],
      ['info', 'info/main/workers.html']
    ]) {
      const answer = await get(`clusters/${name}/${path}`);
      t.ok([301, 302, 307].includes(answer.status), `${path} is ${answer.status}, which is no redirect`);
      const led = new URL(answer.headers.get('location'), answer.url).href;
      t.equal(led, new URL(`clusters/${name}/${place}`, gatehouse).href, `where ${path || 'the root'} leads`);
      t.equal((await fetch(led, { headers })).status, 200, `status of ${led}`);
    }
  });

  await t.step('every plot opens, and its WebSocket brings data', async () => {
    const waiting = [...plots];
    const open = async () => {
      for (let plot = waiting.shift(); plot; plot = waiting.shift()) {
        await opens(t, page.context(), gatehouse, plot);
      }
    };
    let busy = true;
    const work = async () => {
      while (busy) {
        await oracle.ask('load', { seconds: 1, rate: 20 });
      }
    };
    const working = work();
    await Promise.all(Array.from({ length: SIDE_BY_SIDE }, open)).finally(() => (busy = false));
    await working;
    const missing = LIVELY.filter(title => !plots.some(plot => plot.title === title));
    t.equal(missing, [], 'lively plots that the dashboard does not have');
    t.say(`    ${plots.length} plots`);
  });

  await t.step('a plot opens as a pane, and a reload keeps it', async () => {
    // Its WebSocket ends with the page that is left.
    t.expectErrors(page, /Failed to connect to Bokeh server/);
    const card = panel.card(page, name);
    await panel.part(card, 'bokeh-menu').locator('summary').click();
    await panel.part(card, 'open-individual-task-stream').click();
    const drawn = async () => {
      const pane = await panel.pane(page, name, 'bokeh');
      const frame = await (await panel.part(pane, 'bokeh-frame').elementHandle()).contentFrame();
      await frame.waitForFunction(() => window.Bokeh?.documents[0]?._all_models.size > 0);
    };
    await drawn();
    await page.waitForTimeout(1500);
    await t.shot(page, 'pane');
    await page.reload();
    await panel.gatewayUp(page);
    await drawn();
  });

  await t.step('nothing of it is there without a login', async () => {
    const plot = new URL(plots[0].path, gatehouse);
    const stranger = await fetch(plot, { redirect: 'manual' });
    t.equal(stranger.status, 302, 'status without a login');
    t.match(stranger.headers.get('location'), /\/login/, 'where it leads');
  });

  await oracle.close();
  await lab.stop();
});

/** One plot on a page of its own: its document comes over its WebSocket, and new data if it is one that lives. */
async function opens(t, context, gatehouse, { title, path }) {
  const page = await context.newPage();
  const address = new URL(path, gatehouse).href;
  const below = new URL(`${path.split('/').slice(0, 2).join('/')}/`, gatehouse);
  const [outside, messages] = [[], []];
  page.on('request', request => {
    const url = new URL(request.url());
    if (url.protocol.startsWith('http') && !url.href.startsWith(below.href)) {
      outside.push(url.href);
    }
  });
  page.on('websocket', socket => {
    t.ok(
      socket.url().startsWith(below.href.replace('http', 'ws')),
      `the WebSocket of ${title} at ${socket.url()}`
    );
    socket.on('framereceived', ({ payload }) => messages.push(payload.toString()));
  });
  const answer = await page.goto(address);
  t.equal(answer.status(), 200, `status of ${title}`);
  if (path.includes('/statics/')) {
    // The one plot that is not Bokeh's reads the scheduler's stream of events.
    await t.until(() => messages.some(message => message.includes('"add_worker"')), {
      what: () => `a worker in the events of ${title}`
    });
  } else {
    await page.waitForFunction(() => window.Bokeh?.documents[0]?._all_models.size > 0, null, {
      timeout: 30_000
    });
    await t.until(() => messages.some(message => message.includes('PULL-DOC-REPLY')), {
      what: () => `the document of ${title} among ${messages.length} messages`
    });
    if (LIVELY.includes(title)) {
      await t.until(() => messages.some(message => message.includes('PATCH-DOC')), {
        what: () => `new data for ${title} among ${messages.length} messages`
      });
    }
  }
  t.equal(outside, [], `what ${title} asked for outside of its cluster`);
  await t.shot(page, title.toLowerCase().replaceAll(/\W+/g, '-'));
  await page.close();
}
