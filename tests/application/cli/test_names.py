"""What ``spa new`` calls things, and which names it refuses."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spa_core._discovery.entries import CODECS, TRANSPORTS
from spa_core.cli._names import LONGEST, Kind, Names, read_name
from spa_core.errors import ConfigurationError
from spa_core.url import Url

if TYPE_CHECKING:
    from collections.abc import Callable
    from importlib.metadata import EntryPoint
    from pathlib import Path

NORMAL_NAME = r"[a-z0-9]+(-[a-z0-9]+)*"  # of a distribution, as the packaging specifications have it
VALID = st.from_regex(r"\A[a-z][a-z0-9]{0,6}([-._][a-z0-9]{1,6}){0,2}\Z").filter(lambda name: len(name) <= LONGEST)


@pytest.mark.parametrize(
    ("kind", "text", "names"),
    [
        ("transport", "acme", Names("acme", "spa-acme", "spa_acme", "Acme")),
        ("transport", "acme_bus", Names("acme-bus", "spa-acme-bus", "spa_acme_bus", "AcmeBus")),
        ("transport", "spa-acme", Names("acme", "spa-acme", "spa_acme", "Acme")),
        ("transport", "spa_acme", Names("acme", "spa-acme", "spa_acme", "Acme")),
        ("codec", "vnd.acme.v1", Names("vnd.acme.v1", "spa-vnd-acme-v1", "spa_vnd_acme_v1", "VndAcmeV1")),
        ("app", "water-flow", Names("water-flow", "water-flow", "water_flow", "WaterFlow")),
        ("app", "water_flow", Names("water-flow", "water-flow", "water_flow", "WaterFlow")),
        ("app", "spa-weather", Names("spa-weather", "spa-weather", "spa_weather", "SpaWeather")),
    ],
)
def test_one_name_gives_all_others(kind: Kind, text: str, names: Names) -> None:
    """A plugin's distribution is called after what it serves, with a prefix; an application's as it is."""
    assert read_name(kind, text) == names


@given(kind=st.sampled_from(["transport", "codec", "app"]), text=VALID)
def test_every_name_can_be_used(kind: Kind, text: str) -> None:
    """Whatever name is accepted, Python can import it, pip install it, and a URL or a content type begin with it."""
    try:
        names = read_name(kind, text)
    except ConfigurationError as taken:
        assume("taken" not in taken.message)
        raise

    assert names.package.isidentifier()
    assert names.prefix.isidentifier()
    assert re.fullmatch(NORMAL_NAME, names.distribution)
    assert Url.parse(f"{names.name}://host").scheme == names.name


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("Acme", "acme"),
        ("My Bus", "my-bus"),
        ("3com", "com"),
        ("../acme", "acme"),
        ("acme/", "acme"),
        ("acme--bus", "acme-bus"),
        ("-acme-", "acme"),
        ("größe", "gr-e"),
        ("a" * (LONGEST + 1), "a" * LONGEST),
    ],
)
def test_what_is_no_name_is_refused(text: str, nearest: str) -> None:
    """One sentence says what names are made of, and the nearest one is offered; that one is accepted."""
    with pytest.raises(ConfigurationError, match="is no name for a package; a name is made of lower-case") as caught:
        read_name("app", text)

    assert caught.value.hint == f"Did you mean '{nearest}'?"
    assert read_name("app", nearest).name == nearest


@pytest.mark.parametrize("text", ["", "123", "-", "é"])
def test_what_resembles_no_name_gets_no_guess(text: str) -> None:
    """Without a letter to begin with there is nothing to offer."""
    with pytest.raises(ConfigurationError, match="is no name for a package") as caught:
        read_name("codec", text)

    assert caught.value.hint is None


@pytest.mark.parametrize(
    ("kind", "text", "why"),
    [
        ("transport", "mqtt", "spa-mqtt serves mqtt://"),
        ("transport", "memory", "spa-inmemory serves memory://"),
        ("transport", "inmemory", "spa-inmemory is a distribution of SPA's own"),
        ("transport", "core", "the package spa_core is installed"),
        ("codec", "json", "spa-core reads and writes application/json itself"),
        ("codec", "kafka", "spa-kafka is a distribution of SPA's own"),
        ("app", "json", "json is a word or a module of Python itself"),
        ("app", "import", "import is a word or a module of Python itself"),
        ("app", "pytest", "the package pytest is installed"),
    ],
)
def test_a_taken_name_is_refused(kind: Kind, text: str, why: str) -> None:
    """What would hide, or be hidden by, something else is refused, with who has the name."""
    with pytest.raises(ConfigurationError) as caught:
        read_name(kind, text)

    assert str(caught.value) == f"the name {text!r} is taken: {why}. Choose another one"


@pytest.mark.parametrize(
    ("kind", "group", "what"), [("transport", TRANSPORTS, "acme://"), ("codec", CODECS, "application/acme")]
)
def test_what_is_served_already_is_refused(
    distribution: Callable[..., list[EntryPoint]], kind: Kind, group: str, what: str
) -> None:
    """A scheme or subtype that an installed distribution serves is refused: the two could not be installed together."""
    entries = distribution("acme-things", (group, "acme", "acme_things.plugin"))

    def entry_points(group: str) -> list[EntryPoint]:
        return [entry for entry in entries if entry.group == group]

    with pytest.raises(ConfigurationError, match=f"taken: acme-things, which is installed, serves {what}"):
        read_name(kind, "acme", entry_points=entry_points)
    assert read_name("app", "acme", entry_points=entry_points).name == "acme"
    assert read_name(kind, "acme-2", entry_points=entry_points).name == "acme-2"


def test_a_folder_takes_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder on the path that is no package, such as one that was made before, is not taken for one."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "waterworks").mkdir()

    assert read_name("app", "waterworks").package == "waterworks"
