// What goes wrong, one case a step: each is said clearly, and nothing is lost.

import { createServer } from 'node:net';
import { join } from 'node:path';

import { scenario } from './harness.mjs';
import { RemoteGateway } from './gateways.mjs';
import * as panel from './steps.mjs';

export const gate = true;

await scenario('bad-input', async t => {
  const gateway = await RemoteGateway.create(t, { max_workers: 2 });

  const server = await t.step('the gateway is down at start and comes up later', async () => {
    const server = await t.serve({ env: gateway.environment() });
    const page = await t.page(server.url);
    await panel.gatewayState(page, 'down');
    const said = await panel.part(page, 'gateway-message').innerText();
    t.match(said, new RegExp(String(gateway.port)), 'the message names the address');
    await t.shot(page, 'gateway-down');
    await gateway.start();
    await panel.gatewayState(page, 'up');
    await t.shot(page, 'gateway-up');
    await page.context().close();
    return server;
  });
  const page = await t.page(server.url, { expectErrors: /(status of|response code:) 4\d\d/ });
  const api = panel.api(server);

  await t.step('an option out of range', async () => {
    await panel.openForm(page);
    await panel.setOption(page, 'note', 'keep me');
    await panel.setOption(page, 'priority', '99');
    await panel.part(page, 'create-cluster').click();
    const error = panel.part(page, 'error-priority');
    await error.waitFor();
    t.match(await error.innerText(), /10/, 'the message names the bound');
    await t.shot(page, 'out-of-range');
    t.equal(await panel.part(page, 'option-note').inputValue(), 'keep me', 'what was typed elsewhere');

    const { status, body } = await api('POST', 'clusters', { options: { priority: 99 } });
    t.equal(status, 422, 'status of the API');
    t.equal(body.field, 'priority', 'the field it names');
    t.match(body.message, /10/, 'its sentence');
    t.ok(body.request_id, 'a request id to find it in the log');
    await panel.setOption(page, 'priority', '3');
    t.ok(!(await error.isVisible()), 'the error leaves with its cause');
  });

  await t.step('YAML that is none', async () => {
    await panel.setOption(page, 'environment_vars', 'GREETING: [unclosed');
    await panel.part(page, 'create-cluster').click();
    const error = panel.part(page, 'error-environment_vars');
    await error.waitFor();
    t.match(await error.innerText(), /\w+ \w+/, 'a sentence');
    await t.shot(page, 'invalid-yaml');
    t.equal(
      await panel.part(page, 'option-environment_vars').inputValue(),
      'GREETING: [unclosed',
      'what was typed'
    );
    t.equal((await api('GET', 'clusters')).body.length, 0, 'clusters made');
    await panel.setOption(page, 'environment_vars', 'GREETING: [closed]');
    t.ok(await error.isVisible(), 'a list is no value of a variable');
    await panel.setOption(page, 'environment_vars', '1A B: x');
    t.match(await error.innerText(), /name of a variable/, 'a name that is none');
    await panel.setOption(page, 'environment_vars', 'GREETING: hello');
    t.ok(!(await error.isVisible()), 'the error leaves with its cause');
    for (const [what, value] of [
      ['a list', ['a']],
      ['a text', 'a'],
      ['a name that is none', { '1A B': 'x' }],
      ['a value that is no text', { A: { b: 1 } }]
    ]) {
      const { status, body } = await api('POST', 'clusters', { options: { environment_vars: value } });
      t.equal(status, 422, `${what} as mapping, which got ${JSON.stringify(body)}`);
    }
  });

  await t.step('a cluster that is not there', async () => {
    const name = 'f'.repeat(32);
    for (const [method, path, body] of [
      ['GET', `clusters/${name}`],
      ['POST', `clusters/${name}/scale`, { workers: 1 }],
      ['POST', `clusters/${name}/adapt`, { minimum: 0, maximum: 1 }],
      ['POST', 'jobs', { code: 'print(1)', cluster: name }]
    ]) {
      const answer = await api(method, path, body);
      t.ok([404, 409, 422].includes(answer.status), `${method} ${path}: ${answer.status}`);
      t.match(answer.body.message, /\w+ .*\./, `a sentence for ${method} ${path}`);
    }
    t.equal((await api('GET', `clusters/${name}`)).body.code, 'not_found', 'its code');
    const odd = await api('GET', 'clusters/..%2F..%2Fetc');
    t.ok(odd.status === 404 || odd.status === 422, `an impossible name: ${odd.status}`);
  });

  const name = await t.step('scaled before it runs', async () => {
    const { body } = await api('POST', 'clusters', { label: 'bad input', options: { priority: 3 } });
    const early = await api('POST', `clusters/${body.name}/scale`, { workers: 1 });
    t.equal(early.status, 200, `status, with ${JSON.stringify(early.body)}`);
    await panel.part(page, 'back').click();
    await panel.clusterState(page, body.name, 'RUNNING');
    await panel.workerCount(page, body.name, 1);
    await t.shot(page, 'still-running');
    return body.name;
  });

  await t.step('more workers than the gateway allows', async () => {
    await panel.openScale(page, name);
    await panel.part(panel.card(page, name), 'scale-workers').fill('99');
    await panel.part(panel.card(page, name), 'scale-apply').click();
    const warning = panel.part(panel.card(page, name), 'scale-warning');
    await warning.waitFor();
    t.match(await warning.innerText(), /limit of 2 workers/, "the gateway's own words");
    await t.until(
      async () => (await panel.part(panel.card(page, name), 'scale-workers').inputValue()) === '2',
      {
        what: () => 'what is in force in the field'
      }
    );
    await t.shot(page, 'limited');
    await panel.workerCount(page, name, 2);
  });

  await t.step('a job whose code raises', async () => {
    const job = await panel.runJob(page, name, 'print("so far so good")\n1 / 0');
    t.equal(job.state, 'failed', 'its state');
    t.match(job.text, /so far so good/, 'what it printed before');
    t.match(job.text, /ZeroDivisionError/, 'the error');
    t.match(job.text, /1 \/ 0/, 'the line that raised');
    await t.shot(page, 'job-raises');
    const syntax = await panel.runJob(page, name, 'print("never"');
    t.equal(syntax.state, 'failed', 'state of a job that is no Python');
    t.match(syntax.text, /SyntaxError/, 'its error');
    const remote = await panel.runJob(page, name, 'client.submit(lambda: 1 / 0).result()');
    t.equal(remote.state, 'failed', 'state of a job whose task raises');
    t.match(remote.text, /ZeroDivisionError/, 'the error of the task');
    await panel.home(page);
    await panel.clusterState(page, name, 'RUNNING');
  });

  await t.step('a job that is cancelled', async () => {
    const long = `print("${'wide '.repeat(80)}")\nimport time\ntime.sleep(600)`;
    await panel.startJob(page, name, long);
    const view = panel.jobView(page);
    const output = panel.part(view, 'job-output');
    await output.filter({ hasText: 'wide' }).waitFor({ timeout: 60_000 });
    const overflows = () => output.evaluate(element => element.scrollWidth > element.clientWidth);
    t.ok(await overflows(), 'a wide line is scrolled to, not wrapped');
    await panel.part(view, 'job-output-wrap').click();
    t.ok(!(await overflows()), 'unless that is asked for');
    await panel.part(view, 'job-output-wrap').click();
    await panel.part(view, 'job-cancel').click();
    await page.keyboard.press('Escape');
    await panel.part(page, 'confirm').waitFor({ state: 'hidden' });
    t.equal(await view.getAttribute('data-state'), 'running', 'its state after a no');
    await panel.cancelJob(page);
    await panel.jobState(page, ['cancelled'], 30_000);
    const folded = panel.part(view, 'job-interrupted');
    await folded.waitFor();
    t.ok(!/KeyboardInterrupt/.test(await output.innerText()), 'the traceback is folded');
    await t.shot(page, 'job-cancelled');
    await folded.locator('summary').click();
    t.match(await output.innerText(), /KeyboardInterrupt/, 'the traceback');
    await panel.home(page);
  });

  await t.step('a cluster that fails to start', async () => {
    const failing = await panel.createCluster(page, { options: { fail: true } });
    await panel.clusterState(page, failing, 'FAILED');
    t.match(await panel.part(panel.card(page, failing), 'cluster-reason').innerText(), /\w+ \w+/, 'a reason');
    await t.shot(page, 'failed-cluster');
    await panel.part(panel.card(page, failing), 'dismiss').click();
    await panel.clusterGone(page, failing);
  });

  await t.step('the scheduler is killed while panes are open', async () => {
    await panel.runJob(page, name, 'client.gather(client.map(lambda x: x + 1, range(20)))');
    await panel.home(page);
    const stream = await panel.openPane(page, name, 'task-stream');
    await t.until(async () => (await panel.inspect(stream)).records > 0, {
      what: () => 'records in the pane'
    });
    const { records } = await panel.inspect(stream);
    const { scheduler } = await panel.census(t);
    t.equal(scheduler.length, 1, 'schedulers');
    process.kill(scheduler[0].pid, 'SIGKILL');
    await panel.paneSays(stream, /lost|ended|stopped|failed|reach/i);
    t.equal((await panel.inspect(stream)).records, records, 'records kept in the pane');
    await t.shot(page, 'scheduler-killed');
    await panel.home(page);
    await panel.clusterState(page, name, 'FAILED');
    await t.shot(page, 'scheduler-killed-card');
    const other = await panel.createCluster(page);
    await panel.clusterState(page, other, 'RUNNING');
    await panel.shutDown(page, other);
    await panel.clusterGone(page, other);
  });

  await t.step('a port that is in use', async () => {
    const taken = createServer();
    await new Promise(resolve => taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address();
    const { code, stderr } = await t.run(t.binary, [
      'serve',
      '--port',
      String(port),
      '--state-dir',
      join(t.tmp, 'taken')
    ]);
    taken.close();
    t.ok(code !== 0, 'exit code');
    t.match(stderr, new RegExp(`${port}.*in use|in use.*${port}`, 's'), 'the message');
  });
  await server.stop();

  await t.step('a wrong password', async () => {
    const refused = await t.serve({ env: gateway.environment({ password: 'wrong' }) });
    const page = await t.page(refused.url, { expectErrors: /(status of|response code:) (4\d\d|502)/ });
    await panel.gatewayState(page, 'unauthorized');
    const said = await panel.part(page, 'gateway-message').innerText();
    t.match(said, /password|credentials|sign/i, 'the message says what to do');
    t.ok(!said.includes('wrong'), 'the password itself is not shown');
    t.ok(!refused.log().includes('"wrong"'), 'nor logged');
    await t.shot(page, 'wrong-password');
    await refused.stop();
  });
});
