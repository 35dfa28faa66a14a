// What a dashboard's way through us costs, beside jupyter-server-proxy doing the same and beside no proxy; and what we
// add behind jupyter-server-proxy in JupyterLab. In a new random order in each round.
//
// Only the proxies are measured: an example of the server stands in for the gateway with its dashboard, which answers at
// once with a page of 1 kB and messages of 1 kB, and another one makes the load over connections that are kept. A real
// dashboard would be the bottleneck, long before any of these. Throughput is that of 16 connections, latency that of one
// which asks for the next page when it has the last; what is added is a difference of medians within a round.
// `PROXY_ROUNDS` changes how many rounds there are.

import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

import { bench } from '../e2e/harness.mjs';
import { interval95, median, round, shuffled } from './figures.mjs';

const ROUNDS = Number(process.env.PROXY_ROUNDS ?? 7);
const SECONDS = '3';
const CONNECTIONS = '16';
const PEER = 'jupyter-server-proxy';

await bench('proxy', async t => {
  const build = ['build', '--release', '--quiet', '--manifest-path', join(t.root, 'Cargo.toml')];
  const target = ['--target-dir', join(t.root, 'target'), '-p', 'gatehouse', '--example', 'proxy_load'];
  const built = await t.run('cargo', [...build, ...target], { timeout: 1_800_000 });
  t.equal(built.code, 0, `exit code of cargo, which said:\n${built.stderr}`);
  const load = join(t.root, 'target', 'release', 'examples', 'proxy_load');

  const socket = join(t.tmp, 'upstream.sock');
  const port = await upstream(t, load, socket);
  const gateway = `http://127.0.0.1:${port}`;
  const server = await t.serve({ args: ['--gateway', gateway] });
  // An entry of its own on a unix socket, as ours is: the faster of the two ways that it has.
  const peer = `{'bench': {'command': [], 'unix_socket': '${socket}'}}`;
  const lab = await t.lab({
    env: { DASK_GATEWAY__ADDRESS: gateway },
    extraArgs: [`--ServerProxy.servers=${peer}`]
  });
  const ours = ['--authorization', `Bearer ${new URL(server.url).searchParams.get('token')}`];
  const jupyter = ['--authorization', `token ${lab.token}`];
  const ways = {
    direct: { base: `${gateway}/clusters/bench`, as: [] },
    ours: { base: `${server.base}clusters/bench`, as: ours },
    jupyter: { base: `${lab.base}bench/clusters/bench`, as: jupyter },
    row: { base: `${lab.base}gatehouse/clusters/bench`, as: jupyter }
  };
  for (const { base, as } of Object.values(ways)) {
    await t.until(async () => {
      const headers = as.length ? { authorization: as[1] } : {};
      return (await fetch(`${base}/page`, { headers })).ok;
    });
  }

  const ask = async (kind, { base, as }, ...more) => {
    const page = `${base}/${kind === 'ws' ? 'ws' : 'page'}`;
    const { code, stdout, stderr } = await t.run(load, [kind, page, '--seconds', SECONDS, ...as, ...more]);
    t.equal(code, 0, `exit code of the load on ${page}, which said:\n${stderr}`);
    return JSON.parse(stdout);
  };
  const found = Object.fromEntries(Object.keys(ways).map(way => [way, []]));
  // The first round warms up.
  for (let n = 0; n <= ROUNDS; n++) {
    for (const way of shuffled(Object.keys(ways))) {
      const { requests_per_s } = await ask('http', ways[way], '--connections', CONNECTIONS);
      const { p50_ms, p99_ms } = await ask('http', ways[way]);
      const { messages_per_s } = await ask('ws', ways[way]);
      if (n > 0) {
        found[way].push({ requests_per_s, p50_ms, p99_ms, messages_per_s });
      }
    }
  }

  const of = (way, metric) => median(found[way].map(figures => figures[metric]));
  const throughput = (metric, unit, suffix, way, peer, more = {}) =>
    t.report({
      metric: `${metric === 'requests_per_s' ? 'http_' : 'ws_'}${metric}_${suffix}`,
      unit,
      ours: Math.round(of(way, metric)),
      peer,
      peer_value: Math.round(of('jupyter', metric)),
      ...more
    });
  const added = (way, base, metric) =>
    found[way].map((figures, n) => figures[metric] - found[base][n][metric]);
  for (const [metric, unit] of [
    ['requests_per_s', '1/s'],
    ['messages_per_s', '1/s']
  ]) {
    throughput(metric, unit, 'standalone', 'ours', PEER, { direct: Math.round(of('direct', metric)) });
    throughput(metric, unit, 'in_lab', 'row', `${PEER} alone`);
  }
  for (const metric of ['p50_ms', 'p99_ms']) {
    const standalone = added('ours', 'direct', metric);
    const inLab = added('row', 'jupyter', metric);
    t.report({
      metric: `http_added_${metric}_standalone`,
      unit: 'ms',
      ours: round(median(standalone), 3),
      peer: PEER,
      peer_value: round(median(added('jupyter', 'direct', metric)), 3),
      interval95: within(standalone)
    });
    t.report({
      metric: `http_added_${metric}_in_lab`,
      unit: 'ms',
      ours: round(median(inLab), 3),
      interval95: within(inLab),
      row: round(of('row', metric), 3),
      alone: round(of('jupyter', metric), 3)
    });
  }
  await lab.stop();
  await server.stop();
});

/** The 95 % interval of paired differences. */
function within(differences) {
  const { low, high } = interval95(differences);
  return [round(low, 3), round(high, 3)];
}

/** Starts the stand-in for gateway and dashboard; returns its port. */
async function upstream(t, load, socket) {
  const child = spawn(load, ['upstream', socket], { stdio: ['ignore', 'pipe', 'inherit'], env: t.env });
  const ended = new Promise(resolve => child.once('exit', resolve));
  t.defer(async () => {
    child.kill('SIGTERM');
    await ended;
  });
  for await (const line of createInterface({ input: child.stdout })) {
    return Number(line);
  }
  throw new Error('the stand-in for the dashboard ended before it had a port');
}
