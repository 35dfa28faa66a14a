// What a cluster did is kept: work, SIGKILL of the server while it records, recovery, shutdown; then the recording in the
// panes, every export opened, and its deletion. The counts are those of Dask's own client.

import { existsSync } from 'node:fs';
import { readFile, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { scenario } from './harness.mjs';
import * as panel from './steps.mjs';

export const gate = true;

const CONFIG = ['examples', 'gatehouse.yaml'];

await scenario('recording', async t => {
  const config = ['--config', join(t.root, ...CONFIG)];
  let server = await t.step('the server starts', () => t.serve({ args: config }));
  let page = await t.page(server.url);
  let oracle;

  const name = await t.step('a cluster works and is recorded', async () => {
    await panel.gatewayUp(page);
    const name = await panel.createCluster(page, { label: 'Nightly load' });
    await panel.clusterState(page, name, 'RUNNING');
    await panel.scale(page, name, 1);
    oracle = await panel.Oracle.open(t, { stateDir: server.stateDir, cluster: name });
    // Workers are recorded every two seconds: the first of these moments is to lie before the work.
    await page.waitForTimeout(2_500);
    await oracle.ask('hold', { count: 300 });
    await recorded(t, server, await oracle.ask('index'));
    return name;
  });

  await t.step('SIGKILL of the server: the next one goes on with the same recording', async () => {
    // Else the next server would end it, since the one that it belongs to is gone.
    await panel.keepAtEnd(page, name);
    // Nobody is told: what counts is what lies on the disk.
    await page.context().close();
    await server.stop('SIGKILL');
    const [id] = await readdir(join(server.stateDir, 'recordings'));
    const logs = (await readdir(join(server.stateDir, 'recordings', id))).filter(file =>
      file.startsWith('log-')
    );
    t.equal(logs.length, 1, 'logs that were left');
    // A frame that was being written when it happened.
    const log = join(server.stateDir, 'recordings', id, logs[0]);
    await writeFile(log, Buffer.concat([await readFile(log), Buffer.from([9, 0, 0, 0, 1, 2, 3, 4, 5])]));
    // Work that nobody watches: the scheduler tells of it afterwards.
    await oracle.ask('hold', { count: 50 });
    server = await t.serve({ stateDir: server.stateDir, args: config });
    const recording = await recorded(t, server, await oracle.ask('index'));
    t.equal([recording.id, recording.lost, recording.state], [id, 0, 'recording'], 'the recording');
  });

  await t.step('it goes on being recorded', async () => {
    page = await t.page(server.url);
    await panel.gatewayUp(page);
    await panel.clusterState(page, name, 'RUNNING');
    await oracle.ask('hold', { count: 100 });
    await recorded(t, server, await oracle.ask('index'));
  });

  const records = await oracle.ask('records');
  const expected = {
    tasks: records.length,
    erred: records.filter(record => record.status === 'error').length,
    bars: records.reduce((sum, record) => sum + record.bars.length, 0),
    prefixes: countBy(records, record => record.prefix)
  };
  t.ok(expected.tasks > 450 && expected.erred >= 3, `enough happened: ${JSON.stringify(expected)}`);
  await oracle.close();

  const recording = await t.step('the cluster is shut down, the recording rests', async () => {
    await panel.shutDown(page, name);
    await panel.clusterGone(page, name);
    let found;
    await t.until(
      async () => {
        [found] = await api(server, 'recordings').then(answer => answer.json());
        return found.state === 'ready';
      },
      { what: () => `a recording at rest: ${JSON.stringify(found)}` }
    );
    t.equal(
      [found.cluster, found.label, found.tasks],
      [name, 'Nightly load', expected.tasks],
      'the recording'
    );
    return found;
  });
  const folder = join(server.stateDir, 'recordings', recording.id);

  await t.step('nothing secret is in it', async () => {
    const { password } = await panel.embeddedGateway(server.stateDir);
    const token = new URL(server.url).searchParams.get('token');
    for (const file of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!file.isFile()) {
        continue;
      }
      const bytes = await readFile(join(file.parentPath, file.name));
      for (const secret of [password, token, 'PRIVATE KEY', 'CERTIFICATE']) {
        t.ok(!bytes.includes(secret), `${file.name} does not hold a secret`);
      }
    }
  });

  await t.step('the panes show it after the cluster is gone', async () => {
    const row = panel.part(page, 'recording').first();
    await row.waitFor();
    t.match(
      await panel.part(row, 'recording-facts').innerText(),
      new RegExp(`${expected.tasks} tasks`),
      'the row'
    );
    await t.shot(page, 'list');
    await panel.part(row, 'recording-task-stream').click();
    const stream = await panel.pane(page, `recording:${recording.id}`, 'task-stream');
    await t.until(async () => (await panel.inspect(stream)).records === expected.tasks, {
      what: async () => `${expected.tasks} records: ${(await panel.inspect(stream)).records}`
    });
    const seen = await panel.inspect(stream);
    t.equal(seen.rects, expected.bars, 'rectangles');
    t.equal(
      Object.fromEntries(seen.prefixes.map(({ name, tasks }) => [name, tasks])),
      expected.prefixes,
      'tasks by prefix'
    );
    await page.waitForTimeout(500);
    await t.shot(page, 'task-stream');
    await panel.part(row, 'recording-progress').click();
    const progress = await panel.pane(page, `recording:${recording.id}`, 'progress');
    await t.until(async () => (await panel.inspect(progress)).prefixes.length > 0, {
      what: () => 'prefixes in Progress'
    });
    t.equal(await panel.part(progress, 'standing').innerText(), 'Recording', 'its standing');
    await t.shot(page, 'progress');
  });

  await t.step('the panes show any moment of it', () => scrub(t, page, server, recording));

  await t.step('every export opens', async () => {
    for (const table of ['tasks', 'workers', 'prefixes']) {
      const bytes = await download(server, recording.id, `format=parquet&table=${table}`);
      await writeFile(join(t.out, `${table}.parquet`), bytes);
    }
    const script =
      'import json, sys, pandas as pd\n' +
      'tasks, workers, prefixes = (pd.read_parquet(f"{sys.argv[1]}/{n}.parquet") for n in ["tasks", "workers", "prefixes"])\n' +
      'json.dump({"tasks": len(tasks), "erred": int(tasks["error"].notna().sum()), "bars": int(tasks["bar_action"].map(len).sum()),' +
      ' "prefixes": tasks["prefix"].value_counts().to_dict(), "workers": workers["address"].nunique(), "states": len(prefixes) > 0},' +
      ' sys.stdout)';
    const read = await t.run(t.python, ['-c', script, t.out]);
    t.equal(read.code, 0, read.stderr);
    t.equal(JSON.parse(read.stdout), { ...expected, workers: 1, states: true }, 'what pandas reads');

    const trace = JSON.parse(await download(server, recording.id, 'format=trace'));
    checkTrace(t, trace, expected);
    await writeFile(join(t.out, 'trace.json'), JSON.stringify(trace));

    for (const format of ['png', 'svg', 'html']) {
      await writeFile(
        join(t.out, `export.${format}`),
        await download(server, recording.id, `format=${format}`)
      );
    }
    const context = await t.browser.newContext({ viewport: { width: 1300, height: 1000 } });
    const blank = await context.newPage();
    const complaints = [];
    blank.on('console', message => complaints.push(message.text()));
    await blank.goto(`file://${join(t.out, 'export.html')}`);
    t.match(await blank.locator('h1').innerText(), /Nightly load/, 'the report');
    t.match(
      await blank.locator('.facts').innerText(),
      new RegExp(`${expected.tasks}\\s+tasks`),
      'its figures'
    );
    await t.shot(blank, 'report');
    // The report lets no page of its own load anything.
    await writeFile(join(t.out, 'blank.html'), '<!doctype html>');
    await blank.goto(`file://${join(t.out, 'blank.html')}`);
    for (const format of ['png', 'svg']) {
      const size = await blank.evaluate(
        async source => {
          const image = new Image();
          image.src = source;
          await image.decode();
          return [image.naturalWidth, image.naturalHeight];
        },
        `file://${join(t.out, `export.${format}`)}`
      );
      t.equal(size, [1600, 900], `the ${format}`);
    }
    t.equal(complaints, [], 'what the browser says of it');
    await context.close();
  });

  await t.step('the panel downloads one', async () => {
    const row = panel.part(page, 'recording').first();
    await panel.part(row, 'recording-export').click();
    const saved = page.waitForEvent('download');
    await panel.part(row, 'export-download').filter({ hasText: 'Report' }).click();
    const file = await saved;
    t.equal(file.suggestedFilename(), 'Nightly-load-report.html', 'its name');
    t.match(await readFile(await file.path(), 'utf8'), /^<!doctype html>/, 'its text');
    await t.shot(page, 'exports');
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.waitForTimeout(500);
    await t.shot(page, 'exports-dark');
    await page.emulateMedia({ colorScheme: 'light' });
  });

  await t.step('it is deleted after a question', async () => {
    const row = panel.part(page, 'recording').first();
    await panel.part(row, 'recording-delete').click();
    await t.shot(page, 'question');
    await panel.confirmDialog(page);
    await row.waitFor({ state: 'detached' });
    t.ok(!existsSync(folder), 'its folder is gone');
    t.equal(await api(server, 'recordings').then(answer => answer.json()), [], 'the list');
  });

  await t.step('the server ends and leaves nothing', async () => {
    const { code } = await server.stop();
    t.equal(code, 0, 'exit code on SIGTERM');
  });
});

