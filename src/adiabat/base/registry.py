"""Names to classes, loaded on use: what is new is one line in a table or one entry point of a wheel."""

import importlib
import importlib.metadata
from collections.abc import Mapping
from typing import Any

from adiabat.base.errors import ConfigError, MissingDependencyError, did_you_mean


class Registry:
    """The classes of one kind, by name.

    Args:
        kind: what they are, for messages, such as "integrator".
        table: name -> "package.module:Class"; nothing is imported before `get`.
        group: entry points of other packages in this group are found too; the table's names come first.
    """

    def __init__(self, kind: str, table: Mapping[str, str], group: str | None = None):
        self.kind = kind
        self.group = group
        self._table = dict(table)

    def names(self) -> list[str]:
        """All names, sorted."""
        return sorted({*self._table, *self._plugins()})

    def get(self, name: str) -> Any:
        """The class (or function) of that name.

        Raises:
            ConfigError: no such name.
            MissingDependencyError: it needs a package that is not installed.
        """
        target = self._table.get(name) or self._plugins().get(name)
        if target is None:
            raise ConfigError(f"unknown {self.kind} {name!r}", hint=did_you_mean(str(name), self.names()))
        module, _, attribute = target.partition(":")
        try:
            return getattr(importlib.import_module(module), attribute)
        except ModuleNotFoundError as error:
            package = (error.name or "").partition(".")[0]
            if package in ("", "adiabat"):
                raise
            message = f"{self.kind} {name!r} needs the package {package!r}, which is not installed"
            raise MissingDependencyError(message, hint=f"pip install {package}") from error

    def extended(self, table: Mapping[str, str]) -> "Registry":
        """The same with more names."""
        return Registry(self.kind, {**self._table, **table}, self.group)

    def name_of(self, target: Any) -> str | None:
        """The name of a class that `get` gives; None when it has none."""
        where = f"{target.__module__}:{target.__qualname__}"
        return next(
            (name for name, value in {**self._plugins(), **self._table}.items() if value == where), None
        )

    def __contains__(self, name: object) -> bool:
        return name in self._table or name in self._plugins()

    def _plugins(self) -> dict[str, str]:
        if self.group is None:
            return {}
        return {point.name: point.value for point in importlib.metadata.entry_points(group=self.group)}
