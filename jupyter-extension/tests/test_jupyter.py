"""The extension inside a real Jupyter Server, behind the real jupyter-server-proxy, over a stand-in for our server."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

import pytest
from stand_in import FAKE, TIMEOUT, Fake, is_alive, wait_until
from tornado.httpclient import HTTPRequest
from tornado.websocket import websocket_connect

TOKEN = "a-token-of-the-test"


class Jupyter:
    """A Jupyter Server on a free port, with folders of its own."""

    def __init__(self, folder: Path, program: Path | None, environment: dict[str, str]) -> None:
        runtime = folder / "runtime"
        probe = folder / "data" / "kernels" / "probe"
        probe.mkdir(parents=True)
        self.kernel_report = folder / "kernel-environment.json"
        code = "import json, os, sys, time; json.dump(dict(os.environ), open(sys.argv[1], 'w')); time.sleep(3600)"
        argv = [sys.executable, "-c", code, str(self.kernel_report), "{connection_file}"]
        (probe / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Probe", "language": "none"}))
        self.log = folder / "jupyter.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root", "--port=0"),
                    *("--ServerApp.base_url=/a/b/", f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={folder}"),
                    "--ServerApp.jpserver_extensions={'dask_gatehouse': True, 'jupyter_server_proxy': True}",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={
                    **os.environ,
                    "GATEHOUSE_BIN": str(program or ""),
                    "JUPYTER_RUNTIME_DIR": str(runtime),
                    "JUPYTER_DATA_DIR": str(folder / "data"),
                    "JUPYTER_CONFIG_DIR": str(folder / "config"),
                    **environment,
                },
            )
        self._info = runtime / f"jpserver-{self.process.pid}.json"
        self.url = ""

    def wait_for_the_extension(self) -> None:
        wait_until(self._has_started, "the extension has started")

    def _has_started(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            # Written before the port is bound.
            self.url = json.loads(self._info.read_text())["url"]
            return self.state() != "starting"
        except (FileNotFoundError, ValueError, urllib.error.URLError):
            return False

    def get(self, path: str, data: dict[str, Any] | None = None) -> Any:
        body = None if data is None else json.dumps(data).encode()
        request = urllib.request.Request(self.url + path, data=body, headers={"Authorization": f"token {TOKEN}"})
        with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
            return json.load(response)

    def state(self) -> str:
        return self.get("dask-gatehouse/server")["state"]

    def end(self, signum: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            self.process.send_signal(signum)
        return self.process.wait(TIMEOUT)


Start = Callable[..., Jupyter]


@pytest.fixture
def program(fake: Fake, tmp_path: Path) -> Path:
    fake.behave({"socket": True, "kernel_env": {"DASK_GATEWAY__ADDRESS": "http://127.0.0.1:1/secret"}})
    path = tmp_path / "gatehouse"
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{FAKE}" "{tmp_path / "fake"}" "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    try:
        distribution("dask-gatehouse")
    except PackageNotFoundError:
        pytest.fail("These tests need the package: `pip install --no-deps -e jupyter-extension` in this environment.")
    started: list[Jupyter] = []

    def begin(program: Path | None, **environment: str) -> Jupyter:
        jupyter = Jupyter(tmp_path, program, environment)
        started.append(jupyter)
        jupyter.wait_for_the_extension()
        return jupyter

    yield begin
    for jupyter in started:
        jupyter.end()


async def talk(url: str) -> list[Any]:
    """What a WebSocket of ours answers to text and to bytes; first the headers that it was opened with."""
    origin = url.partition("/a/b/")[0]
    address = url.replace("http", "ws", 1) + "gatehouse/echo"
    request = HTTPRequest(address, headers={"Authorization": f"token {TOKEN}", "Origin": origin})
    socket = await websocket_connect(request)
    answers: list[Any] = [json.loads(await socket.read_message() or "{}")]
    for message in ("text", b"\x00\xff" * 200_000):
        await socket.write_message(message, binary=isinstance(message, bytes))
        answers.append(await socket.read_message())
    socket.close()
    return answers


def test_browsers_and_kernels_find_the_server(fake: Fake, program: Path, start: Start) -> None:
    jupyter = start(program)
    assert jupyter.get("dask-gatehouse/server") == {"state": "running", "message": None}
    (life,) = fake.lives()
    options = dict(zip(life["arguments"], life["arguments"][1:], strict=False))
    port = jupyter.url.split(":")[2].split("/")[0]
    assert life["arguments"][0] == "serve"
    assert options["--parent-pid"] == str(jupyter.process.pid) == str(life["parent"])
    assert options["--public-url"] == f"http://localhost:{port}/a/b/gatehouse"
    assert options["--jupyter-url"] == f"http://127.0.0.1:{port}/a/b/"
    assert options["--sys-prefix"] == sys.prefix
    assert life["environment"]["GATEHOUSE_JUPYTER_TOKEN"] == TOKEN
    assert TOKEN not in " ".join(life["arguments"])

    seen = jupyter.get("gatehouse/api/v1/status")
    assert seen["path"] == "/api/v1/status"
    assert seen["headers"]["Host"] == f"localhost:{port}"
    assert seen["headers"]["X-Forwarded-Prefix"] == "/a/b/gatehouse"
    headers, text, data = asyncio.run(talk(jupyter.url))
    assert headers["Host"] == f"localhost:{port}"
    assert headers["Origin"] == f"http://localhost:{port}"
    assert (text, data) == ("text", b"\x00\xff" * 200_000)

    jupyter.get("api/kernels", {"name": "probe"})
    wait_until(lambda: jupyter.kernel_report.exists() and jupyter.kernel_report.read_text().endswith("}"), "a kernel")
    environment = json.loads(jupyter.kernel_report.read_text())
    assert environment["DASK_GATEWAY__ADDRESS"] == "http://127.0.0.1:1/secret"
    assert "GATEHOUSE_JUPYTER_TOKEN" not in environment

    # The next life is not told its own gateway as if somebody had configured it.
    os.kill(life["pid"], signal.SIGKILL)
    wait_until(lambda: len(fake.lives()) == 2 and jupyter.state() == "running", "the second life")
    assert "DASK_GATEWAY__ADDRESS" not in fake.lives()[1]["environment"]
    assert fake.lives()[1]["arguments"] == life["arguments"]
    assert jupyter.get("gatehouse/")["pid"] == fake.lives()[1]["pid"]

    assert jupyter.end() == 0
    assert not is_alive(fake.lives()[1]["pid"])
    assert not Path(options["--socket"]).exists()
    assert TOKEN not in jupyter.log.read_text()


def test_a_panel_that_is_open_is_no_activity(fake: Fake, program: Path, start: Start) -> None:
    jupyter = start(program)
    before = jupyter.get("api/status?no_track_activity=1")["last_activity"]
    jupyter.get("gatehouse/")
    asyncio.run(talk(jupyter.url))
    jupyter.get("dask-gatehouse/server?no_track_activity=1")
    assert jupyter.get("api/status?no_track_activity=1")["last_activity"] == before


def test_an_interrupt_without_a_terminal_ends_the_server_too(fake: Fake, program: Path, start: Start) -> None:
    jupyter = start(program)
    jupyter.end(signal.SIGINT)
    assert not is_alive(fake.lives()[0]["pid"])


def test_jupyter_starts_without_the_program(start: Start, tmp_path: Path) -> None:
    jupyter = start(tmp_path / "nothing")
    answer = jupyter.get("dask-gatehouse/server")
    assert answer["state"] == "missing"
    assert "GATEHOUSE_BIN names" in answer["message"]
    assert jupyter.end() == 0


def test_jupyter_starts_with_a_program_that_fails(fake: Fake, program: Path, start: Start) -> None:
    fake.behave({"silent": True, "exit": 2, "stderr": ["error: no space is left"]})
    jupyter = start(program)
    answer = jupyter.get("dask-gatehouse/server")
    assert answer["state"] == "restarting"
    assert "no space is left" in answer["message"]
    with pytest.raises(urllib.error.HTTPError) as refused:
        jupyter.get("gatehouse/")
    assert refused.value.code == 500
    assert jupyter.end() == 0


def test_it_can_be_switched_off(fake: Fake, program: Path, start: Start) -> None:
    jupyter = start(program, GATEHOUSE_DISABLE="1")
    assert jupyter.state() == "disabled"
    assert fake.lives() == []
    assert jupyter.end() == 0


def test_nothing_is_told_without_a_login(program: Path, start: Start) -> None:
    jupyter = start(program)
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(jupyter.url + "dask-gatehouse/server", timeout=TIMEOUT)
    assert refused.value.code == 403
    with urllib.request.urlopen(jupyter.url + "gatehouse/", timeout=TIMEOUT) as page:
        assert "/login?" in page.url
