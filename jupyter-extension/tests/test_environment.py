"""Variables for the kernels come, change and go."""

from __future__ import annotations

from dask_gatehouse.environment import InheritedEnvironment


def test_apply_change_and_revert() -> None:
    environ = {"KEPT": "1", "CHANGED": "before"}
    inherited = InheritedEnvironment(environ)
    inherited.apply({"CHANGED": "after", "NEW": "2"})
    assert environ == {"KEPT": "1", "CHANGED": "after", "NEW": "2"}
    assert inherited.original() == {"KEPT": "1", "CHANGED": "before"}
    inherited.apply({"NEW": "3"})
    assert environ == {"KEPT": "1", "CHANGED": "before", "NEW": "3"}
    inherited.revert()
    assert environ == {"KEPT": "1", "CHANGED": "before"}
