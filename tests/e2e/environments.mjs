// Python environments of a person with conda: with Dask and without, and a kernelspec for each.

import { mkdir, readdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

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
  const cell = { cell_type: 'code', id: 'only', metadata: {}, source: '1 + 1', outputs: [], execution_count: null };
  const kernelspec = { name: kernel, display_name: displayName, language: 'python' };
  await mkdir(folder, { recursive: true });
  await writeFile(
    join(folder, file),
    JSON.stringify({ cells: [cell], metadata: { kernelspec }, nbformat: 4, nbformat_minor: 5 })
  );
}
