"""Distributions made up for one test: real metadata and real modules, in a folder of their own."""

from __future__ import annotations

import itertools
import sys
from importlib.metadata import EntryPoint, distributions
from textwrap import dedent
from typing import TYPE_CHECKING

import pytest

from spa_core._discovery.plugins import Plugins

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_numbers = itertools.count(1)
TRANSPORT = '''
    from spa_core import SocketProvider, TransportConfig, hookimpl
    from spa_core.transport import Capabilities

    class Config(TransportConfig, frozen=True):
        """Nothing to set."""

    class Provider(SocketProvider[Config]):
        """Opens nothing."""

        capabilities = Capabilities()

        def open(self, on_connection):
            raise NotImplementedError

    @hookimpl
    def spa_socket_provider(url):
        return Provider(Config()) if url.scheme in SCHEMES else None

    @hookimpl
    def spa_socket_provider_for_config(config):
        return Provider(config) if isinstance(config, Config) else None
'''


class Site:
    """
    A place where distributions are installed.

    Attributes:
        environment: The environment variables that plugins see.
    """

    def __init__(self, folder: Path) -> None:
        self.environment: dict[str, str] = {}
        self._folder = folder
        self._modules: list[str] = []

    def module(self, source: str) -> str:
        """Write a module and return its name, which nothing else has."""
        name = f"fake_{next(_numbers)}"
        (self._folder / f"{name}.py").write_text(dedent(source), "utf-8")
        self._modules.append(name)
        return name

    def install(self, distribution: str, group: str, **entries: str) -> None:
        """Install a distribution with entry points in one group; names may hold ``_`` for ``+``."""
        info = self._folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
        info.mkdir(exist_ok=True)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n", "utf-8")
        lines = [f"{name.replace('_', '+')} = {value}" for name, value in entries.items()]
        with (info / "entry_points.txt").open("a", encoding="utf-8") as file:
            file.write("\n".join([f"[spa_core.{group}]", *lines, ""]))

    def transport(self, distribution: str, *schemes: str) -> str:
        """Install a transport for some schemes and return its module's name."""
        module = self.module(f"SCHEMES = {schemes!r}\n{dedent(TRANSPORT)}")
        self.install(distribution, "transports", **dict.fromkeys(schemes, module))
        return module

    def entry_points(self, group: str) -> list[EntryPoint]:
        """Return the entry points of a group, as ``importlib.metadata`` reads them."""
        found = distributions(path=[str(self._folder)])
        return [entry for each in found for entry in each.entry_points if entry.group == group]

    def plugins(self, *given: object) -> Plugins:
        """Return the plugins of an application here."""
        return Plugins(given, entry_points=self.entry_points, environment=self.environment)

    def imported(self) -> list[str]:
        """Return which of the modules have been imported, in the order they were written."""
        return [name for name in self._modules if name in sys.modules]

    def forget(self) -> None:
        """Forget what was imported."""
        for name in self.imported():
            del sys.modules[name]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Return a place where distributions can be installed."""
    monkeypatch.syspath_prepend(str(tmp_path))
    place = Site(tmp_path)
    yield place
    place.forget()
