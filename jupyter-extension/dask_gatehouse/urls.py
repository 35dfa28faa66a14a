"""The addresses that the server process is told: where browsers reach it, and where it reaches Jupyter."""

from __future__ import annotations

import os
from typing import Any
from urllib.parse import urlsplit

from jupyter_server.utils import url_path_join

PREFIX = "gatehouse"

# Jupyter listens on every interface; `*` becomes the empty one.
WILDCARDS = ("0.0.0.0", "::", "", "*")


def public_url(serverapp: Any) -> str:
    """Where browsers reach the server, for the links that Python prints; no `/` at the end.

    A path alone where only the browser knows the address: on a hub, and where Jupyter listens on every interface, as in
    a container, whose host name means nothing outside. Needs the port: call it after the bind.
    """
    path = url_path_join(serverapp.base_url, PREFIX)
    if "JUPYTERHUB_SERVICE_PREFIX" in os.environ:
        return path
    if serverapp.ip in WILDCARDS and not serverapp.custom_display_url:
        return path
    # The address that Jupyter prints: the login cookie is for that host name, `localhost` is not 127.0.0.1 here.
    shown = urlsplit(serverapp.custom_display_url or serverapp.connection_url)
    if shown.scheme not in ("http", "https") or not shown.netloc:
        return path
    return f"{shown.scheme}://{shown.netloc}{path}"


def jupyter_url(serverapp: Any) -> str | None:
    """Where a process of this machine reaches the Jupyter Server, ending in `/`; None where only a unix socket leads there."""
    if serverapp.sock:
        return None
    scheme = "https" if serverapp.certfile else "http"
    host = {"": "127.0.0.1", "localhost": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(serverapp.ip, serverapp.ip)
    if ":" in host:
        host = f"[{host}]"
    return f"{scheme}://{host}:{serverapp.port}{url_path_join(serverapp.base_url, '/')}"


def jupyter_token(serverapp: Any) -> str:
    """The token that lets our process use Jupyter's API; empty where logins are by password only."""
    return serverapp.identity_provider.token or os.environ.get("JUPYTERHUB_API_TOKEN", "")
