"""Settlement: three outcomes, and the first one wins."""

from __future__ import annotations

import copy
import itertools
import pickle

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.errors import DisconnectedError
from spa_core.message import SpaMessage
from spa_core.transport import ACK, Ack, Delivery, Outcome, Reject, Retry, SettleOnce

pytestmark = pytest.mark.anyio

OUTCOMES: list[Outcome] = [ACK, Retry(), Retry(2.5), Reject("no flow below zero")]


class Noted(SettleOnce):
    """A delivery whose broker notes what it is told, and may be gone or out of reach."""

    __slots__ = ("gone", "told", "unreachable")

    def __init__(self, *, gone: bool = False, unreachable: bool = False) -> None:
        super().__init__(SpaMessage(topic="a"), attempt=2, redelivered=True, native="the client's own")
        self.told: list[Outcome] = []
        self.gone = gone
        self.unreachable = unreachable

    async def apply(self, outcome: Outcome) -> bool:
        """Note the outcome."""
        self.told.append(outcome)
        await anyio.lowlevel.checkpoint()
        if self.unreachable:
            raise DisconnectedError("the cable is cut")
        return not self.gone


@pytest.mark.parametrize(("first", "second"), [*itertools.product(OUTCOMES, OUTCOMES)])
async def test_the_first_settlement_wins(first: Outcome, second: Outcome) -> None:
    """The broker is told once, what was said first; saying the same or another thing later does nothing and says so."""
    delivery = Noted()

    assert delivery.outcome is None
    assert await delivery.settle(first)
    assert not await delivery.settle(second)
    assert delivery.told == [first]
    assert delivery.outcome == first


async def test_of_two_at_once_one_wins() -> None:
    """A second settlement that comes while the first is on its way is too late already."""
    delivery = Noted()
    results: list[bool] = []

    async def settle(outcome: Outcome) -> None:
        results.append(await delivery.settle(outcome))

    async with anyio.create_task_group() as tasks:
        for outcome in OUTCOMES:
            tasks.start_soon(settle, outcome)

    assert results.count(True) == 1
    assert delivery.told == [delivery.outcome]


async def test_too_late_says_so() -> None:
    """Where the broker has taken the message back, settling has no effect, says so, and is not tried again."""
    delivery = Noted(gone=True)

    assert not await delivery.settle(ACK)
    assert not await delivery.settle(Retry())
    assert delivery.told == [ACK]


async def test_an_error_of_the_broker_reaches_the_first_caller() -> None:
    """A settlement that fails is not hidden, nor repeated: the broker will deliver the message again."""
    delivery = Noted(unreachable=True)

    with pytest.raises(DisconnectedError):
        await delivery.settle(ACK)
    assert not await delivery.settle(ACK)
    assert delivery.told == [ACK]


async def test_settle_once_satisfies_the_contract() -> None:
    """A subclass with nothing but ``apply`` is a delivery, and keeps what it was made with."""
    delivery = Noted()

    assert isinstance(delivery, Delivery)
    assert (delivery.message.topic, delivery.attempt, delivery.redelivered) == ("a", 2, True)
    assert delivery.native == "the client's own"
    assert not hasattr(delivery, "__dict__")


def test_what_a_broker_does_not_say_is_unknown() -> None:
    """A delivery made with its message alone claims nothing about attempts."""

    class Plain(SettleOnce):
        async def apply(self, outcome: Outcome) -> bool:
            return bool(outcome)

    delivery = Plain(SpaMessage(topic="a"))

    assert (delivery.attempt, delivery.redelivered, delivery.native) == (None, None, None)


def test_apply_must_be_given() -> None:
    """A delivery that cannot tell its broker anything cannot be made."""
    with pytest.raises(TypeError, match="abstract"):
        SettleOnce(SpaMessage(topic="a"))  # type: ignore[abstract]


@given(st.sampled_from(OUTCOMES), st.sampled_from(OUTCOMES))
def test_outcomes_are_values(one: Outcome, other: Outcome) -> None:
    """Outcomes are equal by kind and content, hash alike, cannot be changed and survive a copy."""
    assert (one == other) == (repr(one) == repr(other))
    assert hash(one) == hash(copy.deepcopy(one))
    assert pickle.loads(pickle.dumps(one)) == one  # noqa: S301 - our own


@pytest.mark.parametrize(("outcome", "field"), [(Retry(1.0), "delay"), (Reject("no"), "reason"), (ACK, "reason")])
def test_outcomes_cannot_be_changed(outcome: Outcome, field: str) -> None:
    """An outcome that is on its way stays what it was."""
    with pytest.raises(AttributeError):
        setattr(outcome, field, "changed")


def test_outcomes_have_quiet_defaults() -> None:
    """A retry without a delay is at once, a rejection need not say why, and there is one acknowledgement."""
    assert (Retry().delay, Reject().reason) == (0.0, "")
    assert Ack() == ACK
