/** Lumino widgets that hold the panel and its panes. */

import type { TranslationBundle } from '@jupyterlab/translation';
import type { Message } from '@lumino/messaging';
import { Widget } from '@lumino/widgets';

import type { Host } from '../wasm/gatehouse.js';
import { gatehouseIcon, plotIcon } from './icons';
import type { JobsModule, PanelModule, PanesModule } from './module';
import { explainFailure, loadJobs, loadPanel, loadPanes } from './module';
import type { GatehouseServer } from './server';

/** What every frame needs to fill itself. */
export interface IFrameContext {
  host: Host;
  server: GatehouseServer;
  trans: TranslationBundle;
}

/** What a pane can show, as the module names it. */
export const PLOTS = [
  'status',
  'task-stream',
  'progress',
  'cluster-memory',
  'workers-memory',
  'processing',
  'cpu',
  'occupancy',
  'workers',
  'timeseries-cpu',
  'timeseries-memory',
  'timeseries-network',
  'timeseries-disk',
  'timeseries-workers',
  'errors',
  'profile',
  'task-groups',
  'cluster-map',
  'logs'
] as const;
export type Plot = (typeof PLOTS)[number];

/** What names a tab of jobs in place of a plot; in place of its cluster stands what it shows, such as `job:ID`. */
export const JOBS = 'jobs';

/** Between the plot and the cluster in a pane's title, as the panel writes it. */
const SEPARATOR = ' · ';

/** A plot of Dask's own dashboard, by the last part of its path. */
const BOKEH = /^bokeh:[\w.-]+$/;

/** Whether a pane can show that. */
export function isPlot(name: string): boolean {
  return name === JOBS || PLOTS.some(plot => plot === name) || BOKEH.test(name);
}

/** A pane, as the layout remembers it. */
export interface IPane {
  plot: string;
  cluster: string;
  title: string;
}

/** A widget whose content is painted by a WebAssembly module, from the first time that it is shown until its end. */
abstract class Frame<M extends { unmount(handle: number): void }> extends Widget {
  constructor(protected readonly context: IFrameContext) {
    super();
    this.addClass('gh-lab-frame');
    this._content.className = 'gh-lab-content';
    this._notice.className = 'gh-lab-notice';
    this._notice.setAttribute('role', 'status');
    this._notice.hidden = true;
    this.node.append(this._notice, this._content);
  }

  /** Fills the frame, shown or not; resolves when it is filled. What goes wrong is shown in it, and then thrown. */
  fill(): Promise<M> {
    this._filling ??= this._fill().catch((error: unknown) => {
      this._filling = undefined;
      if (!this.isDisposed) {
        console.error('Gatehouse could not be shown:', error);
        this._show('failure', explainFailure(error, this.context.trans));
      }
      throw error;
    });
    return this._filling;
  }

  /** Whether the module has painted it. */
  get isFilled(): boolean {
    return this._unmount !== undefined;
  }

  override dispose(): void {
    if (this.isDisposed) {
      return;
    }
    this._ending.abort(new Error('The widget was closed.'));
    this._unmount?.();
    super.dispose();
  }

  protected abstract load(): Promise<M>;
  protected abstract mount(module: M, element: HTMLElement): number;

  protected override onAfterShow(message: Message): void {
    super.onAfterShow(message);
    this._fillUnasked();
  }

  protected override onAfterAttach(message: Message): void {
    super.onAfterAttach(message);
    if (this.isVisible) {
      this._fillUnasked();
    }
  }

  private _fillUnasked(): void {
    // The frame shows its failure itself.
    this.fill().catch(() => undefined);
  }

  private async _fill(): Promise<M> {
    const { server, trans } = this.context;
    this._show('waiting', trans.__('Loading…'));
    const module = this.load();
    // Its failure is seen below, where it is awaited.
    module.catch(() => undefined);
    await server.ready(message => this._show('waiting', message), this._ending.signal);
    const loaded = await module;
    this._ending.signal.throwIfAborted();
    const handle = this.mount(loaded, this._content);
    this._unmount = () => loaded.unmount(handle);
    this._notice.hidden = true;
    this._content.hidden = false;
    return loaded;
  }

