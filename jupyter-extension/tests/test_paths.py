"""Where the binary and the socket are looked for."""

from __future__ import annotations

import os
import stat
import sysconfig
import tempfile
from pathlib import Path

import pytest

from dask_gatehouse import paths, proxy


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    paths._socket_path.cache_clear()
    monkeypatch.setattr(paths, "PACKAGE", tmp_path / "package")
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / "scripts"))
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.delenv("GATEHOUSE_BIN", raising=False)


def program(path: Path, text: bytes = b"\x7fELF") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    path.chmod(0o755)
    return path


def test_the_order_of_places(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    places = [
        program(tmp_path / "path" / "gatehouse"),
        program(tmp_path / "scripts" / "gatehouse"),
        program(tmp_path / "package" / "bin" / "gatehouse"),
    ]
    named = program(tmp_path / "named")
    configured = program(tmp_path / "configured")
    monkeypatch.setenv("GATEHOUSE_BIN", str(named))
    assert paths.find_binary(str(configured)) == configured
    assert paths.find_binary() == named
    monkeypatch.delenv("GATEHOUSE_BIN")
    while places:
        assert paths.find_binary() == places[-1]
        places.pop().unlink()
    with pytest.raises(paths.BinaryNotFound, match="npm run build"):
        paths.find_binary()


def test_the_command_of_pip_is_not_taken_for_the_binary(tmp_path: Path) -> None:
    program(tmp_path / "scripts" / "gatehouse", b"#!/usr/bin/python")
    with pytest.raises(paths.BinaryNotFound):
        paths.find_binary()


def test_a_wrong_name_is_told_and_not_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "path" / "gatehouse")
    monkeypatch.setenv("GATEHOUSE_BIN", str(tmp_path / "nothing"))
    with pytest.raises(paths.BinaryNotFound, match="GATEHOUSE_BIN names .*/nothing"):
        paths.find_binary()


def test_assets_are_named_only_where_the_binary_would_not_find_them(tmp_path: Path) -> None:
    packaged = program(tmp_path / "package" / "bin" / "gatehouse")
    elsewhere = program(tmp_path / "path" / "gatehouse")
    assert paths.find_assets(elsewhere) is None
    (tmp_path / "package" / "panel").mkdir()
    assert paths.find_assets(packaged) is None
    assert paths.find_assets(elsewhere) == tmp_path / "package" / "panel"


def test_the_socket_is_in_the_users_runtime_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    socket = paths.socket_path()
    assert socket.parent == tmp_path / "gatehouse"
    assert stat.S_IMODE(socket.parent.stat().st_mode) == 0o700
    assert paths.socket_path() == socket
    assert proxy.setup()["unix_socket"] == str(socket)
    assert paths.instance_id() == socket.stem


def test_a_folder_open_to_others_is_closed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "gatehouse").mkdir(mode=0o777)
    (tmp_path / "gatehouse").chmod(0o777)
    assert stat.S_IMODE(paths.socket_path().parent.stat().st_mode) == 0o700


def test_a_link_that_somebody_else_could_have_put_is_not_followed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "trap").mkdir()
    (tmp_path / f"gatehouse-{os.getuid()}").symlink_to(tmp_path / "trap")
    assert tmp_path not in paths.socket_path().parents


@pytest.mark.parametrize("runtime", ["missing", "long"])
def test_unusable_folders_are_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, runtime: str) -> None:
    folder = tmp_path / ("x" * 90 if runtime == "long" else "missing")
    if runtime == "long":
        folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    socket = paths.socket_path()
    assert folder not in socket.parents
    assert len(os.fsencode(socket)) <= paths.SOCKET_PATH_LIMIT
