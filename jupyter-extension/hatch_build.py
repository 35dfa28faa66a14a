"""Completes the wheel with what other tools build: the binary, the panel and the lab extension."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

LABEXTENSION = "share/jupyter/labextensions/dask-gatehouse"
# The standalone page, where the build leaves it.
PANEL = "../target/panel"
BUILT = {
    "dask_gatehouse/bin/gatehouse": "the server",
    "dask_gatehouse/labextension/package.json": "the JupyterLab extension",
    f"{PANEL}/index.html": "the panel's own page",
}


class GatehouseBuildHook(BuildHookInterface):
    """Checks that everything is there, and marks the wheel with the platform of the binary."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        # An editable install finds the binary by itself, and `jupyter-builder develop` links the lab extension:
        # a copy of it here would be in the way of that link.
        if self.target_name != "wheel" or version == "editable":
            return
        root = Path(self.root)
        missing = [f"{what} ({path})" for path, what in BUILT.items() if not (root / path).is_file()]
        if missing:
            self.app.abort(
                f"The wheel needs {', '.join(missing)}, not built yet: run `npm run build` in the checkout first."
            )
        build_data["shared_data"]["dask_gatehouse/labextension"] = LABEXTENSION
        build_data["shared_data"]["install.json"] = f"{LABEXTENSION}/install.json"
        build_data["force_include"][str(root / PANEL)] = "dask_gatehouse/panel"
        build_data["pure_python"] = False
        build_data["tag"] = f"py3-none-{platform_tag()}"


def platform_tag() -> str:
    """The wheel's platform: GATEHOUSE_WHEEL_PLATFORM (a manylinux tag, say) or this machine's."""
    platform = os.environ.get("GATEHOUSE_WHEEL_PLATFORM") or sysconfig.get_platform()
    return platform.replace("-", "_").replace(".", "_")
