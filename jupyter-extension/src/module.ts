/** Loads the WebAssembly modules, each once, and says in words what went wrong where they cannot be loaded. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type * as panel from '../wasm/gatehouse.js';
import type * as jobs from '../wasm/gatehouse_jobs.js';
import type * as panes from '../wasm/gatehouse_panes.js';

/** The sidebar and what its commands do. */
export type PanelModule = typeof panel;
/** The plots. */
export type PanesModule = typeof panes;
/** The jobs. */
export type JobsModule = typeof jobs;

// Not static imports: JupyterLab starts without waiting for them.

export const loadPanel = once(async (): Promise<PanelModule> => {
  const module = await import('../wasm/gatehouse.js');
  await module.default({
    module_or_path: fetchModule(new URL('../wasm/gatehouse_bg.wasm.gz', import.meta.url))
  });
  return module;
});

export const loadPanes = once(async (): Promise<PanesModule> => {
  const module = await import('../wasm/gatehouse_panes.js');
  await module.default({
    module_or_path: fetchModule(new URL('../wasm/gatehouse_panes_bg.wasm.gz', import.meta.url))
  });
  return module;
});

export const loadJobs = once(async (): Promise<JobsModule> => {
  const module = await import('../wasm/gatehouse_jobs.js');
  await module.default({
    module_or_path: fetchModule(new URL('../wasm/gatehouse_jobs_bg.wasm.gz', import.meta.url))
  });
  return module;
});

/** Loads with the first call; after a failure the next call tries again. */
function once<M>(load: () => Promise<M>): () => Promise<M> {
  let loading: Promise<M> | undefined;
  return () => {
    loading ??= load().catch((error: unknown) => {
      loading = undefined;
      throw error;
    });
    return loading;
  };
}

/**
 * A module's bytes. Jupyter Server compresses nothing that it sends, so the file is compressed: a third of the bytes.
 * A proxy in between may have undone that already.
 */
async function fetchModule(file: URL): Promise<Response> {
  const answer = await fetch(file);
  if (!answer.ok) {
    throw new Error(`the module's file was answered with ${answer.status}`);
  }
  const bytes = await answer.blob();
  const [first, second] = new Uint8Array(await bytes.slice(0, 2).arrayBuffer());
  const packed = first === 0x1f && second === 0x8b;
  const content = packed ? bytes.stream().pipeThrough(new DecompressionStream('gzip')) : bytes;
  return new Response(content, { headers: { 'content-type': 'application/wasm' } });
}

/** What the user can do about a failure of `loadModule` or of the module itself. */
export function explainFailure(error: unknown, trans: TranslationBundle): string {
  const detail = error instanceof Error ? error.message : String(error);
  if (typeof WebAssembly === 'undefined') {
    return trans.__('This browser has WebAssembly switched off. Switch it on for this page, then reload it.');
  }
  if (/content security policy|blocked by csp|unsafe-eval/i.test(detail)) {
    return trans.__(
      "This server's Content-Security-Policy forbids WebAssembly. Ask its administrator to add 'wasm-unsafe-eval' to script-src, then reload the page."
    );
  }
  return trans.__(
    'The panel could not be loaded: %1. Reload the page. If that does not help, reinstall dask-gatehouse, or run `npm run build` in a checkout.',
    detail.replace(/\.$/, '')
  );
}
