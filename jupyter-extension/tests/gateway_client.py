"""Dask's own gateway client at work, in a process of its own: told where the gateway is, prints what it saw as JSON."""

from __future__ import annotations

import json
import sys

from aiohttp import ClientResponseError
from dask_gateway import BasicAuth, Gateway, GatewayClusterError


def main(address: str, proxy_address: str, user: str, password: str) -> dict[str, object]:
    seen: dict[str, object] = {}
    with Gateway(address, proxy_address=proxy_address, auth=BasicAuth(user, "wrong")) as stranger:
        try:
            stranger.list_clusters()
        except ClientResponseError as refused:
            seen["stranger"] = refused.status

    with Gateway(address, proxy_address=proxy_address, auth=BasicAuth(user, password)) as gateway:
        options = gateway.cluster_options()
        seen["options"] = sorted(options.keys())
        try:
            gateway.submit(no_such_option=1)
        except ValueError as refused:
            seen["refused"] = str(refused)

        # Waits for the cluster with the gateway's long poll.
        with gateway.new_cluster(options) as cluster:
            seen["running"] = [(report.name == cluster.name, report.status.name) for report in gateway.list_clusters()]
            seen["scheduler"] = cluster.scheduler_address == f"{proxy_address}/{cluster.name}"
            with cluster.get_client() as client:
                cluster.scale(1)
                client.wait_for_workers(1, timeout=60)
                seen["sum"] = client.submit(sum, range(1000)).result(timeout=60)
                cluster.adapt(minimum=0, maximum=1)
                seen["squares"] = client.gather(client.map(lambda n: n * n, range(4)))
            name = cluster.name
        try:
            # Its end takes a moment, in which it can't be connected to either.
            gateway.connect(name)
        except (GatewayClusterError, ValueError) as over:
            seen["over"] = type(over).__name__
        seen["left"] = [report.name for report in gateway.list_clusters()]
    return seen


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:])))
