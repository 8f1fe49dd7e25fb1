"""One application, and everything it sees, in memory and over MQTT: only the URL differs, and nothing else may."""

from __future__ import annotations

import logging
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core import DistributedApplication, FailurePolicy, RejectError, SocketProviderFactory, SpaMessage, SpaSocket
from spa_core.errors import NoRespondersError, RemoteError

if TYPE_CHECKING:
    from collections.abc import Callable

    from brokers.mosquitto import Mosquitto

pytest.importorskip("spa_inmemory", reason="it compares with memory://: install spa-inmemory")

pytestmark = pytest.mark.anyio

PATIENCE = 60
LANES = 3

Seen = dict[str, list[Any]]


class Script:
    """
    The application.

    Args:
        url: What it runs over.
        asks_nobody: Whether it asks where nobody listens.

    Attributes:
        seen: What handlers and the producer saw, by a name for it.
    """

    def __init__(self, url: str, *, asks_nobody: bool) -> None:
        self._asked = ("same/broken", "same/nobody") if asks_nobody else ("same/broken",)
        self.app = DistributedApplication(url)
        self.seen: Seen = defaultdict(list)
        self._changed = anyio.Event()
        self._add_failing_handlers()
        self._add_handlers()
        self.app.producer()(self.produce)

    def note(self, name: str, *what: object) -> None:
        """Note what was seen."""
        self.seen[name].append(what[0] if len(what) == 1 else what)
        self._changed.set()

    async def until(self, name: str, count: int) -> None:
        """Wait until so much was seen."""
        while len(self.seen[name]) < count:
            self._changed = anyio.Event()
            await self._changed.wait()

    def _add_failing_handlers(self) -> None:
        application = self.app.application
        twice, later = FailurePolicy(attempts=2, backoff=0), FailurePolicy(attempts=1, redeliver_after=(0.05, 0.05))

        @application("same/fails", group="fails", policy=twice)
        async def fail(message: SpaMessage) -> None:
            self.note("failed", message.payload)
            raise OSError("the ledger is away")

        @application("same/later", group="later", policy=later)
        async def succeed_later(message: SpaMessage) -> None:
            self.note("later", message.payload)
            if len(self.seen["later"]) < 3:
                raise OSError("not yet")

        @application("same/rejected", group="rejects")
        async def reject(message: SpaMessage) -> None:
            self.note("rejected", message.payload)
            raise RejectError("never")

        @application("dead-letters/#", group="undertaker")
        async def bury(message: SpaMessage) -> None:
            told = {name: text for name, text in message.headers.items() if name.startswith("spa-dead-letter")}
            self.note("dead", message.topic, message.payload, sorted(told.items()))

        @application("same/broken", group="broken", policy=FailurePolicy(attempts=1))
        async def break_down(message: SpaMessage) -> str:
            raise KeyError(message.payload)

    def _add_handlers(self) -> None:
        application = self.app.application

        @application("same/echo", group="echo")
        async def echo(message: SpaMessage) -> dict[str, str]:
            return {"heard": message.payload.decode()}

        @application("same/all/{name}", group="reader")
        async def read(message: SpaMessage, name: str) -> None:
            self.note("read", name, message.payload, dict(message.headers), message.key, message.content_type)

        @application("same/lanes", group="lanes", concurrency=8, ordering="key")
        async def keep_order(message: SpaMessage) -> None:
            for _ in range(int(message.payload) % 5):
                await anyio.lowlevel.checkpoint()
            self.note(f"lane {message.key!r}", int(message.payload))
            self.note("lanes", None)

        @application(["same/wild/+", "same/wild/#", "same/+/end"])
        async def match(message: SpaMessage) -> None:
            self.note("matched", message.topic)

        @application("$same/#")
        async def match_dollars(message: SpaMessage) -> None:
            self.note("dollars", message.topic)

    async def produce(self, socket: SpaSocket) -> None:
        """Publish, ask, and wait for what comes of it."""
        await socket.publish("same/kept", "kept", retain=True)
        for number in range(3):
            await socket.publish(f"same/all/ü{number}", {"n": number}, headers={"ä": f"{number}"}, key="k")
        await socket.publish("same/all/empty", b"")
        for topic in ("fails", "later", "rejected"):
            await socket.publish(f"same/{topic}", topic)
        for number in range(30 * LANES):
            await socket.publish("same/lanes", str(number), key=f"{number % LANES}")
        for topic in (
            "same/wild",
            "same/wild/",
            "same/wild/a",
            "same/wild/a/b",
            "same/x/end",
            "same/wild/end",
            "$same/x",
        ):
            await socket.publish(topic, "w")
        self.note("echo", socket.decode(await socket.request("same/echo", "é"), dict[str, str]))
        for topic in self._asked:
            try:
                await socket.request(topic, "x")
            except (RemoteError, NoRespondersError) as error:
                self.note("refused", type(error).__name__, str(error))
        await self.until("lanes", 30 * LANES)
        for name, count in (("dead", 2), ("later", 3), ("read", 4), ("matched", 6), ("dollars", 1)):
            await self.until(name, count)
        await socket.subscribe("same/kept")
        async for message in socket:
            self.note("kept", message.topic, message.payload, message.retain)
            break
        self.app.stop()


async def seen_over(url: str, *, asks_nobody: bool) -> Seen:
    """Run the application, and return what it saw; of what has no order, sorted."""
    script = Script(url, asks_nobody=asks_nobody)
    with anyio.fail_after(PATIENCE):
        await script.app.start_async(handle_signals=False)
    return {name: what if name.startswith("lane ") else sorted(what, key=repr) for name, what in script.seen.items()}


@pytest.mark.parametrize(
    "query",
    [{}, {"protocol": "3.1.1"}, {"qos": "2"}, {"fast_path": "off"}, {"client_id": "same"}],
    ids=["plain", "3.1.1", "level 2", "without the fast path", "a session"],
)
async def test_it_sees_the_same_in_memory_and_over_mqtt(
    make_mosquitto: Callable[..., Mosquitto], query: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    """Retries, dead letters, replies and their errors, wildcards, kept messages, order by key: the URL changes none."""
    caplog.set_level(logging.CRITICAL)
    url = make_mosquitto().url(**query)
    is_told = SocketProviderFactory.from_url(url).capabilities.no_responders
    in_memory = await seen_over("memory://same-everywhere", asks_nobody=is_told)
    over_mqtt = await seen_over(url, asks_nobody=is_told)

    assert over_mqtt == in_memory
    assert [in_memory[f"lane b'{lane}'"] for lane in range(LANES)] == [
        list(range(lane, 30 * LANES, LANES)) for lane in range(LANES)
    ]


@pytest.mark.parametrize(
    ("query", "is_told"), [("", True), ("?protocol=3.1.1", False), ("?qos=0", False), ("?qos=2", False)]
)
async def test_only_level_1_of_mqtt_5_tells_that_nobody_listens(query: str, *, is_told: bool) -> None:
    """Level 2 does not: a broker hands such a message on after it has said that it came."""
    provider = SocketProviderFactory.from_url(f"mqtt://broker{query}")

    assert provider.capabilities.no_responders is is_told
