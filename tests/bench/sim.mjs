// A simulated scheduler with 1,000 workers and 5,000 tasks a second: no record may be lost, and memory stays bounded.
// `SIM_SECONDS` shortens it.

import { join } from 'node:path';

import { bench } from '../e2e/harness.mjs';

await bench('sim', async t => {
  const seconds = process.env.SIM_SECONDS ?? '600';
  const args = [
    'run',
    '--release',
    '--quiet',
    '--manifest-path',
    join(t.root, 'server', 'Cargo.toml'),
    '--example',
    'simulation',
    '--',
    '--seconds',
    seconds
  ];
  const { code, stdout, stderr } = await t.run('cargo', args, { timeout: (Number(seconds) + 900) * 1000 });
  t.equal(code, 0, `exit code of the example, which said:\n${stderr}`);
  for (const line of stdout.trim().split('\n')) {
    const { metric, unit, value } = JSON.parse(line);
    t.report({ metric, unit, ours: value });
  }
});
