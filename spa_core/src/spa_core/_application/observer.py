"""Who watches an application at work: the seam for tests, which core itself leaves empty."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spa_core._application.applications import AbstractApplication
    from spa_core.message import SpaMessage

__all__ = ["Observer"]


class Observer(Protocol):
    """Sees what an application does; without one nothing is observed, and nothing is paid for it."""

    def changed(self, application: AbstractApplication) -> None:
        """Notice that the application's ``status`` changed."""
        ...

    def observed(
        self, application: AbstractApplication, call: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        """Return what is called instead of its callback, by name only; *call* calls the callback."""
        ...

    def gave_up(self, application: AbstractApplication, message: SpaMessage, error: BaseException) -> None:
        """Notice that no further attempt is made with *message*, and why; called before it is put somewhere safe."""
        ...
