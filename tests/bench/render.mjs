// Panning and zooming the task stream: our pane beside Bokeh's /tasks page, of the same scheduler with the same records, in
// the same browser, in turn. `npm run bench -- render 1k 1m` measures these sizes only, and
// `zoom` or `pan` this gesture only.
//
// pan_p95_ms, zoom_p95_ms: from one frame with another picture to the next while a gesture goes on, the first one after its
// last event included. The page makes the gesture's events itself, one after each frame, and the browser paints as fast as
// both sides let it, without waiting for a display: it hands events of a real mouse on 60 times a second at most, and every
// time below 25 ms would look alike, an empty page's too.
// pan_latency_p95_ms, zoom_latency_p95_ms: from one input event to the end of the first frame with another picture.
// pan_settled_p95_ms, zoom_settled_p95_ms: from one input event to the last frame with another picture. Bokeh leaves out nine of
// ten rectangles while it is dragged or zoomed, from 2000 on, and paints all of them half a second later; we always do.
// pan_p95_script_ms, zoom_p95_script_ms: our own script in a frame of these gestures.

import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { bench } from '../e2e/harness.mjs';
import { frames } from '../e2e/pixels.mjs';
import * as panel from '../e2e/steps.mjs';
import { median, percentile95, round } from './figures.mjs';

const SIZES = { '1k': 1_000, '10k': 10_000, '100k': 100_000, '1m': 1_000_000, '1m_wide': 1_000_000 };
// Bokeh is not given more: a page of a million would take minutes for each gesture.
const PEER_UP_TO = 100_000;
// Records a call: the watcher reads them between two calls, as it would read a burst.
const CHUNK = 10_000;
const LANES = 64;
// A thousand workers of four threads.
const WIDE = { lanes: 4000, made_up: 1000 };
const ROUNDS = 5;
const GESTURE_MS = 2500;
const STEPS = 2;
const REACH_PX = 240;
// After so long without another picture there comes none: Bokeh waits 500 ms with the whole one.
const QUIET_MS = 1500;

const chosen = process.argv.slice(2);

/** All sizes, all gestures. */
async function measure(t) {
  const server = await t.serve({ args: ['--config', join(t.root, 'examples', 'gatehouse.yaml')] });
  // Panes of clusters that were shut down ask for them once more.
  const page = await t.page(server.url, { expectErrors: /40[49]/ });
  await panel.gatewayUp(page);
  for (const [label, count] of Object.entries(SIZES)) {
    if (chosen.some(word => word in SIZES) && !chosen.includes(label)) {
      continue;
    }
    const rows = label.endsWith('wide') ? WIDE : { lanes: LANES };
    const sides = await prepare(t, server, page, count, rows);
    const peers = sides.bokeh ? ['ours', 'bokeh'] : ['ours'];
    for (const gesture of [pan, zoom]) {
      if (chosen.includes(gesture === pan ? 'zoom' : 'pan') && !chosen.includes(gesture.name)) {
        continue;
      }
      const found = { ours: new Figures(), bokeh: new Figures() };
      for (let round = 0; round < ROUNDS; round++) {
        for (const side of round % 2 ? [...peers].reverse() : peers) {
          t.current = `${gesture.name} of ${label}, ${side}, round ${round + 1}`;
          t.say(t.current);
          for (const peer of peers) {
            await live(sides[peer], peer === side);
          }
          await found[side].take(t, sides[side], gesture);
        }
      }
      for (const [metric, of] of Object.entries({
        [`${gesture.name}_p95_ms`]: figures => median(figures.frames),
        [`${gesture.name}_latency_p95_ms`]: figures => percentile95(figures.latency),
        [`${gesture.name}_settled_p95_ms`]: figures => percentile95(figures.settled)
      })) {
        const peer = sides.bokeh ? { peer: 'bokeh /tasks', peer_value: round(of(found.bokeh)) } : {};
        t.report({ metric: `${metric}_${label}`, unit: 'ms', ours: round(of(found.ours)), ...peer });
      }
      const script = round(percentile95(found.ours.script));
      t.report({ metric: `${gesture.name}_p95_script_ms_${label}`, unit: 'ms', ours: script });
    }
    for (const peer of peers) {
      await live(sides[peer], true);
    }
    await sides.close();
  }
  await server.stop();
}

/** What is measured of one side and gesture, round after round. */
class Figures {
  frames = [];
  latency = [];
  settled = [];
  script = [];

