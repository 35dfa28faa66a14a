/** Gatehouse's commands: what each is called, and what of it the panel does. */

import type { JupyterFrontEnd } from '@jupyterlab/application';
import type { ICommandPalette } from '@jupyterlab/apputils';
import { InputDialog, Notification } from '@jupyterlab/apputils';
import type { TranslationBundle } from '@jupyterlab/translation';
import type { LabIcon } from '@jupyterlab/ui-components';
import { addIcon, codeIcon, refreshIcon, stopIcon } from '@jupyterlab/ui-components';

import type { Host } from '../wasm/gatehouse.js';
import { gatehouseIcon, plotIcon } from './icons';
import type { GatehouseServer, ICluster } from './server';
import type { Panel, Plot } from './widgets';
import { PLOTS } from './widgets';

export const CommandIDs = {
  showPanel: 'gatehouse:show-panel',
  openPane: 'gatehouse:open-pane'
};

export interface ICommandServices {
  app: JupyterFrontEnd;
  palette: ICommandPalette | null;
  panel: Panel;
  host: Host;
  server: GatehouseServer;
  trans: TranslationBundle;
  openPane: (plot: string, cluster: string, title: string) => void;
}

/** A command that the panel carries out; `verb` is its name there, and names the command after `gatehouse:`. */
interface IPanelCommand {
  verb: string;
  label: string;
  caption: string;
  icon: LabIcon;
  /** Its next step is in the panel, which must therefore be seen. */
  shows?: boolean;
  /** The states a cluster may be in to be chosen; none is asked for where this is missing. */
  clusters?: ICluster['state'][];
  /** It only looks, so that attached schedulers may be chosen, too. */
  watches?: boolean;
}

/** Adds the commands to the application and to the palette. */
export function addCommands(services: ICommandServices): void {
  const { app, palette, panel, trans } = services;
  const category = 'Gatehouse';

  app.commands.addCommand(CommandIDs.showPanel, {
    // The menu lists places by their names.
    label: args => (args['isMenu'] ? trans.__('Gatehouse') : trans.__('Show Gatehouse')),
    caption: trans.__('Show the clusters of your Dask gateway in the sidebar'),
    icon: args => (args['isMenu'] ? undefined : gatehouseIcon),
    describedBy: {
      args: {
        type: 'object',
        properties: { isMenu: { type: 'boolean', description: trans.__('Whether it is shown in a menu') } }
      }
    },
    execute: () => app.shell.activateById(panel.id)
  });
  palette?.addItem({ command: CommandIDs.showPanel, category });

  app.commands.addCommand(CommandIDs.openPane, {
    label: trans.__('Open a Pane'),
    caption: trans.__('Show a plot of a cluster; the one that is open already, if there is one'),
    describedBy: {
      args: {
        type: 'object',
        required: ['plot', 'cluster'],
        properties: {
          plot: {
            type: 'string',
            description: trans.__('What to plot: %1, or bokeh: and a plot of Dask’s own', PLOTS.join(', '))
          },
          cluster: clusterArgument(trans),
          title: { type: 'string', description: trans.__("The tab's title") }
        }
      }
    },
    execute: args => {
      const { plot, cluster, title } = args;
      if (typeof plot !== 'string' || typeof cluster !== 'string') {
        throw new Error('A pane needs a plot and a cluster.');
      }
      services.openPane(plot, cluster, typeof title === 'string' ? title : cluster);
    }
  });

  for (const command of panelCommands(trans)) {
    const id = `gatehouse:${command.verb}`;
    app.commands.addCommand(id, {
      label: command.label,
      caption: command.caption,
      icon: command.icon,
      describedBy: {
        args: { type: 'object', properties: command.clusters ? { cluster: clusterArgument(trans) } : {} }
      },
      execute: args => run(services, command, args['cluster'])
    });
    palette?.addItem({ command: id, category });
  }
}

function panelCommands(trans: TranslationBundle): IPanelCommand[] {
  return [
    {
      verb: 'new-cluster',
      label: trans.__('New Cluster…'),
      caption: trans.__("Choose from the gateway's options and create a Dask cluster"),
      icon: addIcon,
      shows: true
    },
    {
      verb: 'attach',
      label: trans.__('Attach to a Scheduler…'),
      caption: trans.__(
        'Watch a Dask scheduler by its address, such as that of a LocalCluster in a notebook'
      ),
      icon: addIcon,
      shows: true
    },
    {
      verb: 'about',
      label: trans.__('Show Client and Versions…'),
      caption: trans.__('See who is connected to a cluster, and whether all versions fit together'),
      icon: gatehouseIcon,
      shows: true,
      clusters: ['RUNNING'],
      watches: true
    },
    {
      verb: 'scale',
      label: trans.__('Scale Cluster…'),
      caption: trans.__('Set how many workers a cluster has, or between which numbers it adapts'),
      icon: gatehouseIcon,
      shows: true,
      clusters: ['RUNNING']
    },
    ...paneCommands(trans),
    {
      verb: 'dashboard',
      label: trans.__('Open Dask Dashboard…'),
      caption: trans.__("Open Dask's own dashboard of a cluster in a new browser tab"),
      icon: gatehouseIcon,
      clusters: ['RUNNING']
    },
    {
      verb: 'insert-connect-code',
      label: trans.__('Insert Connect Code…'),
      caption: trans.__('Put the code that connects to a cluster into the active notebook'),
      icon: codeIcon,
      clusters: ['RUNNING']
    },
    {
      verb: 'shut-down',
      label: trans.__('Shut Down Cluster…'),
      caption: trans.__('Stop a cluster with its scheduler and workers'),
      icon: stopIcon,
      clusters: ['RUNNING', 'PENDING']
    },
    {
      verb: 'shut-down-all',
      label: trans.__('Shut Down All Clusters…'),
      caption: trans.__('Stop every cluster of yours at the gateway'),
      icon: stopIcon,
      shows: true
    },
    {
      verb: 'refresh',
      label: trans.__('Refresh Gatehouse'),
      caption: trans.__('Connect to the server anew and read everything again'),
      icon: refreshIcon,
      shows: true
    }
  ];
}

