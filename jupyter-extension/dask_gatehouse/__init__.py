"""JupyterLab's side of Gatehouse: owns the server process and leads the browser and the kernels to it."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any

try:
    __version__ = version("dask-gatehouse")
except PackageNotFoundError:  # run from a checkout that is not installed
    __version__ = "0.0.0"


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "dask-gatehouse"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    # Here and not above: the `gatehouse` command needs nothing of Jupyter.
    from .app import GatehouseApp

    return [{"module": "dask_gatehouse.app", "app": GatehouseApp}]
