"""The command `gatehouse`: becomes the binary, which then uses this interpreter for the gateway and the kernels."""

from __future__ import annotations

import os
import sys

from .paths import BinaryNotFound, find_assets, find_binary


def main() -> None:
    """Replaces this process by the binary; returns only by raising `SystemExit` where there is none."""
    try:
        binary = find_binary()
    except BinaryNotFound as missing:
        raise SystemExit(str(missing)) from None
    os.environ.setdefault("GATEHOUSE_PYTHON", sys.executable)
    if assets := find_assets(binary):
        os.environ.setdefault("GATEHOUSE_ASSETS", str(assets))
    os.execv(binary, [str(binary), *sys.argv[1:]])


if __name__ == "__main__":
    main()
