// What a job costs beside doing it by hand: `gatehouse run examples/array_job.py` on a cluster of its own, and the same script
// with the tutorial's context manager under plain Python, in turn, both by the same running gateway.
//
// whole_s: from the command to the prompt. Ours waits until the gateway says that the cluster is over, and tells how long that
// took as cluster_end_s; the context manager's end is that the gateway took the request to end it. No run begins before the
// cluster of the one before is gone, so that neither side bears the other's end. jupyter_start_s: how long a Jupyter Server
// took to start, and jupyter_alone_s how much of it was not beside the cluster's own start: nothing where the cluster was
// waited for when the kernel was there, at most all of it where it was not.
// submit_to_first_task_ms: from the request for a job on a cluster that runs to the beginning of
// its first task on a worker, whose clock is this machine's.

import { join } from 'node:path';

import { bench } from '../e2e/harness.mjs';
import * as panel from '../e2e/steps.mjs';
import { median, round } from './figures.mjs';

const ROUNDS = Number(process.env.JOBS_ROUNDS ?? 5);
// A cluster that was there when it was first looked for.
const AT_ONCE_S = 0.04;
const FIRST_TASK = 'import time\nprint("began", client.submit(time.time, pure=False).result())';

await bench('jobs', async t => {
  const config = join(t.root, 'examples', 'gatehouse.yaml');
  const script = join(t.root, 'examples', 'array_job.py');
  const server = await t.serve({ args: ['--config', config] });
  const ask = panel.api(server);
  await t.until(async () => (await ask('GET', 'status')).body?.gateway.state === 'up', { timeout: 60_000 });

  const sides = {
    ours: () =>
      t.run(
        t.binary,
        [
          'run',
          script,
          '--workers',
          '2',
          '--wait-for',
          '1',
          '--option',
          'profile=Small Worker',
          '--config',
          config
        ],
        { env: { GATEHOUSE_PYTHON: t.python, GATEHOUSE_LOG: 'gatehouse=debug' }, timeout: 300_000 }
      ),
    python: () => t.run(t.python, [script], { env: server.ready.kernel_env, timeout: 300_000 })
  };
  const whole = { ours: [], python: [] };
  const [jupyter, alone, ends] = [[], [], []];
  for (let n = 0; n < ROUNDS; n++) {
    for (const side of n % 2 ? ['python', 'ours'] : ['ours', 'python']) {
      t.say(`${side}, round ${n + 1}`);
      const began = performance.now();
      const { code, stdout, stderr } = await sides[side]();
      whole[side].push((performance.now() - began) / 1000);
      t.equal(code, 0, `exit status; it said:\n${stdout}\n${stderr}`);
      t.match(stdout, /mean: 0\.9|mean: 1\.0/, 'the result');
      await t.until(async () => !(await t.processes('scheduler', 'worker')).length, { timeout: 60_000 });
      if (side === 'ours') {
        const [took, waited, end] = [
          /Jupyter Server started .*took_s=([\d.]+)/,
          /kernel and cluster are there .*waited_s=([\d.]+)/,
          /cluster is over .*took_s=([\d.]+)/
        ].map(pattern => Number(pattern.exec(stderr)?.[1]));
        t.ok(took > 0 && waited >= 0 && end > 0, `the log tells its parts:\n${stderr}`);
        jupyter.push(took);
        alone.push(waited > AT_ONCE_S ? 0 : took);
        ends.push(end);
      }
    }
  }
  t.report({
    metric: 'whole_s',
    unit: 's',
    ours: round(median(whole.ours), 2),
    peer: 'python with a context manager',
    peer_value: round(median(whole.python), 2)
  });
  t.report({ metric: 'cluster_end_s', unit: 's', ours: round(median(ends), 2) });
  t.report({ metric: 'jupyter_start_s', unit: 's', ours: round(median(jupyter), 2) });
  t.report({ metric: 'jupyter_alone_s', unit: 's', ours: round(median(alone), 2) });

  const { body: made } = await ask('POST', 'clusters', { scaling: { mode: 'manual', workers: 1 } });
  await t.until(async () => (await ask('GET', `clusters/${made.name}`)).body?.summary?.workers === 1, {
    timeout: 120_000
  });
  const firsts = [];
  for (let n = 0; n < ROUNDS; n++) {
    const began = Date.now();
    const { body: job } = await ask('POST', 'jobs', {
      work: { kind: 'snippet', source: FIRST_TASK },
      place: { kind: 'cluster', cluster: made.name }
    });
    await t.until(async () => (await ask('GET', `jobs/${job.id}`)).body.state === 'succeeded', {
      timeout: 120_000
    });
    const notebook = (await ask('GET', `jobs/${job.id}/notebook`)).body;
    const [, at] = /began ([\d.]+)/.exec(JSON.stringify(notebook));
    firsts.push(Number(at) * 1000 - began);
  }
  t.report({ metric: 'submit_to_first_task_ms', unit: 'ms', ours: round(median(firsts)) });
  await server.stop();
});
