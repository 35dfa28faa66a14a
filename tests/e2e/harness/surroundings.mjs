// What a scenario starts in: where the checkout's things are, folders of its own, and nothing of the person's settings.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '..', '..', '..');

/** Variables that would lead Dask, Jupyter or us to the settings of whoever runs the tests. */
const FOREIGN = /^(DASK|JUPYTER|JPY|GATEHOUSE|XDG|npm|NODE|PYTHON|CONDA|VIRTUAL_ENV|IPYTHON)/;

/** Where things are in this checkout; `npm start` uses the same. */
export function checkout() {
  const found = JSON.parse(
    execFileSync(join(ROOT, 'target', 'debug', 'xtask'), ['env'], { encoding: 'utf8' })
  );
  if (!found.chromium) {
    throw new Error('No Chromium or Chrome was found: `npm test` installs one on Debian and Ubuntu.');
  }
  return found;
}

/** A short folder of the scenario's own: unix sockets have room for about a hundred characters. */
export function temporary() {
  return mkdtempSync(join(tmpdir(), 'gh-'));
}

/** An environment whose home and Dask, Jupyter and XDG folders are empty ones under `tmp`. */
export function environment(tmp, home = 'home') {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !FOREIGN.test(name)));
  const folder = (name, mode = 0o755) => {
    const path = join(tmp, name);
    mkdirSync(path, { recursive: true, mode });
    return path;
  };
  return {
    ...env,
    // cargo and rustup look into the home folder, which is another one now.
    CARGO_HOME: process.env.CARGO_HOME ?? join(homedir(), '.cargo'),
    RUSTUP_HOME: process.env.RUSTUP_HOME ?? join(homedir(), '.rustup'),
    HOME: folder(home),
    TMPDIR: folder('t'),
    XDG_RUNTIME_DIR: folder('run', 0o700),
    GATEHOUSE_STATE_DIR: join(tmp, 'state')
  };
}

/** A port that nobody listens on. */
export async function freePort() {
  const server = createServer();
  await new Promise(resolve => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise(resolve => server.close(resolve));
  return port;
}
