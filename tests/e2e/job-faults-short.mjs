// A few of the deaths of `job-faults`, for the gate: a cluster whose name was never stored, code that was sent and code that was
// not, and workers killed for their memory.

import { Faults } from './faults.mjs';
import { scenario } from './harness.mjs';

export const gate = true;

await scenario('job-faults-short', async t => {
  const faults = await Faults.begin(t);
  await faults.serverDies('before', 'execute');
  await faults.serverDies('after', 'ask_cluster');
  await faults.serverDies('after', 'execute');
  await faults.workersRunOutOfMemory();
  faults.close();
});
