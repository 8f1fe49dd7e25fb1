"""Plugins: found by metadata, imported only when wanted, and never in the way of who does not want them."""

from __future__ import annotations

import types
from importlib.metadata import EntryPoint
from typing import TYPE_CHECKING, Any

import pytest

from spa_core import SpaMessage, hookimpl
from spa_core._discovery.entries import PLUGINS, TRANSPORTS, distribution_name, installed_entry_points
from spa_core._discovery.plugins import Plugins
from spa_core.errors import (
    CodecError,
    PluginConflictError,
    PluginError,
    PluginLoadError,
    UnknownContentTypeError,
    UnknownSchemeError,
)

if TYPE_CHECKING:
    from tests.core.discovery.conftest import Site

BROKEN = "raise ImportError('no such library')"


# -- transports --------------------------------------------------------------------------------------------------------


def test_only_the_wanted_transport_is_imported(site: Site) -> None:
    """An application with one broker never imports another's client, however broken that is."""
    wanted = site.transport("spa-one", "one")
    site.transport("spa-two", "two")
    site.install("spa-three", "transports", three=site.module(BROKEN))
    plugins = site.plugins()

    assert plugins.schemes() == ["one", "three", "two"]
    assert site.imported() == []

    plugins.load_transport("one")

    assert site.imported() == [wanted]


def test_a_transport_is_loaded_once(site: Site) -> None:
    """Asking twice for a scheme gives the same plugin, and one plugin may serve several schemes."""
    site.transport("spa-one", "one", "ones")
    plugins = site.plugins()

    assert plugins.load_transport("one") is plugins.load_transport("one")
    assert plugins.load_transport("ones") is plugins.load_transport("one")


def test_two_applications_do_not_share_plugins(site: Site) -> None:
    """What one application has registered another does not see."""

    class Given:
        @hookimpl
        def spa_application_state(self) -> None:
            """Notice nothing."""

    assert len(site.plugins(Given()).implementations("spa_application_state")) == 1
    assert site.plugins().implementations("spa_application_state") == []


@pytest.mark.parametrize(
    ("scheme", "installed", "hint"),
    [
        ("mqtt", ["memory"], "Try: pip install spa-mqtt"),
        ("mqtt", [], "Try: pip install spa-mqtt"),
        ("mqt", ["memory"], "Did you mean 'mqtt'? Try: pip install spa-mqtt"),
        ("memoy", ["memory"], "Did you mean 'memory'?"),
        ("kafak", ["kafka"], "Did you mean 'kafka'?"),
        ("acmebus", ["acmebuss", "memory"], "Did you mean 'acmebuss'?"),
        ("amqp", ["memory"], None),
        ("amqp", [], None),
    ],
)
def test_an_unknown_scheme_says_what_would_help(
    site: Site, scheme: str, installed: list[str], hint: str | None
) -> None:
    """The error lists what is installed, the nearest match, and what to install if that is all that is missing."""
    for name in installed:
        site.transport(f"dist-{name}", name)
    with pytest.raises(UnknownSchemeError) as caught:
        site.plugins().load_transport(scheme)

    assert caught.value.scheme == scheme
    assert caught.value.installed == tuple(sorted(installed))
    assert (", ".join(sorted(installed)) or "none") in caught.value.message
    assert caught.value.hint == hint
    assert site.imported() == []


def test_two_distributions_with_one_scheme(site: Site) -> None:
    """The error names both, and neither is imported; the other schemes go on working."""
    site.transport("spa-two", "bus")
    site.transport("spa-one", "bus")
    site.transport("spa-three", "other")
    plugins = site.plugins()
    with pytest.raises(PluginConflictError, match="spa-one and spa-two") as caught:
        plugins.load_transport("bus")
    plugins.load_transport("other")

    assert caught.value.distributions == ("spa-one", "spa-two")
    assert len(site.imported()) == 1


