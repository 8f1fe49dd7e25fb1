"""From a URL or a typed configuration to a provider, whichever transports are installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spa_core._discovery.plugins import Plugins
from spa_core.config import TransportConfig
from spa_core.envelopes import SocketConfig, envelope_for
from spa_core.errors import ConfigurationError, PluginLoadError
from spa_core.url import Url

if TYPE_CHECKING:
    from spa_core._messaging.provider import SocketProvider

__all__ = ["SocketProviderFactory"]


class SocketProviderFactory:
    """
    Makes providers for every installed transport; the URL's scheme says which.

    Example:
        >>> SocketProviderFactory.from_url("memory://plant").describe()
        "MemoryConfig(name='plant')"
    """

    @staticmethod
    def from_url(url: str | Url, *, plugins: Plugins | None = None) -> SocketProvider[Any]:
        """
        Make a provider from a URL such as ``memory://plant?queue_size=5000``.

        Only the plugin of the URL's scheme is imported. Nothing is opened.

        Args:
            url: The URL; its query gives fields of the transport's configuration.
            plugins: The plugins of an application; ``None`` looks at what is installed.

        Raises:
            UrlError: The text is not a URL.
            UnknownSchemeError: No installed transport serves the scheme; names the nearest one and the pip line.
            ParameterError: A parameter is unknown or unusable.
            PluginConflictError: Two distributions claim the scheme.
            PluginLoadError: The transport's plugin cannot be imported.
        """
        parsed = url if isinstance(url, Url) else Url.parse(url)
        plugins = plugins or Plugins()
        plugins.load_transport(parsed.scheme)
        provider: SocketProvider[Any] | None = plugins.hook.spa_socket_provider(url=parsed)
        if provider is None:
            text = f"the transport {parsed.scheme!r} is installed but made no provider for {parsed}"
            raise PluginLoadError(text, plugin=parsed.scheme, distribution=plugins.owner_of(parsed.scheme))
        return provider.with_codecs(plugins.codecs)

    @staticmethod
    def from_config(config: TransportConfig | SocketConfig, *, plugins: Plugins | None = None) -> SocketProvider[Any]:
        """
        Make a provider from a transport's configuration, or from the origin's ``SocketConfig``.

        With a ``SocketConfig`` messages are wrapped in the envelope of its payload format, as deployed spa-dat nodes
        expect; with a plain configuration they travel in the transport's native form.

        Args:
            config: The configuration.
            plugins: The plugins of an application; ``None`` looks at what is installed.

        Raises:
            ConfigurationError: No installed transport takes this type of configuration.
            ParameterError: A value does not fit its field.
        """
        origin = config if isinstance(config, SocketConfig) else None
        envelope = envelope_for(origin.payload_format) if origin is not None else None
        plain: object = origin.socket_config if origin is not None else config
        if not isinstance(plain, TransportConfig):
            text = f"a configuration is needed, not {type(plain).__name__}"
            raise ConfigurationError(text, hint="Give a transport's config object, such as MemoryConfig(name='plant')")
        plugins = plugins or Plugins()
        # An MQTT configuration must not import Kafka: only plugins of a package that defines it or a type it extends.
        for package in {kind.__module__.partition(".")[0]: None for kind in type(plain).__mro__}:
            plugins.load_transports_of(package)
        provider: SocketProvider[Any] | None = plugins.hook.spa_socket_provider_for_config(config=plain)
        if provider is None:
            text = f"no installed transport takes a {type(plain).__name__}"
            raise ConfigurationError(text, hint=f"Installed are: {', '.join(plugins.schemes()) or 'none'}")
        return provider.with_codecs(plugins.codecs).with_envelope(envelope)
