"""A broker for one test, and the exchange of an application's providers for ones that lead to it."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from spa_core import SocketProviderFactory, TransportConfig
from spa_core._application.unprovided import Unprovided
from spa_core.errors import ConfigurationError
from spa_core.testing._publications import RecordingProvider
from spa_core.testing.faulty import FaultyProvider

if TYPE_CHECKING:
    from collections.abc import Generator

    from spa_core import DistributedApplication, SocketProvider, SpaMessage
    from spa_core._discovery.plugins import Plugins
    from spa_core.testing._observation import Observation
    from spa_core.testing.faults import FaultSchedule

# So many messages a test may publish before it has to wait until some are handled; they are small and few.
_QUEUE_SIZE: Final = 100_000


@runtime_checkable
class Source(Protocol):
    """A provider that knows whether anything is left to do at its broker."""

    def is_idle(self) -> bool:
        """Return whether nothing is left to do."""
        ...

    async def until_idle(self) -> None:
        """Wait until nothing is left to do."""
        ...


class PrivateBroker:
    """
    An in-memory broker that nobody else can find.

    Args:
        plugins: The application's plugins, among which the transport is looked for.
        faults: What goes wrong with what is published.

    Attributes:
        sources: What knows whether anything is left to do.

    Raises:
        UnknownSchemeError: The in-memory transport is not installed.
        ConfigurationError: It is too old to tell whether anything is left to do.
    """

    def __init__(self, plugins: Plugins, faults: FaultSchedule | None) -> None:
        url = f"memory://spa-test-{os.urandom(8).hex()}?queue_size={_QUEUE_SIZE}"
        memory = SocketProviderFactory.from_url(url, plugins=plugins)
        if not isinstance(memory, Source):
            text = "the installed in-memory transport cannot tell whether anything is left to do"
            raise ConfigurationError(text, hint="Try: pip install --upgrade spa-inmemory")
        self.sources: list[Source] = [memory]
        provider: SocketProvider[Any] = memory
        if faults is not None:
            provider = faulty = FaultyProvider(memory, faults)
            self.sources.append(faulty)
        self.provider = RecordingProvider(provider)

    @property
    def published(self) -> list[SpaMessage]:
        """What was published, in order."""
        return self.provider.published

    def stand_in(self, original: SocketProvider[Any]) -> RecordingProvider:
        """Return a provider that leads here, with what every transport's configuration has taken from *original*."""
        common = {name: getattr(original.config, name) for name in TransportConfig.__struct_fields__}
        provider = self.provider.overwrite_config(**common).with_envelope(original.envelope)
        if isinstance(original, Unprovided):
            return provider
        provider.take_topics_of(original)
        return provider.with_codecs(original.codecs)


@contextmanager
def exchanged(app: DistributedApplication, broker: PrivateBroker, observation: Observation) -> Generator[None]:
    """Have all applications talk over *broker* while the context is open, and be observed."""
    default = app.default_socket_provider
    with ExitStack() as stack:
        for application in app.applications:
            stack.callback(application.use_provider, application.socket_provider)
            stack.callback(setattr, application, "observer", application.observer)
            application.use_provider(broker.stand_in(application.socket_provider))
            application.observer = observation
        stack.callback(setattr, app, "default_socket_provider", default)
        app.default_socket_provider = broker.stand_in(default or Unprovided())
        yield
