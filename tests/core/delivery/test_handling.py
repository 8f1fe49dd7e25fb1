"""One delivery from its first attempt to its settlement: what ends how, and what is never lost."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from spa_core import FailurePolicy, RejectError, SpaMessage
from spa_core._delivery import handling
from spa_core.errors import (
    ConnectError,
    DecodeError,
    EncodeError,
    HandlerFailedError,
    PublishRefusedError,
    QueueFullError,
    UnknownContentTypeError,
)
from spa_core.transport import ACK, Ack, Capabilities, Outcome, Reject, Retry, current_delivery

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from tests.core.conftest import Broker, Eventually, Quiet
    from tests.core.delivery.conftest import Bench, Benches

pytestmark = pytest.mark.anyio

LETTER = "dead-letters/detector/in/a"
DROP = FailurePolicy(backoff=0, then="drop")
STOP = FailurePolicy(backoff=0, then="stop")
LATER = Capabilities(
    headers=True, fanout=True, wildcards="mqtt", unicode_topics=True, key=True, attempts=True, retry_delay=True
)


async def fails(**_: object) -> None:
    """Fail on every message."""
    message = "too wet"
    raise ValueError(message)


async def waits(**_: object) -> None:
    """Never end."""
    await anyio.sleep_forever()


async def until_it_ends(running: AbstractAsyncContextManager[Bench]) -> None:
    """Send one message to a consumer and wait until that is its end."""
    async with running as consumer:
        consumer.send()
        with anyio.fail_after(5):
            await anyio.sleep_forever()


def refusing(times: int, error: Exception | None = None) -> Callable[[str, SpaMessage | None], Exception | None]:
    """Refuse so many dead letters."""
    left = [times]

    def refuse(call: str, message: SpaMessage | None) -> Exception | None:
        if call != "publish" or message is None or not message.topic.startswith("dead-letters/") or not left[0]:
            return None
        left[0] -= 1
        return error or QueueFullError("full", topic=message.topic, queue="q", limit=1)

    return refuse


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a held dead letter be tried again without a pause."""
    monkeypatch.setattr(handling, "LEAST_HOLD", 0.0)


# -- success -----------------------------------------------------------------------------------------------------------


async def test_a_message_is_settled_after_its_handler(broker: Broker, bench: Benches, eventually: Eventually) -> None:
    """While a handler runs its message is unsettled; when it has returned the message is acknowledged, once."""
    started, go_on = anyio.Event(), anyio.Event()

    async def handle(**_: object) -> None:
        started.set()
        await go_on.wait()

    async with bench(handle) as running:
        running.send()
        await started.wait()

        assert broker.settled == []

        go_on.set()
        await eventually(lambda: broker.settled)

    assert [outcome for _, outcome in broker.settled] == [ACK]
    assert running.counts.handled == 1


async def test_the_handler_knows_its_delivery(bench: Benches, eventually: Eventually) -> None:
    """While a handler runs, ``current_delivery`` is what it handles."""
    seen: list[object] = []

    async def handle(message: SpaMessage) -> None:
        delivery = current_delivery.get()
        seen.append(delivery is not None and delivery.message is message)

    async with bench(handle) as running:
        running.send()
        running.send()
        await eventually(lambda: len(seen) == 2)

    assert seen == [True, True]


async def test_a_returned_value_answers_a_request(broker: Broker, bench: Benches, eventually: Eventually) -> None:
    """What a handler returns goes to the response topic, encoded, with the request's correlation id, before the ack."""

    async def handle(**_: object) -> dict[str, int]:
        return {"litres": 7}

    async with bench(handle) as running:
        running.send(response_topic="answers/1", correlation_id="c-1")
        await eventually(lambda: broker.settled)

    (answer,) = broker.on("answers/1")
    assert (answer.payload, answer.content_type, answer.correlation_id) == (b'{"litres":7}', "application/json", "c-1")


