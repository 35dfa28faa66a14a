"""The embedded Dask Gateway's configuration, written by Gatehouse at each start.

What varies stands beside it: gateway.json (port, password, keys) and settings.json (environments, profiles, bounds),
which is read again for each request, so that a change needs no restart.
"""

import asyncio
import json
import os
import signal
from contextlib import suppress
from pathlib import Path

from dask_gateway_server.backends.db_base import JobStatus
from dask_gateway_server.backends.local import UnsafeLocalBackend
from dask_gateway_server.options import Float, Mapping, Options, Select

HERE = Path(__file__).resolve().parent
CLUSTERS = HERE / "clusters"
FAILED = HERE / "failed"
# Runs a module as `python -m` does.
DASK_PROCESS = str(HERE / "dask_process.py")

# Workers whose logs are kept of a cluster that failed.
KEPT_WORKERS = 4

# What a worker on this machine needs to behave like a program its user starts.
INHERITED = ("HOME", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "NO_PROXY", "no_proxy")
INHERITED_PREFIXES = ("LC_", "XDG_", "SSL_CERT_", "CUDA_", "HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy", "DASK_")
# The gateway's own addresses and secrets, and configuration meant for one process only.
WITHHELD_PREFIXES = ("DASK_GATEWAY", "DASK_INTERNAL")


def read(name):
    return json.loads((HERE / name).read_text())


def belongs(pid):
    """Whether a process lives and is one of our clusters': numbers are given out again, after a reboot at the latest."""
    if not os.path.exists("/proc/self/environ"):
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return True
    place = os.fsencode(CLUSTERS) + b"/"
    try:
        # Either is enough: user code may change the folder, and setproctitle overwrites the environment.
        if os.fsencode(os.readlink(f"/proc/{pid}/cwd")).startswith(place):
            return True
        environ = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False
    return b"DASK_DISTRIBUTED__COMM__TLS__CA_FILE=" + place in environ


class EmbeddedBackend(UnsafeLocalBackend):
    """The gateway's own local backend, and what a laptop asks of it besides."""

    async def setup(self, app):
        # The panel asks every second: the log is for what changes.
        self.log.addFilter(lambda record: not str(record.msg).startswith(("%d %s %s", "Cluster %s heartbeat")))
        await super().setup(app)

    async def do_setup(self):
        await super().do_setup()
        self.task_pool.spawn(self.watch_schedulers())

    async def watch_schedulers(self):
        """Fails clusters whose scheduler is gone; heartbeats can't tell, they also stop while a laptop sleeps."""
        while True:
            await asyncio.sleep(self.cluster_status_period)
            for cluster in list(self.db.active_clusters()):
                if cluster.status == JobStatus.RUNNING and not self._check_status(cluster):
                    self.log.warning("The scheduler of cluster %s has ended", cluster.name)
                    await self.stop_cluster(cluster.name, failed=True)

    def _check_status(self, o):
        pid = o.state.get("pid")
        return pid is not None and belongs(pid)

    async def stop_process(self, pid):
        for sig, timeout in (
            (signal.SIGINT, self.sigint_timeout),
            (signal.SIGTERM, self.sigterm_timeout),
            (signal.SIGKILL, self.sigkill_timeout),
        ):
            if not belongs(pid):
                break
            with suppress(ProcessLookupError):
                os.kill(pid, sig)
            for _ in range(timeout * 50):
                if not belongs(pid):
                    break
                await asyncio.sleep(0.02)
        else:
            if belongs(pid):
                self.log.warning("Failed to stop process %d", pid)
        self.end_group(pid)

    def end_group(self, pid):
        """Ends what a scheduler or nanny left in the process group that it led."""
        with suppress(OSError):
            for line in Path("/proc").glob("[0-9]*/stat"):
                with suppress(OSError, IndexError, ValueError):
                    fields = line.read_text().rpartition(")")[2].split()
                    if int(fields[2]) == pid and belongs(int(line.parent.name)):
                        os.kill(int(line.parent.name), signal.SIGKILL)

    async def do_start_cluster(self, cluster):
        try:
            async for state in super().do_start_cluster(cluster):
                yield state
        except Exception as exc:
            self.keep_reason(cluster, "its scheduler could not be started", str(exc))
            raise

    async def do_stop_cluster(self, cluster):
        if cluster.target == JobStatus.FAILED:
            self.tell_failure(cluster)
        await super().do_stop_cluster(cluster)

    def tell_failure(self, cluster):
        """Keeps the ends of the logs that say why a cluster failed: its folder is about to be removed."""
        logs = Path(cluster.state.get("workdir", HERE)) / "logs"
        workers = sorted(logs.glob("worker-*.log"), key=lambda path: path.stat().st_mtime, reverse=True)
        scheduler = logs / "scheduler.log"
        kept = [scheduler, *workers[:KEPT_WORKERS]]
        if cluster.worker_start_failure_count >= self.worker_start_failure_limit and workers:
            self.keep_reason(cluster, "its workers could not be started", tail(workers[0]), kept)
        elif cluster.state.get("pid") is not None and not self._check_status(cluster):
            self.keep_reason(cluster, "its scheduler has ended", tail(scheduler), kept)
        elif (FAILED / f"{cluster.name}.json").exists():
            pass
        else:
            self.keep_reason(cluster, "its scheduler did not answer in time", tail(scheduler), kept)

    def keep_reason(self, cluster, what, log, logs=()):
        kept = {"what": what, "log": log, "logs": [log_of(path) for path in logs]}
        try:
            FAILED.mkdir(mode=0o700, exist_ok=True)
            (FAILED / f"{cluster.name}.json").write_text(json.dumps(kept))
            for old in sorted(FAILED.glob("*.json"), key=lambda path: path.stat().st_mtime)[:-50]:
                old.unlink()
        except OSError as exc:
            self.log.warning("The reason of a failure can't be kept: %s", exc)


