// Deaths in the middle of jobs, and what must have become of each job afterwards: an outcome with a sentence, and no kernel,
// scheduler or worker that is left.

import { randomBytes } from 'node:crypto';
import { spawn } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

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
const HOG = `
def hog():
    import time
    held = []
    for _ in range(64):
        held.append(bytearray(b"x") * (32 << 20))
        time.sleep(0.05)
    time.sleep(60)

client.submit(hog, pure=False).result(timeout=120)
`;
const SETTINGS = `
embedded:
  profiles:
    Small Worker: { threads: 1, memory: 2 GiB }
    Tiny Worker: { threads: 1, memory: 512 MiB }
`;
const FRESH = { kind: 'fresh', scaling: { mode: 'manual', workers: 1 } };
// Two deaths of a worker are enough, and the nanny need not wait for the last moment.
const TINY = {
  ...FRESH,
  options: {
    profile: 'Tiny Worker',
    environment_vars: {
      DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES: '1',
      DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE: '0.8'
    }
  }
};

/** A server that can be killed at each step, a Jupyter Server beside it, and a count of what was tried and left. */
export class Faults {
  static async begin(t) {
    const faults = new Faults();
    const config = join(t.tmp, 'faults.yaml');
    await writeFile(config, SETTINGS);
    Object.assign(faults, {
      t,
      token: randomBytes(16).toString('hex'),
      port: await freePort(),
      config,
      tried: 0,
      leftovers: 0
    });
    // Kernels of a Jupyter Server that is not ours outlive us; they find the gateway as every kernel does.
    const first = await faults.start();
    faults.kernelEnv = first.ready.kernel_env;
    await faults.startJupyter();
    await first.stop();
    return faults;
  }

  /** The steps that do something outside of the store, as the server names them. */
  async steps() {
    const { t } = this;
    const refused = await t.run(t.binary, ['serve'], { env: { GATEHOUSE_DIES_AT: '?' } });
    const steps = /The steps are: (.*)\./.exec(refused.stderr)?.[1].split(', ') ?? [];
    t.equal(
      steps.toSorted(),
      Object.keys(EFFECTS).toSorted(),
      'steps of the store, and those that are tried here'
    );
    return steps.filter(step => EFFECTS[step]);
  }

  /** SIGKILL of the server before or after what a step does. */
  async serverDies(moment, step) {
    const { t } = this;
    await t.step(`the server dies ${moment} ${step}`, async () => {
      const dying = await this.start(`${step}:${moment}`);
      const id = await this.create(dying, CODE);
      const died = await dying.exited;
      t.equal(died.signal, 'SIGKILL', 'how the server ended');
      const server = await this.start();
      const job = await this.settled(server, id);
      t.say(`      ${job.state}${job.error ? `: ${job.error}` : ''}`);
      await server.stop();
    });
  }

  /** SIGKILL of the kernel, the scheduler or the Jupyter Server. */
  async dies(kind, said) {
    const { t } = this;
    await t.step(`the ${kind} dies while the code runs`, async () => {
      const server = await this.start();
      const id = await this.create(server, LONG);
      await this.running(server, id);
      if (kind === 'jupyter') {
        process.kill(this.jupyter.pid, 'SIGKILL');
        // Nobody is there to end its kernels; a site's own supervision does.
        for (const { pid } of (await panel.census(t)).kernel) {
          process.kill(pid, 'SIGKILL');
        }
        await this.startJupyter();
      } else {
        process.kill((await panel.census(t))[kind][0].pid, 'SIGKILL');
      }
      const job = await this.settled(server, id);
      t.equal(job.state, 'failed', 'state');
      t.match(job.error, said, 'what is said');
      await server.stop();
    });
  }

  async workersRunOutOfMemory() {
    const { t } = this;
    await t.step('workers are killed for their memory, again and again', async () => {
      const server = await this.start();
      const id = await this.create(server, HOG, TINY);
      const job = await this.settled(server, id);
      t.equal(job.state, 'failed', 'state');
      t.match(job.error, /KilledWorker: workers died again and again while they ran hog-/, 'what is said');
      t.match(job.error, /lack of memory.* profile .* chunks /, 'what to do');
      await server.stop();
    });
  }

