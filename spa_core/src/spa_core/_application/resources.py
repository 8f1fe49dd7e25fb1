"""Resources: context managers an application holds open while it runs, and whose entered values its handlers get."""

from __future__ import annotations

import inspect
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from spa_core._groups import collapsing
from spa_core.errors import ResourceError, SpaError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from types import TracebackType


@asynccontextmanager
async def entered(resources: Mapping[str, Any], *, application: str) -> AsyncIterator[dict[str, Any]]:
    """
    Enter resources in order and give their entered values; exit them in reverse on every way out.

    A resource is a sync or async context manager, or a function without parameters that makes one (a coroutine
    function too); anything else is given to handlers as it is.

    Raises:
        ResourceError: One failed to enter (those before it are exited) or to exit (the others are exited all the same).
    """
    values: dict[str, Any] = {}
    async with AsyncExitStack() as stack:
        for name, resource in resources.items():
            guarded = _Guarded(name, resource, application)
            values[name] = await stack.enter_async_context(guarded)
        yield values


class _Guarded:
    """A resource whose failures say which resource it was."""

    def __init__(self, name: str, resource: Any, application: str) -> None:  # noqa: ANN401 - resources are of any type
        self._name = name
        self._resource = resource
        self._application = application
        self._manager: AbstractAsyncContextManager[Any] | AbstractContextManager[Any] | None = None

    async def __aenter__(self) -> Any:  # noqa: ANN401 - resources are of any type
        try:
            with collapsing():
                return await self._enter()
        except Exception as error:
            raise self._failure("enter", error) from error

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        try:
            with collapsing():
                if isinstance(self._manager, AbstractAsyncContextManager):
                    return await self._manager.__aexit__(exc_type, exc, traceback)
                if self._manager is not None:
                    return self._manager.__exit__(exc_type, exc, traceback)
        except Exception as error:
            if error is exc:
                raise
            raise self._failure("exit", error) from error
        return None

    async def _enter(self) -> Any:  # noqa: ANN401 - resources are of any type
        resource = self._resource
        if not _is_manager(resource) and callable(resource):
            resource = resource()
            if inspect.isawaitable(resource):
                resource = await resource
        if isinstance(resource, AbstractAsyncContextManager):
            self._manager = resource
            return await resource.__aenter__()
        if isinstance(resource, AbstractContextManager):
            self._manager = resource
            return resource.__enter__()
        return resource

    def _failure(self, phase: str, error: Exception) -> SpaError:
        return ResourceError(
            f"resource {self._name!r} of {self._application} failed to {phase}: {type(error).__name__}: {error}",
            application=self._application,
            resource=self._name,
        )


def _is_manager(resource: object) -> bool:
    return isinstance(resource, (AbstractAsyncContextManager, AbstractContextManager))