/** Moves the time bar, and compares Workers, Progress and Errors with what pandas finds in the tables for that moment. */
async function scrub(t, page, server, recording) {
  for (const table of ['tasks', 'workers', 'prefixes']) {
    await writeFile(
      join(t.out, `scrub-${table}.parquet`),
      await download(server, recording.id, `format=parquet&table=${table}`)
    );
  }
  const cluster = `recording:${recording.id}`;
  const row = panel.part(page, 'recording').first();
  const menu = panel.part(row, 'panes-menu');
  await menu.locator('summary').click();
  const offered = await menu.locator('button').evaluateAll(all => all.map(one => one.dataset.testid));
  t.ok(offered.includes('open-workers') && offered.includes('open-timeseries-cpu'), `offered: ${offered}`);
  t.ok(!offered.includes('open-profile') && !offered.includes('open-logs'), 'what asks a scheduler is not');
  await t.shot(page, 'more-panes');
  await panel.part(menu, 'open-workers').click();
  const workers = await panel.pane(page, cluster, 'workers');
  const bar = page.locator('[data-testid="scrub"]:visible');
  const range = panel.part(bar, 'scrub-range');
  t.match(await range.getAttribute('aria-label'), /Nightly load/, 'the name of the bar');
  const steps = Number(await range.getAttribute('max'));

  const there = async () => {
    // What was chosen shows with the next frame.
    await page.evaluate(
      () =>
        new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 30))))
    );
    await page.locator('[data-testid="scrub"][data-there="true"]:visible').waitFor();
    return Number(await bar.getAttribute('data-at'));
  };
  const agrees = async (pane, what, seen, wanted) => {
    let now;
    await t.until(
      async () => {
        now = seen(await panel.inspect(pane));
        return JSON.stringify(now) === JSON.stringify(wanted);
      },
      { what: () => `${what}: ${JSON.stringify(now)} for ${JSON.stringify(wanted)}` }
    );
  };
  const moments = [];
  for (const share of [0, 0.25, 0.5, 0.75]) {
    await range.fill(String(Math.round(steps * share)));
    const at = await there();
    moments.push({ at, ...(await recordedAt(t, at)) });
    await agrees(workers, `workers at ${share}`, workersOf, moments.at(-1).workers);
  }
  await t.shot(page, 'scrub-workers');
  t.ok(
    moments.some(moment => moment.workers.length > 0 && Object.keys(moment.progress).length > 0),
    `there is something to see: ${JSON.stringify(moments)}`
  );
  t.ok(new Set(moments.map(moment => JSON.stringify(moment.progress))).size > 1, 'the moments differ');

  // Another pane of the same recording is at the same moment, without being asked.
  await panel.part(row, 'recording-progress').click();
  const progress = await panel.pane(page, cluster, 'progress');
  t.equal(await there(), moments.at(-1).at, 'the moment of the other pane');
  await agrees(progress, 'progress', progressOf, moments.at(-1).progress);
  for (const share of [0.5, 0.25, 0]) {
    await range.fill(String(Math.round(steps * share)));
    const { progress: wanted } = await recordedAt(t, await there());
    await agrees(progress, `progress at ${share}`, progressOf, wanted);
  }

  await panel.part(menu, 'open-errors').click();
  const errors = await panel.pane(page, cluster, 'errors');
  const erred = [];
  // To and fro: what is gone at an earlier moment comes back.
  for (const share of [1, 0, 0.5, 0.9]) {
    await range.fill(String(Math.round(steps * share)));
    erred.push((await recordedAt(t, await there())).erred);
    await agrees(errors, `errors at ${share}`, errorsOf, erred.at(-1));
  }
  t.ok(Object.keys(erred[0]).length > 0 && Object.keys(erred[1]).length === 0, 'errors came with time');
  await panel.part(row, 'recording-progress').click();
  await panel.pane(page, cluster, 'progress');
  await range.fill('0');
  await there();

  // Keys: an arrow is a step, End is the end.
  await range.focus();
  await page.keyboard.press('ArrowRight');
  t.equal(await range.inputValue(), '1', 'a step');
  await page.keyboard.press('End');
  await there();
  t.match(await range.getAttribute('aria-valuetext'), /, end, /, 'the end in words');
  await t.until(async () => (await panel.inspect(progress)).prefixes.length > 0, {
    what: () => 'the last state again'
  });

  // Dragged, the last place counts.
  const box = await range.boundingBox();
  await page.mouse.move(box.x + 8, box.y + box.height / 2);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 40 });
  await page.mouse.up();
  const dragged = await recordedAt(t, await there());
  await agrees(progress, 'progress after a drag', progressOf, dragged.progress);
  await t.shot(page, 'scrub-progress');

  await panel.part(row, 'recording-status').click();
  const status = await panel.pane(page, cluster, 'status');
  await status.waitFor();
  t.equal(await bar.count(), 1, 'time bars of Status');
  await agrees(panel.part(status, 'part-progress'), 'progress in Status', progressOf, dragged.progress);
  for (const scheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme: scheme });
    await page.waitForTimeout(500);
    await t.shot(page, `scrub-status-${scheme}`);
  }
  await page.emulateMedia({ colorScheme: 'light' });
  await panel.part(menu, 'open-timeseries-memory').click();
  const memory = await panel.pane(page, cluster, 'timeseries-memory');
  await t.until(async () => (await panel.inspect(memory)).rows.length > 3, { what: () => 'samples' });
  await page.waitForTimeout(500);
  await t.shot(page, 'scrub-memory');
}

