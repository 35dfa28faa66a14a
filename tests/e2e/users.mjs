// People with notebooks: Dask's own client in a Python of its own, in the environment that their kernel would have.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

export class User {
  /** Somebody whose environment names a gateway, as `env` says. */
  static async open(t, env) {
    const user = new User();
    user.child = spawn(t.python, [join(import.meta.dirname, 'gateway_user.py')], {
      env: { ...t.env, ...env },
      stdio: ['pipe', 'pipe', 'pipe']
    });
    user.exited = new Promise(resolve => user.child.once('exit', resolve));
    user.errors = '';
    user.child.stderr.on('data', data => (user.errors += data));
    user.lines = createInterface({ input: user.child.stdout })[Symbol.asyncIterator]();
    t.defer(() => user.leave());
    await user.next();
    return user;
  }

  async next() {
    const { value, done } = await this.lines.next();
    if (done) {
      throw new Error(`the notebook's Python ended:\n${this.errors}`);
    }
    return JSON.parse(value);
  }

  /** Calls a method of `gateway_user.py`'s User. */
  async does(op, args = {}) {
    this.child.stdin.write(JSON.stringify({ op, ...args }) + '\n');
    const answer = await this.next();
    if (answer.error) {
      throw new Error(`${op}: ${answer.error}`);
    }
    return answer.value;
  }

  /** Its kernel is killed, as when a browser tab is forgotten and the machine reboots. */
  async leave() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      this.child.kill('SIGKILL');
      await this.exited;
    }
  }
}
