"""What a memory URL says, and how core gets a provider from it."""

from __future__ import annotations

import pytest

from spa_core import SocketProviderFactory
from spa_core.config import TransportConfig
from spa_core.errors import ParameterError, UrlError
from spa_core.transport import Capabilities
from spa_core.url import Url
from spa_inmemory import MemoryConfig, MemorySocketProvider, plugin


def config(text: str) -> MemoryConfig:
    """Return the configuration of a URL."""
    return MemoryConfig.from_url(Url.parse(text))


@pytest.mark.parametrize(
    ("text", "name"), [("memory://", ""), ("memory://plant", "plant"), ("memory://Plant-1/", "Plant-1")]
)
def test_name(text: str, name: str) -> None:
    """The host of the URL is the broker's name; without one it is empty."""
    assert config(text).name == name


def test_parameters() -> None:
    """Parameters come with their units."""
    made = config(
        "memory://x?queue_size=5&overflow=error&publish_timeout=20ms&max_retained=7&max_payload=1KiB&topics=a,b"
    )

    assert made == MemoryConfig(
        name="x",
        queue_size=5,
        overflow="error",
        publish_timeout=0.02,
        max_retained=7,
        max_payload=1024,
        default_subscription_topics=("a", "b"),
    )


@pytest.mark.parametrize(
    "text", ["memory://u:p@x", "memory://x:80", "memory://x,y", "memory://x/y", "memory://u@x", "memory://:p@x"]
)
def test_more_than_a_name(text: str) -> None:
    """A URL with more than a name is refused, and shows no secret."""
    with pytest.raises(UrlError) as caught:
        config(text)

    assert caught.value.hint
    assert "p@" not in caught.value.url


@pytest.mark.parametrize("query", ["queue_size=0", "overflow=drop", "max_retained=0", "queue_siz=5", "name=y"])
def test_bad_parameters(query: str) -> None:
    """A parameter that does not fit is refused."""
    with pytest.raises(ParameterError):
        config(f"memory://x?{query}")


def test_bad_values_in_code() -> None:
    """A provider refuses a configuration that does not fit."""
    with pytest.raises(ParameterError, match="queue_size"):
        MemorySocketProvider(MemoryConfig(queue_size=0))


def test_found_by_url() -> None:
    """Core finds the transport by its scheme."""
    provider = SocketProviderFactory.from_url("memory://plant?queue_size=7")

    assert isinstance(provider, MemorySocketProvider)
    assert provider.config == MemoryConfig(name="plant", queue_size=7)
    assert provider.describe() == "MemoryConfig(name='plant', queue_size=7)"


def test_found_by_config() -> None:
    """Core finds the transport by the type of its configuration."""
    provider = SocketProviderFactory.from_config(MemoryConfig(name="plant"))

    assert isinstance(provider, MemorySocketProvider)


def test_plugin_serves_its_own_only() -> None:
    """The plugin leaves other schemes and configurations to others."""
    assert plugin.spa_socket_provider(Url.parse("mqtt://x")) is None
    assert plugin.spa_socket_provider_for_config(TransportConfig()) is None


def test_capabilities() -> None:
    """Everything is declared that is true, and the limit of the configuration."""
    capabilities = MemorySocketProvider(MemoryConfig(max_payload=10)).capabilities
    undeclared = {"replay", "reconnect", "persistent"}

    assert capabilities.max_payload == 10
    assert {name for name in Capabilities.__struct_fields__ if not getattr(capabilities, name)} == undeclared
    assert capabilities.ordering == "key"


def test_replies_are_out_of_sight() -> None:
    """The replies' addresses are not matched by a subscription to everything."""
    assert MemorySocketProvider(MemoryConfig()).reply_prefix.startswith("$")