/** What pandas finds in the tables for a moment: the last sample and the last state up to it. */
async function recordedAt(t, at) {
  const script = `
import json, sys, pandas as pd
at = pd.Timestamp(int(sys.argv[2]), unit="us", tz="UTC")
def last(name):
    table = pd.read_parquet(f"{sys.argv[1]}/scrub-{name}.parquet")
    table = table[table["at"] <= at]
    return table[table["at"] == table["at"].max()]
workers, prefixes = last("workers"), last("prefixes")
workers = workers[workers["status"] != "closed"]
tasks = pd.read_parquet(f"{sys.argv[1]}/scrub-tasks.parquet")
erred = tasks[tasks["error"].notna() & (tasks["end"].isna() | (tasks["end"] <= at))]
states = ["released", "memory", "erred", "processing", "queued", "no_worker", "waiting"]
json.dump({
    "workers": sorted([w["name"], w["address"], w["cpu"], w["memory"], w["managed"], w["in_memory"]] for _, w in workers.iterrows()),
    "progress": {p["prefix"]: [int(p[s]) for s in states] for p in prefixes.to_dict("records") if sum(p[s] for s in states)},
    "erred": {prefix: int(n) for prefix, n in sorted(erred.groupby("prefix").size().items())},
}, sys.stdout)`;
  const read = await t.run(t.python, ['-c', script, t.out, String(at)]);
  t.equal(read.code, 0, read.stderr);
  return JSON.parse(read.stdout);
}

