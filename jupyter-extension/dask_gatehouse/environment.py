"""Variables that every later child of this process inherits, and their way back."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping


class InheritedEnvironment:
    """Sets variables in the process's environment and remembers what was there before."""

    def __init__(self, environ: MutableMapping[str, str] = os.environ) -> None:
        self._environ = environ
        self._before: dict[str, str | None] = {}

    def apply(self, variables: Mapping[str, str]) -> None:
        """Makes `variables` the ones that are set: those of an earlier call that are not among them go back."""
        for name in set(self._before) - set(variables):
            self._restore(name)
        for name, value in variables.items():
            self._before.setdefault(name, self._environ.get(name))
            self._environ[name] = value

    def revert(self) -> None:
        """Puts everything back."""
        self.apply({})

    def original(self) -> dict[str, str]:
        """The environment as it was without us: what our own process is to be given."""
        environ = dict(self._environ)
        for name, value in self._before.items():
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value
        return environ

    def _restore(self, name: str) -> None:
        value = self._before.pop(name)
        if value is None:
            self._environ.pop(name, None)
        else:
            self._environ[name] = value
