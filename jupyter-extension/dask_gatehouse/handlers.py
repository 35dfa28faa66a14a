"""The routes of ours in Jupyter itself: what is asked of the server without anybody looking at it."""

from __future__ import annotations

import asyncio
import http.client
import socket
from collections.abc import Callable

from jupyter_server.base.handlers import APIHandler
from tornado import web

Status = tuple[str, str | None]

GLANCE_TIMEOUT = 5.0


class ServerStatusHandler(APIHandler):
    """`GET {base_url}dask-gatehouse/server`: `{"state", "message"}`; the message is null while all is well."""

    def initialize(self, status: Callable[[], Status]) -> None:
        self._status = status

    @web.authenticated
    def get(self) -> None:
        state, message = self._status()
        self.finish({"state": state, "message": message})


class GlanceHandler(APIHandler):
    """`GET {base_url}dask-gatehouse/glance`: what the status bar shows, or 503 while the server does not answer.

    Through the proxy, the status bar's question would count as a user's activity: a hub would never cull the server.
    """

    def initialize(self, socket: Callable[[], str]) -> None:
        self._socket = socket

    @web.authenticated
    async def get(self) -> None:
        try:
            body = await asyncio.to_thread(glance, self._socket())
        except (OSError, http.client.HTTPException):
            raise web.HTTPError(503, "Gatehouse's server does not answer; it is started again by itself.") from None
        self.set_header("Content-Type", "application/json")
        self.finish(body)


def glance(path: str) -> bytes:
    """Asks the server behind the unix socket at `path`."""
    connection = _UnixConnection(path)
    try:
        connection.request("GET", "/api/v1/glance")
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise http.client.HTTPException(f"status {answer.status}")
        return body
    finally:
        connection.close()


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=GLANCE_TIMEOUT)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)