/** The rows of the Workers pane, as {@link recordedAt} has them. */
function workersOf({ columns, rows }) {
  const names = ['Name', 'Address', 'CPU', 'Memory', 'Managed', 'In memory'];
  return rows.map(row => names.map(name => row[columns.indexOf(name)])).sort();
}

/** Tasks by prefix in an Errors pane, as {@link recordedAt} has them. */
function errorsOf({ columns, rows }) {
  const counts = {};
  for (const row of rows) {
    const prefix = row[columns.indexOf('Prefix')];
    counts[prefix] = (counts[prefix] ?? 0) + row[columns.indexOf('Tasks')];
  }
  return Object.fromEntries(Object.entries(counts).sort());
}

/** The bars of a Progress pane, as {@link recordedAt} has them. */
function progressOf({ prefixes }) {
  const states = ['released', 'memory', 'erred', 'processing', 'queued', 'no-worker', 'waiting'];
  return Object.fromEntries(prefixes.map(({ name, counts }) => [name, states.map(state => counts[state])]));
}

/** A request with the server's token. */
async function api(server, path, headers = {}) {
  const token = new URL(server.url).searchParams.get('token');
  const answer = await fetch(new URL(`api/v1/${path}`, server.base), {
    headers: { authorization: `Bearer ${token}`, ...headers }
  });
  if (!answer.ok) {
    throw new Error(`GET ${path} is ${answer.status}: ${await answer.text()}`);
  }
  return answer;
}

