// Deaths in the middle of jobs. The server is killed before and after the side effect of every step that the store knows,
// then started again; kernel, scheduler, Jupyter Server and gateway are killed while the code runs. Each time the job ends in an
// outcome with a sentence, and no kernel, scheduler or worker is left.

import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';

import { scenario } from './harness.mjs';
import { freePort } from './harness/surroundings.mjs';
import * as panel from './steps.mjs';

// What each step does outside of the store; one that is missing here fails the scenario.
const EFFECTS = {
  queued: false,
  ask_cluster: true,
  await_cluster: true,
  start_kernel: true,
  execute: true,
  close: true,
  stop_clusters: true,
  keep: true,
  over: false
};
const OVER = ['succeeded', 'failed', 'cancelled'];
const CODE = "print('result', client.submit(sum, [1, 2]).result())";
const LONG =
  "import time\nprint('begun', flush=True)\nwhile True:\n    client.submit(sum, [1, 2]).result(timeout=20)\n    time.sleep(0.5)";

await scenario('job-faults', { timeout: 40 * 60_000 }, async t => {
  const token = randomBytes(16).toString('hex');
  const port = await freePort();
  const args = ['--instance', 'faults', '--jupyter-url', `http://127.0.0.1:${port}/`];
  const start = diesAt =>
    t.serve({ args, env: { GATEHOUSE_JUPYTER_TOKEN: token, ...(diesAt && { GATEHOUSE_DIES_AT: diesAt }) } });
  let faults = 0;
  let leftovers = 0;

  // Kernels of a Jupyter Server that is not ours outlive us; they find the gateway as every kernel does.
  const first = await start();
  const jupyter = () => startJupyter(t, port, token, first.ready.kernel_env);
  let lab = await jupyter();
  await first.stop();

  const refused = await t.run(t.binary, ['serve'], { env: { GATEHOUSE_DIES_AT: '?' } });
  const steps = /The steps are: (.*)\./.exec(refused.stderr)?.[1].split(', ') ?? [];
  t.equal(
    steps.toSorted(),
    Object.keys(EFFECTS).toSorted(),
    'steps of the store, and those that are tried here'
  );

  /** What a job became, once it is over, and that nothing of it is left. */
  const settled = async (server, id) => {
    const ask = panel.api(server);
    let job;
    await t.until(
      async () => {
        job = (await ask('GET', `jobs/${id}`)).body;
        return OVER.includes(job?.state);
      },
      { timeout: 180_000, what: () => `an end of ${JSON.stringify(job)}` }
    );
    t.ok(
      job.state === 'succeeded' || /\.$/.test(job.error ?? ''),
      `an outcome with a sentence: ${JSON.stringify(job)}`
    );
    faults += 1;
    const left = async () => {
      const { kernel, scheduler, worker } = await panel.census(t);
      return [...kernel, ...scheduler, ...worker];
    };
    await t
      .until(async () => (await left()).length === 0, { timeout: 60_000, what: left })
      .catch(async error => {
        leftovers += (await left()).length;
        throw error;
      });
    const active = async () =>
      (await ask('GET', 'clusters')).body.filter(({ state }) => /PENDING|RUNNING|STOPPING/.test(state));
    await t.until(async () => (await active()).length === 0, { what: active });
    return job;
  };
  const create = async (
    server,
    source,
    place = { kind: 'fresh', scaling: { mode: 'manual', workers: 1 } }
  ) => {
    const work = { kind: 'snippet', source };
    await t.until(async () => (await panel.api(server)('GET', 'status')).body?.gateway.state === 'up', {
      timeout: 60_000
    });
    const { status, body } = await panel.api(server)('POST', 'jobs', { work, place });
    t.equal(status, 201, JSON.stringify(body));
    return body.id;
  };

  for (const step of steps.filter(step => EFFECTS[step])) {
    for (const moment of ['before', 'after']) {
      await t.step(`the server dies ${moment} ${step}`, async () => {
        const dying = await start(`${step}:${moment}`);
        const id = await create(dying, CODE);
        const died = await dying.exited;
        t.equal(died.signal, 'SIGKILL', 'how the server ended');
        const server = await start();
        const job = await settled(server, id);
        t.say(`      ${job.state}${job.error ? `: ${job.error}` : ''}`);
        await server.stop();
      });
    }
  }

  await t.step('a cluster that the code leaves ends with the job', async () => {
    const server = await start();
    const source =
      'from dask_gateway import Gateway\ncluster = Gateway().new_cluster(shutdown_on_close=False)\ncluster.scale(1)\nprint(cluster.name)';
    const id = await create(server, source, { kind: 'none' });
    const job = await settled(server, id);
    t.equal([job.state, job.error], ['succeeded', null], 'outcome');
    await server.stop();
  });

  for (const [kind, pattern] of [
    ['kernel', /kernel|process/i],
    ['scheduler', /ended while the job ran|raised/],
    ['jupyter', /Jupyter|kernel/]
  ]) {
    await t.step(`the ${kind} dies while the code runs`, async () => {
      const server = await start();
      const id = await create(server, LONG);
      await running(t, server, id);
      if (kind === 'jupyter') {
        process.kill(lab.pid, 'SIGKILL');
        // Nobody is there to end its kernels; a site's own supervision does.
        for (const { pid } of (await panel.census(t)).kernel) {
          process.kill(pid, 'SIGKILL');
        }
        lab = await jupyter();
      } else {
        process.kill((await panel.census(t))[kind][0].pid, 'SIGKILL');
      }
      const job = await settled(server, id);
      t.equal(job.state, 'failed', 'state');
      t.match(job.error, pattern, 'what is said');
      await server.stop();
    });
  }

  await t.step('a gateway that is restarted ends no job', async () => {
    const server = await start();
    const id = await create(
      server,
      "import time\nprint('begun', flush=True)\ntime.sleep(12)\nprint(client.submit(sum, [1, 2]).result())"
    );
    await running(t, server, id);
    for (const { pid } of (await panel.census(t)).gateway) {
      process.kill(pid, 'SIGKILL');
    }
    const job = await settled(server, id);
    t.equal([job.state, job.error], ['succeeded', null], 'outcome');
    await server.stop();
  });

  t.say(`  ${faults} faults tried, ${leftovers} leftovers found`);
});

async function running(t, server, id) {
  await t.until(
    async () => {
      const { body } = await panel.api(server)('GET', `jobs/${id}`);
      t.ok(!OVER.includes(body.state), `it runs: ${JSON.stringify(body)}`);
      return body.state === 'running';
    },
    { timeout: 120_000 }
  );
}

/** A Jupyter Server beside us, as JupyterLab is one. */
async function startJupyter(t, port, token, kernelEnv) {
  const child = spawn(
    t.python,
    [
      '-m',
      'jupyter_server',
      '--no-browser',
      '--allow-root',
      `--port=${port}`,
      '--ServerApp.port_retries=0',
      `--IdentityProvider.token=${token}`,
      `--ServerApp.root_dir=${t.tmp}`
    ],
    { cwd: t.tmp, env: { ...t.env, ...kernelEnv, GATEHOUSE_DISABLE: '1' }, stdio: 'ignore' }
  );
  t.defer(() => child.kill('SIGKILL'));
  await t.until(
    async () => {
      const answer = await fetch(`http://127.0.0.1:${port}/api/status`, {
        headers: { authorization: `token ${token}` }
      }).catch(() => null);
      return answer?.ok;
    },
    { timeout: 60_000, what: () => 'a Jupyter Server' }
  );
  return child;
}
