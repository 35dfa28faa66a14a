// Jobs from the panel: scripts, notebooks and snippets on clusters of their own, on one that runs and on none; what is
// shown of them, what remains of them, and that only what was there before is left.

import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { scenario } from './harness.mjs';
import * as notebook from './notebooks.mjs';
import * as panel from './steps.mjs';

export const gate = true;

/** A picture of one pixel. */
const PIXEL =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==';

const NOTEBOOK = [
  [['parameters'], 'rows = 2000  # of the matrix\nlabel = "draft"\nscale = 0.5'],
  [
    [],
    'import dask.array as da\nx = da.random.random((rows, 1000), chunks=(500, 500))\nprint(label, (x * scale).mean().compute() < 1)'
  ],
  [
    [],
    'import pandas as pd\npd.DataFrame({"rows": [rows], "label": [label]}).style.set_caption("<script>parent.hit = 1</script>what it got")'
  ],
  [
    [],
    `from IPython.display import Image, display\nimport base64\ndisplay(Image(base64.b64decode("${PIXEL}")))`
  ]
];

await scenario('jobs', async t => {
  const folder = join(t.tmp, 'notebooks');
  await mkdir(folder);
  await copyFile(join(t.root, 'examples', 'array_job.py'), join(folder, 'array_job.py'));
  await writeFile(join(folder, 'study.ipynb'), document(NOTEBOOK));
  const lab = await t.lab({ notebookDir: folder, extraArgs: ['--LabApp.expose_app_in_browser=True'] });
  const page = await t.page(lab.url, { viewport: { width: 1500, height: 950 } });
  // The notebook tries to run a script, which the browser says it blocked.
  t.expectErrors(page, /Blocked script execution in 'about:srcdoc'/);
  t.expectErrors(page, /status of 422.*jobs\/file\?path=absent\.py/);
  await panel.openPanel(page);
  await panel.gatewayUp(page);
  const api = answering(lab);
  const form = page.locator('[data-testid="job-form"]:visible');
  const field = name => panel.part(form, name);
  const job = panel.jobView(page);

  const recorded = async path => {
    const count = 'import sys, pandas\nprint(len(pandas.read_parquet(sys.argv[1])))';
    const { stdout, stderr } = await t.run(t.python, ['-c', count, join(folder, path)]);
    t.match(stdout, /^\d+\n$/, `the rows of ${path}; it said ${stderr}`);
    return Number(stdout);
  };

  const standing = await panel.createCluster(page, { label: 'standing' });
  await panel.clusterState(page, standing, 'RUNNING');
  await panel.scale(page, standing, 1);

  const first = await t.step('a script runs from the file browser on a cluster of its own', async () => {
    await page.evaluate(() => window.jupyterapp.commands.execute('filebrowser:activate'));
    await page.locator('.jp-DirListing-item', { hasText: 'array_job.py' }).click({ button: 'right' });
    await t.shot(page, 'context-menu');
    await page.locator('.lm-Menu-item', { hasText: 'Run as Dask Job' }).click();
    t.equal(await field('job-path').inputValue(), 'array_job.py', 'the file in the form');
    await field('option-profile').waitFor();
    await field('option-environment_vars').fill('GREETING: hello from a job');
    await field('scale-workers').fill('2');
    await field('job-wait_for').fill('2');
    await t.shot(page, 'form');
    await field('job-run').click();
    await panel.jobState(page, ['running']);
    await panel.part(job, 'job-plot').waitFor();
    await panel.part(job, 'job-workers').filter({ hasText: '2' }).waitFor();
    const { state, text, error } = await panel.jobEnd(page);
    t.equal(state, 'succeeded', `its state, with ${error} and:\n${text}`);
    t.equal(text.split(': hello from a job').length - 1, 2, 'its workers');
    await panel.part(job, 'job-report').waitFor();
    await panel.part(job, 'job-plot').waitFor();
    const facts = await panel.part(job, 'job-facts').innerText();
    t.match(facts, /Tasks/, 'what its tasks took');
    await t.shot(page, 'script');
    return job.getAttribute('data-job');
  });

  await t.step('what remains of it is right', async () => {
    const { summary, cost, cluster, exit_status, ...kept } = await api('GET', `jobs/${first}`);
    t.equal(exit_status, 0, 'its exit status');
    t.ok(summary.tasks >= 150 && summary.erred === 0, `${summary.tasks} tasks, ${summary.erred} erred`);
    t.equal(summary.shared, false, 'whether others worked there');
    t.equal(summary.peak_workers, 2, 'workers at most');
    t.ok(cost.worker_hours > 0, 'worker hours');
    const [recording] = (await api('GET', 'recordings')).filter(({ id }) => summary.recordings.includes(id));
    t.equal([recording.cluster, recording.tasks], [cluster, summary.tasks], 'its recording');
    const names = summary.prefixes.map(({ name }) => name);
    t.ok(names.includes('random_sample'), `a prefix of it among ${names}`);
    const report = await readFile(join(folder, kept.report), 'utf8');
    for (const words of ['array_job.py', 'random_sample', 'hello from a job', 'data:image/png;base64,']) {
      t.ok(report.includes(words), `${words} in the report`);
    }
    t.ok(report.length < 1e6, `bytes of the report: ${report.length}`);
    const [paper] = await Promise.all([
      page.context().waitForEvent('page'),
      panel.part(job, 'job-report').click()
    ]);
    await paper.waitForLoadState();
    await t.shot(paper, 'report');
    await paper.close();
    const executed = JSON.parse(await readFile(join(folder, kept.notebook), 'utf8'));
    t.match(JSON.stringify(executed), /hello from a job/, 'the executed notebook');
    t.equal(
      [kept.notebook, kept.report, kept.tasks],
      ['ipynb', 'html', 'parquet'].map(extension => `gatehouse-jobs/array_job.${extension}`),
      'where they lie'
    );
    t.equal(await recorded(kept.tasks), summary.tasks, 'tasks in its table');
  });

  await t.step('a notebook runs from its context menu, with a parameter, on a running cluster', async () => {
    await page.evaluate(() => window.jupyterapp.commands.execute('docmanager:open', { path: 'study.ipynb' }));
    await notebook.open(page);
    await page.locator('.jp-Notebook:visible .jp-Cell').first().click({ button: 'right' });
    await page.locator('.lm-Menu-item', { hasText: 'Run as Dask Job' }).click();
    t.equal(await field('job-path').inputValue(), 'study.ipynb', 'the file in the form');
    await field('option-rows').waitFor();
    t.equal(await field('option-rows').inputValue(), '2000', 'the default of its cell');
    await field('option-rows').fill('3000');
    await field('option-label').fill('final');
    await field('job-place-cluster').check({ force: true });
    await field('job-cluster').selectOption(standing);
    await t.shot(page, 'notebook-form');
    await field('job-run').click();
    const { state, text, error } = await panel.jobEnd(page);
    t.equal(state, 'succeeded', `its state, with ${error} and:\n${text}`);
    t.match(text, /final True/, 'what it printed');
    const cells = panel.part(job, 'output-cell');
    t.equal(
      await cells.evaluateAll(all => all.map(cell => cell.dataset.state).join()),
      'done,done,done,done,done',
      'its cells with the parameters'
    );
    const frame = panel.part(job, 'output-html');
    const inside = frame.contentFrame();
    await inside.getByText('what it got').waitFor();
    t.match(await inside.locator('table').innerText(), /3000\s+final/, 'the table');
    t.equal(await page.evaluate(() => window.hit), undefined, 'what a script in it did');
    t.ok((await frame.boundingBox()).height > 40, 'the frame is as high as the table');
    t.equal(
      await panel.part(job, 'output-picture').evaluate(image => image.naturalWidth),
      1,
      'width of the picture'
    );
    await t.shot(page, 'notebook');
    await panel.theme(page, 'JupyterLab Dark');
    await t.shot(page, 'notebook-dark');
    await panel.theme(page, 'JupyterLab Light');
    const id = await job.getAttribute('data-job');
    const { summary, request, tasks } = await api('GET', `jobs/${id}`);
    t.equal(await recorded(tasks), summary.tasks, 'tasks in its table');
    t.equal(request.work.parameters, { rows: 3000, label: 'final' }, 'the parameters that were sent');
    t.equal(summary.shared, true, 'whether others may have worked there');
    await panel.part(job, 'job-notebook').click();
    await page
      .locator('.jp-NotebookPanel:visible')
      .getByText('rows = 3000')
      .first()
      .waitFor({ timeout: 30_000 });
    t.equal(await page.locator('.jp-mod-dirty').count(), 0, 'tabs with something to save');
    await t.shot(page, 'executed');
  });

  await t.step("the tutorial's context manager runs unchanged, and its cluster ends", async () => {
    await openForm('New job');
    await field('job-kind-file').check({ force: true });
    await field('job-path').fill('array_job.py');
    await field('job-place-none').check({ force: true });
    await field('job-run').click();
    const { state, text, error } = await panel.jobEnd(page);
    t.equal(state, 'succeeded', `its state, with ${error} and:\n${text}`);
    t.match(text, /hello from array_job.py/, 'what it printed');
    const { summary } = await api('GET', `jobs/${await job.getAttribute('data-job')}`);
    t.ok(summary.tasks >= 150, `what its own cluster did: ${JSON.stringify(summary)}`);
  });

  await t.step('a wrong form says what to correct', async () => {
    await openForm('New job');
    await field('job-kind-file').check({ force: true });
    await field('job-path').fill('absent.py');
    await panel.part(form, 'error-path').getByText('There is no file').waitFor();
    await field('job-path').fill('');
    await field('job-run').click();
    await panel.part(form, 'form-wrong').getByText('File').waitFor();
    await field('job-kind-snippet').check({ force: true });
    await field('job-more').click();
    await field('job-time_limit').fill('soon');
    await field('job-run').click();
    await panel.part(form, 'form-wrong').getByText('Python, Time limit').waitFor();
    await t.shot(page, 'wrong');
    await field('job-time_limit').fill('');
  });

  await t.step('a job that fails says why', async () => {
    await field('job-code').fill('import sys\nprint("first", file=sys.stderr)\n1 / 0');
    await field('job-place-cluster').check({ force: true });
    await field('job-run').click();
    const { state, text, error } = await panel.jobEnd(page);
    t.equal(state, 'failed', 'its state');
    t.match(error, /ZeroDivisionError/, 'why');
    const { notebook: kept } = await api('GET', `jobs/${await job.getAttribute('data-job')}`);
    t.equal(kept, 'gatehouse-jobs/print-first-file-sys.stderr.ipynb', 'its notebook');
    t.match(await readFile(join(folder, kept), 'utf8'), /ZeroDivisionError/, 'the error in it');
    t.match(text, /first[\s\S]*1 \/ 0/, 'its output');
    await t.shot(page, 'failed');
  });

  await t.step('its output is left where the wheel turns over a frame', async () => {
    await openForm('New job');
    await field('job-code').fill(
      'from IPython.display import HTML\nprint("line\\n" * 80)\nfor i in range(8): display(HTML(f"<h1>{i}</h1>" * 3))'
    );
    await field('job-place-none').check({ force: true });
    await field('job-run').click();
    t.equal((await panel.jobEnd(page)).state, 'succeeded', 'its state');
    const output = panel.part(job, 'job-output');
    const top = () => output.evaluate(el => el.scrollTop);
    const end = () => output.evaluate(el => el.scrollHeight - el.clientHeight);
    await t.until(async () => (await top()) > 200 && (await end()) - (await top()) < 2, {
      what: async () => `the end at ${await end()}, not ${await top()}`
    });
    const before = await top();
    await panel.part(job, 'output-html').last().hover();
    for (let turn = 0; turn < 3; turn++) {
      await page.mouse.wheel(0, -100);
      await page.waitForTimeout(150);
    }
    await page.waitForTimeout(400);
    t.ok((await top()) < before - 100, `it was at ${before} and is at ${await top()}`);
  });

  await t.step('a job that is cancelled takes its cluster along', async () => {
    await openForm('New job');
    await field('job-code').fill('import time\nprint("waiting", flush=True)\ntime.sleep(600)');
    await field('job-place-fresh').check({ force: true });
    await field('scale-workers').fill('1');
    await field('job-run').click();
    await panel.part(job, 'job-output').getByText('waiting').waitFor({ timeout: 90_000 });
    await t.shot(page, 'running');
    await panel.cancelJob(page);
    await panel.jobState(page, ['cancelled']);
  });

  const second = await t.step('a job is run again with another size', async () => {
    await page.evaluate(() => window.jupyterapp.commands.execute('gatehouse:jobs'));
    const list = page.locator('[data-testid="job-list"]:visible');
    await panel.part(list, 'jobs-filter').fill('array_job new succeeded');
    await panel.part(list, 'jobs-filter').fill('array_job succeeded');
    await panel.part(list, 'jobs-succeeded').check({ force: true });
    const row = list.locator(`[data-job="${first}"]`);
    await t.until(async () => (await panel.part(list, 'job-row').count()) === 2, {
      what: () => 'both runs of the script'
    });
    await panel.part(row, 'job-again').click();
    await t.until(async () => (await field('job-path').inputValue()) === 'array_job.py', {
      what: () => 'the file in the form'
    });
    t.match(await field('option-environment_vars').inputValue(), /hello from a job/, 'its options');
    t.equal(await field('scale-workers').inputValue(), '2', 'its size');
    await field('scale-workers').fill('1');
    await field('job-wait_for').fill('1');
    await field('job-run').click();
    const { state, error } = await panel.jobEnd(page);
    t.equal(state, 'succeeded', `its state, with ${error}`);
    return job.getAttribute('data-job');
  });

  await t.step('two runs are compared', async () => {
    await page.evaluate(() => window.jupyterapp.commands.execute('gatehouse:jobs'));
    const list = page.locator('[data-testid="job-list"]:visible');
    await panel.part(list, 'jobs-filter').fill('');
    await panel.part(list, 'jobs-all').check({ force: true });
    await t.shot(page, 'history');
    for (const id of [first, second]) {
      await panel.part(list.locator(`[data-job="${id}"]`), 'job-choose').check();
    }
    await panel.part(list, 'jobs-compare').click();
    const shown = page.locator('[data-testid="job-compare"]:visible');
    const line = name => shown.locator(`[data-name="${name}"]`).innerText();
    t.match(await line('Workers at most'), /2\s+1\s+0\.50 ×/, 'workers');
    t.match(await line('Duration'), /\d s/, 'duration');
    t.match(await line('random_sample'), /\d/, 'time of a prefix');
    t.match(
      await panel.part(shown, 'compare-difference').filter({ hasText: 'Workers' }).innerText(),
      /2\s+1/,
      'what was asked for otherwise'
    );
    await t.shot(page, 'compare');
  });

  await t.step('tabs are there again after a reload', async () => {
    // JupyterLab saves its layout a moment after a change.
    await page.waitForTimeout(2_000);
    await page.reload();
    await page.locator('[data-testid="job-compare"]:visible').waitFor({ timeout: 30_000 });
  });

  await t.step('only what was there before is left', async () => {
    const active = async () =>
      (await api('GET', 'clusters')).filter(({ state }) =>
        ['PENDING', 'RUNNING', 'STOPPING'].includes(state)
      );
    await t.until(async () => (await active()).length === 1, { what: () => 'one cluster' });
    t.equal((await active())[0].name, standing, 'the cluster that is left');
    await t.until(async () => (await t.processes('scheduler')).length === 1, { what: () => 'one scheduler' });
    await t.until(
      async () =>
        (await api('GET', 'jobs')).every(({ state }) => ['succeeded', 'failed', 'cancelled'].includes(state)),
      { what: () => 'the end of all jobs' }
    );
    t.equal((await api('GET', 'jobs')).length, 7, 'jobs in the history');
  });

  /** Opens a form for a new job from the palette's command. */
  async function openForm(title) {
    await page.evaluate(() => window.jupyterapp.commands.execute('gatehouse:run-job'));
    await page
      .locator('#jp-main-dock-panel .lm-TabBar-tab.lm-mod-current', { hasText: title })
      .first()
      .waitFor();
    await form.waitFor();
  }
});

/** A notebook of these cells: their tags, and their source. */
function document(cells) {
  return JSON.stringify({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: { kernelspec: { name: 'python3', display_name: 'Python 3 (ipykernel)', language: 'python' } },
    cells: cells.map(([tags, source], n) => ({
      id: `cell-${n}`,
      cell_type: 'code',
      metadata: { tags },
      execution_count: null,
      outputs: [],
      source
    }))
  });
}

/** The API behind a JupyterLab: the body of an answer that is fine. */
function answering(lab) {
  return async (method, path) => {
    const answer = await fetch(`${lab.base}gatehouse/api/v1/${path}`, {
      method,
      headers: { authorization: `token ${lab.token}`, 'x-gatehouse': '1' }
    });
    if (!answer.ok) {
      throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
    }
    return answer.json();
  };
}
