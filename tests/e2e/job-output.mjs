// What a job writes is stored byte for byte: much at once, many lines, above the limits at which a Jupyter Server drops
// output, and while our server is killed in the middle.

import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { scenario } from './harness.mjs';
import * as panel from './steps.mjs';

const MEGABYTES = 20;
const LINES = 1_000_000;
const CODE = `
print("x" * (${MEGABYTES} << 20))
for number in range(${LINES}):
    print(number)
print("done")
`;

class Sum {
  hash = createHash('sha256');
  bytes = 0;

  add(text) {
    this.hash.update(text);
    this.bytes += Buffer.byteLength(text);
  }

  result() {
    return { bytes: this.bytes, hash: this.hash.digest('hex') };
  }
}

await scenario('job-output', async t => {
  const lab = await t.lab();
  const page = await t.page(lab.url, { expectErrors: /status of 50\d|WebSocket/ });
  await panel.openPanel(page);
  await panel.gatewayUp(page);
  const ask = async (method, path, body) => {
    const answer = await fetch(new URL(`gatehouse/api/v1/${path}`, lab.base), {
      method,
      headers: {
        authorization: `token ${lab.token}`,
        'x-gatehouse': '1',
        'content-type': 'application/json'
      },
      body: body && JSON.stringify(body)
    });
    return { status: answer.status, body: await answer.json().catch(() => null) };
  };

  for (const killed of [false, true]) {
    await t.step(
      `${MEGABYTES} MB and ${LINES} lines${killed ? ', the server killed in the middle' : ''}`,
      async () => {
        const made = await ask('POST', 'jobs', {
          work: { kind: 'snippet', source: CODE },
          place: { kind: 'none' }
        });
        t.equal(made.status, 201, JSON.stringify(made.body));
        const { id } = made.body;
        const state = async () => (await ask('GET', `jobs/${id}`)).body?.state;
        await t.until(async () => (await state()) === 'running', { timeout: 60_000, what: state });
        if (killed) {
          const [server] = (await panel.census(t)).server;
          process.kill(server.pid, 'SIGKILL');
        }
        await t.until(async () => ['succeeded', 'failed'].includes(await state()), {
          timeout: 300_000,
          what: state
        });
        t.equal(await state(), 'succeeded', 'state');
        t.equal(await stored(join(lab.stateDir, 'jobs', id, 'output.jsonl')), expected(), 'what is stored');
      }
    );
  }
  await lab.stop();
});

/** Length and hash of all that is stored of standard output. */
async function stored(path) {
  const sum = new Sum();
  for await (const line of createInterface({ input: createReadStream(path) })) {
    const { kind, text } = JSON.parse(line);
    if (kind === 'stdout') {
      sum.add(text);
    }
  }
  return sum.result();
}

/** Those of what the program writes. */
function expected() {
  const sum = new Sum();
  sum.add('x'.repeat(MEGABYTES << 20) + '\n');
  for (let number = 0; number < LINES; number++) {
    sum.add(`${number}\n`);
  }
  sum.add('done\n');
  return sum.result();
}
