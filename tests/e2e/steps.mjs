// What a person does in the panel, one function a gesture, and what an independent Dask client says about it.

import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** The element with this `data-testid`. */
export function part(scope, id) {
  return scope.locator(`[data-testid="${id}"]`);
}

/** Opens the Gatehouse panel in JupyterLab's left sidebar. */
export async function openPanel(page) {
  const panel = part(page, 'gateway-status');
  if (!(await panel.isVisible().catch(() => false))) {
    await page.locator('.jp-SideBar .lm-TabBar-tab[data-id="gatehouse-panel"]').click();
  }
  await panel.waitFor({ timeout: 30_000 });
}

/** Waits until the panel says that its gateway is up. */
export async function gatewayUp(page, timeout = 60_000) {
  await gatewayState(page, 'up', timeout);
}

/** Waits until the panel says this of its gateway: `starting`, `up`, `down` or `unauthorized`. */
export async function gatewayState(page, state, timeout = 60_000) {
  await page.locator(`[data-testid="gateway-status"][data-state="${state}"]`).waitFor({ timeout });
}

/** Goes back to the cards from whatever sheet is open. */
export async function home(page) {
  const back = part(page, 'back');
  while (await back.isVisible().catch(() => false)) {
    await back.click();
  }
  await part(page, 'new-cluster').waitFor();
}

/** The card of a cluster, or of all clusters. */
export function card(page, name) {
  return page.locator(`[data-testid="cluster-card"]${name ? `[data-cluster="${name}"]` : ''}`);
}

/** Names of the clusters that the panel shows, in its order. */
export async function clusterNames(page) {
  return card(page).evaluateAll(cards => cards.map(element => element.dataset.cluster));
}

/** Opens the form of a new cluster, filled as it comes; tells whether it was not open yet. */
export async function openForm(page) {
  const closed = !(await part(page, 'create-cluster')
    .isVisible()
    .catch(() => false));
  if (closed) {
    await part(page, 'new-cluster').click();
  }
  await part(page, 'create-cluster').waitFor({ timeout: 30_000 });
  return closed;
}

/** Puts a value in a field of the form, whatever control it is drawn with. */
export async function setOption(page, field, value) {
  const control = part(page, `option-${field}`);
  const kind = await control.evaluate(element => `${element.tagName.toLowerCase()}:${element.type ?? ''}`);
  if (kind.startsWith('select')) {
    // By its value: a note may stand beside it.
    await control.selectOption(value);
  } else if (kind === 'input:checkbox') {
    await control.setChecked(value);
  } else {
    await control.fill(String(value));
    await control.blur();
  }
}

/**
 * Fills the form, creates the cluster, and returns its name once its card is there. What is not given has the gateway's
 * default, whatever was used last, or what the form that was open already shows.
 */
export async function createCluster(page, { options = {}, label } = {}) {
  if (await openForm(page)) {
    await part(page, 'preset').selectOption("Gateway's defaults");
  }
  for (const [field, value] of Object.entries(options)) {
    await setOption(page, field, value);
  }
  if (label) {
    await part(page, 'cluster-label').fill(label);
  }
  const answered = page.waitForResponse(
    answer =>
      answer.request().method() === 'POST' && new URL(answer.url()).pathname.endsWith('/api/v1/clusters'),
    { timeout: 60_000 }
  );
  await part(page, 'create-cluster').click();
  const { name, message } = await (await answered).json();
  if (!name) {
    throw new Error(`the cluster was not created: ${message}`);
  }
  await card(page, name).waitFor({ timeout: 60_000 });
  return name;
}

/** Waits until a cluster's card shows this state. */
export async function clusterState(page, name, state, timeout = 60_000) {
  await page
    .locator(`[data-testid="cluster-card"][data-cluster="${name}"][data-state="${state}"]`)
    .waitFor({ timeout });
}

/** Waits until a cluster's card is gone. */
export async function clusterGone(page, name, timeout = 60_000) {
  await card(page, name).waitFor({ state: 'detached', timeout });
}

/** Opens the scaling part of a cluster's card. */
export async function openScale(page, name) {
  const form = part(card(page, name), 'scale-form');
  if (!(await form.isVisible().catch(() => false))) {
    await part(card(page, name), 'scale').click();
  }
  await form.waitFor();
}

