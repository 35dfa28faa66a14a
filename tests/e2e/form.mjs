// The form for a new cluster at a gateway whose options hold every type: values typed, refused in the gateway's words,
// kept as presets, used by keyboard alone; and the environment of a notebook's kernel.

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { kernelsOfNotebooks } from './environments.mjs';
import { RemoteGateway } from './gateways.mjs';
import { scenario } from './harness.mjs';
import * as panel from './steps.mjs';

export const gate = true;

const OFFER = {
  environments: ['global/base', 'work/dask', 'work/bare'],
  profiles: ['Small Worker', 'Medium Worker'],
  of_user: { alice: ['GPU Worker'] },
  most: 10
};

const SETTINGS = `
options:
  profile:
    about: What each worker gets.
    values:
      Small Worker: { size: "1 core, 1 GB", cost: "0.05 € an hour" }
      GPU Worker: { size: "8 cores, 32 GB, 1 A100", cost: "2.10 € an hour", text: for training; ask the team before you take more than two of them }
  spot:
    values:
      true: cheaper, but it may be taken away
`;

await scenario('form', async t => {
  const offer = join(t.tmp, 'offer.json');
  const offers = what => writeFile(offer, JSON.stringify({ ...OFFER, ...what }));
  await offers({});
  const config = join(t.tmp, 'gatehouse.yaml');
  await writeFile(config, SETTINGS);
  const gateway = await RemoteGateway.create(t, { config: 'form_gateway.py', offer });
  await gateway.start();

  /** What the gateway itself answers, past everything of ours. */
  const ask = async (method, path, body) => {
    const answer = await fetch(`${gateway.address}/api/v1/${path}`, {
      method,
      headers: {
        authorization: `Basic ${Buffer.from(`${gateway.user}:${gateway.password}`).toString('base64')}`
      },
      body: body && JSON.stringify(body)
    });
    return { status: answer.status, body: await answer.json().catch(() => null) };
  };
  /** The gateway's own refusal of a value. */
  const refusal = async options => {
    const { status, body } = await ask('POST', 'clusters/', { cluster_options: options });
    t.equal(status, 422, `the gateway's answer to ${JSON.stringify(options)}`);
    return body.error;
  };
  const serve = (env = {}) =>
    t.serve({ args: ['--config', config], env: { ...gateway.environment(), ...env } });
  const local = {
    SITE_IMAGE: 'images/7',
    DASK_GATEWAY__CLUSTER__OPTIONS__NOTE: 'see {SITE_IMAGE}',
    DASK_GATEWAY__CLUSTER__OPTIONS__PRIORITY: '77',
    DASK_GATEWAY__CLUSTER__OPTIONS__GONE: '1',
    DASK_GATEWAY__CLUSTER__OPTIONS__IMAGE: '{NOWHERE}'
  };

  let server = await serve(local);
  let page = await t.page(server.url, { expectErrors: /(status of|response code:) 4\d\d/ });
  const field = id => panel.part(page, id);
  const value = name => field(`option-${name}`).inputValue();

  await t.step('every option has its field, and the words of site, configuration and settings', async () => {
    await panel.gatewayUp(page);
    await panel.openForm(page);
    const { body: site } = await ask('GET', 'options');
    for (const { field: name, label } of site.cluster_options) {
      t.ok(await field(`option-${name}`).isVisible(), `a field for ${name}`);
      t.match(
        await page.locator(`[data-field="${name}"] label`).innerText(),
        new RegExp(label.slice(0, 8)),
        name
      );
    }
    const choices = await field('option-profile').locator('option').allInnerTexts();
    t.equal(
      choices,
      ['Small Worker · 1 core, 1 GB · 0.05 € an hour', 'Medium Worker', 'GPU Worker'],
      "the user's own choices, with what is short enough to stand beside them"
    );
    t.equal(
      await field('note-profile').innerText(),
      '1 core, 1 GB · 0.05 € an hour',
      'the note of the choice'
    );
    await panel.setOption(page, 'profile', 'GPU Worker');
    t.match(await field('note-profile').innerText(), /1 A100 · 2\.10 € an hour · for training/, 'its note');
    await panel.setOption(page, 'spot', true);
    t.equal(
      await field('note-spot').innerText(),
      'cheaper, but it may be taken away',
      'the note of a switch'
    );
    t.equal(await value('note'), 'see images/7', "a default of Dask's configuration, with its variable");
    t.equal(await value('priority'), '1', 'the default of the site where the configured one does not fit');
    t.equal(
      [await value('idle_timeout'), await value('ratio')],
      ['0', '1'],
      'floats whose defaults are integers'
    );
    t.equal(JSON.parse(await value('placement')), { zones: ['a', 'b'] }, 'an unknown type as JSON');
    const warned = await field('options-warning').innerText();
    for (const words of [/priority must be <= 10\.000000, got 77/, /options\.gone is not used/, /NOWHERE/]) {
      t.match(warned, words, 'what of the configuration is not used');
    }
    await t.shot(page, 'fields');
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.waitForTimeout(400);
    await t.shot(page, 'fields-dark');
    await page.emulateMedia({ colorScheme: 'light' });
  });

  await t.step(
    "values that do not fit are refused in the gateway's words, before anything is sent",
    async () => {
      for (const [name, typed, sent = Number(typed)] of [
        ['priority', '99'],
        ['priority', '-1'],
        ['priority', '1.5'],
        ['priority', 'ten', 'ten'],
        ['replicas', '', ''],
        ['idle_timeout', '3600.5'],
        ['idle_timeout', "it's", "it's"],
        ['ratio', '0.25']
      ]) {
        const before = await value(name);
        await panel.setOption(page, name, typed);
        const error = field(`error-${name}`);
        await error.waitFor();
        const said = await error.innerText();
        const words = await refusal({ [name]: sent });
        t.ok(said.startsWith(`${words}.`), `${said} begins with ${words}`);
        t.equal(await field(`option-${name}`).getAttribute('aria-invalid'), 'true', `${name} is marked`);
        await panel.setOption(page, name, before);
        t.ok(!(await error.isVisible()), 'the error leaves with its cause');
      }
      // What the gateway would take, and regret.
      for (const [name, typed, words] of [
        ['ratio', 'NaN', /must be a float, got 'NaN'/],
        ['environment_vars', 'A: {b: 1}', /\w/],
        ['environment_vars', '1A: x', /name of a variable/],
        ['placement', '{"zones": ', /JSON/]
      ]) {
        const before = await value(name);
        await panel.setOption(page, name, typed);
        t.match(await field(`error-${name}`).innerText(), words, `${typed} for ${name}`);
        await panel.setOption(page, name, before);
      }
      t.equal((await ask('GET', 'clusters/')).body, {}, 'clusters made');
    }
  );

  await t.step('the API refuses the same, and names the field', async () => {
    const api = panel.api(server);
    for (const [name, wrong] of [
      ['priority', 99],
      ['priority', '3'],
      ['ratio', 0],
      ['spot', 'yes'],
      ['note', 3],
      ['profile', 'Huge'],
      ['profile', null],
      ['environment_vars', ['x', { y: true }]],
      ['nope', 1]
    ]) {
      const { status, body } = await api('POST', 'clusters', { options: { [name]: wrong } });
      t.equal([status, body.field], [422, name], `status and field for ${name} = ${JSON.stringify(wrong)}`);
      const words = await refusal({ [name]: wrong });
      t.ok(body.message.startsWith(words), `${body.message} begins with ${words}`);
    }
    for (const options of [{ priority: true }, { ratio: false }, { environment_vars: { A: 1 } }]) {
      const { status, body } = await api('POST', 'clusters', { options });
      t.equal(
        [status, body.field],
        [422, Object.keys(options)[0]],
        `${JSON.stringify(options)}: ${body.message}`
      );
    }
  });

  const chosen = {
    conda_environment: 'work/dask',
    profile: 'Medium Worker',
    environment_vars: { GREETING: 'hello', N: '1.10' },
    priority: 7,
    replicas: -2,
    idle_timeout: 1800.5,
    ratio: 0.5,
    spot: true,
    note: 'typed',
    annotations: { team: 'walls' },
    placement: ['c']
  };
  const written = {
    ...chosen,
    environment_vars: 'GREETING: hello\nN: 1.10',
    annotations: '{"team": "walls"}',
    placement: '["c"]'
  };

  await t.step('a preset is saved, once under each name, and what is wrong is not', async () => {
    for (const [name, typed] of Object.entries(written)) {
      await panel.setOption(page, name, typed);
    }
    await field('scale-mode-adaptive').check();
    await field('scale-maximum').fill('3');
    await panel.setOption(page, 'priority', '99');
    await field('preset-save-as').click();
    t.ok(!(await field('preset-name').isVisible()), 'no name for a form that is wrong');
    t.match(await field('form-wrong').innerText(), /1 field to correct: Priority/, 'what is wrong');
    await panel.setOption(page, 'priority', '7');
    await field('preset-save-as').click();
    await field('preset-name').fill('  ');
    await field('preset-name-save').click();
    t.match(await field('preset-error').innerText(), /needs a name/, 'an empty name');
    await field('preset-name').fill('Taxi');
    await field('preset-name').press('Enter');
    await chosenPreset('Taxi');
    await keyboardOn('preset');
    await field('preset-save-as').click();
    await field('preset-name').fill('TAXI');
    await field('preset-name').press('Enter');
    await field('preset-error').waitFor();
    t.match(await field('preset-error').innerText(), /“Taxi” already/, 'a name that is taken');
    await keyboardOn('preset-name');
    await t.shot(page, 'preset-taken');
    await field('preset-name').press('Escape');
    t.ok(await field('new-cluster-form').isVisible(), 'Escape gives up the name, not the form');
  });

  await t.step('it is renamed, changed, made the default, and fills the form in another window', async () => {
    await field('preset-rename').click();
    t.equal(await field('preset-name').inputValue(), 'Taxi', 'the name to change');
    await field('preset-name').fill('Taxi rides');
    await field('preset-name-save').click();
    await chosenPreset('Taxi rides');
    t.ok(!(await field('preset-save').isVisible()), 'nothing to save');
    await panel.setOption(page, 'note', 'typed again');
    await field('preset-save').click();
    await field('preset-save').waitFor({ state: 'detached' });
    await field('preset-default').click();
    await chosenPreset('Taxi rides (default)');
    await t.shot(page, 'preset');
    const other = await t.page(server.url);
    await panel.gatewayUp(other);
    await panel.openForm(other);
    t.equal(await panel.part(other, 'option-note').inputValue(), 'typed again', 'the note there');
    t.equal(await panel.part(other, 'option-profile').inputValue(), 'Medium Worker', 'the profile there');
    t.equal(await panel.part(other, 'scale-maximum').inputValue(), '3', 'the scaling there');
    await other.context().close();
  });

  await t.step('a preset that the site has outgrown is loaded as far as it fits', async () => {
    await offers({ profiles: ['Small Worker'], most: 5 });
    const other = await t.page(server.url);
    await panel.gatewayUp(other);
    await panel.openForm(other);
    const unfit = await panel.part(other, 'preset-unfit').innerText();
    t.match(unfit, /'Medium Worker' is not a valid option for profile/, 'what did not fit');
    t.match(unfit, /priority must be <= 5\.000000, got 7/, 'what did not fit either');
    t.equal(await panel.part(other, 'option-profile').inputValue(), 'Small Worker', 'the default instead');
    t.equal(await panel.part(other, 'option-note').inputValue(), 'typed again', 'what fits');
    await t.shot(other, 'preset-unfit');
    await other.context().close();
    await offers({});
  });

  await t.step('the cluster is created with exactly these options', async () => {
    const name = await panel.createCluster(page, { label: 'exact' });
    const { body } = await ask('GET', `clusters/${name}`);
    t.equal(body.options, { ...chosen, note: 'typed again' }, 'what the gateway reports');
    await panel.clusterState(page, name, 'RUNNING');
    await ask('DELETE', `clusters/${name}`);
    await panel.clusterGone(page, name);
  });

  await t.step(
    'a preset is deleted after a question; what was used last stays, over a restart too',
    async () => {
      await panel.openForm(page);
      await chosenPreset('Taxi rides (default)');
      await field('preset-delete').click();
      await page.locator('[data-testid="confirm-cancel"]').click();
      await chosenPreset('Taxi rides (default)');
      await field('preset-delete').click();
      await panel.confirmDialog(page);
      await t.until(async () => !(await presetChoices()).some(choice => /Taxi/.test(choice)), {
        what: presetChoices
      });
      await chosenPreset('Your own values');
      await keyboardOn('preset');
      t.equal(await value('note'), 'typed again', 'what the form keeps of it');
      await page.context().close();
      await server.stop();
      server = await serve();
      page = await t.page(server.url, { expectErrors: /(status of|response code:) 4\d\d/ });
      await panel.gatewayUp(page);
      await panel.openForm(page);
      await chosenPreset('What was used last');
      t.equal(await value('note'), 'typed again', 'what was used last');
      t.equal(await value('environment_vars'), 'GREETING: hello\nN: "1.10"', 'its variables');
      t.ok(await field('scale-mode-adaptive').isChecked(), 'its scaling');
      await field('preset').selectOption({ label: "Gateway's defaults" });
      t.equal(await value('note'), 'of alice', "the gateway's default for this user");
      t.ok(!(await field('options-warning').isVisible()), 'nothing to warn of');
    }
  );

  await t.step('a cluster by keyboard alone', async () => {
    await panel.home(page);
    const { keyboard } = page;
    const focused = () =>
      page.evaluate(() => {
        const { dataset, textContent } = document.activeElement;
        return dataset.testid ?? textContent.trim();
      });
    await field('new-cluster').focus();
    await keyboard.press('Enter');
    await t.until(async () => (await focused()) === 'cluster-label', { what: focused });
    await keyboard.type('by hand');
    const order = [];
    while (order.length < 12) {
      await keyboard.press('Tab');
      order.push(await focused());
    }
    t.equal(
      order.map(id => id.replace('option-', '')),
      [
        'conda_environment',
        'profile',
        'environment_vars',
        'priority',
        'replicas',
        'idle_timeout',
        'ratio',
        'spot',
        'note',
        'annotations',
        'placement',
        'scale-mode-none'
      ],
      'what Tab comes to, in this order'
    );
    const back = async id => {
      while ((await focused()) !== id) {
        await keyboard.press('Shift+Tab');
      }
    };
    await back('option-priority');
    await keyboard.press('Control+A');
    await keyboard.type('99');
    await keyboard.press('Tab');
    const error = field('error-priority');
    await error.waitFor();
    t.ok(
      await error.evaluate(element => element.closest('[aria-live]') !== null),
      'screen readers are told of an error'
    );
    const described = await field('option-priority').getAttribute('aria-describedby');
    t.match(
      await page.locator(`[id="${described.split(' ')[0]}"]`).innerText(),
      /priority must be <= 10/,
      'what the field is described by'
    );
    await keyboard.press('Control+Enter');
    await t.until(async () => (await focused()) === 'option-priority', { what: focused });
    t.match(await field('form-wrong').innerText(), /1 field to correct: Priority/, 'the summary');
    await t.shot(page, 'keyboard-wrong');
    await keyboard.press('Control+A');
    await keyboard.type('9');
    await keyboard.press('ArrowUp');
    await keyboard.press('Tab');
    await keyboard.press('ArrowDown');
    await back('option-profile');
    await keyboard.press('ArrowDown');
    await keyboard.press('Tab');
    await keyboard.type('GREETING: keys');
    while ((await focused()) !== 'option-spot') {
      await keyboard.press('Tab');
    }
    await keyboard.press('Space');
    const answered = page.waitForResponse(
      answer => answer.request().method() === 'POST' && answer.url().endsWith('/api/v1/clusters')
    );
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    const { name } = await (await answered).json();
    const { body } = await ask('GET', `clusters/${name}`);
    const { profile, environment_vars, priority, replicas, spot } = body.options;
    t.equal(
      { profile, environment_vars, priority, replicas, spot },
      {
        profile: 'Medium Worker',
        environment_vars: { GREETING: 'keys' },
        priority: 10,
        replicas: 2,
        spot: true
      },
      'what the gateway reports'
    );
    await panel.card(page, name).waitFor();
    await t.until(
      async () =>
        (await panel.clusterNames(page)).includes(
          await page.evaluate(() => document.activeElement.dataset.cluster)
        ),
      {
        what: () => 'the keyboard on the card of the new cluster'
      }
    );
    await ask('DELETE', `clusters/${name}`);
    await panel.clusterGone(page, name);
    await page.context().close();
  });

  await t.step("the environment of the notebook's kernel is chosen, and a kernel without Dask is named", () =>
    kernelsOfNotebooks(t, gateway)
  );
  t.equal((await ask('GET', 'clusters/')).body, {}, 'clusters left');

  /** Waits until the keyboard is on this element. */
  async function keyboardOn(id) {
    const on = () =>
      page.evaluate(() => document.activeElement.dataset.testid ?? document.activeElement.tagName);
    await t.until(async () => (await on()) === id, {
      what: async () => `the keyboard on ${id}; it is on ${await on()}`
    });
  }

  async function presetChoices() {
    return field('preset').locator('option').allInnerTexts();
  }

  /** Waits until the form says that it was filled with this. */
  async function chosenPreset(words) {
    const shown = () => field('preset').evaluate(select => select.selectedOptions[0]?.textContent);
    await t.until(async () => (await shown()) === words, {
      what: async () => `${words}, but ${await shown()}`
    });
  }
});
