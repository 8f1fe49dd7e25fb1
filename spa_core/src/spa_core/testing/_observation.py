"""What a test sees of the applications under test: calls of their callbacks, failures, changes of their status."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import anyio
import msgspec

from spa_core._application.consumer import ConsumerApplication
from spa_core._failures import is_failure
from spa_core._groups import sole_error
from spa_core.errors import RejectError
from spa_core.message import SpaMessage
from spa_core.transport import current_delivery

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from spa_core import AbstractApplication

__all__ = ["HandlerCall"]


class HandlerCall(msgspec.Struct, kw_only=True, eq=False):
    """
    One call of a handler or a producer; each attempt is one.

    Attributes:
        arguments: What it was called with, by parameter.
        message: The message it was called for; ``None`` for a producer.
        outcome: ``"running"``, ``"returned"``, ``"raised"`` or ``"cancelled"``.
        result: What it returned; ``None`` if it did not.
        error: What it raised; ``None`` if it did not.
    """

    arguments: dict[str, Any]
    message: SpaMessage | None
    outcome: Literal["running", "returned", "raised", "cancelled"] = "running"
    result: Any = None
    error: BaseException | None = None


class Observation:
    """
    The observer of all applications of one test.

    Attributes:
        failures: Why messages were given up, in order; without those that their handler refused.
        dooming: Whether a failure ends the whole run, as its policy says.
    """

    def __init__(self) -> None:
        self.failures: list[BaseException] = []
        self.dooming = False
        self._calls: list[tuple[AbstractApplication, HandlerCall]] = []
        self._change = anyio.Event()

    def calls_of(self, handler: Callable[..., Any]) -> list[HandlerCall]:
        """Return the calls of a handler, in the order they began."""
        return [call for application, call in self._calls if application.callback == handler]

    def raise_failures(self) -> None:
        """Raise the first failure, and forget them all; do nothing if there is none."""
        failures, self.failures = self.failures, []
        if failures:
            first, *others = failures
            if others:
                first.add_note(f"{len(others)} more message(s) failed for good")
            raise first

    async def until_changed(self) -> None:
        """Wait until the status of an application changes."""
        await self._change.wait()

    def changed(self, application: AbstractApplication) -> None:  # noqa: ARG002 - whichever it is
        """Notice that the status of an application changed."""
        change, self._change = self._change, anyio.Event()
        change.set()

    def observed(
        self, application: AbstractApplication, call: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Awaitable[Any]]:
        """Return what calls the callback and keeps its arguments and its outcome."""

        async def recorded(**arguments: Any) -> Any:  # noqa: ANN401 - whatever the handler returns
            delivery = current_delivery.get()
            record = HandlerCall(arguments=arguments, message=None if delivery is None else delivery.message)
            self._calls.append((application, record))
            try:
                record.result = await call(**arguments)
            except BaseException as error:
                record.error = error
                record.outcome = "raised" if is_failure(error) else "cancelled"
                raise
            record.outcome = "returned"
            return record.result

        return recorded

    def gave_up(self, application: AbstractApplication, message: SpaMessage, error: BaseException) -> None:
        """Notice that a message failed for good."""
        if isinstance(application, ConsumerApplication) and application.policy.then == "stop":
            self.dooming = True  # the run raises it
        elif not isinstance(sole_error(error), RejectError):
            error.add_note(f"It was raised for the message on {message.topic!r} and given up by {application.name}")
            self.failures.append(error)
