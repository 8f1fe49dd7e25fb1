"""An application may be written before anybody knows which bus it will run on."""

from __future__ import annotations

import pytest

from spa_core import DistributedApplication, SpaSocket
from spa_core._application.unprovided import Unprovided
from spa_core.errors import ConfigurationError, SignatureError, TopicError

pytestmark = pytest.mark.anyio


async def test_the_provider_can_come_after_the_handlers() -> None:
    """Handlers and producers registered without a provider run on the one that is given later."""
    app = DistributedApplication()
    seen: list[tuple[str, str]] = []

    @app.application("plants/{plant}/flow")
    async def detect(body: str, plant: str) -> None:
        seen.append((plant, body))
        app.stop()

    @app.producer()
    async def replay(socket: SpaSocket) -> None:
        await socket.publish("plants/north/flow", "100.6", content_type="text/plain")

    app.use_provider("memory://late-provider")
    await app.start_async(handle_signals=False)

    assert seen == [("north", "100.6")]


async def test_the_topics_can_come_with_the_provider() -> None:
    """A handler without topics may ask for the template parameters of the late provider's default topics."""
    app = DistributedApplication()
    seen: list[str] = []

    async def detect(plant: str) -> None:
        seen.append(plant)
        app.stop()

    async def replay(socket: SpaSocket) -> None:
        await socket.publish("plants/north/flow", b"")

    app.add_application(detect)
    app.add_producer_application(replay)
    app.use_provider("memory://late-topics?topics=plants/{plant}/flow")
    await app.start_async(handle_signals=False)

    assert seen == ["north"]


async def test_a_late_provider_without_the_topics_a_handler_needs_is_refused() -> None:
    """What a handler asks for is checked against the default topics of a late provider when it comes."""
    app = DistributedApplication()

    async def detect(plant) -> None:  # type: ignore[no-untyped-def] # noqa: ANN001 - no annotation: no body
        """Ask for a level of the topic."""

    app.add_application(detect)

    with pytest.raises(SignatureError, match="'plant'"):
        app.use_provider("memory://late-topics")


async def test_a_start_without_a_provider_is_refused() -> None:
    """Without any provider the start fails with one sentence that says how to give one, and opens nothing."""
    app = DistributedApplication()

    @app.producer(socket_provider="memory://own")
    async def provided() -> None:
        pytest.fail("nothing may run")

    @app.producer()
    async def unprovided() -> None:
        pytest.fail("nothing may run")

    with pytest.raises(ConfigurationError, match="no socket provider") as caught:
        await app.start_async(handle_signals=False)

    assert "spa run --url URL" in str(caught.value)
    assert {part.status for part in app.applications} == {"new"}


async def test_a_part_started_by_itself_needs_a_provider_too() -> None:
    """A part of an application that is started alone without a provider fails with the same sentence."""
    app = DistributedApplication()

    @app.application("plants/#")
    async def detect() -> None:
        pytest.fail("nothing may run")

    with pytest.raises(ConfigurationError, match="no socket provider"):
        await app.applications[0].start_async()


async def test_faults_are_found_without_a_provider() -> None:
    """A wrong topic or signature fails at registration, whether there is a provider or not."""
    app = DistributedApplication()

    with pytest.raises(TopicError):
        app.application("plants/#/flow")(lambda message: message)
    with pytest.raises(SignatureError):
        app.application("plants/{plant}/flow")(lambda plnt: plnt)


def test_nothing_opens_without_a_provider() -> None:
    """What stands in for the provider opens nothing."""
    with pytest.raises(ConfigurationError, match="no socket provider"):
        Unprovided().open(print)
