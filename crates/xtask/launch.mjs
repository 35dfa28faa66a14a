// Starts the Rust tool behind `npm start`, `npm test` and their kin, once what it needs itself is there.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');
const env = { ...process.env };

/** Ends with one sentence: what is missing, why it is needed, how to get it. */
function missing(sentence) {
  console.error(`gatehouse: ${sentence}`);
  process.exit(1);
}

function output(command, args) {
  const run = spawnSync(command, args, { encoding: 'utf8', env, cwd: root });
  return run.status === 0 ? run.stdout : null;
}

function atLeast(found, wanted) {
  const [a, b] = [found, wanted].map(version => version.split('.').map(Number));
  return a[0] > b[0] || (a[0] === b[0] && a[1] >= b[1]);
}

function checkNode() {
  if (!atLeast(process.versions.node, '20.0')) {
    missing(
      `Node.js 20 or newer is needed to build the JupyterLab extension, and this is ${process.versions.node}: ` +
        'get it with `apt-get install nodejs npm` (Debian 13, Ubuntu 25.04 or newer), `brew install node` (macOS), or from nodejs.org.'
    );
  }
}

function checkRust() {
  const wanted = /^rust-version = "([\d.]+)"/m.exec(readFileSync(join(root, 'Cargo.toml'), 'utf8'))[1];
  const how =
    "get it with `apt-get install curl build-essential && curl --proto '=https' -sSf https://sh.rustup.rs | sh` (Debian, Ubuntu) " +
    'or `brew install rustup && rustup default stable` (macOS), then open a new terminal.';
  if (output('cargo', ['--version']) === null) {
    const rustupBin = join(env.CARGO_HOME ?? join(homedir(), '.cargo'), 'bin');
    env.PATH = `${rustupBin}${delimiter}${env.PATH ?? ''}`;
    if (output('cargo', ['--version']) === null) {
      missing(
        `Rust ${wanted} or newer is needed to build the server and the panel, and no \`cargo\` was found: ${how}`
      );
    }
  }
  const found = /^rustc ([\d.]+)/.exec(output('rustc', ['--version']) ?? '')?.[1] ?? 'none';
  if (found === 'none' || !atLeast(found, wanted)) {
    missing(
      `Rust ${wanted} or newer is needed to build the server and the panel, and \`rustc\` here is ${found}: ` +
        `update it with \`rustup update stable\`, or ${how}`
    );
  }
}

function checkCompiler() {
  const there =
    process.platform === 'darwin'
      ? output('xcode-select', ['-p']) !== null
      : output('cc', ['--version']) !== null;
  if (!there) {
    missing(
      'A C compiler is needed to link Rust programs and to build SQLite, and no `cc` was found: ' +
        'get it with `apt-get install build-essential` (Debian, Ubuntu) or `xcode-select --install` (macOS).'
    );
  }
}

function buildTool() {
  const binary = join(root, 'target', 'debug', 'xtask');
  const first = !existsSync(binary);
  if (first) {
    console.error("Compiling Gatehouse's build tool (first time only, about a minute) …");
  }
  const quiet = first ? [] : ['-q'];
  const args = ['build', ...quiet, '-p', 'xtask', '--target-dir', join(root, 'target')];
  const run = spawnSync('cargo', args, { stdio: ['ignore', 'inherit', 'inherit'], env, cwd: root });
  if (run.status !== 0) {
    process.exit(run.signal ? 130 : (run.status ?? 1));
  }
  return binary;
}

checkNode();
checkRust();
checkCompiler();
const child = spawn(buildTool(), process.argv.slice(2), { stdio: 'inherit', env, cwd: root });

// The tool ends what it started, so it must hear every wish to end, and outlive this process's wish to go first.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
  process.on(signal, () => child.kill(signal));
}
// npm killed outright sends nothing: its going is seen by our being handed to another parent.
const parent = process.ppid;
const watch = setInterval(() => {
  if (process.ppid !== parent) {
    clearInterval(watch);
    child.kill('SIGTERM');
  }
}, 1000);

child.on('error', error =>
  missing(`the build tool could not be started (${error.message}); run the command again.`)
);
child.on('exit', (code, signal) => {
  clearInterval(watch);
  process.exit(signal ? 1 : code);
});