def test_the_same_entry_twice_is_no_conflict(site: Site) -> None:
    """A distribution that is found twice, as an editable one may be, claims its scheme once."""
    module = site.transport("spa-one", "one")
    twice = [*site.entry_points(TRANSPORTS), *site.entry_points(TRANSPORTS)]
    plugins = Plugins(entry_points=lambda group: twice if group == TRANSPORTS else [])

    assert plugins.load_transport("one").__name__ == module  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        (BROKEN, "ImportError: no such library"),
        ("1 / 0", "ZeroDivisionError"),
        ("def broken(:", "SyntaxError"),
    ],
    ids=["import", "error", "syntax"],
)
def test_a_transport_that_cannot_be_imported(site: Site, source: str, reason: str) -> None:
    """The error names the scheme, the distribution and the reason, which is chained; asking again tells it again."""
    site.install("spa-sick", "transports", sick=site.module(source))
    plugins = site.plugins()
    for _ in range(2):
        with pytest.raises(PluginLoadError, match=reason) as caught:
            plugins.load_transport("sick")

    assert (caught.value.plugin, caught.value.distribution) == ("sick", "spa-sick")
    assert caught.value.__cause__ is not None
    assert "spa-sick" in (caught.value.hint or "")


def test_an_entry_point_that_leads_nowhere(site: Site) -> None:
    """A module or attribute that is not there is a failure to load like any other."""
    site.install("spa-one", "transports", one="fake_nowhere")
    site.install("spa-two", "transports", two=f"{site.module('')}:missing")
    for scheme in ("one", "two"):
        with pytest.raises(PluginLoadError, match=scheme):
            site.plugins().load_transport(scheme)


# -- what does not fit -------------------------------------------------------------------------------------------------


class UnknownHook:
    """Implements a hook that does not exist."""

    @hookimpl
    def spa_before_publsh(self, message: SpaMessage) -> None:
        """Misspelt."""


class UnknownArgument:
    """Takes what the hook does not give."""

    @hookimpl
    def spa_before_publish(self, mesage: SpaMessage) -> None:
        """Misspelt."""


class Coroutine:
    """Notices by a coroutine, which nobody would await."""

    @hookimpl
    async def spa_message_settled(self, message: SpaMessage) -> None:
        """Never run."""


class Wrapper:
    """Wraps a hook whose implementations are called one by one."""

    @hookimpl(wrapper=True)
    def spa_before_publish(self, message: SpaMessage) -> Any:  # noqa: ANN401 - a generator, as pluggy has it
        """Wrap."""
        return (yield message)


@pytest.mark.parametrize(
    ("plugin", "reason", "hint"),
    [
        (UnknownHook, "spa_before_publsh", "Did you mean 'spa_before_publish'?"),
        (UnknownArgument, "mesage", "Did you mean 'message'?"),
        (Wrapper, "wrapper", None),
        (Coroutine, "coroutine", None),
    ],
    ids=["hook", "argument", "wrapper", "coroutine"],
)
def test_a_plugin_that_does_not_fit(site: Site, plugin: type, reason: str, hint: str | None) -> None:
    """A misspelt hook or argument, or a wrapper where none can be called, is refused when the plugin is given."""
    with pytest.raises(PluginError, match=reason) as caught:
        site.plugins(plugin())

    assert plugin.__name__ in caught.value.message
    assert caught.value.hint == hint


def test_an_installed_plugin_that_does_not_fit(site: Site) -> None:
    """The error names the distribution it comes from."""
    source = "from spa_core import hookimpl\n@hookimpl\ndef spa_before_publsh(message): ...\n"
    site.install("spa-odd", "plugins", odd=site.module(source))
    plugins = site.plugins()
    with pytest.raises(PluginLoadError, match="spa_before_publsh") as caught:
        plugins.load_lifecycle()

    assert (caught.value.plugin, caught.value.distribution) == ("odd", "spa-odd")
    assert "spa_before_publish" in (caught.value.hint or "")


def test_a_plugin_given_twice_is_one(site: Site) -> None:
    """Giving an object twice, or giving one that is installed too, registers it once."""

    class Given:
        @hookimpl
        def spa_application_state(self) -> None:
            """Notice nothing."""

    given = Given()

    assert len(site.plugins(given, given).implementations("spa_application_state")) == 1


