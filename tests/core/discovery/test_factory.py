"""From a URL or a configuration to a provider."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

from spa_core import PayloadFormat, SocketConfig, SocketProvider, SocketProviderFactory, TransportConfig, Url
from spa_core.envelopes import SpaDatEnvelope
from spa_core.errors import ConfigurationError, PluginConflictError, PluginLoadError, UnknownSchemeError, UrlError

if TYPE_CHECKING:
    from tests.core.discovery.conftest import Site


def config_of(module: str, **fields: Any) -> TransportConfig:
    """Make a configuration of a transport, as a program that imports it does."""
    made: TransportConfig = importlib.import_module(module).Config(**fields)
    return made


@pytest.mark.parametrize("url", ["one://host", Url.parse("one://host")], ids=["text", "parsed"])
def test_a_provider_for_a_url(site: Site, url: str | Url) -> None:
    """The URL's scheme says which transport makes the provider; it uses the application's codecs."""
    module = site.transport("spa-one", "one")
    site.transport("spa-two", "two")
    plugins = site.plugins()
    provider = SocketProviderFactory.from_url(url, plugins=plugins)

    assert isinstance(provider, SocketProvider)
    assert type(provider).__module__ == module
    assert provider.codecs is plugins.codecs
    assert site.imported() == [module]


def test_each_transport_answers_for_its_own_scheme(site: Site) -> None:
    """With several transports loaded the URL still decides."""
    modules = {scheme: site.transport(f"spa-{scheme}", scheme) for scheme in ("one", "two")}
    plugins = site.plugins()

    for scheme in ("one", "two", "one"):
        assert type(SocketProviderFactory.from_url(f"{scheme}://", plugins=plugins)).__module__ == modules[scheme]


def test_without_plugins_what_is_installed_is_looked_at(site: Site) -> None:
    """Alone, the factory finds what is installed in the environment."""
    module = site.transport("spa-one", "fakeone")

    assert type(SocketProviderFactory.from_url("fakeone://")).__module__ == module
    assert type(SocketProviderFactory.from_config(config_of(module))).__module__ == module


def test_what_is_wrong_with_a_url(site: Site) -> None:
    """A text that is no URL, a scheme nobody serves and one that two claim are errors of their own."""
    for name in ("spa-one", "spa-two"):
        site.transport(name, "same")
    plugins = site.plugins()
    with pytest.raises(UrlError):
        SocketProviderFactory.from_url("no url", plugins=plugins)
    with pytest.raises(UnknownSchemeError):
        SocketProviderFactory.from_url("other://", plugins=plugins)
    with pytest.raises(PluginConflictError):
        SocketProviderFactory.from_url("same://", plugins=plugins)


def test_a_transport_that_makes_nothing(site: Site) -> None:
    """A transport that does not answer for its own scheme is to blame, and the URL's secrets are not shown."""
    site.install("spa-odd", "transports", odd=site.module(""))
    with pytest.raises(PluginLoadError, match="'odd'") as caught:
        SocketProviderFactory.from_url("odd://user:hunter2@host", plugins=site.plugins())

    assert caught.value.distribution == "spa-odd"
    assert "hunter2" not in str(caught.value)


def test_a_provider_for_a_configuration(site: Site) -> None:
    """The transport whose configuration it is makes the provider; no other is imported."""
    module = site.transport("spa-one", "one", "ones")
    site.transport("spa-two", "two")
    config = config_of(module, group="g")
    plugins = site.plugins()
    provider = SocketProviderFactory.from_config(config, plugins=plugins)

    assert type(provider).__module__ == module
    assert provider.config is config
    assert provider.codecs is plugins.codecs
    assert provider.envelope is None
    assert site.imported() == [module]


def test_a_provider_for_a_configuration_of_ones_own(site: Site) -> None:
    """A program may extend a transport's configuration; the transport serves it all the same."""
    module = site.transport("spa-one", "one")

    class Extended(importlib.import_module(module).Config, frozen=True):  # type: ignore[misc]
        """The same, under another name."""

    provider = SocketProviderFactory.from_config(Extended(), plugins=site.plugins())

    assert type(provider).__module__ == module


def test_the_origins_configuration_brings_its_envelope(site: Site) -> None:
    """With a ``SocketConfig`` messages travel as deployed nodes expect them."""
    config = config_of(site.transport("spa-one", "one"))
    origin = SocketConfig(socket_config=config, payload_format=PayloadFormat.JSON)
    provider = SocketProviderFactory.from_config(origin, plugins=site.plugins())

    assert isinstance(provider.envelope, SpaDatEnvelope)
    assert provider.config is config


@pytest.mark.parametrize("config", [None, {}, "one://", object()])
def test_what_is_no_configuration(site: Site, config: Any) -> None:  # noqa: ANN401 - what the type forbids
    """Anything but a configuration is refused with words that say what is wanted."""
    with pytest.raises(ConfigurationError, match=f"not {type(config).__name__}"):
        SocketProviderFactory.from_config(config, plugins=site.plugins())


def test_a_configuration_of_nobody(site: Site) -> None:
    """A configuration that no installed transport takes: the error lists what is installed."""

    class Stray(TransportConfig, frozen=True):
        """Belongs to nobody."""

    site.transport("spa-one", "one")
    with pytest.raises(ConfigurationError, match="Stray") as caught:
        SocketProviderFactory.from_config(Stray(), plugins=site.plugins())

    assert "one" in (caught.value.hint or "")
    assert site.imported() == []
