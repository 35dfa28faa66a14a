// Compares the task stream's canvas with the scheduler's records: rectangles have Dask's colours, gaps are background.

const RECTANGLES = 50;
const GAPS = 20;
// Narrower than this, and rounding to pixels decides what a point shows.
const MIN_RECTANGLE_PX = 3;
const MIN_GAP_PX = 4;
const MIN_NAMED_PX = 12;
const NAMED = { black: '#000000' };

/**
 * Samples the canvas of the pane `root` where `records` (of the independent client) say that there is a rectangle or a gap.
 * Fails through `t` where a colour is another one. On a `dark` page the darkest of Dask's colours are mixed with white.
 */
export async function pixelsMatch(t, page, root, records, { dark = false } = {}) {
  const seen = await showAll(page, root, records);
  const lanes = placed(seen, records);
  const rectangles = spread(
    lanes.flatMap(lane => lane.rectangles),
    RECTANGLES
  );
  const gaps = spread(
    lanes.flatMap(lane => lane.gaps),
    GAPS
  );
  t.equal(rectangles.length, RECTANGLES, `rectangles of ${MIN_RECTANGLE_PX} px or wider to sample`);
  t.equal(gaps.length, GAPS, `gaps of ${MIN_GAP_PX} px or wider to sample`);

  const painted = await pixels(root, [...rectangles, ...gaps]);
  const wrong = [];
  rectangles.forEach((sample, i) => {
    const wanted = sample.color in NAMED || !dark ? rgb(sample.color) : onDark(rgb(sample.color));
    if (!near(painted.colors[i], wanted)) {
      wrong.push(
        `${sample.key} at (${sample.x.toFixed(1)}, ${sample.y.toFixed(1)}): ${painted.colors[i]}, not ${wanted} (${sample.color})`
      );
    }
  });
  gaps.forEach((sample, i) => {
    const color = painted.colors[RECTANGLES + i];
    // A line of the grid is one pixel wide.
    const beside = painted.colorsBeside[RECTANGLES + i];
    if (!near(color, painted.background) && !near(beside, painted.background)) {
      wrong.push(
        `gap at (${sample.x.toFixed(1)}, ${sample.y.toFixed(1)}): ${color}, not ${painted.background}`
      );
    }
  });
  t.equal(wrong.length, 0, `pixels of another colour:\n${wrong.join('\n')}`);
  return { rectangles: rectangles.length, gaps: gaps.length };
}

/** The first of 32 steps to white whose contrast with #111, as WCAG 2 measures it, is seen. */
function onDark(color) {
  const linear = part => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) =>
    0.2126 * linear(r / 255) + 0.7152 * linear(g / 255) + 0.0722 * linear(b / 255);
  for (let step = 0; ; step++) {
    const mixed = color.map(part => part + Math.floor(((255 - part) * step) / 32));
    if (step === 32 || luminance(mixed) >= 0.085) {
      return mixed;
    }
  }
}

/** Of all records that are in view and wide enough, the place of the widest, in CSS pixels on the canvas. */
export async function widest(page, root, records) {
  const lanes = placed(await showAll(page, root, records), records);
  return lanes
    .flatMap(lane => lane.rectangles)
    .reduce((a, b) => (b.bar.x1 - b.bar.x0 > a.bar.x1 - a.bar.x0 ? b : a));
}

/** Brings all records into view and the pane to rest, and returns what it then shows. */
async function showAll(page, root, records) {
  const bars = records.flatMap(record => record.bars);
  const from = Math.min(...bars.map(bar => bar.start_us));
  const to = Math.max(...bars.map(bar => bar.stop_us));
  await root.evaluate((element, [from, to]) => element.gatehouse.setView(from, to), [from, to]);
  await frames(page, 3);
  return root.evaluate(element => element.gatehouse.inspect());
}

/** Waits for `count` animation frames. */
export async function frames(page, count) {
  await page.evaluate(async count => {
    for (let i = 0; i < count; i++) {
      await new Promise(requestAnimationFrame);
    }
  }, count);
}

/** For each row of the pane: where on the canvas its rectangles and its gaps can be sampled. */
function placed({ view, plot, lanes }, records) {
  const scale = plot.w / (view.t1_us - view.t0_us);
  const at = us => plot.x + (us - view.t0_us) * scale;
  const rows = new Map(lanes.map(lane => [`${lane.worker} ${lane.thread}`, { lane, bars: [] }]));
  for (const record of records) {
    const row = rows.get(`${record.worker} ${record.thread}`);
    if (!row) {
      throw new Error(`the pane has no row for thread ${record.thread} of ${record.worker}`);
    }
    for (const bar of record.bars) {
      row.bars.push({ ...bar, key: record.key, x0: at(bar.start_us), x1: at(bar.stop_us) });
    }
  }
  return [...rows.values()].map(({ lane, bars }) => {
    // Names are written along the middle of high rows.
    const y = lane.row_y + (lane.row_h < MIN_NAMED_PX ? lane.row_h / 2 : 1.5);
    bars.sort((a, b) => a.x0 - b.x0);
    const rectangles = bars
      .filter(bar => bar.action === 'compute' && bar.x1 - bar.x0 >= MIN_RECTANGLE_PX)
      .map(bar => ({ key: bar.key, worker: lane.worker, color: bar.color, x: (bar.x0 + bar.x1) / 2, y, bar }))
      // A transfer may lie over the work that waited for it.
      .filter(({ x, bar }) => bars.every(other => other === bar || other.x1 < x - 1 || other.x0 > x + 1));
    const gaps = [];
    let end = -Infinity;
    for (const bar of bars) {
      if (bar.x0 - end >= MIN_GAP_PX && end > -Infinity) {
        gaps.push({ x: (end + bar.x0) / 2, y });
      }
      end = Math.max(end, bar.x1);
    }
    return { rectangles, gaps };
  });
}

/** `count` of the list, evenly spread; all of it where there are no more. */
function spread(list, count) {
  if (list.length <= count) {
    return list;
  }
  return Array.from({ length: count }, (_, i) => list[Math.floor((i * list.length) / count)]);
}

/** Colours of the canvas at these points, and a pixel beside them, and the background that the pane has there. */
async function pixels(root, points) {
  return root.evaluate((element, points) => {
    const canvas = element.querySelector('canvas[data-testid="raster"]') ?? element.querySelector('canvas');
    const context = canvas.getContext('2d');
    const ratio = canvas.width / canvas.clientWidth;
    const behind = () => {
      for (let node = canvas; node; node = node.parentElement) {
        const color = getComputedStyle(node).backgroundColor;
        const parts = color.match(/[\d.]+/g)?.map(Number);
        if (parts && (parts.length === 3 || parts[3] === 1)) {
          return parts.slice(0, 3);
        }
      }
      return [255, 255, 255];
    };
    const background = behind();
    const colorAt = ({ x, y }) => {
      const [r, g, b, a] = context.getImageData(Math.floor(x * ratio), Math.floor(y * ratio), 1, 1).data;
      const alpha = a / 255;
      return [r, g, b].map((part, i) => Math.round(part * alpha + background[i] * (1 - alpha)));
    };
    return {
      colors: points.map(colorAt),
      background,
      colorsBeside: points.map(({ x, y }) => colorAt({ x: x + 1, y }))
    };
  }, points);
}

function rgb(color) {
  const hex = (NAMED[color] ?? color).slice(1);
  return [0, 2, 4].map(i => parseInt(hex.slice(i, i + 2), 16));
}

function near(a, b) {
  return a.every((part, i) => Math.abs(part - b[i]) <= 2);
}
