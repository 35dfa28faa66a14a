/** What the plugin itself asks of servers: whether ours is up, and which clusters there are. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';
import type { TranslationBundle } from '@jupyterlab/translation';

/** How often a server that is not up is asked again, in milliseconds. */
const PATIENCE = 2000;

/** The part of an attached scheduler that a choice among them shows. */
export interface IAttached {
  name: string;
  label: string | null;
}

/** The part of a cluster that a choice among them shows. */
export interface ICluster extends IAttached {
  state: 'PENDING' | 'RUNNING' | 'STOPPING' | 'STOPPED' | 'FAILED';
}

/** What was used; amounts are null where nothing has a price. */
export interface ISpent {
  amount: number | null;
  per_hour: number | null;
  worker_hours: number;
}

/** What the status bar shows. */
export interface IGlance {
  clusters: number;
  usage: { currency: string | null; today: ISpent; budgets: { warned: boolean }[] };
  told: {
    id: string;
    message: string;
    offer: { cluster: string; act: 'keep' | 'stop'; until: number | null } | null;
  }[];
}

/** Gatehouse's server as the browser sees it: behind Jupyter's proxy, guarded by a Jupyter extension. */
export class GatehouseServer {
  constructor(private readonly _trans: TranslationBundle) {}

  /** Prefix of everything the server serves; ends with `/`. */
  get baseUrl(): string {
    return URLExt.join(this._settings.baseUrl, 'gatehouse/');
  }

  /**
   * Waits until the server answers.
   *
   * @param report - is told why it does not, each time it was asked.
   * @param signal - ends the waiting with its reason.
   */
  async ready(report: (message: string) => void, signal: AbortSignal): Promise<void> {
    for (;;) {
      const message = await this._trouble();
      signal.throwIfAborted();
      if (message === null) {
        return;
      }
      report(message);
      await new Promise(resolve => setTimeout(resolve, PATIENCE));
      signal.throwIfAborted();
    }
  }

  /** The clusters in the gateway's list. Fails with a sentence for the user. */
  async clusters(): Promise<ICluster[]> {
    return (await this._list('clusters')) as ICluster[];
  }

  /** The schedulers that are watched by their address. Fails with a sentence for the user. */
  async attached(): Promise<IAttached[]> {
    return (await this._list('attached')) as IAttached[];
  }

  private async _list(what: string): Promise<unknown[]> {
    const response = await this._request(URLExt.join(this.baseUrl, 'api/v1', what));
    const body: unknown = await response.json().catch(() => null);
    if (!response.ok || !Array.isArray(body)) {
      throw new Error(
        messageOf(body) ??
          this._trans.__(
            'Gatehouse could not list the clusters (%1). Look at its panel for the reason.',
            response.status
          )
      );
    }
    return body;
  }

  /** What the status bar shows; asking counts as nobody's activity. */
  async glance(): Promise<IGlance> {
    const url = URLExt.join(this._settings.baseUrl, 'dask-gatehouse/glance');
    const response = await this._request(`${url}?no_track_activity=1`);
    if (!response.ok) {
      throw new Error(`Gatehouse's server answered ${response.status}.`);
    }
    return (await response.json()) as IGlance;
  }

  /** Gives a cluster more time. Fails with a sentence for the user. */
  async keep(cluster: string): Promise<void> {
    await this._change('POST', `${encodeURIComponent(cluster)}/keep`);
  }

  /** Shuts a cluster down. Fails with a sentence for the user. */
  async shutDown(cluster: string): Promise<void> {
    await this._change('DELETE', encodeURIComponent(cluster));
  }

  private async _change(method: string, path: string): Promise<void> {
    const url = URLExt.join(this.baseUrl, 'api/v1/clusters', path);
    const response = await this._request(url, method);
    if (!response.ok) {
      const body: unknown = await response.json().catch(() => null);
      throw new Error(messageOf(body) ?? this._trans.__('Gatehouse answered %1.', response.status));
    }
  }

  /** Why the server is not up, or null. */
  private async _trouble(): Promise<string | null> {
    try {
      const url = URLExt.join(this._settings.baseUrl, 'dask-gatehouse/server');
      // Waiting is no activity: a hub may cull the server meanwhile.
      const response = await this._request(`${url}?no_track_activity=1`);
      if (response.status === 404) {
        return this._trans.__(
          "Jupyter's server runs without Gatehouse's extension. Run `jupyter server extension enable dask_gatehouse`, then start Jupyter again."
        );
      }
      const body = (await response.json()) as { state?: string; message?: string | null };
      if (response.ok && body.state === 'running') {
        return null;
      }
      return (
        body.message ??
        this._trans.__('Jupyter answered %1. Log in again if you were logged out.', response.status)
      );
    } catch {
      return this._trans.__(
        'Jupyter does not answer. Check that it still runs and that you are connected to the network.'
      );
    }
  }

  private _request(url: string, method = 'GET'): Promise<Response> {
    return ServerConnection.makeRequest(url, { method, headers: { 'X-Gatehouse': '1' } }, this._settings);
  }

  private readonly _settings = ServerConnection.makeSettings();
}

function messageOf(body: unknown): string | null {
  const message = (body as { message?: unknown } | null)?.message;
  return typeof message === 'string' ? message : null;
}