def tail(path, size=16384):
    """The end of a log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - size))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def log_of(path):
    """A log's end, and whose it is."""
    try:
        size = path.stat().st_size
    except OSError:
        size = 0
    text = tail(path)
    return {"of": path.stem.replace("worker-", "worker "), "text": text, "cut": size > len(text.encode())}


def base_environment(environment, own_python):
    """Variables for processes of an environment, before the user's own."""
    out = {
        name: value
        for name, value in os.environ.items()
        if (name in INHERITED or name.startswith(INHERITED_PREFIXES)) and not name.startswith(WITHHELD_PREFIXES)
    }
    prefix = Path(environment["prefix"])
    out["PATH"] = os.pathsep.join([str(prefix / "bin"), os.environ.get("PATH", os.defpath)])
    if (prefix / "conda-meta").is_dir():
        out["CONDA_PREFIX"] = str(prefix)
        out["CONDA_DEFAULT_ENV"] = prefix.name
    elif (prefix / "pyvenv.cfg").is_file():
        out["VIRTUAL_ENV"] = str(prefix)
    # Another interpreter's modules would not load.
    if environment["python"] == own_python and "PYTHONPATH" in os.environ:
        out["PYTHONPATH"] = os.environ["PYTHONPATH"]
    return out


def check_variables(variables):
    for name, value in variables.items():
        if not name or "=" in name or "\0" in name:
            raise ValueError(f"environment_vars: {name!r} can't be the name of a variable")
        if not isinstance(value, str):
            raise ValueError(f"environment_vars: the value of {name} must be a text, so write it in quotes: {value!r}")
        if "\0" in value:
            raise ValueError(f"environment_vars: the value of {name} holds a zero byte")
    return variables


def check_idle_timeout(seconds):
    if not 0 <= seconds < float("inf"):
        raise ValueError(f"idle_timeout must be 0 (never) or more seconds, got {seconds:g}")
    return seconds


def cluster_options(user):
    settings = read("settings.json")
    environments = {environment["name"]: environment for environment in settings["environments"]}
    profiles = {profile["name"]: profile for profile in settings["profiles"]}

    def handler(options):
        environment = environments[options["conda_environment"]]
        profile = profiles[options["profile"]]
        variables = check_variables(dict(options["environment_vars"]))
        return {
            "scheduler_cmd": [environment["python"], DASK_PROCESS, "distributed.cli.dask_scheduler"],
            "worker_cmd": [environment["python"], DASK_PROCESS, "distributed.cli.dask_worker"],
            "worker_cores": profile["threads"],
            "worker_threads": profile["threads"],
            "worker_memory": profile["memory"],
            "cluster_max_workers": settings["max_workers"],
            "idle_timeout": check_idle_timeout(options["idle_timeout"]),
            "environment": {**base_environment(environment, settings["python"]), **variables},
        }

    return Options(
        Select("conda_environment", list(environments), label="Environment"),
        Select("profile", list(profiles), label="Cluster Profile"),
        Mapping("environment_vars", {}, label="Environment Variables"),
        # Without bounds, which check_idle_timeout sets: dask-gateway's widget turns a bound that is 0 or missing beside
        # another into an infinity, and JSON has none.
        Float("idle_timeout", 0, label="Idle Timeout (seconds, 0 = never)"),
        handler=handler,
    )


gateway = read("gateway.json")

c = get_config()  # noqa: F821
c.DaskGateway.backend_class = EmbeddedBackend
c.DaskGateway.authenticator_class = "dask_gateway_server.auth.SimpleAuthenticator"
c.SimpleAuthenticator.password = gateway["password"]
c.DaskGateway.address = "127.0.0.1:0"
c.Proxy.address = f"127.0.0.1:{gateway['port']}"
c.Proxy.proxy_status_period = 1

c.EmbeddedBackend.cluster_options = cluster_options
c.EmbeddedBackend.clusters_directory = str(CLUSTERS)
c.EmbeddedBackend.db_url = f"sqlite:///{HERE / 'gateway.sqlite'}"
c.EmbeddedBackend.db_encrypt_keys = [gateway["encrypt_key"]]
# Gatehouse decides what ends; a restart of the gateway must not.
c.EmbeddedBackend.stop_clusters_on_shutdown = False
# Inherited variables would win over the user's; the options' handler lets the user's win.
c.EmbeddedBackend.inherited_environment = []
c.EmbeddedBackend.cluster_status_period = 1
c.EmbeddedBackend.worker_status_period = 1
c.EmbeddedBackend.cluster_start_timeout = 120
c.EmbeddedBackend.worker_start_timeout = 120
# A laptop that slept overnight has sent no heartbeats; watch_schedulers sees dead schedulers.
c.EmbeddedBackend.cluster_heartbeat_timeout = 7 * 24 * 3600
c.EmbeddedBackend.sigint_timeout = 5
c.EmbeddedBackend.sigterm_timeout = 3
c.EmbeddedBackend.sigkill_timeout = 3
