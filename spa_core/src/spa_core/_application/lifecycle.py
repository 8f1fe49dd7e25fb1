"""The five methods every application has had since the origin."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["ApplicationLifeCycle"]


@runtime_checkable
class ApplicationLifeCycle(Protocol):
    """An application's life: set up, run, tear down. ``setup`` and ``teardown`` may be coroutines."""

    def setup(self) -> Awaitable[None] | None:
        """Prepare what needs no connection; called before the socket connects."""
        ...

    def start(self) -> None:
        """Run the application until it ends; blocks."""
        ...

    async def start_async(self) -> None:
        """Run the application until it ends."""
        ...

    async def run_async(self) -> None:
        """Do what the application is for; socket and resources are open."""
        ...

    def teardown(self) -> Awaitable[None] | None:
        """Clean up; called on every way out, while socket and resources are still open."""
        ...
