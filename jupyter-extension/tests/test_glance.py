"""What the status bar asks of the server, past the proxy."""

from __future__ import annotations

import http.client
import json
import socketserver
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from dask_gatehouse.handlers import glance


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    status = 200


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = json.dumps({"path": self.path}).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def address_string(self) -> str:
        return "a unix socket"

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(str(tmp_path / "s"), Handler) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield made
        made.shutdown()


def test_the_server_is_asked_through_its_socket(server: Server) -> None:
    assert json.loads(glance(server.server_address)) == {"path": "/api/v1/glance"}


def test_an_error_is_no_glance(server: Server) -> None:
    server.status = 500
    with pytest.raises(http.client.HTTPException, match="500"):
        glance(server.server_address)


def test_a_server_that_is_away_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        glance(str(tmp_path / "nobody"))