  async take(t, side, gesture) {
    await side.page.bringToFront();
    await side.home();
    // What it has to catch up with is no part of the gesture.
    await frames(side.page, 5);
    await side.script?.();
    this.frames.push(percentile95(await framesDuring(t, side, gesture)));
    this.script.push(...((await side.script?.()) ?? []));
    for (let step = 0; step < STEPS; step++) {
      const { first, last } = await answer(t, side, () => gesture.once(side, step));
      // Without another picture, as at the end of what there is, there was nothing to wait for.
      if (Number.isFinite(first)) {
        this.latency.push(first);
        this.settled.push(last);
      }
    }
    await gesture.end(side);
  }
}

/** A cluster whose scheduler holds `count` records, with our pane and Bokeh's page of it open. */
async function prepare(t, server, page, count, rows) {
  const name = await panel.createCluster(page);
  await panel.clusterState(page, name, 'RUNNING');
  await panel.scale(page, name, 1);
  const oracle = await panel.Oracle.open(t, { stateDir: server.stateDir, cluster: name });
  const root = await panel.openPane(page, name, 'task-stream');
  for (let done = 0; done < count; done += CHUNK) {
    const share = Math.min(CHUNK, count - done);
    await oracle.ask('inject', { first: done, count: share, total: count, ...rows });
    await t.until(async () => (await records(root)) >= done + share, {
      timeout: 60_000,
      what: async () => `${done + share} records, not ${await records(root)}`
    });
  }
  const shown = await panel.inspect(root);
  t.equal(shown.rects, count, 'rectangles in our pane');
  const ours = {
    page,
    home: () => panel.part(root, 'fit').click(),
    canvas: panel.part(root, 'raster'),
    script: () => root.evaluate(element => element.gatehouse.frameStats(true))
  };
  const close = async () => {
    await oracle.close();
    await panel.part(page, 'pane-close').first().click();
    await panel.shutDown(page, name);
    await panel.clusterGone(page, name);
  };
  if (count > PEER_UP_TO) {
    return { ours, close };
  }

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
  // A person would click its button first.
  await bokeh.evaluate(() => {
    const models = [...window.Bokeh.documents[0]._all_models.values()];
    models.find(model => model.type === 'WheelZoomTool').active = true;
  });
  return {
    ours,
    bokeh: {
      page: bokeh,
      home: () =>
        bokeh.evaluate(() => {
          const models = [...window.Bokeh.documents[0]._all_models.values()];
          models.find(model => model.type === 'Figure').reset.emit();
        }),
      canvas: bokeh.locator('.bk-Canvas').first()
    },
    async close() {
      await bokeh.close();
      await close();
    }
  };
}

/** Lets a page work, or makes it rest: beside a Bokeh page, which works all the time, the other side would have less of the machine. */
async function live({ page }, working) {
  const session = await page.context().newCDPSession(page);
  await session.send('Page.setWebLifecycleState', { state: working ? 'active' : 'frozen' });
  await session.detach();
}

/** Records in our pane; of thousands of rows nothing else is asked. */
function records(root) {
  return root.evaluate(element => element.gatehouse.inspect().records);
}

/** Dragging the plot to and fro. */
const pan = {
  name: 'pan',
  async begin({ page, canvas }) {
    const middle = await toMiddle(page, canvas);
    await page.mouse.down();
    await frames(page, 2);
    return middle;
  },
  moves: { kind: 'pointermove', reach: REACH_PX, period: 96 },
  async once(side, step) {
    if (step === 0) {
      this.middle = await this.begin(side);
      await side.page.mouse.move(this.middle[0] + 8, this.middle[1]);
      await sleep(QUIET_MS);
    }
    return () => side.page.mouse.move(this.middle[0] + 40 * (step + 1), this.middle[1]);
  },
  async end({ page, canvas }) {
    await toMiddle(page, canvas);
    await page.mouse.up();
  }
};

/** Turning the wheel over its middle, in and out. */
const zoom = {
  name: 'zoom',
  begin: ({ page, canvas }) => toMiddle(page, canvas),
  moves: { kind: 'wheel', turn: 30, period: 48 },
  async once(side, step) {
    if (step === 0) {
      await toMiddle(side.page, side.canvas);
      await sleep(QUIET_MS);
    }
    return () => side.page.mouse.wheel(0, step % 2 ? 120 : -120);
  },
  end: async () => {}
};

async function toMiddle(page, canvas) {
  const box = await canvas.boundingBox();
  const middle = [box.x + box.width / 2, box.y + box.height / 2];
  await page.mouse.move(...middle);
  return middle;
}

