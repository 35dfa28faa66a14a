// Deaths in the middle of jobs. The server is killed before and after the side effect of every step that the store knows,
// then started again; kernel, scheduler, workers, Jupyter Server and gateway are killed while the code runs. Each time the job
// ends in an outcome with a sentence, and no kernel, scheduler or worker is left.

import { Faults } from './faults.mjs';
import { scenario } from './harness.mjs';

await scenario('job-faults', { timeout: 40 * 60_000 }, async t => {
  const faults = await Faults.begin(t);
  for (const step of await faults.steps()) {
    await faults.serverDies('before', step);
    await faults.serverDies('after', step);
  }
  await faults.codeLeavesACluster();
  await faults.dies('kernel', /kernel|process/i);
  await faults.dies('scheduler', /ended while the job ran|raised/);
  await faults.dies('jupyter', /Jupyter|kernel/);
  await faults.workersRunOutOfMemory();
  await faults.gatewayRestarts();
  faults.close();
});
