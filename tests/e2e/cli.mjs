// The command line, without a server and without JupyterLab: a job on a cluster of its own, its exit status, what is refused
// and why, Ctrl-C, and what `clusters`, `jobs`, `stop` and `doctor` say. Nothing is left behind by any of it.

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { scenario } from './harness.mjs';

export const gate = true;

await scenario('cli', async t => {
  const folder = join(t.tmp, 'work');
  const settings = join(t.root, 'examples', 'gatehouse.yaml');
  const env = { ...t.env, GATEHOUSE_PYTHON: t.python, GATEHOUSE_CONFIG: settings };
  mkdirSync(folder, { recursive: true });
  const file = (name, text) => {
    writeFileSync(join(folder, name), text);
    return name;
  };
  const gatehouse = (...args) => t.run(t.binary, args, { cwd: folder, env, timeout: 180_000 });
  /** `gatehouse run` that goes on meanwhile: `says(words)` waits for them, `interrupted()` presses Ctrl-C and waits for the end. */
  const start = (...args) => {
    const child = spawn(t.binary, ['run', ...args], { cwd: folder, env, detached: true });
    t.defer(() => child.kill('SIGKILL'));
    const exited = new Promise(resolve => child.once('exit', (code, signal) => resolve({ code, signal })));
    const run = {
      said: '',
      async says(words) {
        await t.until(() => run.said.match(words), {
          timeout: 120_000,
          what: () => `${words} of the job, not ${run.said}`
        });
        return run.said.match(words);
      },
      interrupted() {
        child.kill('SIGINT');
        return exited;
      }
    };
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', data => (run.said += data));
    }
    return run;
  };
  const nothingLeft = async () => {
    await t.until(async () => (await t.processes()).length === 0, {
      what: async () => `an end of ${JSON.stringify(await t.processes())}`
    });
  };

  await t.step('the array job runs on a cluster of its own', async () => {
    const job = join(t.root, 'examples', 'array_job.py');
    const { code, stdout, stderr } = await gatehouse(
      'run',
      job,
      '--workers',
      '2',
      '--report',
      'report.html',
      '--tasks',
      'tasks.parquet'
    );
    t.equal(code, 0, `exit status; it said:\n${stdout}\n${stderr}`);
    t.match(stdout, /\d/, 'output');
    await nothingLeft();
    const report = readFileSync(join(folder, 'report.html'), 'utf8');
    t.match(report, /array_job\.py<span class="outcome succeeded">Succeeded/, 'the outcome in the report');
    t.match(report, /Time by key prefix/, 'the table of prefixes');
    const [, tasks] = report.match(/<b>([\d,]+)<\/b>tasks</) ?? [];
    const rows = [
      ...report.matchAll(/<tr><th scope="row"><i [^>]*><\/i>[^<]+<\/th><td class="n">([\d,]+)</g)
    ];
    const sum = rows.reduce((sum, [, count]) => sum + Number(count.replaceAll(',', '')), 0);
    t.ok(sum > 0 && sum === Number(tasks?.replaceAll(',', '')), `${tasks} tasks, ${sum} of them by prefix`);
    t.match(
      report,
      /<figure role="img" aria-label="Task stream of [\d,]+ tasks on \d+ threads"><svg/,
      'the figure'
    );
    const count = 'import pandas; print(len(pandas.read_parquet("tasks.parquet")))';
    const table = await t.run(t.python, ['-c', count], { cwd: folder });
    t.equal(table.stdout.trim(), String(sum), `tasks in the table; it said ${table.stderr}`);
    const [, peak] = report.match(/<b>(\d+)<\/b>workers at most/) ?? [];
    t.equal(peak, '2', 'workers at most');
    const [newest] = JSON.parse((await gatehouse('jobs', '--json')).stdout);
    t.equal(
      [newest.summary.tasks, newest.summary.shared, newest.cost.worker_hours > 0],
      [sum, false, true],
      'what is stored of it'
    );
  });

  await t.step('a script has arguments, variables, its folder, and an exit status', async () => {
    file('helper.py', 'WORD = "from beside"');
    const script = file(
      'script.py',
      [
        'import os, sys',
        'from helper import WORD',
        'print(sys.argv, os.environ["COLOUR"], WORD, __name__, os.path.basename(__file__), os.getcwd())',
        'print("to the other stream", file=sys.stderr)',
        '"no answer"',
        'sys.exit(3)'
      ].join('\n')
    );
    const run = await gatehouse('run', script, '--no-cluster', '--env', 'COLOUR=blue', '--', '-v', 'a b');
    t.equal(run.code, 3, `exit status; it said:\n${run.stdout}\n${run.stderr}`);
    t.match(
      run.stdout,
      /script\.py', '-v', 'a b'\] blue from beside __main__ script\.py /,
      'what it printed'
    );
    t.ok(run.stdout.includes(folder), `it works in ${folder}: ${run.stdout}`);
    t.ok(!run.stdout.includes('no answer'), 'a script shows no values');
    t.match(run.stderr, /to the other stream/, 'standard error');
  });

  await t.step('what a script raises names the file', async () => {
    const script = file('failing.py', 'def deep():\n    raise ValueError("on purpose")\n\ndeep()\n');
    const run = await gatehouse('run', script, '--no-cluster', '--tasks', 'none.parquet');
    t.equal(run.code, 1, 'exit status');
    t.match(run.stderr, /--tasks: No tasks were recorded/, 'where there is nothing to write');
    t.match(run.stderr, /failing\.py/, 'traceback');
    t.match(run.stderr, /The code raised ValueError: on purpose/, 'the sentence');
  });

  await t.step('a notebook runs with a parameter, and is kept', async () => {
    const cell = (source, tags = []) => ({
      cell_type: 'code',
      execution_count: null,
      id: source.replace(/\W/g, '').slice(0, 8) || 'x',
      metadata: { tags },
      outputs: [],
      source
    });
    const notebook = {
      nbformat: 4,
      nbformat_minor: 5,
      metadata: { kernelspec: { name: 'python3', display_name: 'Python 3', language: 'python' } },
      cells: [
        cell('n = 1', ['parameters']),
        cell('print("n is", n)'),
        cell('await __import__("asyncio").sleep(0)\nn * 2')
      ]
    };
    const input = file('book.ipynb', JSON.stringify(notebook));
    const run = await gatehouse(
      'run',
      input,
      '--no-cluster',
      '--param',
      'n=21',
      '--param',
      'm=1',
      '--notebook',
      'done.ipynb'
    );
    t.equal(run.code, 0, `exit status; it said:\n${run.stdout}\n${run.stderr}`);
    t.equal(run.stdout, 'n is 21\n42\n', 'output');
    t.match(run.stderr, /no parameter m; it has n\./, 'what is said of one that it has not');
    const check =
      'import nbformat, sys; book = nbformat.read(sys.argv[1], 4); nbformat.validate(book); print(len(book.cells))';
    const valid = await t.run(t.python, ['-c', check, join(folder, 'done.ipynb')]);
    t.equal([valid.code, valid.stdout.trim()], [0, '4'], `nbformat said: ${valid.stderr}`);
    const { cells } = JSON.parse(readFileSync(join(folder, 'done.ipynb'), 'utf8'));
    t.equal(cells[1].source, '# Parameters\nm = 1\nn = 21', 'the injected cell');
    t.equal(cells[3].outputs[0].data['text/plain'], '42', 'the last result');
  });

  await t.step('what can not run is refused with what to do', async () => {
    file('fine.py', 'print(1)');
    file('data.csv', '1');
    file('broken.ipynb', '{');
    for (const [args, code, words] of [
      [['missing.py'], 2, /missing\.py can't be read/],
      [['data.csv'], 2, /neither a script \(\.py\) nor a notebook/],
      [['broken.ipynb', '--no-cluster'], 2, /no notebook.*save it, and run it again/],
      [['fine.py', '--option', 'colour=blue'], 2, /no option "colour"; it has: .*profile/],
      [['fine.py', '--option', 'worker'], 2, /NAME=VALUE/],
      [['fine.py', '--preset', 'mine'], 2, /no preset "mine"/],
      [['fine.py', '--cluster', 'gone'], 2, /gone/],
      [['fine.py', '--workers', '1000'], 2, /at most \d+ workers, not 1000\. Ask for fewer/],
      [['fine.py', '--report', '.'], 2, /--report: \. is a folder\. Name a file in it/],
      [['fine.py', '--no-cluster', '--report', '/dev/full'], 1, /--report: \/dev\/full can't be written/],
      [['fine.py', '--report', 'missing/r.html'], 2, /--report: there is no folder missing\. Make it/],
      [['book.ipynb', '--no-cluster', '--param', 'n=many'], 2, /n is 1 in the notebook.*as JSON/],
      [['fine.py', '--adapt', '4:1'], 2, /the smaller one first/],
      [['fine.py', '--no-cluster', '--kernel', 'julia'], 2, /kernel julia does not exist/],
      [['fine.py', '--gateway', 'http://127.0.0.1:9'], 2, /No gateway answers at http:\/\/127\.0\.0\.1:9/]
    ]) {
      const run = await gatehouse('run', ...args);
      t.equal(run.code, code, `exit status of ${args.join(' ')}, which said:\n${run.stderr}`);
      t.match(run.stderr, words, `what ${args.join(' ')} says`);
    }
    await nothingLeft();
  });

  await t.step('a job is seen, its cluster too, and Ctrl-C cleans up', async () => {
    const script = file('sleeping.py', 'import time\nprint("asleep", flush=True)\ntime.sleep(600)\n');
    const run = start(script, '--workers', '1');
    await run.says('asleep');
    const clusters = JSON.parse((await gatehouse('clusters', '--json')).stdout);
    t.equal(
      clusters.map(({ label, state }) => [label, state]),
      [['sleeping.py', 'RUNNING']],
      'the clusters'
    );
    const [job] = JSON.parse((await gatehouse('jobs', '--json')).stdout);
    t.equal(
      [job.name, job.state, job.cluster],
      ['sleeping.py', 'running', clusters[0].name],
      'the newest job'
    );
    const refused = await gatehouse('stop', '--all');
    t.ok(refused.code !== 0 && /--yes/.test(refused.stderr), `nobody is there to ask: ${refused.stderr}`);
    const well = await gatehouse('doctor');
    t.equal(well.code, 0, `exit status of doctor, which said:\n${well.stdout}`);
    t.match(well.stdout, /✔ scheduler .* answers, distributed \d/, 'the scheduler');
    t.equal(await run.interrupted(), { code: 130, signal: null }, `how it ended; it said:\n${run.said}`);
    await nothingLeft();
    const [after] = JSON.parse((await gatehouse('jobs', '--json')).stdout);
    t.equal([after.id, after.state], [job.id, 'cancelled'], 'the job afterwards');
  });

  await t.step(
    'a cluster is shut down by the beginning of its name, after its name is asked for',
    async () => {
      const script = file(
        'making.py',
        [
          'import time',
          'from dask_gateway import Gateway',
          'cluster = Gateway().new_cluster(shutdown_on_close=False)',
          'print("made", cluster.name, flush=True)',
          'time.sleep(600)'
        ].join('\n')
      );
      const run = start(script, '--no-cluster');
      const name = (await run.says(/made (\w+)/))[1];
      const unknown = await gatehouse('stop', 'nonesuch', '--yes');
      t.equal(unknown.code, 1, 'exit status where there is no such cluster');
      t.match(
        unknown.stderr,
        /No cluster of yours is called nonesuch; `gatehouse clusters` lists them/,
        'what it says'
      );
      const stopped = await gatehouse('stop', name.slice(0, 6), '--yes', '--json');
      t.equal([stopped.code, JSON.parse(stopped.stdout)], [0, [{ error: null, name }]], 'what is shut down');
      t.equal(JSON.parse((await gatehouse('clusters', '--json')).stdout), [], 'clusters that are left');
      t.equal((await run.interrupted()).code, 130, 'exit status');
      await nothingLeft();
      const none = await gatehouse('stop', '--all', '--yes');
      t.equal([none.code, none.stdout], [0, 'No cluster runs.\n'], 'where there is nothing to shut down');
    }
  );

  await t.step('doctor says what is broken', async () => {
    const run = await gatehouse('doctor', '--gateway', 'http://127.0.0.1:9', '--json');
    t.equal(run.code, 1, 'exit status');
    const wrong = JSON.parse(run.stdout).filter(({ well }) => !well);
    t.equal(wrong.length, 1, 'findings that are not well');
    t.match(wrong[0].says, /No gateway answers/, 'what is wrong');
    const bare = await gatehouse('doctor', '--python', join(folder, 'python'));
    t.ok(bare.code === 1 && /✘ Python .*--python must name/.test(bare.stdout), bare.stdout);
  });
});
