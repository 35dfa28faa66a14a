// Gateways that are not ours: started as a site would, so that Gatehouse finds them by Dask's configuration.

import { spawn } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join } from 'node:path';

import { freePort } from './harness/surroundings.mjs';

/** A remote gateway: where it is and who may use it; `start()` and `stop()` as often as wanted, on the same port. */
export class RemoteGateway {
  constructor(
    t,
    { port, user = 'alice', password = 'open sesame', config = 'remote_gateway.py', ...settings }
  ) {
    Object.assign(this, { t, port, user, password, config, settings });
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
    const config = join(import.meta.dirname, this.config);
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

/** The API of a JupyterHub as far as a gateway asks it: whose token this is. Tokens are good, bad or expired as told. */
export class Hub {
  constructor() {
    this.tokens = new Map();
    this.down = false;
    this.asked = 0;
  }

  static async start(t) {
    const hub = new Hub();
    const server = createServer((request, response) => hub.answer(request, response));
    await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
    t.defer(() => {
      server.closeAllConnections();
      return new Promise(resolve => server.close(resolve));
    });
    hub.url = `http://127.0.0.1:${server.address().port}/hub/api`;
    return hub;
  }

  /** From now on this token is `name`'s. */
  knows(token, name, scopes = ['access:services!service=dask-gateway']) {
    this.tokens.set(token, { kind: 'user', name, scopes, groups: [], admin: false });
  }

  /** As a hub does with a token past its time: it is as if it had never been. */
  expires(token) {
    this.tokens.delete(token);
  }

  answer(request, response) {
    this.asked += 1;
    const user = this.tokens.get(request.headers.authorization?.replace(/^token /, ''));
    const [status, body] = this.down
      ? [503, { status: 503, message: 'Service Unavailable' }]
      : request.url !== '/hub/api/user'
        ? [404, { status: 404, message: 'Not Found' }]
        : user
          ? [200, user]
          : [403, { status: 403, message: 'Forbidden' }];
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  }
}
