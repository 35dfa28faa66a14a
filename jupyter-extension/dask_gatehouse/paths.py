"""Where things are: the binary, the folder of sockets, this Jupyter Server's own socket."""

from __future__ import annotations

import functools
import os
import secrets
import stat
import sysconfig
import tempfile
from pathlib import Path

BINARY = "gatehouse"
PACKAGE = Path(__file__).resolve().parent

# The kernel's limit is 108 bytes on Linux and 104 on macOS, the ending zero included.
SOCKET_PATH_LIMIT = 100


class BinaryNotFound(Exception):
    """No `gatehouse` binary; the text says where it was looked for and how to get one."""


def find_binary(configured: str = "") -> Path:
    """The `gatehouse` binary.

    The first of: `configured`, the environment variable GATEHOUSE_BIN, this package, the interpreter's scripts folder,
    PATH. The first two must exist if they are given. Raises `BinaryNotFound`.
    """
    for source, path in (
        ("GatehouseApp.binary", configured),
        ("the environment variable GATEHOUSE_BIN", os.environ.get("GATEHOUSE_BIN", "")),
    ):
        if path:
            if not _is_program(Path(path).expanduser()):
                raise BinaryNotFound(
                    f"{source} names {path}, which is not a program: correct it, or remove it to use the one that "
                    "comes with dask-gatehouse."
                )
            return Path(path).expanduser().absolute()
    candidates = [PACKAGE / "bin" / BINARY, Path(sysconfig.get_path("scripts")) / BINARY]
    candidates += [Path(folder) / BINARY for folder in os.environ.get("PATH", "").split(os.pathsep) if folder]
    for candidate in candidates:
        if _is_program(candidate) and not _is_script(candidate):
            return candidate.absolute()
    raise BinaryNotFound(
        f"The program `{BINARY}` is neither in {PACKAGE / 'bin'} nor on the PATH: in a checkout run `npm run build`, "
        "else reinstall dask-gatehouse from a wheel for this platform, or set GATEHOUSE_BIN to the program."
    )


def find_assets(binary: Path) -> Path | None:
    """The standalone panel's files where `binary` would not find them by itself (`../panel` from its folder)."""
    if (binary.resolve().parent.parent / "panel").is_dir():
        return None
    # In a wheel, and in a checkout.
    candidates = (PACKAGE / "panel", PACKAGE.parent.parent / "target" / "panel")
    return next((folder for folder in candidates if folder.is_dir()), None)


def instance_id() -> str:
    """Names this Jupyter Server: the same as long as its process lives, never the same as another's."""
    return _instance_id(os.getpid())


def socket_path() -> Path:
    """The unix socket between this Jupyter Server's proxy and its `gatehouse serve`."""
    return _socket_path(instance_id())


@functools.cache
def _instance_id(pid: int) -> str:
    # The random part keeps servers in containers apart that share a folder but not their process numbers.
    return f"jupyter-{pid}-{secrets.token_hex(4)}"


@functools.cache
def _socket_path(instance: str) -> Path:
    name = f"{instance}.sock"
    for folder in _socket_folders():
        if len(os.fsencode(folder / name)) <= SOCKET_PATH_LIMIT and _is_private_folder(folder):
            return folder / name
    # Somebody else sits on the usual names, or they are too long: a folder that nobody could foresee.
    return Path(tempfile.mkdtemp(prefix="gatehouse-", dir="/tmp")) / name


def _socket_folders() -> list[Path]:
    folders = []
    if runtime := os.environ.get("XDG_RUNTIME_DIR"):
        folders.append(Path(runtime) / "gatehouse")
    for temporary in (tempfile.gettempdir(), "/tmp"):
        folders.append(Path(temporary) / f"gatehouse-{os.getuid()}")
    return folders


def _is_private_folder(folder: Path) -> bool:
    """Whether `folder`, made where it is missing, is a real folder of ours that nobody else can enter."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
            return False
        if stat.S_IMODE(found.st_mode) != 0o700:
            folder.chmod(0o700)
        return os.access(folder, os.W_OK | os.X_OK)
    except OSError:
        return False


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


def _is_script(path: Path) -> bool:
    """Whether it begins with `#!`: the `gatehouse` command that pip makes is one, and it would find itself."""
    try:
        with path.open("rb") as file:
            return file.read(2) == b"#!"
    except OSError:
        return True
