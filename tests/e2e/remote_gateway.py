"""Configuration of a gateway as a site might run it: options of all six types, a limit, a password or a JupyterHub.

Read by `dask-gateway-server -f`; what differs between tests comes from GATEHOUSE_E2E_GATEWAY, as JSON.
"""

import json
import os
import sys

from dask_gateway_server.options import Bool, Float, Integer, Mapping, Options, Select, String

settings = json.loads(os.environ["GATEHOUSE_E2E_GATEWAY"])

c = get_config()  # noqa: F821 - put here by traitlets
c.DaskGateway.backend_class = "dask_gateway_server.backends.local.UnsafeLocalBackend"
c.DaskGateway.address = "127.0.0.1:0"
c.Proxy.address = f"127.0.0.1:{settings['port']}"
c.UnsafeLocalBackend.clusters_directory = settings["clusters"]
c.UnsafeLocalBackend.cluster_status_period = 1.0
c.UnsafeLocalBackend.worker_status_period = 1.0
if "hub" in settings:
    c.DaskGateway.authenticator_class = "dask_gateway_server.auth.JupyterHubAuthenticator"
    c.JupyterHubAuthenticator.jupyterhub_api_url = settings["hub"]
    c.JupyterHubAuthenticator.jupyterhub_api_token = "the gateway's own"
    # With a name, tokens need the scope for this service.
    c.JupyterHubAuthenticator.jupyterhub_service_name = "dask-gateway"
    c.JupyterHubAuthenticator.cache_max_age = settings["cache_max_age"]
else:
    c.SimpleAuthenticator.password = settings["password"]
c.ClusterConfig.scheduler_cmd = [sys.executable, "-m", "distributed.cli.dask_scheduler"]
c.ClusterConfig.worker_cmd = [sys.executable, "-m", "distributed.cli.dask_worker"]
c.ClusterConfig.cluster_max_workers = settings.get("max_workers", 4)

# A scheduler that takes its time to start.
SLOW = """
import runpy, sys, time
time.sleep({seconds})
sys.argv[0] = "dask-scheduler"
runpy.run_module("distributed.cli.dask_scheduler", run_name="__main__")
"""

THREADS = {"Small Worker": 1, "Medium Worker": 2}


def handler(chosen):
    if chosen.fail:
        # Starts, and ends at once: as a scheduler does whose environment is broken.
        return {"scheduler_cmd": [sys.executable, "-c", "raise SystemExit('no scheduler here')"]}
    if chosen.note == "no such command":
        return {"scheduler_cmd": ["/nowhere/dask-scheduler"]}
    slow = {"scheduler_cmd": [sys.executable, "-c", SLOW.format(seconds=chosen.slow)]} if chosen.slow else {}
    return {
        **slow,
        "worker_cores": THREADS[chosen.profile],
        "worker_threads": THREADS[chosen.profile],
        "worker_memory": "1 G",
        "idle_timeout": chosen.idle_timeout,
        "environment": {**chosen.environment_vars, "NOTE": chosen.note, "PRIORITY": str(chosen.priority)},
    }


c.Backend.cluster_options = Options(
    Select("profile", list(THREADS), default="Small Worker", label="Cluster Profile"),
    Integer("priority", default=1, min=0, max=10, label="Priority"),
    Float("idle_timeout", default=0, min=0, max=3600, label="Idle timeout (s)"),
    Float("slow", default=0, min=0, max=60, label="Seconds to start"),
    Bool("fail", default=False, label="Fail to start"),
    String("note", default="none", label="Note"),
    Mapping("environment_vars", {}, label="Environment Variables"),
    handler=handler,
)
