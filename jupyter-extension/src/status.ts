/** The status bar: clusters that are there, what they cost, and a word in time where one is about to be stopped. */

import { Notification } from '@jupyterlab/apputils';
import type { IStatusBar } from '@jupyterlab/statusbar';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Poll } from '@lumino/polling';
import type { ISignal } from '@lumino/signaling';
import { Signal } from '@lumino/signaling';
import { Widget } from '@lumino/widgets';

import type { GatehouseServer, IGlance } from './server';

/** How often the server is asked while the page is seen, in milliseconds. */
const EVERY = 10_000;
const SLOWEST = 120_000;

export interface IStatusServices {
  bar: IStatusBar;
  server: GatehouseServer;
  trans: TranslationBundle;
  /** Whether the panel is there: then it shows the server's notices itself. */
  panelShows: () => boolean;
  showPanel: () => void;
}

/** Adds the item; it is seen while there are clusters. */
export function addStatus(services: IStatusServices): void {
  const { bar, server } = services;
  const item = new StatusItem(services);
  bar.registerStatusItem('gatehouse:status', {
    item,
    align: 'left',
    rank: 5,
    isActive: () => item.clusters > 0,
    activeStateChanged: item.changed
  });
  const poll = new Poll({
    name: 'gatehouse:glance',
    factory: async () => {
      const glance = await server.glance();
      item.tell(glance);
      return glance;
    },
    frequency: { interval: EVERY, backoff: true, max: SLOWEST },
    standby: 'when-hidden'
  });
  item.disposed.connect(() => poll.dispose());
}

class StatusItem extends Widget {
  constructor(private readonly _services: IStatusServices) {
    super();
    this.addClass('gh-lab-status');
    this._button.type = 'button';
    this._button.dataset['testid'] = 'status-bar';
    this._button.addEventListener('click', () => _services.showPanel());
    this.node.append(this._button);
  }

  /** How many there are. */
  get clusters(): number {
    return this._clusters;
  }

  /** There are some now, or none any more. */
  get changed(): ISignal<this, void> {
    return this._changed;
  }

  /** Shows what the server told. */
  tell(glance: IGlance): void {
    const { trans, panelShows } = this._services;
    const { usage, clusters } = glance;
    const words = [trans._n('%1 cluster', '%1 clusters', clusters, clusters)];
    const { currency, today } = usage;
    if (currency !== null && today.amount !== null) {
      if (today.per_hour !== null && clusters > 0) {
        words.push(trans.__('%1 %2/h', today.per_hour.toFixed(2), currency));
      }
      words.push(trans.__('%1 %2 today', today.amount.toFixed(2), currency));
    } else if (today.worker_hours > 0) {
      words.push(trans.__('%1 worker-h today', today.worker_hours.toFixed(2)));
    }
    const warned = usage.budgets.some(budget => budget.warned);
    this.toggleClass('gh-mod-warned', warned || glance.told.length > 0);
    this._button.textContent = words.join(' · ');
    this._button.title = warned
      ? trans.__('A budget for clusters is nearly spent. Show Gatehouse.')
      : trans.__('Dask clusters. Show Gatehouse.');
    this._clusters = clusters;
    this._changed.emit();
    // What was told and does not hold any more has nothing left to offer.
    for (const [id, notice] of this._told) {
      if (!glance.told.some(told => told.id === id)) {
        Notification.dismiss(notice);
        this._told.delete(id);
      }
    }
    for (const told of panelShows() ? [] : glance.told) {
      if (!this._told.has(told.id)) {
        this._told.set(told.id, this._tell(told));
      }
    }
  }

  /** Shows a notice; returns its id. */
  private _tell({ message, offer }: IGlance['told'][number]): string {
    const { server, trans } = this._services;
    const act = async (): Promise<void> => {
      try {
        if (offer) {
          await (offer.act === 'keep' ? server.keep(offer.cluster) : server.shutDown(offer.cluster));
        }
      } catch (error) {
        Notification.error(error instanceof Error ? error.message : String(error));
      }
    };
    const label = offer?.act === 'keep' ? trans.__('Keep') : trans.__('Shut down');
    return Notification.warning(message, {
      autoClose: offer?.until ? Math.max(0, offer.until - Date.now()) : false,
      actions: offer ? [{ label, callback: () => void act() }] : []
    });
  }

  private readonly _button = document.createElement('button');
  /** Notices that are shown, by what was told. */
  private readonly _told = new Map<string, string>();
  private readonly _changed = new Signal<this, void>(this);
  private _clusters = 0;
}
