/** JupyterLab plugin of Gatehouse: puts the WebAssembly panel into the page and lends it JupyterLab's services. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { ILayoutRestorer } from '@jupyterlab/application';
import { ICommandPalette, MainAreaWidget, WidgetTracker } from '@jupyterlab/apputils';
import { IConsoleTracker } from '@jupyterlab/console';
import { IFileBrowserFactory } from '@jupyterlab/filebrowser';
import { INotebookTracker } from '@jupyterlab/notebook';
import { IStatusBar } from '@jupyterlab/statusbar';
import { ITranslator, nullTranslator } from '@jupyterlab/translation';
import { UUID } from '@lumino/coreutils';

import { addCommands, CommandIDs } from './commands';
import { LabHost } from './host';
import { addJobCommands } from './jobs';
import { GatehouseServer } from './server';
import { addStatus } from './status';
import type { IFrameContext, IPane } from './widgets';
import { isPlot, JOBS, JobsContent, PaneContent, Panel } from './widgets';

type Pane = MainAreaWidget<PaneContent | JobsContent>;

const plugin: JupyterFrontEndPlugin<void> = {
  id: 'dask-gatehouse:plugin',
  description: 'Dask clusters: create, watch, use and shut them down.',
  autoStart: true,
  optional: [
    ICommandPalette,
    IConsoleTracker,
    ILayoutRestorer,
    INotebookTracker,
    ITranslator,
    IStatusBar,
    IFileBrowserFactory
  ],
  activate: (
    app: JupyterFrontEnd,
    palette: ICommandPalette | null,
    consoles: IConsoleTracker | null,
    restorer: ILayoutRestorer | null,
    notebooks: INotebookTracker | null,
    translator: ITranslator | null,
    bar: IStatusBar | null,
    files: IFileBrowserFactory | null
  ) => {
    const trans = (translator ?? nullTranslator).load('dask_gatehouse');
    const server = new GatehouseServer(trans);
    const panes = new WidgetTracker<Pane>({ namespace: 'gatehouse-panes' });

    const openPane = (plot: string, cluster: string, title: string): void => {
      if (!isPlot(plot)) {
        // A layout that a later version has saved, say.
        throw new Error(`This version of Gatehouse has no pane ${plot}.`);
      }
      const pane = { plot, cluster, title };
      const open = panes.find(({ content }) => paneName(content.pane) === paneName(pane));
      const create = (): PaneContent | JobsContent =>
        plot === JOBS ? new JobsContent(context, pane) : new PaneContent(context, pane);
      const widget = open ?? addPane(app, panes, create(), [notebooks, consoles]);
      app.shell.activateById(widget.id);
    };
    const rename = (cluster: string, title: string): void =>
      panes.forEach(widget => {
        const { content } = widget;
        if (content instanceof PaneContent && content.pane.cluster === cluster && content.rename(title)) {
          // The layout remembers the title.
          void panes.save(widget);
        }
      });
    const moved = (from: string, to: string, title: string): void =>
      panes.forEach(widget => {
        const { content } = widget;
        if (content instanceof JobsContent && content.pane.cluster === from && content.move(to, title)) {
          void panes.save(widget);
        }
      });
    const host = new LabHost({
      app,
      baseUrl: server.baseUrl,
      notebooks,
      consoles,
      trans,
      openPane,
      rename,
      moved
    });
    const context: IFrameContext = { host, server, trans };

    const panel = new Panel(context);
    app.shell.add(panel, 'left', { rank: 250, type: 'Gatehouse' });
    addCommands({ app, palette, panel, host, server, trans, openPane });
    addJobCommands({ app, palette, trans, files, notebooks, openPane });

    if (bar) {
      const showPanel = (): void => app.shell.activateById(panel.id);
      addStatus({ bar, server, trans, panelShows: () => panel.isFilled, showPanel });
    }

    restorer?.add(panel, panel.id);
    void restorer?.restore(panes, {
      command: CommandIDs.openPane,
      args: ({ content }) => ({ ...content.pane }),
      name: ({ content }) => paneName(content.pane)
    });
  }
};

/** One pane for each plot of each cluster. */
function paneName({ plot, cluster }: IPane): string {
  return `${plot}:${cluster}`;
}

/** Puts a new pane beside the notebook that the user works in, and further ones on top of the last. */
function addPane(
  app: JupyterFrontEnd,
  panes: WidgetTracker<Pane>,
  content: PaneContent | JobsContent,
  work: (INotebookTracker | IConsoleTracker | null)[]
): Pane {
  const widget = new MainAreaWidget({ content });
  // Not its name: a tab of jobs goes on to other views, and another one may then show what it showed.
  widget.id = `gatehouse-pane-${UUID.uuid4()}`;
  // Empty, it would still take its strip from the plot.
  widget.toolbar.hide();
  const last = panes.currentWidget;
  const current = app.shell.currentWidget;
  const works = current !== null && work.some(tracker => tracker?.currentWidget === current);
  app.shell.add(
    widget,
    'main',
    last ? { ref: last.id, mode: 'tab-after' } : works ? { mode: 'split-right' } : { mode: 'tab-after' }
  );
  void panes.add(widget);
  return widget;
}

export default plugin;