  async codeLeavesACluster() {
    const { t } = this;
    await t.step('a cluster that the code leaves ends with the job', async () => {
      const server = await this.start();
      const source =
        'from dask_gateway import Gateway\ncluster = Gateway().new_cluster(shutdown_on_close=False)\ncluster.scale(1)\nprint(cluster.name)';
      const id = await this.create(server, source, { kind: 'none' });
      const job = await this.settled(server, id);
      t.equal([job.state, job.error], ['succeeded', null], 'outcome');
      await server.stop();
    });
  }

  async gatewayRestarts() {
    const { t } = this;
    await t.step('a gateway that is restarted ends no job', async () => {
      const server = await this.start();
      const id = await this.create(
        server,
        "import time\nprint('begun', flush=True)\ntime.sleep(12)\nprint(client.submit(sum, [1, 2]).result())"
      );
      await this.running(server, id);
      for (const { pid } of (await panel.census(t)).gateway) {
        process.kill(pid, 'SIGKILL');
      }
      const job = await this.settled(server, id);
      t.equal([job.state, job.error], ['succeeded', null], 'outcome');
      await server.stop();
    });
  }

  close() {
    this.t.say(`  ${this.tried} faults tried, ${this.leftovers} leftovers found`);
  }

  start(diesAt) {
    const args = [
      '--instance',
      'faults',
      '--jupyter-url',
      `http://127.0.0.1:${this.port}/`,
      '--config',
      this.config
    ];
    const env = { GATEHOUSE_JUPYTER_TOKEN: this.token, ...(diesAt && { GATEHOUSE_DIES_AT: diesAt }) };
    return this.t.serve({ args, env });
  }

  async create(server, source, place = FRESH) {
    const ask = panel.api(server);
    await this.t.until(async () => (await ask('GET', 'status')).body?.gateway.state === 'up', {
      timeout: 60_000
    });
    const { status, body } = await ask('POST', 'jobs', { work: { kind: 'snippet', source }, place });
    this.t.equal(status, 201, JSON.stringify(body));
    return body.id;
  }

  async running(server, id) {
    await this.t.until(
      async () => {
        const { body } = await panel.api(server)('GET', `jobs/${id}`);
        this.t.ok(!OVER.includes(body.state), `it runs: ${JSON.stringify(body)}`);
        return body.state === 'running';
      },
      { timeout: 120_000 }
    );
  }

  /** What a job became, once it is over, and that nothing of it is left. */
  async settled(server, id) {
    const { t } = this;
    const ask = panel.api(server);
    let job;
    await t.until(
      async () => {
        job = (await ask('GET', `jobs/${id}`)).body;
        return OVER.includes(job?.state);
      },
      { timeout: 180_000, what: () => `an end of ${JSON.stringify(job)}` }
    );
    // What the code raised is told in its own words.
    t.ok(
      job.state === 'succeeded' || /^The code raised |\.$/.test(job.error ?? ''),
      `an outcome with a sentence: ${JSON.stringify(job)}`
    );
    this.tried += 1;
    const left = async () => {
      const { kernel, scheduler, worker } = await panel.census(t);
      return [...kernel, ...scheduler, ...worker];
    };
    await t
      .until(async () => (await left()).length === 0, { timeout: 60_000, what: left })
      .catch(async error => {
        this.leftovers += (await left()).length;
        throw error;
      });
    // What remains of it lies in Jupyter's folder once, also where the server died over writing it.
    const { body: all } = await ask('GET', 'jobs');
    const told = all.flatMap(({ notebook, report, tasks }) => [notebook, report, tasks]);
    const published = told.filter(path => path?.startsWith('gatehouse-jobs/')).toSorted();
    const there = await readdir(join(t.tmp, 'gatehouse-jobs')).catch(() => []);
    // Jupyter's own folder for checkpoints, hidden in its file browser, comes with the first file that is removed.
    const files = there.filter(name => !name.startsWith('.'));
    t.equal(files.map(name => `gatehouse-jobs/${name}`).toSorted(), published, 'files of the jobs');
    const active = async () =>
      (await ask('GET', 'clusters')).body.filter(({ state }) => /PENDING|RUNNING|STOPPING/.test(state));
    await t.until(async () => (await active()).length === 0, { what: active });
    return job;
  }

  /** A Jupyter Server beside us, as JupyterLab is one. */
  async startJupyter() {
    const { t, port, token } = this;
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
      { cwd: t.tmp, env: { ...t.env, ...this.kernelEnv, GATEHOUSE_DISABLE: '1' }, stdio: 'ignore' }
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
    this.jupyter = child;
  }
}
