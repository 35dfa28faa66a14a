"""A person with a notebook: Dask's own client of whatever gateway the environment names, told over stdin what to do.

One JSON request a line, one JSON answer a line.
"""

import json
import sys
import time
import warnings

from dask_gateway import Gateway


def nap(seconds):
    time.sleep(seconds)
    return bytes(1000)


class User:
    def __init__(self):
        self.gateway = Gateway()
        self.clusters = {}
        self.clients = {}
        self.held = []

    def cluster(self, name):
        if name not in self.clusters:
            self.clusters[name] = self.gateway.connect(name)
        return self.clusters[name]

    def client(self, name):
        if name not in self.clients:
            self.clients[name] = self.cluster(name).get_client(set_as_default=False)
        return self.clients[name]

    def submit(self, **options):
        """Asks for a cluster and does not wait for it."""
        return self.gateway.submit(**options)

    def new(self, **options):
        cluster = self.gateway.new_cluster(shutdown_on_close=False, **options)
        self.clusters[cluster.name] = cluster
        return cluster.name

    def scale(self, name, workers):
        """Returns what the gateway warned of."""
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.gateway.scale_cluster(name, workers)
        return [str(warning.message) for warning in caught]

    def adapt(self, name, minimum=None, maximum=None, active=True):
        self.gateway.adapt_cluster(name, minimum=minimum, maximum=maximum, active=active)

    def stop(self, name):
        self.gateway.stop_cluster(name)

    def workers(self, name):
        return len(self.client(name).scheduler_info(n_workers=-1)["workers"])

    def hold(self, name, results, busy):
        """Keeps so many results in memory, and so many tasks under way."""
        done = self.client(name).map(nap, [0] * results, pure=False)
        self.client(name).gather(done)
        self.held += [*done, *self.client(name).map(nap, [600] * busy, pure=False)]
        # What the client sends goes out a moment later.
        time.sleep(0.5)

    def load(self, name, tasks, seconds):
        """Gives it work and does not wait for it."""
        self.held += self.client(name).map(nap, [seconds] * tasks, pure=False)

    def let_go(self):
        self.held = []


def main():
    user = User()
    print(json.dumps({"ready": True}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"value": getattr(user, request.pop("op"))(**request)}
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