def test_a_plugin_for_another_version(site: Site) -> None:
    """A hook marked as optional, or an argument with a default, may be one that this version does not have."""

    class Given:
        @hookimpl(optionalhook=True)
        def spa_hook_of_tomorrow(self) -> None:
            """Not called."""

        @hookimpl
        def spa_application_state(self, state: str, mood: str = "good") -> str:
            return f"{state} {mood}"

    (call,) = site.plugins(Given()).implementations("spa_application_state")

    assert call(application=None, state="running") == "running good"


def test_a_class_may_be_a_plugin(site: Site) -> None:
    """A class with static methods is a plugin like a module."""

    class Given:
        @staticmethod
        @hookimpl
        def spa_application_state(state: str) -> str:
            return state

    (call,) = site.plugins(Given).implementations("spa_application_state")

    assert call(application=None, state="running") == "running"


def test_an_object_without_hooks_is_no_plugin_but_no_harm(site: Site) -> None:
    """A module that implements nothing is accepted: it may have hooks in another version."""
    assert site.plugins(types.ModuleType("empty")).implementations("spa_before_publish") == []


# -- lifecycle plugins -------------------------------------------------------------------------------------------------

NOTICING = """
    from spa_core import hookimpl

    @hookimpl
    def spa_application_state(state):
        '''Notice nothing.'''
"""


def installed_three(site: Site) -> dict[str, str]:
    """Install three lifecycle plugins and return their modules by name."""
    modules = {name: site.module(NOTICING) for name in ("alpha", "beta", "gamma")}
    for name, module in modules.items():
        site.install(f"spa-{name}", "plugins", **{name: module})
    return modules


@pytest.mark.parametrize(
    ("environment", "loaded"),
    [
        ({}, ["alpha", "beta", "gamma"]),
        ({"SPA_PLUGINS": "beta"}, ["beta"]),
        ({"SPA_PLUGINS": " gamma , alpha,"}, ["alpha", "gamma"]),
        ({"SPA_PLUGINS": ""}, []),
        ({"SPA_BLOCK_PLUGINS": "beta"}, ["alpha", "gamma"]),
        ({"SPA_BLOCK_PLUGINS": "beta, not-installed"}, ["alpha", "gamma"]),
        ({"SPA_PLUGINS": "alpha,beta", "SPA_BLOCK_PLUGINS": "beta"}, ["alpha"]),
        ({"SPA_BLOCK_PLUGINS": ""}, ["alpha", "beta", "gamma"]),
    ],
)
def test_the_environment_narrows(site: Site, environment: dict[str, str], loaded: list[str]) -> None:
    """``SPA_PLUGINS`` names what is loaded, ``SPA_BLOCK_PLUGINS`` what is not; nothing else is imported."""
    modules = installed_three(site)
    site.environment.update(environment)
    plugins = site.plugins()
    plugins.load_lifecycle()
    plugins.load_lifecycle()

    assert site.imported() == [modules[name] for name in loaded]
    assert len(plugins.implementations("spa_application_state")) == len(loaded)


def test_a_plugin_that_is_wanted_and_not_there(site: Site) -> None:
    """A misspelt name in ``SPA_PLUGINS`` is an error with the nearest match; nothing is imported."""
    installed_three(site)
    site.environment["SPA_PLUGINS"] = "alpha,bta"
    with pytest.raises(PluginError, match="alpha, beta, gamma") as caught:
        site.plugins().load_lifecycle()

    assert caught.value.hint == "Did you mean 'beta'?"
    assert site.imported() == []


def test_a_broken_plugin_can_be_blocked(site: Site) -> None:
    """A plugin that fails to import stops the start, each time, until an operator blocks it."""
    modules = installed_three(site)
    site.install("spa-sick", "plugins", beta2=site.module(BROKEN))
    plugins = site.plugins()
    for _ in range(2):
        with pytest.raises(PluginLoadError, match="spa-sick"):
            plugins.load_lifecycle()
    site.environment["SPA_BLOCK_PLUGINS"] = "beta2"
    plugins.load_lifecycle()

    assert site.imported() == list(modules.values())
    assert len(plugins.implementations("spa_application_state")) == 3


