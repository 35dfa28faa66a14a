// The processes that a scenario started, by what the system says about them: children of children too, and those that
// were handed to another parent.

import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

const KINDS = {
  jupyter: /jupyter[-_ ]?lab/,
  server: /gatehouse\S* serve/,
  proxy: /dask-gateway-proxy/,
  gateway: /dask[-_]gateway[-_]server/,
  scheduler: /dask_scheduler|dask scheduler/,
  worker: /dask_worker|dask worker|multiprocessing\.(spawn|forkserver|resource_tracker)/,
  kernel: /ipykernel/
};

/**
 * Those whose command, folder or environment names the scenario's own folder. Schedulers and workers get a bare
 * environment from the gateway, but work in its state folder.
 */
export function belongingTo(tmp) {
  return readdirSync('/proc')
    .filter(name => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map(pid => look(pid, tmp))
    .filter(Boolean);
}

function look(pid, tmp) {
  const of = read => {
    try {
      return read();
    } catch {
      // It ended while we looked, or is not ours to look at.
      return '';
    }
  };
  const command = of(() => readFileSync(`/proc/${pid}/cmdline`, 'utf8'))
    .replaceAll('\0', ' ')
    .trim();
  // A zombie has no command any more: it has ended.
  if (!command) {
    return null;
  }
  const traces = [
    command,
    of(() => readlinkSync(`/proc/${pid}/cwd`)),
    of(() => readFileSync(`/proc/${pid}/environ`, 'utf8'))
  ];
  if (!traces.some(trace => trace.includes(tmp))) {
    return null;
  }
  const kind = Object.keys(KINDS).find(kind => KINDS[kind].test(command)) ?? 'other';
  return { pid: Number(pid), kind, command };
}

/** Ends a process that may have ended already. */
export function kill(pid, signal) {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if (error.code !== 'ESRCH') {
      throw error;
    }
  }
}
