"""What jupyter-server-proxy asks of us: where the server listens."""

from __future__ import annotations

from typing import Any

from .paths import socket_path


def setup() -> dict[str, Any]:
    """The entry `gatehouse` of jupyter-server-proxy: `{base_url}gatehouse/` leads to our socket.

    An empty command tells the proxy that the process is another's: ours (`app.GatehouseApp`), which restarts it
    whatever it ended with.
    """
    return {
        "command": [],
        "unix_socket": str(socket_path()),
        "absolute_url": False,
        # A panel that is merely open must not keep a hub from culling an idle server.
        "update_last_activity": False,
        "launcher_entry": {"enabled": False},
    }