def test_a_conflict_between_plugins_can_be_blocked(site: Site) -> None:
    """Two distributions that claim one plugin name are an error, unless nobody wants the name."""
    for name in ("spa-one", "spa-two"):
        site.install(name, "plugins", same=site.module(NOTICING))
    with pytest.raises(PluginConflictError):
        site.plugins().load_lifecycle()
    site.environment["SPA_BLOCK_PLUGINS"] = "same"
    site.plugins().load_lifecycle()

    assert site.imported() == []


def test_implementations_in_calling_order(site: Site) -> None:
    """Last registered first, those that ask to be first or last where they ask; each gets only what it takes."""
    seen: list[object] = []

    class Plain:
        @hookimpl
        def spa_before_publish(self, message: object) -> None:
            seen.append(("plain", message))

    class First:
        @hookimpl(tryfirst=True)
        def spa_before_publish(self, application: object, message: object) -> None:
            seen.append(("first", application, message))

    class Last:
        @hookimpl(trylast=True)
        def spa_before_publish(self) -> None:
            seen.append("last")

    for call in site.plugins(First(), Last(), Plain(), Plain()).implementations("spa_before_publish"):
        call(application=1, message=2)

    assert seen == [("first", 1, 2), ("plain", 2), ("plain", 2), "last"]


# -- codecs ------------------------------------------------------------------------------------------------------------

CODEC = """
    from spa_core import hookimpl

    class Codec:
        def __init__(self, *content_types):
            self.content_types = content_types

        def encode(self, value, *, topic, headers, is_key):
            return f"{self.content_types[0]}:{value}".encode()

        def decode(self, payload, wanted, *, topic, headers, is_key):
            return self.content_types[0]
"""
OFFER = """
    @hookimpl
    def spa_codecs():
        return [OFFERED]
"""


def codec_module(site: Site, offered: str) -> str:
    """Write a module that offers codecs."""
    return site.module(CODEC + OFFER.replace("OFFERED", offered))


def decoded(plugins: Plugins, content_type: str) -> object:
    """Return which codec reads a content type."""
    return plugins.codecs.decode(SpaMessage(topic="t", payload=b"x", content_type=content_type), dict)


def test_a_codec_is_imported_when_its_content_type_is_met(site: Site) -> None:
    """The entry point named after the media subtype is loaded when a message has that type, and no other is."""
    site.install("spa-cbor", "codecs", cbor=codec_module(site, "Codec('application/cbor')"))
    site.install("spa-sick", "codecs", sick=site.module(BROKEN))
    plugins = site.plugins()

    assert site.imported() == []
    assert decoded(plugins, "application/cbor") == "application/cbor"
    assert decoded(plugins, "application/vnd.acme+cbor") == "application/cbor"
    assert len(site.imported()) == 1


def test_a_codec_for_another_kind_of_media(site: Site) -> None:
    """The codec whose content type was met is taken, also where it is no ``application/`` and others are offered."""
    site.install("spa-csv", "codecs", csv=codec_module(site, "Codec('application/x-other'), Codec('text/csv')"))

    assert decoded(site.plugins(), "text/csv") == "text/csv"


def test_a_codec_under_its_usual_name_is_preferred(site: Site) -> None:
    """Of two codecs for one subtype the one for ``application/`` is taken."""
    site.install("spa-csv", "codecs", csv=codec_module(site, "Codec('text/csv'), Codec('application/csv')"))

    assert decoded(site.plugins(), "application/csv") == "application/csv"


def test_a_plugin_that_offers_other_codecs_is_no_answer(site: Site) -> None:
    """A plugin that does not serve what its entry point is named after serves nothing."""
    site.install("spa-odd", "codecs", cbor=codec_module(site, "Codec('application/odd')"))
    site.install("spa-none", "codecs", none=codec_module(site, ""))
    for subtype in ("cbor", "none"):
        with pytest.raises(UnknownContentTypeError):
            decoded(site.plugins(), f"application/{subtype}")