/** Asks for a number of workers and waits until the card counts them. */
export async function scale(page, name, workers, timeout = 90_000) {
  await openScale(page, name);
  await part(card(page, name), 'scale-workers').fill(String(workers));
  await part(card(page, name), 'scale-apply').click();
  await workerCount(page, name, workers, timeout);
}

/** Waits until a cluster's card counts this many workers. */
export async function workerCount(page, name, workers, timeout = 90_000) {
  await part(card(page, name), 'cluster-workers')
    .filter({ hasText: new RegExp(`^\\s*${workers}\\s*(/|$)`) })
    .waitFor({ timeout });
}

/** Opens a pane of a cluster and returns its root element. */
export async function openPane(page, name, plot) {
  const button = part(card(page, name), `open-${plot}`);
  if (!(await button.isVisible())) {
    await part(card(page, name), 'panes-menu').locator('summary').click();
  }
  await button.click();
  return pane(page, name, plot);
}

/** The root element of an open pane. */
export async function pane(page, name, plot) {
  // A tab of jobs may show the same plot beside its output.
  const root = page.locator(
    `[data-testid="pane-${plot}"][data-cluster="${name}"]:not([data-testid="job-plot"] *)`
  );
  await root.waitFor({ timeout: 30_000 });
  return root;
}

/** In JupyterLab, drags a tab to the `right` or `bottom` part of the area where it is, which splits that. */
export async function dock(page, title, edge) {
  const tab = page.locator('#jp-main-dock-panel .lm-TabBar-tab').filter({ hasText: title });
  await tab.click();
  const from = await tab.boundingBox();
  const id = await tab.getAttribute('data-id');
  const area = await page.locator(`#jp-main-dock-panel [id="${id}"]`).boundingBox();
  const x = edge === 'right' ? area.x + area.width * 0.8 : area.x + area.width / 2;
  const y = edge === 'bottom' ? area.y + area.height * 0.8 : area.y + area.height / 2;
  await page.mouse.move(from.x + 40, from.y + from.height / 2);
  await page.mouse.down();
  await page.mouse.move(from.x + 40, from.y + 60, { steps: 4 });
  await page.mouse.move(x, y, { steps: 8 });
  await page.mouse.up();
}

/** Changes JupyterLab's theme and waits until it is painted. */
export async function theme(page, name) {
  await page.evaluate(theme => window.jupyterapp.commands.execute('apputils:change-theme', { theme }), name);
  await page.waitForFunction(name => document.body.dataset.jpThemeName === name, name);
  await page.waitForTimeout(500);
}

/** What a pane says it shows. */
export async function inspect(root) {
  return root.evaluate(element => element.gatehouse.inspect());
}

/** Waits until a pane says something of this kind to its user. */
export async function paneSays(root, words, timeout = 30_000) {
  await root.getByText(words).first().waitFor({ timeout });
}

/** The job in the tab that is seen. */
export function jobView(page) {
  return page.locator('[data-testid="job-view"]:visible');
}

/** Waits until the job in the tab that is seen is in one of these states; returns which. */
export async function jobState(page, states, timeout = 180_000) {
  const any = states.map(state => `[data-testid="job-view"][data-state="${state}"]:visible`);
  const view = page.locator(any.join(', '));
  await view.waitFor({ timeout });
  return view.getAttribute('data-state');
}

/** Cancels the job in the tab that is seen, after a question. */
export async function cancelJob(page) {
  await part(jobView(page), 'job-cancel').click();
  await confirmDialog(page);
}

/** Waits for the end of the job in the tab that is seen; returns its state, what it wrote, and why it failed. */
export async function jobEnd(page, timeout = 180_000) {
  const state = await jobState(page, ['succeeded', 'failed', 'cancelled'], timeout);
  // The state and the last line travel on two connections.
  await page.waitForTimeout(500);
  const view = jobView(page);
  const text = await part(view, 'job-output').innerText();
  const error = part(view, 'job-error');
  return { state, text, error: (await error.isVisible()) ? await error.innerText() : null };
}

