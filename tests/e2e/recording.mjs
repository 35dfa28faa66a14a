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
    await oracle.ask('hold', { count: 300 });
    await recorded(t, server, await oracle.ask('index'));
    return name;
  });

  await t.step('SIGKILL of the server: the next one goes on with the same recording', async () => {
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
    await t.shot(page, 'progress');
  });

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