def test_a_codec_offered_twice(site: Site) -> None:
    """One plugin with two codecs for one content type is a conflict, told as a codec error."""
    site.install("spa-cbor", "codecs", cbor=codec_module(site, "Codec('application/cbor'), Codec('application/cbor')"))
    with pytest.raises(CodecError) as caught:
        decoded(site.plugins(), "application/cbor")

    assert isinstance(caught.value.__cause__, PluginConflictError)


def test_two_distributions_with_one_codec(site: Site) -> None:
    """Two distributions that claim one media subtype are a conflict for whoever meets it, and for nobody else."""
    for name in ("spa-one", "spa-two"):
        site.install(name, "codecs", cbor=codec_module(site, "Codec('application/cbor')"))
    plugins = site.plugins()
    with pytest.raises(CodecError, match="spa-one and spa-two"):
        decoded(plugins, "application/cbor")

    assert plugins.codecs.decode(SpaMessage(topic="t", payload=b"{}", content_type="application/json"), dict) == {}


@pytest.mark.parametrize(
    "source",
    [
        BROKEN,
        "from spa_core import hookimpl\n@hookimpl\ndef spa_codecs(unknown): ...\n",
        "from spa_core import hookimpl\n@hookimpl\ndef spa_codecs(): raise OSError('no file')\n",
        "from spa_core import hookimpl\n@hookimpl\ndef spa_codecs(): return [42]\n",
        "from spa_core import hookimpl\n@hookimpl\ndef spa_codecs(): return 42\n",
        "from spa_core import hookimpl\n@hookimpl\ndef spa_codec(): ...\n",
    ],
    ids=["import", "argument", "error", "no codec", "no list", "unknown hook"],
)
def test_a_codec_that_cannot_be_used(site: Site, source: str) -> None:
    """Whatever is wrong with a codec plugin, its messages are told so as a codec error: they go to the dead letters."""
    site.install("spa-sick", "codecs", sick=site.module(source))
    with pytest.raises(UnknownContentTypeError, match=r"sick"):
        decoded(site.plugins(), "application/sick")


def test_a_codec_given_in_code_replaces_a_built_in_one(site: Site) -> None:
    """A plugin given to the application may bring its own JSON."""

    class Codec:
        content_types = ("application/json",)

        def encode(self, value: object, **_: object) -> bytes:
            return str(value).encode()

        def decode(self, payload: bytes, wanted: object, **_: object) -> object:
            return payload, wanted

    class Given:
        @hookimpl
        def spa_codecs(self) -> list[Codec]:
            return [Codec()]

    assert decoded(site.plugins(Given()), "application/json") == (b"x", dict)


def test_codecs_given_in_code_that_conflict(site: Site) -> None:
    """Two plugins given in code that claim one content type are refused when they are given."""

    class Codec:
        content_types = ("application/json",)

        def encode(self, value: object, **_: object) -> bytes:
            return str(value).encode()

        def decode(self, payload: bytes, wanted: object, **_: object) -> object:
            return payload, wanted

    class Given:
        @hookimpl
        def spa_codecs(self) -> list[Codec]:
            return [Codec()]

    with pytest.raises(PluginConflictError, match="application/json"):
        site.plugins(Given(), Given())


# -- entry points ------------------------------------------------------------------------------------------------------


def test_installed_entry_points_are_read_from_metadata(site: Site) -> None:
    """What is installed is found through ``importlib.metadata``, with the distribution's name, nothing imported."""
    installed_three(site)
    found = {entry.name: distribution_name(entry) for entry in installed_entry_points(PLUGINS)}

    assert {"alpha": "spa-alpha", "beta": "spa-beta", "gamma": "spa-gamma"}.items() <= found.items()
    assert site.imported() == []


def test_an_entry_point_of_nobody() -> None:
    """An entry point that belongs to no distribution is still named in errors."""
    assert distribution_name(EntryPoint("a", "b", "c")) == "an unknown distribution"