async def test_a_returned_value_without_a_request_is_nobodys_business(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """A value is published only where an answer is asked for, and ``None`` is no answer."""
    values = iter([{"litres": 7}, None])

    async def handle(**_: object) -> object:
        return next(values)

    async with bench(handle) as running:
        running.send()
        running.send(response_topic="answers/1")
        await eventually(lambda: len(broker.settled) == 2)

    assert broker.published == []


async def test_a_settlement_that_took_effect_is_told(bench: Benches, eventually: Eventually) -> None:
    """Whoever listens hears of each settlement: the message, the outcome and the seconds since its first attempt."""
    told: list[tuple[str, Outcome, bool]] = []

    def settled(message: SpaMessage, outcome: Outcome, seconds: float) -> None:
        told.append((message.topic, outcome, 0 <= seconds < 60))

    async def handle(message: SpaMessage) -> None:
        if message.topic == "in/bad":
            raise RejectError("no")

    async with bench(handle, on_settled=settled, policy=DROP) as running:
        running.send("in/good")
        running.send("in/bad")
        await eventually(lambda: len(told) == 2)

    assert told == [("in/good", ACK, True), ("in/bad", Reject("RejectError: no"), True)]


async def test_a_settlement_without_effect_is_not_told(broker: Broker, bench: Benches, eventually: Eventually) -> None:
    """If the broker has taken the message back meanwhile, nobody is told that it was settled."""
    told: list[object] = []
    handled: list[object] = []

    async def handle(message: SpaMessage) -> None:
        broker.subscriptions[0].leave()
        handled.append(message)

    async with bench(handle, on_settled=lambda *what: told.append(what)) as running:
        running.send()
        await eventually(lambda: running.counts.handled)

    assert len(handled) == 1
    assert told == []


# -- attempts ----------------------------------------------------------------------------------------------------------


async def test_a_handler_that_fails_once_is_tried_again(broker: Broker, bench: Benches, eventually: Eventually) -> None:
    """A failed attempt is made again in place; once it succeeds the message is acknowledged like any other."""
    answers = iter([ValueError("not yet"), None])

    async def handle(**_: object) -> int:
        if (error := next(answers)) is not None:
            raise error
        return 7

    async with bench(handle) as running:
        running.send(response_topic="answers/1")
        await eventually(lambda: broker.settled)

    assert [outcome for _, outcome in broker.settled] == [ACK]
    assert [answer.payload for answer in broker.on("answers/1")] == [b"7"]
    assert (running.counts.failed, running.counts.retried, running.counts.handled) == (1, 1, 1)


@pytest.mark.parametrize("attempts", [1, 2, 5])
async def test_attempts_are_bounded(broker: Broker, bench: Benches, eventually: Eventually, attempts: int) -> None:
    """A message gets as many attempts as the policy says, and never one more."""
    made = 0

    async def handle(**_: object) -> None:
        nonlocal made
        made += 1
        raise ValueError(made)

    async with bench(handle, policy=FailurePolicy(attempts=attempts, backoff=0)) as running:
        running.send()
        await eventually(lambda: broker.settled)

    assert made == attempts
    assert broker.on(LETTER)[0].headers["spa-dead-letter-attempts"] == str(attempts)
    assert broker.on(LETTER)[0].headers["spa-dead-letter-error"] == str(attempts)


async def test_a_failed_reply_is_a_failed_attempt(broker: Broker, bench: Benches, eventually: Eventually) -> None:
    """An answer that the transport does not accept is given again: the handler's work is not done without it."""
    refusals = iter([ConnectError("no link"), None, None])
    broker.refuse = lambda call, _message: next(refusals) if call == "publish" else None

    async def handle(**_: object) -> int:
        return 7

    async with bench(handle) as running:
        running.send(response_topic="answers/1")
        await eventually(lambda: broker.settled)

    assert len(broker.on("answers/1")) == 1
    assert running.counts.retried == 1


async def test_a_retry_is_logged_no_louder_than_info(
    bench: Benches, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """An attempt that is made again and succeeds is no operator's business."""
    answers = iter([ValueError("not yet"), None])

    async def handle(**_: object) -> None:
        if (error := next(answers)) is not None:
            raise error

    caplog.set_level(logging.DEBUG)
    async with bench(handle) as running:
        running.send()
        await eventually(lambda: running.counts.handled)

    ours = [record for record in caplog.records if record.name.startswith("spa_core")]
    assert ours
    assert max(record.levelno for record in ours) == logging.INFO


# -- dead letters ------------------------------------------------------------------------------------------------------


async def test_a_message_that_fails_for_good_is_dead_lettered(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """After the last attempt the original payload and headers are in the dead letters, with the reason."""
    async with bench(fails) as running:
        running.send(payload=b"\x00\xff", headers={"trace": "t"}, key="k", message_id="m-1", content_type="x/y")
        await eventually(lambda: broker.settled)

    (letter,) = broker.on(LETTER)
    assert (letter.payload, letter.key, letter.message_id, letter.content_type) == (b"\x00\xff", b"k", "m-1", "x/y")
    assert letter.headers["trace"] == "t"
    assert letter.headers["spa-dead-letter-error-type"] == "ValueError"
    assert letter.headers["spa-dead-letter-topic"] == "in/a"
    assert broker.outcomes() == [Ack]
    assert running.counts.dead_lettered == 1


async def test_a_dead_letter_is_published_before_its_message_is_settled(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """A crash between the two delivers the message again; the other order would lose it."""
    settled_before: list[int] = []

    async def look() -> None:
        settled_before.append(len(broker.settled))

    broker.before["publish"] = look
    async with bench(fails) as running:
        running.send()
        await eventually(lambda: broker.settled)

    assert settled_before == [0]


async def test_the_policy_names_the_dead_letter_topic(broker: Broker, bench: Benches, eventually: Eventually) -> None:
    """A policy's own pattern is filled in with topic and group."""
    policy = FailurePolicy(attempts=1, dead_letter_topic="failed/{group}/of/{topic}")
    async with bench(fails, policy=policy) as running:
        running.send()
        await eventually(lambda: broker.settled)

    assert [letter.topic for letter in broker.published] == ["failed/detector/of/in/a"]


async def test_what_cannot_be_decoded_is_not_tried_again(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """A payload that cannot be decoded stays so: it goes to the dead letters at once, and the handler never sees it."""
    handled: list[object] = []

    def bind(message: SpaMessage) -> dict[str, Any]:
        raise DecodeError(f"no JSON on {message.topic}", content_type="application/json")

    async def handle(**what: object) -> None:
        handled.append(what)

    async with bench(handle, bind=bind) as running:
        running.send()
        await eventually(lambda: broker.settled)

    assert handled == []
    assert broker.on(LETTER)[0].headers["spa-dead-letter-attempts"] == "1"
    assert running.counts.retried == 0


@pytest.mark.parametrize(
    "error",
    [
        RejectError("a flow cannot be negative"),
        ExceptionGroup("task group", [RejectError("nested")]),
        UnknownContentTypeError("no codec", content_type="x/y", installed=()),
    ],
    ids=["rejected", "rejected in a task group", "unknown content type"],
)
async def test_a_refused_message_is_not_tried_again(
    broker: Broker, bench: Benches, eventually: Eventually, error: Exception
) -> None:
    """``RejectError`` says that no further attempt can help, also from inside a handler's task group."""
    made = 0

    async def handle(**_: object) -> None:
        nonlocal made
        made += 1
        raise error

    async with bench(handle) as running:
        running.send()
        await eventually(lambda: broker.settled)

    assert made == 1
    assert len(broker.on(LETTER)) == 1


async def test_an_answer_that_cannot_be_encoded_is_not_tried_again(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """A handler that answers with what no codec can write gets its message dead-lettered, and the requester told."""

    async def handle(**_: object) -> object:
        return object()

    async with bench(handle) as running:
        running.send(response_topic="answers/1")
        await eventually(lambda: broker.settled)

    assert broker.on("answers/1")[0].headers["spa-error"] == EncodeError.__name__
    assert len(broker.on(LETTER)) == 1


async def test_the_reader_goes_on_after_a_failure(broker: Broker, bench: Benches, eventually: Eventually) -> None:
    """However many messages fail, the next is handled."""

    async def handle(message: SpaMessage) -> None:
        if message.payload != b"good":
            raise KeyError(message.payload)

    async with bench(handle) as running:
        for _ in range(120):
            running.send(payload=b"bad")
        running.send(payload=b"good")
        await eventually(lambda: len(broker.settled) == 121)

    assert running.counts.handled == 1
    assert running.counts.dead_lettered == 120


async def test_an_error_without_words_is_a_failure_like_any_other(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """An exception that cannot even be turned into text does not stop the reader."""

    class UnspeakableError(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    async def handle(**_: object) -> None:
        raise UnspeakableError

    async with bench(handle) as running:
        running.send(response_topic="answers/1")
        await eventually(lambda: broker.settled)

    assert broker.on(LETTER)[0].headers["spa-dead-letter-error-type"] == "UnspeakableError"
    assert broker.on("answers/1")[0].headers["spa-error"] == "UnspeakableError"


async def test_text_that_no_transport_carries_is_made_to_fit(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """An error's text may hold anything; the dead letter holds what can be written as UTF-8."""

    async def handle(**_: object) -> None:
        raise ValueError("\udcff broken")

    async with bench(handle) as running:
        running.send(response_topic="answers/1")
        await eventually(lambda: broker.settled)

    assert broker.on(LETTER)[0].headers["spa-dead-letter-error"].encode().endswith(b" broken")
    assert broker.on("answers/1")[0].payload.endswith(b" broken")


# -- dead letters that are refused -------------------------------------------------------------------------------------


async def test_a_refused_dead_letter_holds_its_message(broker: Broker, bench: Benches, eventually: Eventually) -> None:
    """Without delayed redelivery the message is kept in hand and its dead letter tried again until it is accepted."""
    broker.refuse = refusing(3)
    made = 0

    async def handle(**_: object) -> None:
        nonlocal made
        made += 1
        raise ValueError(made)

    async with bench(handle) as running:
        running.send()
        await eventually(lambda: broker.settled)

    assert running.counts.held == 3
    assert made == 3
    assert len(broker.on(LETTER)) == 1
    assert broker.outcomes() == [Ack]


async def test_a_refused_dead_letter_gives_its_message_back_for_later(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """With delayed redelivery the message goes back to the broker, and those behind it are handled meanwhile."""
    broker.refuse = refusing(2)
    policy = FailurePolicy(attempts=1, backoff=1.0)
    async with bench(fails, policy=policy, capabilities=LATER) as running:
        running.send()
        await eventually(lambda: len(broker.settled) == 3)

    assert broker.outcomes() == [Retry, Retry, Ack]
    assert running.counts.held == 2
    assert len(broker.on(LETTER)) == 1


async def test_a_held_message_is_never_in_a_hurry(
    broker: Broker, bench: Benches, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused dead letter is never tried again at once, whatever the policy's backoff: no hot loop."""
    monkeypatch.setattr(handling, "LEAST_HOLD", 0.5)
    broker.refuse = refusing(20)
    async with bench(fails, policy=FailurePolicy(attempts=1, backoff=0), capabilities=LATER) as running:
        running.send()
        await eventually(lambda: len(broker.settled) == 21)

    delays = [outcome.delay for _, outcome in broker.settled if isinstance(outcome, Retry)]
    assert len(delays) == 20
    assert min(delays) >= 0.5


async def test_a_refused_dead_letter_is_an_operators_business(
    broker: Broker, bench: Benches, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """That a message is kept because its dead letter is refused is logged as an error, with both topics."""
    broker.refuse = refusing(1, PublishRefusedError("no", topic=LETTER, reason="not allowed"))
    async with bench(fails) as running:
        running.send()
        await eventually(lambda: broker.settled)

    held = [record.getMessage() for record in caplog.records if "kept" in record.getMessage()]
    assert len(held) == 1
    assert "'in/a'" in held[0]
    assert repr(LETTER) in held[0]


async def test_closing_gives_a_held_message_back(broker: Broker, bench: Benches, eventually: Eventually) -> None:
    """A message whose dead letter is refused for ever is given back to the broker when the application is cancelled."""
    broker.refuse = refusing(10**6)
    async with bench(fails, policy=FailurePolicy(attempts=1, backoff=1000, max_backoff=1000)) as running:
        running.send()
        await eventually(lambda: running.counts.held)
        running.cancel()

    assert broker.settled == []
    assert len(broker.given_back) == 1


async def test_dead_letters_on_a_transport_without_headers(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """Where no headers travel the dead letter goes without them, rather than being refused for ever."""
    bare = Capabilities(fanout=True, wildcards="mqtt")
    async with bench(fails, capabilities=bare) as running:
        running.send(payload=b"original")
        await eventually(lambda: broker.settled)

    (letter,) = broker.on(LETTER)
    assert letter.payload == b"original"
    assert not letter.headers


# -- no loop -----------------------------------------------------------------------------------------------------------


async def test_an_application_does_not_bury_its_own_dead_letter(
    broker: Broker, bench: Benches, eventually: Eventually, quiet: Quiet
) -> None:
    """A handler that hears everything, its own dead letters included, and fails on all of it, ends: no loop."""
    async with bench(fails, topics=("in/#", "dead-letters/#")) as running:
        running.send()
        await eventually(lambda: len(broker.settled) == 2)
        await quiet()

    assert len(broker.published) == 1
    assert broker.outcomes() == [Ack, Reject]
    assert running.counts.dropped == 1


async def test_no_loop_without_headers(broker: Broker, bench: Benches, eventually: Eventually, quiet: Quiet) -> None:
    """Where no header says so, a dead letter is known by its topic."""
    bare = Capabilities(fanout=True, wildcards="mqtt")
    async with bench(fails, topics=("in/#", "dead-letters/#"), capabilities=bare) as running:
        running.send()
        await eventually(lambda: len(broker.settled) == 2)
        await quiet()

    assert len(broker.published) == 1
    assert running.counts.dropped == 1


async def test_applications_do_not_bury_each_others_dead_letters_for_ever(
    broker: Broker, bench: Benches, eventually: Eventually, quiet: Quiet
) -> None:
    """Several handlers that hear everything and fail on all of it end: each buries a message once."""
    everything = ("in/#", "dead-letters/#")
    async with (
        bench(fails, topics=everything) as first,
        bench(fails, topics=everything, name="second", group="other") as second,
    ):
        broker.deliver(SpaMessage(topic="in/a"))
        await eventually(lambda: first.counts.dropped and second.counts.dropped)
        await quiet()

    assert len(broker.published) <= 4
    assert all(letter.topic.count("dead-letters") <= 2 for letter in broker.published)


async def test_a_dead_letter_published_again_gets_a_second_chance(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """A dead letter that was sent back to its topic, headers and all, is dead-lettered again if it fails again."""
    async with bench(fails) as running:
        running.send()
        await eventually(lambda: broker.settled)
        running.subscription.add(broker.on(LETTER)[0].replace(topic="in/a"), attempt=1)
        await eventually(lambda: len(broker.settled) == 2)

    assert len(broker.on(LETTER)) == 2
    assert running.counts.dropped == 0


# -- the other ends ----------------------------------------------------------------------------------------------------


async def test_drop_settles_and_says_so(
    broker: Broker, bench: Benches, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """``then="drop"``: the message is rejected with the reason, logged as an error, and not published anywhere."""
    async with bench(fails, policy=DROP) as running:
        running.send()
        await eventually(lambda: broker.settled)

    assert [outcome for _, outcome in broker.settled] == [Reject("ValueError: too wet")]
    assert broker.published == []
    assert running.counts.dropped == 1
    assert [record.levelname for record in caplog.records if "dropped" in record.getMessage()] == ["ERROR"]


async def test_stop_ends_with_an_error_and_leaves_the_message(broker: Broker, bench: Benches) -> None:
    """``then="stop"``: the message stays unsettled, for the next start, and the error says whose and which."""
    with pytest.raises(HandlerFailedError, match=r"detect failed on 'in/a': ValueError: too wet") as caught:
        await until_it_ends(bench(fails, policy=STOP))

    assert isinstance(caught.value.__cause__, ValueError)
    assert (caught.value.application, caught.value.topic) == ("detect", "in/a")
    assert broker.settled == []
    assert len(broker.given_back) == 1


async def test_redeliver_after(broker: Broker, bench: Benches, eventually: Eventually) -> None:
    """A message that failed is handed back once for each entry, with that delay, and dead-lettered after the last."""
    policy = FailurePolicy(attempts=1, redeliver_after=(5.0, 60.0))
    async with bench(fails, policy=policy, capabilities=LATER) as running:
        running.send()
        await eventually(lambda: len(broker.settled) == 3)

    assert [outcome for _, outcome in broker.settled] == [Retry(5.0), Retry(60.0), ACK]
    assert running.counts.redelivered == 2
    assert len(broker.on(LETTER)) == 1


@pytest.mark.parametrize(
    ("capabilities", "attempt", "error"),
    [
        (Capabilities(headers=True, fanout=True, wildcards="mqtt", attempts=True), 1, ValueError("no delay")),
        (LATER, None, ValueError("no count")),
        (LATER, 1, RejectError("final")),
    ],
    ids=["no delay", "no count", "final"],
)
async def test_redeliver_after_needs_a_transport_that_can(
    broker: Broker,
    bench: Benches,
    eventually: Eventually,
    *,
    capabilities: Capabilities,
    attempt: int | None,
    error: Exception,
) -> None:
    """Without delays or counted attempts, and for what is refused for good, redelivery is left out, not looped."""

    async def handle(**_: object) -> None:
        raise error

    policy = FailurePolicy(attempts=1, redeliver_after=(5.0,))
    async with bench(handle, policy=policy, capabilities=capabilities) as running:
        running.send(attempt=attempt)
        await eventually(lambda: broker.settled)

    assert broker.outcomes() == [Ack]
    assert len(broker.on(LETTER)) == 1


# -- requesters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [FailurePolicy(backoff=0), DROP], ids=["dead letter", "drop"])
async def test_a_requester_is_told_of_the_failure(
    broker: Broker, bench: Benches, eventually: Eventually, policy: FailurePolicy
) -> None:
    """Who asked gets the error's name and text at once, instead of waiting for the timeout."""
    async with bench(fails, policy=policy) as running:
        running.send(response_topic="answers/1", correlation_id="c-1")
        await eventually(lambda: broker.settled)

    (answer,) = broker.on("answers/1")
    assert answer.headers["spa-error"] == "ValueError"
    assert answer.payload == b"too wet"
    assert answer.correlation_id == "c-1"


async def test_an_error_reply_that_is_refused_changes_nothing(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """The message is safe in the dead letters; that its requester could not be told is only logged."""

    def refuse(call: str, message: SpaMessage | None) -> Exception | None:
        return ConnectError("no link") if call == "publish" and message and message.topic == "answers/1" else None

    broker.refuse = refuse
    async with bench(fails) as running:
        running.send(response_topic="answers/1")
        await eventually(lambda: broker.settled)

    assert broker.outcomes() == [Ack]
    assert running.counts.dead_lettered == 1


@pytest.mark.parametrize("policy", [FailurePolicy(backoff=0), DROP], ids=["dead letter", "drop"])
async def test_giving_up_is_told(broker: Broker, bench: Benches, eventually: Eventually, policy: FailurePolicy) -> None:
    """Whoever watches hears of a message and its last error before the message is put anywhere."""
    told: list[tuple[str, str, int]] = []

    def given_up(message: SpaMessage, error: BaseException) -> None:
        told.append((message.topic, str(error), len(broker.published) + len(broker.settled)))

    async with bench(fails, policy=policy, on_given_up=given_up) as running:
        running.send()
        await eventually(lambda: broker.settled)

    assert told == [("in/a", "too wet", 0)]


# -- cancellation ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_cancelled_handler_is_not_settled(
    broker: Broker, bench: Benches, eventually: Eventually, concurrency: int
) -> None:
    """A handler that is cancelled leaves its message to be delivered again, and no policy is run on it."""
    async with bench(waits, concurrency=concurrency) as running:
        running.send()
        await eventually(running.progress.running)
        running.cancel()

    assert broker.settled == []
    assert broker.published == []
    assert len(broker.given_back) == 1
    assert (running.counts.cancelled, running.counts.failed) == (1, 0)


async def test_a_handler_cancelled_while_it_waits_for_its_next_attempt(
    broker: Broker, bench: Benches, eventually: Eventually
) -> None:
    """A message between two attempts is given back too."""
    async with bench(fails, policy=FailurePolicy(backoff=1000, max_backoff=1000)) as running:
        running.send()
        await eventually(lambda: running.counts.failed)
        running.cancel()

    assert broker.settled == []
    assert len(broker.given_back) == 1
    assert running.counts.cancelled == 1
    assert running.progress.running() == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])  # trio lets nobody raise its cancellation
@pytest.mark.parametrize("concurrency", [1, 3])
async def test_a_cancellation_nobody_asked_for_is_a_failure(
    broker: Broker, bench: Benches, eventually: Eventually, concurrency: int
) -> None:
    """A handler that awaits a cancelled future fails like any other; its application does not go deaf."""

    async def handle(message: SpaMessage) -> None:
        if message.payload == b"bad":
            future = asyncio.get_running_loop().create_future()
            future.cancel()
            await future

    async with bench(handle, concurrency=concurrency) as running:
        running.send(payload=b"bad")
        running.send(payload=b"good")
        await eventually(lambda: len(broker.settled) == 2)

    assert len(broker.on(LETTER)) == 1
    assert running.counts.handled == 1
    assert running.counts.failed == 3


async def test_a_handler_may_cancel_what_is_its_own(broker: Broker, bench: Benches, eventually: Eventually) -> None:
    """A handler's own cancel scopes and timeouts are its business; a timeout that is raised is a failure like any."""

    async def handle(message: SpaMessage) -> None:
        with anyio.move_on_after(0):
            await anyio.sleep_forever()
        if message.payload == b"late":
            with anyio.fail_after(0):
                await anyio.sleep_forever()

    async with bench(handle) as running:
        running.send()
        running.send(payload=b"late")
        await eventually(lambda: len(broker.settled) == 2)

    assert running.counts.handled == 1
    assert broker.on(LETTER)[0].headers["spa-dead-letter-error-type"] == "TimeoutError"
