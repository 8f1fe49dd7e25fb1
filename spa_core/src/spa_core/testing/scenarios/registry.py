"""How core finds a transport: by the scheme of a URL and by the type of a configuration, both round trips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from spa_core import SocketProviderFactory
from spa_core.config import validate_config
from spa_core.errors import ParameterError, SpaError
from spa_core.testing.hooks import Hooks
from spa_core.testing.scenario import scenario
from spa_core.url import Url

if TYPE_CHECKING:
    from spa_core.testing.kit import Kit

__all__ = ["Registry"]


class Registry(Hooks):
    """Scenarios about finding and configuring providers; none of them opens anything."""

    @scenario(hook="url")
    async def test_the_scheme_is_found_by_entry_point(self, kit: Kit) -> None:
        """A URL with the transport's scheme gives a provider of the type under test, with a valid configuration."""
        provider = SocketProviderFactory.from_url(self.url or "")
        validate_config(provider.config)
        assert type(provider) is type(kit.provider)
        assert type(provider.config) is type(kit.provider.config)

    @scenario(hook="url")
    async def test_a_configuration_is_found_by_its_type(self, kit: Kit) -> None:
        """The provider's own configuration gives such a provider again, with an equal configuration."""
        provider = SocketProviderFactory.from_config(kit.provider.config)
        assert type(provider) is type(kit.provider)
        assert provider.config == kit.provider.config
        assert provider.capabilities == kit.provider.capabilities

    @scenario(hook="url")
    async def test_parameters_of_the_url_reach_the_configuration(self, kit: Kit) -> None:
        """What every transport can be told in a URL arrives; what none knows is refused, with the nearest name."""
        url = self.url or ""
        separator = "&" if "?" in url else "?"
        provider = SocketProviderFactory.from_url(f"{url}{separator}topics=a,b&prefetch=7&request_timeout=250ms")
        config = provider.config
        assert (config.default_subscription_topics, config.prefetch, config.request_timeout) == (("a", "b"), 7, 0.25)
        with pytest.raises(ParameterError, match="prefetch"):
            SocketProviderFactory.from_url(f"{url}{separator}prefech=7")
        assert kit.provider.config.prefetch != 7

    @scenario()
    async def test_changing_a_configuration_makes_a_new_provider(self, kit: Kit) -> None:
        """``overwrite_config`` changes what it is told to, in a new provider; changed back the two are equal again."""
        provider, config = kit.provider, kit.provider.config
        changed = provider.overwrite_config(prefetch=config.prefetch + 1, topics=["kit/a", "kit/b"])
        back = changed.overwrite_config(prefetch=config.prefetch, topics=config.default_subscription_topics)
        assert (changed.config.prefetch, provider.config.prefetch) == (config.prefetch + 1, config.prefetch)
        assert changed.config.default_subscription_topics == ("kit/a", "kit/b")
        assert type(changed) is type(provider)
        assert back.config == config
        assert back.capabilities == provider.capabilities
        assert provider.config is config

    @scenario(hook="url")
    async def test_a_password_in_the_url_is_never_shown(self, kit: Kit) -> None:
        """A user name and a password in the URL are shown neither by the provider made of it nor by a refusal."""
        scheme, _, rest = (self.url or "").partition("://")
        url = f"{scheme}://kit-user:hunter2%21kit@{rest.rpartition('@')[2]}"
        shown = [str(Url.parse(url)), repr(Url.parse(url))]
        try:
            provider = SocketProviderFactory.from_url(url)
        except SpaError as refusal:
            shown += [str(refusal), repr(refusal), repr(vars(refusal))]
        else:
            assert type(provider) is type(kit.provider)
            shown += [provider.describe(), repr(provider), repr(provider.config), repr(vars(provider))]
        for secret in ("hunter2!kit", "hunter2%21kit"):
            assert [text for text in shown if secret in text] == []
