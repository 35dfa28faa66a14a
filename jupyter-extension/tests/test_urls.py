"""Addresses that are told to the server, for each way Jupyter can be bound."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from jupyter_server.serverapp import ServerApp

from dask_gatehouse import urls


def server(**traits: Any) -> ServerApp:
    return ServerApp(**{"ip": "localhost", "port": 8889, "base_url": "/", **traits})


@pytest.fixture(autouse=True)
def _no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JUPYTERHUB_SERVICE_PREFIX", raising=False)
    monkeypatch.delenv("JUPYTERHUB_API_TOKEN", raising=False)


@pytest.mark.parametrize(
    ("traits", "public", "jupyter"),
    [
        ({}, "http://localhost:8889/gatehouse", "http://127.0.0.1:8889/"),
        ({"ip": "127.0.0.1", "base_url": "/a/"}, "http://127.0.0.1:8889/a/gatehouse", "http://127.0.0.1:8889/a/"),
        ({"ip": "::1"}, "http://[::1]:8889/gatehouse", "http://[::1]:8889/"),
        ({"ip": "10.1.2.3"}, "http://10.1.2.3:8889/gatehouse", "http://10.1.2.3:8889/"),
        ({"certfile": "/c.pem"}, "https://localhost:8889/gatehouse", "https://127.0.0.1:8889/"),
        ({"custom_display_url": "https://lab.example.org"}, "https://lab.example.org/gatehouse", "http://127.0.0.1:8889/"),
        ({"sock": "/tmp/s"}, "/gatehouse", None),
    ],
)
def test_addresses(traits: dict[str, Any], public: str, jupyter: str | None) -> None:
    serverapp = server(**traits)
    assert urls.public_url(serverapp) == public
    assert urls.jupyter_url(serverapp) == jupyter


@pytest.mark.parametrize("ip", ["0.0.0.0", "::", "", "*"])
def test_where_every_interface_is_listened_to_only_the_path_is_known(ip: str) -> None:
    assert urls.public_url(server(ip=ip, base_url="/a/")) == "/a/gatehouse"
    named = server(ip=ip, base_url="/a/", custom_display_url="https://lab.example.org")
    assert urls.public_url(named) == "https://lab.example.org/a/gatehouse"


def test_every_interface_is_reached_by_loopback() -> None:
    assert urls.jupyter_url(server(ip="0.0.0.0")) == "http://127.0.0.1:8889/"
    assert urls.jupyter_url(server(ip="*")) == "http://127.0.0.1:8889/"
    assert urls.jupyter_url(server(ip="::")) == "http://[::1]:8889/"


def test_on_a_hub_only_the_path_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_SERVICE_PREFIX", "/user/a%40b/")
    serverapp = server(ip="0.0.0.0", base_url="/user/a%40b/")
    assert urls.public_url(serverapp) == "/user/a%40b/gatehouse"
    assert urls.jupyter_url(serverapp) == "http://127.0.0.1:8889/user/a%40b/"


def test_the_hubs_token_stands_in_for_jupyters(monkeypatch: pytest.MonkeyPatch) -> None:
    def token(of_jupyter: str) -> str:
        return urls.jupyter_token(SimpleNamespace(identity_provider=SimpleNamespace(token=of_jupyter)))

    assert token("") == ""
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "hub")
    assert token("") == "hub"
    assert token("own") == "own"
