"""Dead letters that nobody listens for, over the in-memory transport."""

from __future__ import annotations

import pytest

from spa_core import DistributedApplication, FailurePolicy, SpaMessage, SpaSocket

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("heard", [True, False])
async def test_the_log_says_that_nobody_listens_for_a_dead_letter(
    heard: bool,  # noqa: FBT001 - a parameter of the test
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A dead letter that the transport knows nobody got is logged as such, one that somebody got is not."""
    app = DistributedApplication("memory://unheard")

    @app.application("orders", client_name="billing", policy=FailurePolicy(attempts=1))
    async def bill(message: SpaMessage) -> None:
        if message.payload == b"stop":
            app.stop()
            return
        raise OSError("the ledger is away")

    if heard:

        @app.application("dead-letters/#")
        async def inspect(message: SpaMessage) -> None:
            assert message.payload == b"tea"

    @app.producer()
    async def order(socket: SpaSocket) -> None:
        await socket.publish("orders", "tea")
        await socket.publish("orders", "stop")

    await app.start_async()

    [line] = [record.getMessage() for record in caplog.records if "dead-lettered" in record.getMessage()]
    assert ("nobody listens" in line) is not heard
