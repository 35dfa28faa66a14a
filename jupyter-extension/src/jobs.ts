/** Commands that run code as jobs: from the palette, from files and from notebooks. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import { Notification } from '@jupyterlab/apputils';
import type { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import type { INotebookTracker } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { runIcon } from '@jupyterlab/ui-components';

import { clusterArgument } from './commands';
import { gatehouseIcon } from './icons';
import { JOBS } from './widgets';

export interface IJobServices {
  app: JupyterFrontEnd;
  palette: ICommandPalette | null;
  trans: TranslationBundle;
  files: IFileBrowserFactory | null;
  notebooks: INotebookTracker | null;
  openPane: (plot: string, cluster: string, title: string) => void;
}

/** What runs as a job. */
const RUNS = /\.(py|ipynb)$/i;

/** Adds the commands, and their places in the palette and the context menus. */
export function addJobCommands(services: IJobServices): void {
  const { app, palette, trans, files, notebooks, openPane } = services;
  const newJob = (start: string): void => openPane(JOBS, `new${start}`, trans.__('New job'));
  const category = 'Gatehouse';

  app.commands.addCommand('gatehouse:run-job', {
    label: trans.__('Run Job…'),
    caption: trans.__(
      'Run a script, a notebook or some lines in a kernel of its own; its cluster ends with it'
    ),
    icon: runIcon,
    describedBy: { args: { type: 'object', properties: { cluster: clusterArgument(trans) } } },
    execute: ({ cluster }) => newJob(typeof cluster === 'string' && cluster ? `:cluster=${cluster}` : '')
  });
  app.commands.addCommand('gatehouse:jobs', {
    label: trans.__('Show Jobs'),
    caption: trans.__('Search, run again and compare jobs'),
    icon: gatehouseIcon,
    describedBy: { args: { type: 'object', properties: {} } },
    execute: () => openPane(JOBS, 'list', trans.__('Jobs'))
  });

  /** The one file that is selected in the file browser, if it runs as a job. */
  const selected = (): string | undefined => {
    const items = Array.from(files?.tracker.currentWidget?.selectedItems() ?? []);
    const [only] = items;
    return items.length === 1 && only && only.type !== 'directory' && RUNS.test(only.path)
      ? app.serviceManager.contents.localPath(only.path)
      : undefined;
  };
  app.commands.addCommand('gatehouse:run-file', {
    label: trans.__('Run as Dask Job…'),
    caption: trans.__('Run this file in a kernel of its own; its cluster ends with it'),
    icon: runIcon,
    describedBy: {
      args: {
        type: 'object',
        properties: {
          path: { type: 'string', description: trans.__('The file; the selected one where it is missing') }
        }
      }
    },
    isVisible: ({ path }) => typeof path === 'string' || selected() !== undefined,
    execute: args => {
      const path = typeof args['path'] === 'string' ? args['path'] : selected();
      if (!path) {
        Notification.info(trans.__('Select a .py script or an .ipynb notebook in the file browser first.'), {
          autoClose: 6000
        });
        return;
      }
      newJob(`:file=${path}`);
    }
  });

  app.commands.addCommand('gatehouse:run-notebook', {
    label: args => (args['isPalette'] ? trans.__('Run Notebook as Dask Job…') : trans.__('Run as Dask Job…')),
    caption: trans.__('Save this notebook and run it in a kernel of its own; its cluster ends with it'),
    icon: runIcon,
    describedBy: { args: { type: 'object', properties: {} } },
    isEnabled: () => (notebooks?.currentWidget ?? null) !== null,
    execute: async () => {
      const panel = notebooks?.currentWidget;
      if (!panel) {
        return;
      }
      const { context } = panel;
      // The job reads the file, and what is meant is what is seen.
      if (context.model.dirty && !context.model.readOnly) {
        await context.save();
      }
      newJob(`:file=${context.localPath}`);
    }
  });

  app.contextMenu.addItem({
    command: 'gatehouse:run-file',
    selector: '.jp-DirListing-item[data-isdir="false"]',
    rank: 4.5
  });
  app.contextMenu.addItem({ command: 'gatehouse:run-notebook', selector: '.jp-Notebook', rank: 12 });
  palette?.addItem({ command: 'gatehouse:run-job', category });
  palette?.addItem({ command: 'gatehouse:jobs', category });
  palette?.addItem({ command: 'gatehouse:run-notebook', category });
}
