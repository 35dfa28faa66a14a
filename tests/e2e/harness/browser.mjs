// The browser, and what its pages complain about.

import { chromium } from 'playwright-core';

const FLAGS = [
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync'
];
const VIEWPORT = { width: 1440, height: 900 };

/** Starts Chromium with an empty profile, and with further flags. */
export function launch(executablePath, flags = []) {
  // Its sandbox needs rights that containers don't give; only our own pages are shown.
  return chromium.launch({
    executablePath,
    headless: true,
    chromiumSandbox: false,
    args: [...FLAGS, ...flags]
  });
}

/** Errors of one page, but for those that are expected. */
export class Complaints {
  constructor(page, expected) {
    this.page = page;
    this.expected = expected ? [expected] : [];
    this.found = [];
    page.on('pageerror', error => this.add(`uncaught: ${error.stack ?? error}`));
    page.on('console', message => {
      if (message.type() === 'error') {
        const { url } = message.location();
        this.add(`console: ${message.text()}${url ? ` (${url})` : ''}`);
      }
    });
  }

  add(text) {
    // A page whose server is ending says that it lost it, as it should.
    const gone =
      this.service?.ending && /ERR_|WebSocket|Failed to fetch|NetworkError|status of 5\d\d/.test(text);
    if (!gone && !this.expected.some(pattern => pattern.test(text))) {
      this.found.push(text);
    }
  }
}

/** Opens an address in a context of its own. */
export async function open(browser, url, { expectErrors, services, viewport = VIEWPORT, ...options }) {
  const context = await browser.newContext({ viewport, locale: 'en-US', ...options });
  const { origin } = new URL(url);
  await context.grantPermissions(['clipboard-read', 'clipboard-write'], { origin });
  const page = await context.newPage();
  const complaints = new Complaints(page, expectErrors);
  complaints.service = services.find(service => service.base?.startsWith(origin));
  await page.goto(url);
  return { page, complaints };
}