/** Times between pictures while a gesture goes on. */
async function framesDuring(t, side, gesture) {
  const { page, canvas } = side;
  const middle = await gesture.begin(side);
  const watched = await watchPictures(canvas, { ...gesture.moves, middle, duration: GESTURE_MS });
  // A page that is slow has not come to painting it yet: a second of drag can be a minute of its work. A last event that
  // moved it by less than a pixel has no picture.
  const done = () =>
    watched.evaluate(
      ({ events, pictures, moving, looked }, quiet) =>
        !moving && (pictures.at(-1)?.at > events.at(-1) || looked > events.at(-1) + quiet),
      8 * QUIET_MS
    );
  await t.until(done, { timeout: 180_000, what: () => `a quiet ${page.url()}` });
  const { last, pictures } = await watched.evaluate(watch => {
    watch.end();
    return { last: watch.events.at(-1), pictures: watch.pictures };
  });
  await watched.dispose();
  await gesture.end(side);
  const ended = pictures.findIndex(({ at }) => at > last);
  const shown = ended < 0 ? pictures : pictures.slice(0, ended + 1);
  return shown.slice(1).map(({ frame }, i) => frame - shown[i].frame);
}

/**
 * Notes when there was an input event, and the frames after which the canvas had another picture. With `moves` it makes the
 * events of a gesture around `middle` as well, one after each frame.
 */
function watchPictures(canvas, moves) {
  return canvas.evaluateHandle((element, moves) => {
    const canvas =
      element.tagName === 'CANVAS' ? element : (element.shadowRoot ?? element).querySelector('canvas');
    const context = canvas.getContext('2d');
    // Some lines of it are enough to see that it changed.
    const picture = () => {
      let hash = 0;
      for (let line = 1; line < 8; line++) {
        const y = Math.floor((canvas.height * line) / 8);
        for (const part of new Uint32Array(context.getImageData(0, y, canvas.width, 1).data.buffer)) {
          hash = (Math.imul(hash, 31) + part) | 0;
        }
      }
      return hash;
    };
    const ending = new AbortController();
    const began = performance.now();
    const watch = {
      events: [],
      pictures: [],
      looked: began,
      moving: Boolean(moves),
      end: () => ending.abort()
    };
    const note = event => watch.events.push(event.timeStamp);
    for (const kind of ['pointermove', 'wheel']) {
      window.addEventListener(kind, note, { capture: true, signal: ending.signal });
    }
    const under = (x, y) => {
      let found = document.elementFromPoint(x, y);
      for (let inner; (inner = found.shadowRoot?.elementFromPoint(x, y)) && inner !== found;) {
        found = inner;
      }
      return found;
    };
    const move = step => {
      const [x, y] = moves.middle;
      const share = (step % moves.period) / moves.period;
      const shared = { bubbles: true, cancelable: true, composed: true, view: window, clientY: y };
      const event =
        moves.kind === 'wheel'
          ? new WheelEvent('wheel', {
              ...shared,
              clientX: x,
              deltaY: Math.floor(step / 24) % 2 ? moves.turn : -moves.turn
            })
          : new PointerEvent('pointermove', {
              ...shared,
              clientX: x + moves.reach * Math.sin(2 * Math.PI * share),
              pointerId: 1,
              pointerType: 'mouse',
              isPrimary: true,
              buttons: 1
            });
      target.dispatchEvent(event);
    };
    const target = moves && under(...moves.middle);
    let last = picture();
    let steps = 0;
    const { port1, port2 } = new MessageChannel();
    // After everybody's work for the frame.
    port1.onmessage = ({ data: frame }) => {
      watch.looked = performance.now();
      const seen = picture();
      if (seen !== last) {
        watch.pictures.push({ frame, at: watch.looked });
      }
      last = seen;
      // It ends where it began.
      watch.moving &&= watch.looked < began + moves.duration || steps % moves.period !== 0;
      if (watch.moving) {
        move(++steps);
      }
      if (!ending.signal.aborted) {
        requestAnimationFrame(frame => port2.postMessage(frame));
      }
    };
    requestAnimationFrame(frame => port2.postMessage(frame));
    return watch;
  }, moves);
}

/** Makes one input event, and says how long after it the canvas first had another picture, and last. */
async function answer(t, side, prepared) {
  const make = await prepared();
  const watched = await watchPictures(side.canvas);
  await frames(side.page, 3);
  await make();
  const found = () =>
    watched.evaluate(({ events, pictures, looked }) => {
      const [event] = events;
      const changes = pictures.filter(({ at }) => at > event).map(({ at }) => at - event);
      return { since: looked - event, first: changes[0] ?? NaN, last: changes.at(-1) ?? NaN };
    });
  let result;
  await t.until(
    async () => {
      result = await found();
      const quiet = Number.isNaN(result.last) ? 8 * QUIET_MS : result.last + QUIET_MS;
      return result.since > quiet;
    },
    { timeout: 60_000, what: () => `a quiet ${side.page.url()}` }
  );
  await watched.evaluate(watch => watch.end());
  await watched.dispose();
  return result;
}

await bench('render', measure, { flags: ['--disable-frame-rate-limit', '--disable-gpu-vsync'] });
