// Starts the WebAssembly modules on the standalone page: the panel at once, plots and jobs with their first pane.
import init, { mountStandalone } from './gatehouse.js';

/** Loads a module with the first call; after a failure the next call tries again. */
function once(name) {
  let loading;
  return () => {
    loading ??= import(`./${name}.js`)
      .then(async module => {
        await module.default({ module_or_path: new URL(`./${name}_bg.wasm`, import.meta.url) });
        return module;
      })
      .catch(error => {
        loading = undefined;
        throw error;
      });
    return loading;
  };
}

const plots = once('gatehouse_panes');
const jobs = once('gatehouse_jobs');

async function showPane(el, host, plot, cluster) {
  if (plot === 'jobs') {
    const module = await jobs();
    host.showPlot = (place, ...of) => showPane(place, host, ...of);
    host.activeKernel = () => null;
    const handle = module.mountJobs(el, host, cluster);
    return () => module.unmount(handle);
  }
  const module = await plots();
  const handle = module.mountPane(el, host.baseUrl, plot, cluster);
  return () => module.unmount(handle);
}

const root = document.getElementById('gatehouse');
try {
  await init({ module_or_path: new URL('./gatehouse_bg.wasm', import.meta.url) });
  mountStandalone(root, showPane);
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