/** Runs code on a cluster from the panel; returns its state and what it wrote. The job's tab stays open. */
export async function runJob(page, name, code, { timeout = 180_000 } = {}) {
  await startJob(page, name, code);
  return jobEnd(page, timeout);
}

/** Starts a job on a cluster from its card. */
export async function startJob(page, name, code) {
  await home(page);
  await part(card(page, name), 'run-job-here').click();
  const form = page.locator('[data-testid="job-form"]:visible');
  await part(form, 'job-code').fill(code);
  await part(form, 'job-run').click();
  await jobView(page).waitFor({ timeout: 30_000 });
}

/** Chooses on a cluster's card that it goes on when Gatehouse ends. */
export async function keepAtEnd(page, name) {
  const owner = card(page, name);
  await part(owner, 'lease-change').click();
  await part(owner, 'lease-end-keep').check({ force: true });
  await part(owner, 'lease-apply').click();
  await part(owner, 'lease-form').waitFor({ state: 'detached' });
}

/** Shuts a cluster down: the button, then the dialog. */
export async function shutDown(page, name) {
  await part(card(page, name), 'shut-down').click();
  await confirmDialog(page);
}

/** Says yes to the dialog that is open: JupyterLab's, or the standalone page's own. */
export async function confirmDialog(page) {
  const accept = page.locator('.jp-Dialog .jp-mod-accept, [data-testid="confirm-accept"]');
  await accept.first().click();
}

/** Dask's own client, connected to a cluster of an embedded gateway past everything of ours. */
export class Oracle {
  static async open(t, { stateDir, cluster, gateway }) {
    const connection = gateway ?? (await embeddedGateway(stateDir));
    const oracle = new Oracle();
    oracle.child = spawn(
      t.python,
      [join(import.meta.dirname, 'oracle.py'), JSON.stringify({ ...connection, cluster })],
      {
        env: { ...process.env, DASK_CONFIG: t.tmp, HOME: t.tmp },
        stdio: ['pipe', 'pipe', 'pipe']
      }
    );
    oracle.errors = '';
    oracle.child.stderr.on('data', data => (oracle.errors += data));
    oracle.lines = createInterface({ input: oracle.child.stdout })[Symbol.asyncIterator]();
    await oracle.next();
    return oracle;
  }

  async next() {
    const { value, done } = await this.lines.next();
    if (done) {
      throw new Error(`the independent Dask client ended:\n${this.errors}`);
    }
    return JSON.parse(value);
  }

  /** Calls a method of `oracle.py`'s Oracle. */
  async ask(op, args = {}) {
    this.child.stdin.write(JSON.stringify({ op, ...args }) + '\n');
    const answer = await this.next();
    if (answer.error) {
      throw new Error(`${op}: ${answer.error}`);
    }
    return answer.value;
  }

  async close() {
    if (this.child.exitCode === null && this.child.signalCode === null) {
      const ended = new Promise(resolve => this.child.once('exit', resolve));
      this.child.stdin.end();
      await ended;
    }
  }
}

/** How Dask's client reaches the embedded gateway of a state folder directly. */
export async function embeddedGateway(stateDir) {
  const found = JSON.parse(await readFile(join(stateDir, 'gateway', 'gateway.json'), 'utf8'));
  const address = `http://127.0.0.1:${found.port}`;
  return { address, proxy: `gateway://127.0.0.1:${found.port}`, user: found.user, password: found.password };
}

/** The processes that the scenario started and that are alive, by kind. */
export async function census(t) {
  const kinds = ['jupyter', 'server', 'gateway', 'proxy', 'scheduler', 'worker', 'kernel'];
  const found = Object.fromEntries(kinds.map(kind => [kind, []]));
  for (const { pid, kind, command } of await t.processes(...kinds)) {
    found[kind].push({ pid, command });
  }
  return found;
}

/** The API of a standalone server: `await api(method, path, body)` gives `{ status, body }`. */
export function api(server) {
  const { origin, searchParams } = new URL(server.url);
  const token = searchParams.get('token');
  return async (method, path, body) => {
    const answer = await fetch(`${origin}/api/v1/${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, 'x-gatehouse': '1', 'content-type': 'application/json' },
      body: body && JSON.stringify(body)
    });
    return { status: answer.status, body: await answer.json().catch(() => null) };
  };
}
