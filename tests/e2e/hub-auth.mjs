// A gateway behind a JupyterHub: tokens that are good, bad, expired or of too little scope, and a hub that is away.

import { join } from 'node:path';

import { scenario } from './harness.mjs';
import { Hub, RemoteGateway } from './gateways.mjs';
import * as panel from './steps.mjs';

export const gate = true;

const GOOD = 'good-2f6c';
const NARROW = 'narrow-81d0';
const RENEWED = 'renewed-77aa';

await scenario('hub-auth', async t => {
  const hub = await Hub.start(t);
  hub.knows(GOOD, 'alice');
  hub.knows(NARROW, 'bob', ['access:servers!user=bob']);
  const gateway = await RemoteGateway.create(t, { hub: hub.url, cache_max_age: 2 });

  /** A server in what a hub's pod has: the gateway's address, how to log in, and mostly a token. */
  const serve = (name, env) =>
    t.serve({
      stateDir: join(t.tmp, name),
      env: { DASK_GATEWAY__ADDRESS: gateway.address, DASK_GATEWAY__AUTH__TYPE: 'jupyterhub', ...env }
    });
  const gatewayOf = async server => (await panel.api(server)('GET', 'status')).body.gateway;
  const stateIs = (server, state) =>
    t.until(async () => (await gatewayOf(server)).state === state, {
      what: async () => `${state}, but ${JSON.stringify(await gatewayOf(server))}`
    });

  const [server] = await t.step('the gateway, and a server in a pod of the hub', () =>
    Promise.all([serve('good', { JUPYTERHUB_API_TOKEN: GOOD }), gateway.start()])
  );
  const page = await t.page(server.url, { expectErrors: /50\d/ });
  const api = panel.api(server);

  await t.step("the hub's token opens the gateway", async () => {
    await panel.gatewayUp(page);
    await panel.openForm(page);
    const name = await panel.createCluster(page, { label: 'from the hub' });
    await panel.clusterState(page, name, 'RUNNING');
    const { body: list } = await api('GET', 'clusters');
    t.equal(
      list.map(cluster => [cluster.name, cluster.state]),
      [[name, 'RUNNING']],
      'clusters'
    );
    await t.shot(page, 'good-token');
    t.equal((await api('DELETE', `clusters/${name}`)).status < 300, true, 'shutting down');
    await panel.clusterGone(page, name);
  });

  await t.step('the token stays on the server, and the gateway asks the hub only now and then', async () => {
    const answers = await Promise.all(['status', 'clusters', 'options'].map(path => api('GET', path)));
    t.ok(!JSON.stringify(answers).includes(GOOD), 'no token in an answer');
    t.ok(!server.log().includes(GOOD), 'no token in the log');
    const { log } = gateway;
    t.ok(hub.asked < log.split('GET /api/v1/clusters').length / 2, `the cookie mostly does: ${hub.asked}`);
  });

  await t.step(
    'an expired token is said to be one, and everything goes on when it is good again',
    async () => {
      hub.expires(GOOD);
      await panel.gatewayState(page, 'unauthorized', 15_000);
      const said = await panel.part(page, 'gateway-message').innerText();
      t.match(said, /Permission failure verifying user's JupyterHub API token/, "the hub's own words");
      t.match(said, /restart your server on the hub/, 'what to do');
      await t.shot(page, 'expired-token');
      const refused = await api('POST', 'clusters', {});
      t.equal([refused.status, refused.body.code], [502, 'gateway_unauthorized'], 'creating then');
      t.match(refused.body.message, /restart your server on the hub/, 'its sentence');
      hub.knows(GOOD, 'alice');
      await panel.gatewayUp(page);
    }
  );

  await t.step('a hub that is away is no refusal', async () => {
    hub.down = true;
    await panel.gatewayState(page, 'down', 15_000);
    const said = await panel.part(page, 'gateway-message').innerText();
    t.match(
      said,
      /Upstream failure verifying user's JupyterHub API token.*try again in a moment/s,
      'it says so'
    );
    await t.shot(page, 'hub-away');
    hub.down = false;
    await panel.gatewayUp(page);
  });

  await t.step('bad, missing and narrow tokens, a wrong type, and one of the configuration', async () => {
    hub.knows(RENEWED, 'carol');
    const cases = [
      ['bad', { JUPYTERHUB_API_TOKEN: 'bad-0000' }, /Permission failure.*new token/],
      ['none', {}, /wants a JupyterHub token and there is none.*gateway\.auth\.kwargs\.api_token/],
      ['narrow', { JUPYTERHUB_API_TOKEN: NARROW }, /lack the scope access:services/],
      [
        'basic',
        { DASK_GATEWAY__AUTH__TYPE: 'basic' },
        /wants jupyterhub authentication.*set gateway\.auth\.type/
      ],
      ['kerberos', { DASK_GATEWAY__AUTH__TYPE: 'kerberos' }, /Kerberos, which Gatehouse does not speak/]
    ];
    const servers = await Promise.all([
      ...cases.map(([name, env]) => serve(name, env)),
      serve('configured', {
        JUPYTERHUB_API_TOKEN: 'bad-0000',
        DASK_GATEWAY__AUTH__KWARGS__API_TOKEN: RENEWED
      })
    ]);
    for (const [number, [name, , words]] of cases.entries()) {
      await stateIs(servers[number], 'unauthorized');
      const { message } = await gatewayOf(servers[number]);
      t.match(message, words, `what is said of ${name}`);
      t.ok(!/bad-0000|narrow-81d0/.test(message + servers[number].log()), 'no token in it or in the log');
    }
    await stateIs(servers.at(-1), 'up');
    await Promise.all(servers.map(each => each.stop()));
  });

  await t.step('the server ends', async () => {
    t.equal((await server.stop()).code, 0, 'exit code');
  });
});
