"""
Virtual time for tests: a day of back-off passes in milliseconds, and a deadlock is an error instead of a hang.

This module knows what anyio is told; what moves the time knows one event loop each.
"""

from __future__ import annotations

from typing import Any, Final

from spa_core._suggest import did_you_mean
from spa_core.errors import ParameterError
from spa_core.testing._virtual_loop import VirtualTimeLoop
from spa_core.testing.errors import DeadlockError, RealIOError

__all__ = ["DeadlockError", "RealIOError", "virtual_time"]

_BACKENDS: Final = ("asyncio", "trio")


def virtual_time(backend: str) -> dict[str, Any]:
    """
    Return the backend options that let anyio run on virtual time.

    Time begins at 0 with each run and jumps to the next timer whenever nothing else can run, so that no test waits and
    ``anyio.current_time()`` is the same in every run. ``anyio.sleep``, ``fail_after`` and ``move_on_after`` obey, and
    so do ``asyncio.wait_for`` and ``trio.sleep``. While a worker thread is at work, timers wait for it as they do in
    reality; what it does takes no virtual time unless it outlasts a timer. A thread that itself waits for the loop
    counts as at work, and threads that neither anyio nor the event loop started are not seen.

    * Where nothing can ever run again, :class:`DeadlockError` says which tasks wait, and where.
    * Where a socket, pipe or process is waited for, :class:`RealIOError` says so: they do not know of virtual time.

    The clocks of :mod:`time` go on as ever.

    Args:
        backend: ``"asyncio"`` or ``"trio"``.

    Raises:
        ParameterError: *backend* is none of these.

    Example:
        >>> import anyio
        >>> async def back_off() -> float:
        ...     await anyio.sleep(24 * 60 * 60)
        ...     return anyio.current_time()
        >>> anyio.run(back_off, backend_options=virtual_time("asyncio"))
        86400.0

        For all tests of a module, by anyio's pytest plugin::

            @pytest.fixture(params=["asyncio", "trio"])
            def anyio_backend(request):
                return request.param, virtual_time(request.param)
    """
    if backend == "asyncio":
        return {"loop_factory": VirtualTimeLoop}
    if backend == "trio":
        from spa_core.testing._virtual_clock import VirtualClock  # noqa: PLC0415 - only who uses trio has to have it

        clock = VirtualClock()
        return {"clock": clock, "instruments": (clock,)}
    raise ParameterError(
        f"virtual_time knows no backend {backend!r}; allowed are: {', '.join(_BACKENDS)}",
        parameter="backend",
        allowed=_BACKENDS,
        hint=did_you_mean(backend, _BACKENDS),
    )
