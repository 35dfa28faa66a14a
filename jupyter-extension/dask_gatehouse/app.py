"""The Jupyter Server extension: starts, guards and ends `gatehouse serve`."""

from __future__ import annotations

import asyncio
import atexit
import os
import site
import sys
from typing import Any

from jupyter_server.extension.application import ExtensionApp
from traitlets import List, Unicode

from . import urls
from .environment import InheritedEnvironment
from .handlers import GlanceHandler, ServerStatusHandler, Status
from .paths import BinaryNotFound, find_assets, find_binary, instance_id, socket_path
from .supervisor import Ready, State, Supervisor, Timing

# For so long, at most, Jupyter answers nobody while it waits: a kernel that starts before the ready line would not know
# of the gateway. The rest of the time for a slow start passes beside Jupyter's work.
BLOCKING_WAIT = 5.0

STARTING = "Gatehouse's server starts together with Jupyter and is not ready yet."
DISABLED = "Gatehouse is switched off by the environment variable GATEHOUSE_DISABLE: unset it and start Jupyter again."


class GatehouseApp(ExtensionApp):
    """Gatehouse in a Jupyter Server. Set GATEHOUSE_DISABLE=1 to leave it out."""

    name = "dask_gatehouse"
    load_other_extensions = True

    binary = Unicode(help="The program `gatehouse`; found by itself where empty.").tag(config=True)
    state_dir = Unicode(help="Folder of Gatehouse's state; the user's own where empty.").tag(config=True)
    config_file = Unicode(help="The settings, `gatehouse.yaml`.").tag(config=True)
    gateway = Unicode(help="Address of the gateway to use instead of the one of Dask's configuration.").tag(config=True)
    assets = Unicode(help="Folder of the standalone panel's files.").tag(config=True)
    extra_args = List(Unicode(), help="More arguments for `gatehouse serve`.").tag(config=True)

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._kernel_environment = InheritedEnvironment()
        self._supervisor: Supervisor | None = None
        self._status: Status = (State.STARTING.value, STARTING)

    def initialize_handlers(self) -> None:
        self.handlers.append((r"dask-gatehouse/server", ServerStatusHandler, {"status": self.status}))
        self.handlers.append((r"dask-gatehouse/glance", GlanceHandler, {"socket": lambda: str(socket_path())}))

    def status(self) -> Status:
        """State of the server process, and a sentence unless all is well."""
        if self._supervisor is None:
            return self._status
        state, message = self._supervisor.status()
        return state.value, message

    async def _start_jupyter_server_extension(self, serverapp: Any) -> None:
        # Now, and not while loading: the port is known only after the bind.
        if os.environ.get("GATEHOUSE_DISABLE", "") not in ("", "0"):
            self._status = ("disabled", DISABLED)
            return
        try:
            command = self.command(serverapp)
        except BinaryNotFound as missing:
            self._status = ("missing", str(missing))
            self.log.error("Gatehouse cannot start. %s", missing)
            return
        timing = Timing()
        self._supervisor = Supervisor(
            command,
            environment=lambda: self._server_environment(serverapp),
            ready=self._became_ready,
            log=self.log,
            socket=str(socket_path()),
            timing=timing,
        )
        # An interrupt without a terminal ends Jupyter without asking its extensions.
        atexit.register(self._supervisor.stop)
        self._supervisor.start()
        if not self._supervisor.wait_ready(BLOCKING_WAIT):
            await asyncio.to_thread(self._supervisor.wait_ready, timing.ready - BLOCKING_WAIT)

    async def stop_extension(self) -> None:
        if self._supervisor is not None:
            await asyncio.to_thread(self._supervisor.stop)
            atexit.unregister(self._supervisor.stop)
        self._kernel_environment.revert()

    def command(self, serverapp: Any) -> list[str]:
        """The command line of the server; no secret is in it, since every user of the machine can read it."""
        binary = find_binary(self.binary)
        options = {
            "--socket": str(socket_path()),
            "--instance": instance_id(),
            "--parent-pid": str(os.getpid()),
            "--public-url": urls.public_url(serverapp),
            "--jupyter-url": urls.jupyter_url(serverapp),
            "--sys-prefix": sys.prefix,
            "--python": sys.executable,
            "--state-dir": self.state_dir,
            "--config": self.config_file,
            "--gateway": self.gateway,
            "--assets": self.assets or find_assets(binary),
        }
        command = [str(binary), "serve", "--ready-json"]
        for option, value in options.items():
            if value:
                command += [option, str(value)]
        for prefix in site.PREFIXES:
            command += ["--site-prefix", prefix]
        return command + list(self.extra_args)

    def _server_environment(self, serverapp: Any) -> dict[str, str]:
        # Without what we gave to the kernels: that names our own gateway as if the user had configured it.
        environment = self._kernel_environment.original()
        if token := urls.jupyter_token(serverapp):
            environment["GATEHOUSE_JUPYTER_TOKEN"] = token
        return environment

    def _became_ready(self, message: Ready) -> None:
        variables = message.get("kernel_env") or {}
        self._kernel_environment.apply({str(name): str(value) for name, value in variables.items()})
        self.log.info("Gatehouse is ready.")
