// Python environments of a person with conda, with Dask and without: a kernelspec and a notebook for each, and what the
// form for a new cluster makes of them.

import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import * as notebooks from './notebooks.mjs';
import * as panel from './steps.mjs';

/**
 * Makes an environment at `prefix` whose packages are those of the checkout's, but for those that `without` matches.
 * They are links: nothing is installed anew. Returns its interpreter.
 */
export async function makeEnvironment(t, prefix, without = /^$/) {
  const { code, stderr } = await t.run(t.python, ['-m', 'venv', '--without-pip', prefix]);
  t.equal(code, 0, `making ${prefix}, which said ${stderr}`);
  const python = join(prefix, 'bin', 'python');
  const [from, to] = await Promise.all(
    [t.python, python].map(async python => {
      const found = await t.run(python, ['-c', 'import sysconfig; print(sysconfig.get_path("purelib"))']);
      return found.stdout.trim();
    })
  );
  const names = (await readdir(from)).filter(name => !without.test(name));
  await Promise.all(names.map(name => symlink(join(from, name), join(to, name)).catch(ignoreThere)));
  return python;
}

function ignoreThere(error) {
  if (error.code !== 'EEXIST') {
    throw error;
  }
}

/** Writes a kernelspec that starts `python` below a folder for JUPYTER_PATH. */
export async function addKernel(path, name, displayName, python) {
  const folder = join(path, 'kernels', name);
  await mkdir(folder, { recursive: true });
  const argv = [python, '-m', 'ipykernel_launcher', '-f', '{connection_file}'];
  await writeFile(
    join(folder, 'kernel.json'),
    JSON.stringify({ argv, display_name: displayName, language: 'python' })
  );
}

/** Writes a notebook of one cell that wants this kernel. */
export async function addNotebook(folder, file, kernel, displayName) {
  const cell = {
    cell_type: 'code',
    id: 'only',
    metadata: {},
    source: '1 + 1',
    outputs: [],
    execution_count: null
  };
  const kernelspec = { name: kernel, display_name: displayName, language: 'python' };
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, file),
    JSON.stringify({ cells: [cell], metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 })
  );
}

/** In JupyterLab, opens the form beside notebooks of two kernels: at a gateway that offers the environments of both. */
export async function kernelsOfNotebooks(t, gateway) {
  const conda = join(t.tmp, 'conda', 'work', 'envs');
  const [dask, bare] = await Promise.all([
    makeEnvironment(t, join(conda, 'dask')),
    makeEnvironment(t, join(conda, 'bare'), /^(dask|distributed)/i)
  ]);
  const path = join(t.tmp, 'jupyter');
  await addKernel(path, 'work-dask', 'Python [conda env:work-dask]', dask);
  await addKernel(path, 'work-bare', 'Python [conda env:work-bare]', bare);
  const folder = join(t.tmp, 'notebooks');
  await addNotebook(folder, 'taxi.ipynb', 'work-dask', 'Python [conda env:work-dask]');
  await addNotebook(folder, 'bare.ipynb', 'work-bare', 'Python [conda env:work-bare]');
  const lab = await t.lab({
    notebookDir: folder,
    stateDir: join(t.tmp, 'lab-state'),
    extraArgs: ['--LabApp.expose_app_in_browser=True'],
    env: { ...gateway.environment(), JUPYTER_PATH: path }
  });
  let page = await t.page(notebooks.address(lab, 'taxi.ipynb'));
  const field = id => panel.part(page, id);
  const value = name => field(`option-${name}`).inputValue();
  await notebooks.open(page);
  await panel.openPanel(page);
  await panel.gatewayUp(page);
  await panel.openForm(page);
  const said = page.locator('[data-testid="kernel-choice"][data-state="fits"]');
  await said.waitFor({ timeout: 60_000 });
  t.equal(await value('conda_environment'), 'work/dask', 'the environment of the kernel');
  const words = await said.innerText();
  t.match(words, /taxi\.ipynb/, 'the notebook');
  t.match(words, /Python \[conda env:work-dask\] runs in it .*work\/envs\/dask/, 'why');
  t.ok(!(await field('kernel-warning').isVisible()), 'nothing is missing');
  await t.shot(page, 'kernel');
  await panel.setOption(page, 'conda_environment', 'global/base');
  const differs = page.locator('[data-testid="kernel-choice"][data-state="differs"]');
  t.match(await differs.innerText(), /taxi\.ipynb runs in work\/dask/, 'the user may choose another one');
  await t.shot(page, 'kernel-differs');
  await field('kernel-use').click();
  await said.waitFor();

  page = await t.page(notebooks.address(lab, 'bare.ipynb'));
  await notebooks.open(page);
  await panel.openPanel(page);
  await panel.gatewayUp(page);
  await panel.openForm(page);
  await field('kernel-warning').waitFor({ timeout: 60_000 });
  t.match(
    await field('kernel-warning').innerText(),
    /work-bare\] has no dask, distributed and dask-gateway, .*%pip install dask distributed dask-gateway/,
    'what it lacks'
  );
  t.equal(await value('conda_environment'), 'global/base', 'no cluster is made where Dask is missing');
  await t.shot(page, 'kernel-bare');
}
