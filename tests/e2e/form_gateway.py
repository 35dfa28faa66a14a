"""Configuration of a gateway for the scenario `form`: every type of option with every kind of bounds, made for each user.

Read by `dask-gateway-server -f`. The ports come from GATEHOUSE_E2E_GATEWAY, as in `remote_gateway.py`; the options are
read again for each request from the file that its `offer` names, so that a site's change can be played.
"""

import json
import os
import sys
from pathlib import Path

from dask_gateway_server.options import Bool, Field, Float, Integer, Mapping, Options, Select, String

settings = json.loads(os.environ["GATEHOUSE_E2E_GATEWAY"])

c = get_config()  # noqa: F821 - put here by traitlets
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.address = "127.0.0.1:0"
c.Proxy.address = f"127.0.0.1:{settings['port']}"
c.UnsafeLocalBackend.clusters_directory = settings["clusters"]
c.UnsafeLocalBackend.cluster_status_period = 1.0
c.UnsafeLocalBackend.worker_status_period = 1.0
c.SimpleAuthenticator.password = settings["password"]
c.ClusterConfig.scheduler_cmd = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = [sys.executable, "-m", "distributed.cli.dask_worker"]
c.ClusterConfig.cluster_max_workers = 4


class Anything(Field):
    """A field of the site's own, whose type nobody else knows."""

    def validate(self, x):
        return x

    def json_type_spec(self):
        return {"type": "anything"}


def handler(chosen, user):
    return {
        "worker_cores": 1,
        "worker_memory": "1 G",
        "idle_timeout": chosen.idle_timeout,
        "environment": {**chosen.environment_vars, "OWNER": user.name},
    }


def cluster_options(user):
    offer = json.loads(Path(settings["offer"]).read_text())
    profiles = offer["profiles"] + offer["of_user"].get(user.name, [])
    return Options(
        Select("conda_environment", offer["environments"], label="Environment"),
        Select("profile", profiles, default=profiles[0], label="Cluster Profile"),
        Mapping("environment_vars", {}, label="Environment Variables"),
        Integer("priority", default=1, min=0, max=offer["most"], label="Priority"),
        Integer("replicas", default=3, label="Replicas"),
        Float("idle_timeout", default=0, min=0, max=3600, label="Idle timeout (s)"),
        Float("ratio", default=1, min=0.5, label="Ratio"),
        Bool("spot", default=False, label="Use spot nodes"),
        String("note", default=f"of {user.name}", label="Note"),
        Mapping("annotations", {"team": "gates"}, label="Annotations"),
        Anything("placement", default={"zones": ["a", "b"]}, label="Placement"),
        handler=handler,
    )


c.Backend.cluster_options = cluster_options
