/** JupyterLab's services, as the WebAssembly module asks for them. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import { Clipboard, Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { ConsolePanel, IConsoleTracker } from '@jupyterlab/console';
import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import { NotebookActions } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import type { ActiveKernel, Host } from '../wasm/gatehouse.js';
import { loadPanes } from './module';

export interface IHostServices {
  app: JupyterFrontEnd;
  baseUrl: string;
  notebooks: INotebookTracker | null;
  consoles: IConsoleTracker | null;
  trans: TranslationBundle;
  openPane: (plot: string, cluster: string, title: string) => void;
  /** Calls the panes of a cluster otherwise. */
  rename: (cluster: string, title: string) => void;
  /** A tab of jobs shows another view, and is called otherwise. */
  moved: (from: string, to: string, title: string) => void;
}

/** The `Host` of the module: what it can have done by the page around it. */
export class LabHost implements Host {
  constructor(private readonly _services: IHostServices) {
    this.baseUrl = _services.baseUrl;
  }

  readonly baseUrl: string;

  openPane(plot: string, cluster: string, title: string): void {
    this._services.openPane(plot, cluster, title);
  }

  /**
   * Puts code where the user worked last: a notebook's new cell or a console; the clipboard where there is neither,
   * which the panel then says.
   */
  async insertCode(code: string): Promise<'inserted' | 'copied'> {
    const { app } = this._services;
    const target = this._target();
    if (target?.kind === 'notebook') {
      // In sight first: a hidden notebook has no layout to scroll in.
      app.shell.activateById(target.panel.id);
      await insertCell(target.panel, code);
      return 'inserted';
    }
    if (target?.kind === 'console') {
      app.shell.activateById(target.panel.id);
      // Runs it, and leaves alone what the user has typed at the prompt. Its end is not ours to wait for.
      target.panel.console.inject(code).catch((error: unknown) => {
        console.error('The code could not be run in the console:', error);
      });
      return 'inserted';
    }
    Clipboard.copyToSystem(code);
    return 'copied';
  }

  async confirm(title: string, body: string, action: string): Promise<boolean> {
    const { trans } = this._services;
    // What is lost with several clusters takes a line each.
    const lines = document.createElement('div');
    lines.style.whiteSpace = 'pre-line';
    lines.textContent = body;
    const result = await showDialog({
      title,
      body: new Widget({ node: lines }),
      buttons: [Dialog.cancelButton({ label: trans.__('Cancel') }), Dialog.warnButton({ label: action })],
      // Enter must not do what can't be undone.
      defaultButton: 0
    });
    return result.button.accept;
  }

  notify(level: 'info' | 'warning' | 'error', message: string): void {
    // What went wrong stays until it was read.
    Notification.emit(message, level, { autoClose: level === 'error' ? false : 6000 });
  }

  activeKernel(): ActiveKernel | null {
    const { app, notebooks, consoles } = this._services;
    const current = app.shell.currentWidget;
    // The console only where the user is in it: a notebook is what a cluster is made for.
    const console = consoles?.currentWidget ?? null;
    const panel = console && console === current ? console : (notebooks?.currentWidget ?? console);
    const session = panel?.sessionContext;
    // Before its kernel has started, what it will be.
    const name = session?.session?.kernel?.name ?? session?.kernelPreference.name;
    return panel && name ? { name, title: panel.title.label } : null;
  }

  offer(
    level: 'info' | 'warning' | 'error',
    message: string,
    action: string,
    until: number,
    cluster: string
  ): Promise<boolean> {
    // What was said of it before does not hold any more.
    this.withdraw(cluster);
    return new Promise(resolve => {
      const id = Notification.emit(message, level, {
        // As long as it has a meaning.
        autoClose: until > 0 ? Math.max(0, until - Date.now()) : false,
        actions: [{ label: action, callback: () => resolve(true) }]
      });
      this._offers.set(cluster, () => {
        Notification.dismiss(id);
        // Of what was answered already this changes nothing.
        resolve(false);
      });
    });
  }

  withdraw(cluster: string): void {
    this._offers.get(cluster)?.();
    this._offers.delete(cluster);
  }

  rename(cluster: string, title: string): void {
    this._services.rename(cluster, title);
  }

  moved(from: string, to: string, title: string): void {
    this._services.moved(from, to, title);
  }

  async showPlot(el: HTMLElement, plot: string, cluster: string): Promise<() => void> {
    const panes = await loadPanes();
    const handle = panes.mountPane(el, this.baseUrl, plot, cluster);
    return () => panes.unmount(handle);
  }

  openFile(path: string): void {
    const { app, trans } = this._services;
    app.commands.execute('docmanager:open', { path }).catch((error: unknown) => {
      console.error('The file could not be opened:', error);
      Notification.error(trans.__('%1 could not be opened. It may have been moved or deleted.', path), {
        autoClose: false
      });
    });
  }

  private _target():
    { kind: 'notebook'; panel: NotebookPanel } | { kind: 'console'; panel: ConsolePanel } | null {
    const { app, notebooks, consoles } = this._services;
    const current = app.shell.currentWidget;
    const notebook = notebooks?.currentWidget ?? null;
    const console = consoles?.currentWidget ?? null;
    if (console && console === current) {
      return { kind: 'console', panel: console };
    }
    if (notebook?.content.model && !notebook.content.model.readOnly) {
      return { kind: 'notebook', panel: notebook };
    }
    return console ? { kind: 'console', panel: console } : null;
  }

  /** What takes away the notice that offers something on a cluster, by its name. */
  private readonly _offers = new Map<string, () => void>();
}

async function insertCell(panel: NotebookPanel, code: string): Promise<void> {
  await panel.revealed;
  const notebook = panel.content;
  NotebookActions.insertBelow(notebook);
  // The kind of a new cell is the user's to set.
  NotebookActions.changeCellType(notebook, 'code');
  const cell = notebook.activeCell;
  if (cell) {
    cell.model.sharedModel.setSource(code);
    // The new cell has its place once it was drawn.
    await new Promise(requestAnimationFrame);
    await notebook.scrollToCell(cell);
  }
}
