"""What ends a process, raised by a handler; asyncio lets it break out of the loop, so each test has its own loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

if TYPE_CHECKING:
    from tests.core.conftest import Broker
    from tests.core.delivery.conftest import Benches


@pytest.mark.parametrize("concurrency", [1, 3])
@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_what_ends_the_process_ends_the_application(
    broker: Broker, bench: Benches, *, backend: str, error: type[BaseException], concurrency: int
) -> None:
    """No policy stands in the way of an interrupt or an exit; the message stays unsettled."""

    async def handle(**_: object) -> None:
        raise error

    async def run() -> None:
        async with bench(handle, concurrency=concurrency) as running:
            running.send()
            await anyio.sleep_forever()

    with pytest.raises(error):
        anyio.run(run, backend=backend)

    assert broker.settled == []
    assert broker.published == []
