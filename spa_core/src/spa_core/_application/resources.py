"""Resources: context managers an application holds open while it runs, and whose entered values its handlers get."""

from __future__ import annotations

import inspect
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from spa_core._groups import collapsing
from spa_core.errors import ResourceError, SpaError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping
    from types import TracebackType


@asynccontextmanager
async def entered(resources: Mapping[str, Any], *, application: str) -> AsyncGenerator[dict[str, Any]]:
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
        self._manager: AbstractAsyncContextManager[Any] | None = None

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
                if self._manager is not None:
                    return await self._manager.__aexit__(exc_type, exc, traceback)
        except Exception as error:
            if error is exc:
                raise
            raise self._failure("exit", error) from error
        return None

    async def _enter(self) -> Any:  # noqa: ANN401 - resources are of any type
        resource = await _made(self._resource)
        if not _is_manager(resource):
            return resource
        self._manager = resource if isinstance(resource, AbstractAsyncContextManager) else _in_async(resource)
        return await self._manager.__aenter__()

    def _failure(self, phase: str, error: Exception) -> SpaError:
        return ResourceError(
            f"resource {self._name!r} of {self._application} failed to {phase}: {type(error).__name__}: {error}",
            application=self._application,
            resource=self._name,
        )


async def _made(resource: Any) -> Any:  # noqa: ANN401 - resources are of any type
    if _is_manager(resource) or not callable(resource):
        return resource
    made: Any = resource()
    return await made if inspect.isawaitable(made) else made


@asynccontextmanager
async def _in_async(manager: AbstractContextManager[Any]) -> AsyncGenerator[Any]:
    with manager as value:
        yield value


def _is_manager(resource: object) -> bool:
    return isinstance(resource, (AbstractAsyncContextManager, AbstractContextManager))
