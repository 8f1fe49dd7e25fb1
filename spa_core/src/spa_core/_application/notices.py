"""
The lifecycle hooks of one application's plugins, looked up once and called often.

Pluggy's relay costs microseconds a call and stops at the first error; so the implementations themselves are called
here, each guarded by itself, and a hook nobody implements is ``None`` or empty and costs nothing.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from spa_core._application.applications import AbstractApplication
    from spa_core._delivery.handling import OnSettled
    from spa_core._discovery.plugins import Plugins
    from spa_core.message import SpaMessage
    from spa_core.transport import ConnectionEvent, ConnectionListener, Outcome

logger = logging.getLogger("spa_core.plugins")


class Notices:
    """The lifecycle hooks of one application; without plugins it notices nothing."""

    def __init__(self, plugins: Plugins | None = None) -> None:
        self._plugins = plugins

    def lifespans(self, application: AbstractApplication) -> list[AbstractAsyncContextManager[None]]:
        """Return what the plugins surround the application's life with."""
        made = (call(application=application) for call in self._calls("spa_application_lifespan"))
        return [lifespan for lifespan in made if lifespan is not None]

    def state(self, application: AbstractApplication, state: str) -> None:
        """Tell the plugins that the application's state changed."""
        for call in self._calls("spa_application_state"):
            _guarded(call, application=application, state=state)

    def on_connection(self, application: AbstractApplication) -> ConnectionListener:
        """Return what a transport calls when its connection changes."""
        calls = self._calls("spa_connection_changed")

        def changed(event: ConnectionEvent) -> None:
            for call in calls:
                _guarded(call, application=application, event=event)

        return changed

    def on_settled(self, application: AbstractApplication) -> OnSettled | None:
        """Return what delivery calls when a message was settled, or ``None`` if nobody wants to know."""
        calls = self._calls("spa_message_settled")
        if not calls:
            return None

        def settled(message: SpaMessage, outcome: Outcome, seconds: float) -> None:
            for call in calls:
                _guarded(call, application=application, message=message, outcome=outcome, seconds=seconds)

        return settled

    def before_publish(self, application: AbstractApplication) -> tuple[Callable[[SpaMessage], SpaMessage], ...]:
        """Return the changes every published message goes through."""

        def change_by(call: Callable[..., Any]) -> Callable[[SpaMessage], SpaMessage]:
            def change(message: SpaMessage) -> SpaMessage:
                changed: SpaMessage | None = call(application=application, message=message)
                return message if changed is None else changed

            return change

        return tuple(change_by(call) for call in self._calls("spa_before_publish"))

    def _calls(self, hook: str) -> list[Callable[..., Any]]:
        return [] if self._plugins is None else self._plugins.implementations(hook)


def _guarded(call: Callable[..., Any], **arguments: object) -> None:
    try:
        call(**arguments)
    except Exception:
        # A notification never stops an application.
        logger.exception("a plugin's notification hook failed")
