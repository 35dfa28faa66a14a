"""The one route of ours in Jupyter itself: how the server process fares, for a panel that cannot reach it."""

from __future__ import annotations

from collections.abc import Callable

from jupyter_server.base.handlers import APIHandler
from tornado import web

Status = tuple[str, str | None]


class ServerStatusHandler(APIHandler):
    """`GET {base_url}dask-gatehouse/server`: `{"state", "message"}`; the message is null while all is well."""

    def initialize(self, status: Callable[[], Status]) -> None:
        self._status = status

    @web.authenticated
    def get(self) -> None:
        state, message = self._status()
        self.finish({"state": state, "message": message})