/** A command a plot: the panel knows them by the plots' names. */
function paneCommands(trans: TranslationBundle): IPanelCommand[] {
  const plots: Record<Plot, [label: string, caption: string]> = {
    status: [
      trans.__('Open Status…'),
      trans.__('Watch memory, task stream and progress of a cluster side by side')
    ],
    'task-stream': [
      trans.__('Open Task Stream…'),
      trans.__('Watch what each worker thread of a cluster does')
    ],
    progress: [trans.__('Open Progress…'), trans.__('Watch how far the tasks of a cluster are')],
    'cluster-memory': [
      trans.__('Open Cluster Memory…'),
      trans.__('Watch how much the workers of a cluster store together')
    ],
    'workers-memory': [trans.__('Open Worker Memory…'), trans.__('Watch how much each worker stores')],
    processing: [trans.__('Open Tasks Processing…'), trans.__('Watch how many tasks each worker was given')],
    cpu: [trans.__('Open CPU Use…'), trans.__('Watch how busy the cores of each worker are')],
    occupancy: [trans.__('Open Occupancy…'), trans.__('Watch how much work each worker is expected to have')],
    workers: [trans.__('Open Workers…'), trans.__('Read all that is known of each worker in a table')],
    'timeseries-cpu': [trans.__('Open CPU over Time…'), trans.__('Watch the CPU of a cluster over time')],
    'timeseries-memory': [
      trans.__('Open Memory over Time…'),
      trans.__('Watch the memory of a cluster over time')
    ],
    'timeseries-network': [
      trans.__('Open Network over Time…'),
      trans.__('Watch what a cluster reads from and writes to the network over time')
    ],
    'timeseries-disk': [
      trans.__('Open Disk over Time…'),
      trans.__('Watch what a cluster reads from and writes to disk over time')
    ],
    'timeseries-workers': [
      trans.__('Open Workers over Time…'),
      trans.__('Watch how many workers a cluster has, beside how many it was asked for')
    ],
    errors: [trans.__('Open Errors…'), trans.__('Read what the tasks of a cluster raised')],
    profile: [trans.__('Open Profile…'), trans.__('Find the functions in which workers spend their time')],
    'task-groups': [
      trans.__('Open Task Groups…'),
      trans.__('See what is computed from what, and how far each part is')
    ],
    'cluster-map': [
      trans.__('Open Cluster Map…'),
      trans.__('Watch the workers of a cluster around their scheduler')
    ],
    logs: [trans.__('Open Logs…'), trans.__('Read what the scheduler or a worker logged')]
  };
  return PLOTS.map(verb => {
    const [label, caption] = plots[verb];
    return { verb, label, caption, icon: plotIcon(verb), clusters: ['RUNNING'], watches: true };
  });
}

async function run(services: ICommandServices, command: IPanelCommand, given: unknown): Promise<void> {
  const { app, host, panel } = services;
  if (command.shows) {
    app.shell.activateById(panel.id);
  }
  let text = command.verb;
  try {
    if (command.clusters) {
      const cluster =
        typeof given === 'string' && given ? given : await chooseCluster(services, command, command.clusters);
      if (cluster === null) {
        return;
      }
      text += `:${cluster}`;
    }
    const module = await panel.fill();
    module.runCommand(host, text);
  } catch (error) {
    console.error(`Gatehouse's command ${text} failed:`, error);
    const reason = error instanceof Error ? error.message : String(error);
    Notification.error(`${title(command)}: ${reason}`, { autoClose: false });
  }
}

/** The name of the cluster that the user means, or null: asked only where there are several. */
async function chooseCluster(
  { server, trans }: ICommandServices,
  command: IPanelCommand,
  states: ICluster['state'][]
): Promise<string | null> {
  const listed = (await server.clusters()).filter(({ state }) => states.includes(state));
  const clusters = command.watches ? [...listed, ...(await server.attached())] : listed;
  const [first] = clusters;
  if (!first) {
    Notification.info(trans.__('No cluster is running. Create one with “New Cluster…” first.'), {
      autoClose: 6000
    });
    return null;
  }
  if (clusters.length === 1) {
    return first.name;
  }
  const titles = clusters.map(({ name, label }) => (label ? `${label} (${name})` : name));
  const answer = await InputDialog.getItem({
    title: title(command),
    label: trans.__('Cluster'),
    items: titles,
    okLabel: trans.__('Continue')
  });
  const chosen = clusters[titles.indexOf(answer.value ?? '')];
  return answer.button.accept && chosen ? chosen.name : null;
}

function title(command: IPanelCommand): string {
  return command.label.replace(/…$/, '');
}

export function clusterArgument(trans: TranslationBundle): { type: 'string'; description: string } {
  return { type: 'string', description: trans.__('Name of the cluster; asked for where it is missing') };
}