/** An export fetched in pieces, small ones so that there are several. */
async function download(server, id, query) {
  const path = `recordings/${id}/export?${query}`;
  const pieces = [];
  let [have, whole] = [0, Infinity];
  while (have < whole) {
    const answer = await api(server, path, { range: `bytes=${have}-${have + 49_999}` });
    whole = Number(answer.headers.get('content-range').split('/')[1]);
    pieces.push(Buffer.from(await answer.arrayBuffer()));
    have += pieces.at(-1).length;
  }
  return Buffer.concat(pieces);
}

/** Waits until the one recording that there is holds so many tasks. */
async function recorded(t, server, tasks) {
  let list;
  await t.until(
    async () => {
      list = await api(server, 'recordings').then(answer => answer.json());
      return list.length === 1 && list[0].tasks === tasks;
    },
    { timeout: 60_000, what: () => `one recording of ${tasks} tasks: ${JSON.stringify(list)}` }
  );
  return list[0];
}

/** The trace against what the Trace Event Format asks of its events. */
function checkTrace(t, trace, expected) {
  t.equal(Object.keys(trace).sort(), ['displayTimeUnit', 'otherData', 'traceEvents'], 'its parts');
  const named = new Set();
  for (const event of trace.traceEvents) {
    const where = JSON.stringify(event);
    t.ok(['M', 'X', 'C'].includes(event.ph), `a phase that is known: ${where}`);
    t.ok(Number.isInteger(event.pid) && Number.isInteger(event.tid) && event.name, `whose it is: ${where}`);
    t.ok(event.ph === 'M' || Number.isInteger(event.ts), `when it was: ${where}`);
    if (event.ph === 'M') {
      t.ok(['process_name', 'thread_name'].includes(event.name) && event.args.name, `a name: ${where}`);
      named.add(`${event.pid}/${event.tid}`);
    } else if (event.ph === 'X') {
      t.ok(Number.isInteger(event.dur) && event.dur >= 0 && event.cat, `how long it took: ${where}`);
      t.ok(named.has(`${event.pid}/${event.tid}`), `its thread was named before: ${where}`);
    } else {
      t.ok(
        Object.values(event.args).every(value => typeof value === 'number'),
        `counts: ${where}`
      );
    }
  }
  const spans = trace.traceEvents.filter(event => event.ph === 'X');
  t.equal(spans.length, expected.bars, 'spans');
  t.equal(new Set(spans.map(event => event.args.key)).size, expected.tasks, 'tasks with a span');
  t.equal(spans.filter(event => event.cat === 'error').length, expected.erred, 'errors');
}

function countBy(list, key) {
  const counts = {};
  for (const item of list) {
    counts[key(item)] = (counts[key(item)] ?? 0) + 1;
  }
  return counts;
}
