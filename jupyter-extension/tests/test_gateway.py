"""Dask's own gateway client, unchanged, through Python's door of the real server."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dask_gatehouse.paths import find_binary

CLIENT = Path(__file__).parent / "gateway_client.py"
PATIENCE = 180.0


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    """An environment in which nobody has configured a gateway."""
    foreign = ("DASK_", "GATEHOUSE_", "JUPYTER", "XDG_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    return {**environ, "HOME": str(tmp_path), "DASK_ROOT_CONFIG": str(tmp_path / "no-dask")}


@pytest.fixture
def kernel_env(home: dict[str, str], tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a kernel of a server with an embedded gateway is told."""
    arguments = ["serve", "--port", "0", "--ready-json", "--state-dir", str(tmp_path / "state"), "--python", sys.executable]
    with (tmp_path / "serve.log").open("wb") as log:
        server = subprocess.Popen(
            [find_binary(), *arguments], env=home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log
        )
    try:
        assert server.stdout is not None
        ready: dict[str, Any] = json.loads(server.stdout.readline() or b"{}")
        assert ready, (tmp_path / "serve.log").read_text()
        yield ready["kernel_env"]
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(PATIENCE) == 0


def test_the_client_creates_scales_connects_computes_and_stops(kernel_env: dict[str, str], home: dict[str, str]) -> None:
    address = kernel_env["DASK_GATEWAY__ADDRESS"]
    told = [
        address,
        kernel_env["DASK_GATEWAY__PROXY_ADDRESS"],
        kernel_env["DASK_GATEWAY__AUTH__KWARGS__USERNAME"],
        kernel_env["DASK_GATEWAY__AUTH__KWARGS__PASSWORD"],
    ]
    assert address.rpartition(":")[2] != told[1].rpartition(":")[2], "the door is not the gateway itself"
    done = subprocess.run(
        [sys.executable, str(CLIENT), *told],
        env={**home, "DASK_GATEWAY__HTTP_CLIENT__PROXY": "False"},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen == {
        "stranger": 401,
        "options": seen["options"],
        "refused": "Unknown fields ['no_such_option']",
        "running": [[True, "RUNNING"]],
        "scheduler": True,
        "sum": 499500,
        "squares": [0, 1, 4, 9],
        "over": seen["over"],
        "left": [],
    }
    assert "profile" in seen["options"]
