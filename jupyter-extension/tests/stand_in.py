"""A stand-in for `gatehouse serve` that fails on purpose."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAKE = Path(__file__).parent / "fake_server.py"
TIMEOUT = 30.0


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """Waits until `condition` gives something true, and returns it."""
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        if result := condition():
            return result
        time.sleep(0.02)
    raise AssertionError(f"not within {TIMEOUT:.0f} s: {what}")


def is_alive(pid: int) -> bool:
    """Whether the process `pid` runs; one that has ended but was not waited for does not."""
    try:
        os.kill(pid, 0)
        # Where nobody waits for orphans they stay as zombies, which only Linux tells from the living.
        status = Path(f"/proc/{pid}/stat")
        return not status.exists() or status.read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


class Fake:
    """Writes the script of the fake's next lives, and reads what they told."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def command(self) -> list[str]:
        return [sys.executable, str(FAKE), str(self._folder)]

    def behave(self, *lives: dict[str, Any]) -> None:
        """What each life does; the last one is repeated. See fake_server.py for the words."""
        for number, life in enumerate(lives):
            (self._folder / f"life-{number}.json").write_text(json.dumps(life))

    def lives(self) -> list[dict[str, Any]]:
        """What each life so far wrote down when it began: pid, arguments, environment, session."""
        reports = sorted(self._folder.glob("report-*.json"), key=lambda path: int(path.stem.partition("-")[2]))
        return [json.loads(path.read_text()) for path in reports]

    def terminated(self) -> list[int]:
        """Numbers of the lives with `note_term` that SIGTERM reached after their ready line."""
        return sorted(int(path.name.partition("-")[2]) for path in self._folder.glob("terminated-*"))
