// Starts the WebAssembly modules on the standalone page: the panel at once, the plots with the first pane.
import init, { mountStandalone } from './gatehouse.js';

let loading;

async function load() {
  const panes = await import('./gatehouse_panes.js');
  await panes.default({ module_or_path: new URL('./gatehouse_panes_bg.wasm', import.meta.url) });
  return panes;
}

async function showPlot(el, baseUrl, plot, cluster) {
  loading ??= load().catch(error => {
    loading = undefined;
    throw error;
  });
  const panes = await loading;
  const handle = panes.mountPane(el, baseUrl, plot, cluster);
  return () => panes.unmount(handle);
}

const root = document.getElementById('gatehouse');
try {
  await init({ module_or_path: new URL('./gatehouse_bg.wasm', import.meta.url) });
  mountStandalone(root, showPlot);
} catch (error) {
  console.error(error);
  const note = document.createElement('p');
  note.className = 'gh-boot';
  note.setAttribute('role', 'alert');
  note.textContent =
    error instanceof WebAssembly.CompileError
      ? 'This browser or its security policy does not allow WebAssembly. Use a current browser, or allow “wasm-unsafe-eval” in the policy of the proxy in between.'
      : 'Gatehouse could not be loaded. Check that its server still runs, then reload the page.';
  root.replaceChildren(note);
}
