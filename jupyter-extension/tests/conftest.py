"""Fixtures that several tests use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in import Fake, is_alive


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[Fake]:
    folder = tmp_path / "fake"
    folder.mkdir()
    made = Fake(folder)
    made.behave({})
    yield made
    left = [life["pid"] for life in made.lives() if is_alive(life["pid"])]
    for pid in left:
        os.kill(pid, 9)
    assert not left, f"the test left the fake's processes {left} behind"