  private _show(kind: 'waiting' | 'failure', text: string): void {
    const { trans } = this.context;
    // Asked every few seconds: an unchanged sentence is not read out again.
    if (this._notice.dataset.kind !== kind || this._notice.dataset.text !== text) {
      this._notice.dataset.kind = kind;
      this._notice.dataset.text = text;
      const title = document.createElement('div');
      title.className = 'gh-lab-notice-title';
      title.textContent = kind === 'failure' ? trans.__('Gatehouse cannot be shown') : trans.__('Gatehouse');
      const body = document.createElement('div');
      body.className = 'gh-lab-notice-text';
      body.textContent = text;
      this._notice.replaceChildren(gatehouseIcon.element({ tag: 'span' }), title, body);
      if (kind === 'failure') {
        const again = document.createElement('button');
        again.className = 'jp-mod-styled jp-mod-accept';
        again.textContent = trans.__('Try again');
        again.addEventListener('click', () => this._fillUnasked());
        this._notice.append(again);
      }
    }
    this._notice.hidden = false;
    this._content.hidden = true;
  }

  private readonly _notice = document.createElement('div');
  private readonly _content = document.createElement('div');
  private readonly _ending = new AbortController();
  private _filling: Promise<M> | undefined;
  private _unmount: (() => void) | undefined;
}

/** The panel in the sidebar. */
export class Panel extends Frame<PanelModule> {
  constructor(context: IFrameContext) {
    super(context);
    this.id = 'gatehouse-panel';
    this.title.icon = gatehouseIcon;
    this.title.caption = context.trans.__('Gatehouse: Dask clusters');
    this.node.setAttribute('role', 'region');
    this.node.setAttribute('aria-label', 'Gatehouse');
  }

  protected load(): Promise<PanelModule> {
    return loadPanel();
  }

  protected mount(module: PanelModule, element: HTMLElement): number {
    return module.mountPanel(element, this.context.host);
  }
}

/** What a tab of the main area holds, whatever it shows. */
abstract class TabContent<M extends { unmount(handle: number): void }> extends Frame<M> {
  constructor(
    context: IFrameContext,
    readonly pane: IPane
  ) {
    super(context);
    this.setTitle(pane.title);
    this.title.icon = plotIcon(pane.plot);
  }

  /** Calls the tab otherwise; whether that changed. */
  setTitle(title: string): boolean {
    const changes = title !== this.title.label;
    this.pane.title = title;
    this.title.label = title;
    this.title.caption = title;
    return changes;
  }
}

/** One plot of one cluster. */
export class PaneContent extends TabContent<PanesModule> {
  /** Puts another name of its cluster into the title; whether that changed. */
  rename(cluster: string): boolean {
    const { title: before } = this.pane;
    const end = before.indexOf(SEPARATOR);
    return this.setTitle(end < 0 ? before : before.slice(0, end) + SEPARATOR + cluster);
  }

  protected load(): Promise<PanesModule> {
    return loadPanes();
  }

  protected mount(module: PanesModule, element: HTMLElement): number {
    const { plot, cluster } = this.pane;
    return module.mountPane(element, this.context.host.baseUrl, plot, cluster);
  }
}

/** A view of the jobs. */
export class JobsContent extends TabContent<JobsModule> {
  /** It shows another view now, and is called so; whether the layout has to remember that. */
  move(view: string, title: string): boolean {
    const moves = view !== this.pane.cluster;
    this.pane.cluster = view;
    return this.setTitle(title) || moves;
  }

  protected load(): Promise<JobsModule> {
    return loadJobs();
  }

  protected mount(module: JobsModule, element: HTMLElement): number {
    return module.mountJobs(element, this.context.host, this.pane.cluster);
  }
}
