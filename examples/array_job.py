"""Average part of a random matrix on a Dask cluster.

Run it as a job from the Gatehouse panel, where `client` is ready, or by itself:

    python array_job.py

Then it makes a cluster of its own and shuts it down when the work is done, whatever way it ends.
"""

import os
from contextlib import contextmanager

import dask.array as da


@contextmanager
def dask_cluster(n_workers=2, worker_type="Small Worker", greeting="hello from array_job.py"):
    """A client of a fresh cluster that lives as long as the `with` block."""
    from dask_gateway import Gateway

    gateway = Gateway()
    options = gateway.cluster_options()
    options.profile = worker_type
    options.environment_vars = {"GREETING": greeting}
    with gateway.new_cluster(options) as cluster:
        cluster.scale(n_workers)
        with cluster.get_client() as client:
            client.wait_for_workers(1)
            yield client


def array_job(client):
    """Computes on the cluster and prints what came of it."""
    x = da.random.random((10000, 10000), chunks=(1000, 1000))
    y = x + x.T
    z = y[::2, 5000:].mean(axis=1)
    result = client.compute(z).result()
    print(f"shape: {result.shape}")
    print(f"mean: {result.mean():.4f}")
    for worker, greeting in client.run(os.getenv, "GREETING").items():
        print(f"GREETING on {worker}: {greeting or 'not set (an environment variable of the cluster)'}")


if __name__ == "__main__":
    if "client" in globals():
        array_job(globals()["client"])
    else:
        with dask_cluster() as own_client:
            array_job(own_client)
