"""``spa plugins``: what is installed, and what is wrong with it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from spa_core._discovery.entries import CODECS, PLUGINS, TRANSPORTS
from spa_core.cli import _plugins
from spa_core.cli._plugins import Row, installed, table

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint
    from pathlib import Path

    from click.testing import Result

    from spa_core._discovery.entries import EntryPoints

GOOD = """
from spa_core import hookimpl

@hookimpl
def spa_socket_provider(url):
    return None
"""

MISSPELT = """
from spa_core import hookimpl

@hookimpl
def spa_socket_povider(url):
    return None
"""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[[list[EntryPoint]], EntryPoints]:
    """Make a list of entry points all that is installed."""

    def install(entries: list[EntryPoint]) -> EntryPoints:
        def found(group: str) -> list[EntryPoint]:
            return [entry for entry in entries if entry.group == group]

        monkeypatch.setattr(_plugins, "installed_entry_points", found)
        return found

    return install


def test_the_installed_transport_is_listed(spa: Callable[..., Result]) -> None:
    """The list shows what is really installed: kind, name, distribution, version and module."""
    rows = json.loads(spa("plugins", "--json").output)
    memory = next(row for row in rows if row["name"] == "memory")

    assert memory.pop("version")
    assert memory == {
        "kind": "transport",
        "name": "memory",
        "distribution": "spa-inmemory",
        "module": "spa_inmemory.plugin",
        "problem": None,
    }


def test_the_installed_transport_loads(spa: Callable[..., Result]) -> None:
    """What we ship loads without a problem."""
    rows = json.loads(spa("plugins", "--load", "--json").output)

    assert next(row for row in rows if row["name"] == "memory")["problem"] is None


def test_the_list_is_read_from_metadata(
    environment: Callable[..., EntryPoints],
    module: Callable[[str, str], Path],
    distribution: Callable[..., list[EntryPoint]],
    spa: Callable[..., Result],
) -> None:
    """Without ``--load`` nothing is imported, and transports, codecs and plugins come in this order, by name."""
    module("cli_never", "raise SystemExit('imported')")
    environment(
        distribution(
            "spa-never",
            (PLUGINS, "timing", "cli_never:Timing"),
            (CODECS, "cbor", "cli_never"),
            (TRANSPORTS, "nats", "cli_never"),
            (TRANSPORTS, "amqp", "cli_never"),
        )
    )
    result = spa("plugins")

    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "KIND       NAME    DISTRIBUTION  VERSION  MODULE",
        "transport  amqp    spa-never     1.2.3    cli_never",
        "transport  nats    spa-never     1.2.3    cli_never",
        "codec      cbor    spa-never     1.2.3    cli_never",
        "plugin     timing  spa-never     1.2.3    cli_never:Timing",
    ]


def test_loading_shows_failures(
    environment: Callable[..., EntryPoints],
    module: Callable[[str, str], Path],
    distribution: Callable[..., list[EntryPoint]],
    spa: Callable[..., Result],
) -> None:
    """``--load`` imports each, shows below it why one cannot be used, and ends with 1."""
    module("cli_good", GOOD)
    module("cli_broken", "raise RuntimeError('out of order')")
    module("cli_misspelt", MISSPELT)
    names = ("good", "broken", "misspelt")
    environment(distribution("spa-many", *((TRANSPORTS, name, f"cli_{name}") for name in names)))
    result = spa("plugins", "--load")
    lines = result.output.splitlines()

    assert result.exit_code == 1
    assert lines[1].split() == ["transport", "broken", "spa-many", "1.2.3", "cli_broken"]
    assert lines[2].startswith(
        "  problem: the transport 'broken' of spa-many cannot be loaded: RuntimeError: out of order"
    )
    assert lines[3].split() == ["transport", "good", "spa-many", "1.2.3", "cli_good"]
    assert "Did you mean 'spa_socket_provider'?" in lines[5]


def test_a_codec_that_fails_is_shown(
    environment: Callable[..., EntryPoints],
    module: Callable[[str, str], Path],
    distribution: Callable[..., list[EntryPoint]],
) -> None:
    """A plugin whose hook fails is shown with that error, of whatever class it is."""
    module("cli_codec", "from spa_core import hookimpl\n@hookimpl\ndef spa_codecs():\n    return 1 / 0\n")
    found = environment(distribution("spa-codec", (CODECS, "cbor", "cli_codec")))

    assert [row.problem for row in installed(found, loading=True)] == ["ZeroDivisionError: division by zero"]


@pytest.mark.parametrize(("arguments", "code"), [([], 0), (["--load"], 1)])
def test_a_conflict_is_shown(
    environment: Callable[..., EntryPoints],
    distribution: Callable[..., list[EntryPoint]],
    spa: Callable[..., Result],
    arguments: list[str],
    code: int,
) -> None:
    """A scheme that two distributions claim is a problem of both, seen without importing either."""
    environment(
        [
            *distribution("spa-one", (TRANSPORTS, "mqtt", "cli_one")),
            *distribution("spa-two", (TRANSPORTS, "mqtt", "cli_two")),
        ]
    )
    result = spa("plugins", *arguments)
    problem = "  problem: the transport 'mqtt' is claimed by spa-one and spa-two. Uninstall one of them"

    assert result.exit_code == code
    assert result.output.splitlines()[2::2] == [problem, problem]


def test_a_distribution_found_twice_is_one(
    environment: Callable[..., EntryPoints], distribution: Callable[..., list[EntryPoint]]
) -> None:
    """A distribution that is on the path twice is listed once and no conflict with itself."""
    once = distribution("spa-one", (TRANSPORTS, "mqtt", "cli_one"))
    twice = distribution("spa-one", (TRANSPORTS, "mqtt", "cli_one"))
    rows = installed(environment([*once, *twice]), loading=False)

    assert [(row.name, row.problem) for row in rows] == [("mqtt", None)]


def test_an_unknown_version_is_a_dash(environment: Callable[..., EntryPoints]) -> None:
    """An entry point that belongs to no distribution has no version."""
    from importlib.metadata import EntryPoint  # noqa: PLC0415 - only here

    (row,) = installed(environment([EntryPoint("mqtt", "cli_one", TRANSPORTS)]), loading=False)

    assert row == Row(
        kind="transport", name="mqtt", distribution="an unknown distribution", version=None, module="cli_one"
    )
    assert table([row]).splitlines()[1] == "transport  mqtt  an unknown distribution  -        cli_one"


def test_nothing_installed_says_what_to_do(environment: Callable[..., EntryPoints], spa: Callable[..., Result]) -> None:
    """Where nothing is installed, the list says how to get a transport."""
    environment([])

    assert spa("plugins").output == "Nothing is installed. Try: pip install spa-inmemory\n"
