// Gateways that are not ours: started as a site would, so that Gatehouse finds them by Dask's configuration.

import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { freePort } from './harness/surroundings.mjs';

/** A remote gateway: where it is and who may use it; `start()` and `stop()` as often as wanted, on the same port. */
export class RemoteGateway {
  constructor(t, { port, user = 'alice', password = 'open sesame', ...settings }) {
    Object.assign(this, { t, port, user, password, settings });
    this.address = `http://127.0.0.1:${port}`;
    this.log = '';
    t.defer(() => this.stop());
  }

  static async create(t, settings = {}) {
    return new RemoteGateway(t, { port: await freePort(), ...settings });
  }

  /** What a person's environment says about this gateway. */
  environment({ password = this.password } = {}) {
    return {
      DASK_GATEWAY__ADDRESS: this.address,
      DASK_GATEWAY__AUTH__TYPE: 'basic',
      DASK_GATEWAY__AUTH__KWARGS__USERNAME: this.user,
      DASK_GATEWAY__AUTH__KWARGS__PASSWORD: password
    };
  }

  /** How the independent client reaches it. */
  connection() {
    return {
      address: this.address,
      proxy: `gateway://127.0.0.1:${this.port}`,
      user: this.user,
      password: this.password
    };
  }

  async start() {
    const clusters = join(this.t.tmp, `gateway-${this.port}`);
    await mkdir(clusters, { recursive: true });
    const config = join(import.meta.dirname, 'remote_gateway.py');
    const settings = { port: this.port, password: this.password, clusters, ...this.settings };
    this.child = spawn(this.t.python, ['-m', 'dask_gateway_server', '-f', config], {
      env: { ...this.t.env, GATEHOUSE_E2E_GATEWAY: JSON.stringify(settings) },
      stdio: ['ignore', 'pipe', 'pipe']
    });
    this.exited = new Promise(resolve => this.child.once('exit', resolve));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', data => (this.log += data));
    }
    await this.t.until(
      async () => {
        const answer = await fetch(`${this.address}/api/health`).catch(() => null);
        return answer?.ok ?? false;
      },
      { timeout: 30_000, what: () => `the gateway on port ${this.port}, which said:\n${this.log}` }
    );
    return this;
  }

  /** Ends it and, as it does by default, its clusters. */
  async stop() {
    if (this.child && this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGTERM');
      await this.exited;
    }
  }
}
