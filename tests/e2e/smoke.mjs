// The least that must be true: JupyterLab starts, the panel mounts, its gateway is up, and everything ends.

import { scenario } from './harness.mjs';
import * as panel from './steps.mjs';

export const gate = true;

await scenario('smoke', async t => {
  const lab = await t.step('JupyterLab starts', () => t.lab());
  const page = await t.page(lab.url);

  await t.step('the icon is in the sidebar', async () => {
    await page.locator('.jp-SideBar .lm-TabBar-tab[data-id="gatehouse-panel"]').waitFor({ timeout: 60_000 });
    await t.shot(page, 'lab');
  });

  await t.step('the panel mounts and its gateway is up', async () => {
    await panel.openPanel(page);
    await panel.gatewayUp(page);
    await t.shot(page, 'panel');
  });

  await t.step('JupyterLab ends and leaves nothing', async () => {
    await lab.stop();
    await t.until(async () => (await t.processes()).length === 0, {
      what: async () => `nothing left, but: ${JSON.stringify(await t.processes())}`
    });
  });
});
