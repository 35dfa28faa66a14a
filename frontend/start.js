// Starts the WebAssembly module on the standalone page.
import init, { mountStandalone } from './gatehouse.js';

const root = document.getElementById('gatehouse');
try {
  await init({ module_or_path: new URL('./gatehouse_bg.wasm', import.meta.url) });
  mountStandalone(root);
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
