// The task stream's index by itself, native: how long it takes to build, to append to, to paint, and what a task costs.

import { join } from 'node:path';

import { bench } from '../e2e/harness.mjs';

await bench('timeline', async t => {
  const manifest = join(t.root, 'crates', 'timeline', 'Cargo.toml');
  const args = ['run', '--release', '--quiet', '--manifest-path', manifest, '--example', 'measure'];
  const { code, stdout, stderr } = await t.run('cargo', args, { timeout: 20 * 60_000 });
  t.equal(code, 0, `exit code of the example, which said:\n${stderr}`);
  for (const line of stdout.trim().split('\n')) {
    const { metric, unit, value } = JSON.parse(line);
    t.report({ metric, unit, ours: value });
  }
});
