"""Names of sessions, and what is known of deliveries over connections."""

from __future__ import annotations

import secrets

from spa_core.transport import SubscriptionSpec
from spa_mqtt import MqttConfig, properties
from spa_mqtt.packets import Incoming
from spa_mqtt.sessions import Session, claim_publisher, claim_subscription, release

SPEC = SubscriptionSpec(topics=("plants/#",), group="detector")


def incoming(mid: int, *, dup: bool, message_id: str = "m-1") -> Incoming:
    """Return a message of SPA's."""
    encoded = properties.user(b"spa-message-id", message_id.encode())
    return Incoming("a", b"body", mid, 1, retain=False, dup=dup, properties=encoded)


def test_a_name_is_used_once_at_a_time() -> None:
    """Sessions that live at the same time have different names; a name that is free again is taken first."""
    config = MqttConfig(client_id=f"test-{secrets.token_hex(4)}")
    first, second, third = (claim_subscription(config, SPEC) for _ in range(3))
    release(second)
    again = claim_subscription(config, SPEC)
    for session in (first, third, again):
        release(session)

    assert len({first.name, second.name, third.name}) == 3
    assert again.name == second.name
    assert again is second, "what is known of a session that is kept is kept"


def test_names_depend_on_what_is_subscribed_to() -> None:
    """The same subscription finds its session again whatever the order of its topics; another one has another."""
    config = MqttConfig(client_id=f"test-{secrets.token_hex(4)}")
    names = []
    for topics, group in ((("a", "b"), "g"), (("b", "a"), "g"), (("a", "b"), "h"), (("a",), "g"), (("a", "b"), None)):
        session = claim_subscription(config, SubscriptionSpec(topics=topics, group=group))
        names.append(session.name)
        release(session)

    assert names[0] == names[1]
    assert len(set(names)) == 4
    assert all(name.startswith(f"{config.client_id}-") for name in names)


def test_only_groups_with_a_name_are_kept() -> None:
    """A session is kept for a group of a client with a name; all others are forgotten when they are left."""
    named = MqttConfig(client_id=f"test-{secrets.token_hex(4)}")
    kept = [
        claim_subscription(named, SPEC),
        claim_subscription(named, SubscriptionSpec(topics=("a",))),
        claim_subscription(MqttConfig(), SPEC),
        claim_subscription(MqttConfig(client_id=named.client_id, session_expiry=0.0), SPEC),
        claim_publisher(named),
    ]
    for session in kept:
        release(session)

    assert [session.is_kept for session in kept] == [True, False, False, False, False]
    assert kept[-1].name == named.client_id


def test_attempts_are_counted_over_connections() -> None:
    """A message that comes again counts as a further attempt only if it was handed out before."""
    session = Session(("broker", "name"), is_kept=True)
    session.begins_anew()
    assert session.attempt(incoming(1, dup=False)) == 1
    assert session.attempt(incoming(1, dup=True)) == 1
    session.handed_out(1, 1)
    assert session.attempt(incoming(1, dup=True)) == 2
    assert session.attempt(incoming(1, dup=False)) == 1


def test_a_session_of_an_earlier_life_is_not_known() -> None:
    """What comes again of a session that an earlier process had was probably handed out there."""
    session = Session(("broker", "name"), is_kept=True)

    assert session.attempt(incoming(1, dup=True)) == 2


def test_what_was_finished_is_recognised() -> None:
    """A message that comes again after it was finished is told from another one with its identifier."""
    session = Session(("broker", "name"), is_kept=True)
    session.begins_anew()
    session.finished(incoming(1, dup=False))

    assert session.attempt(incoming(1, dup=True)) == 0
    assert session.attempt(incoming(1, dup=True, message_id="m-2")) == 1
    assert session.attempt(incoming(1, dup=False)) == 1
    assert session.attempt(incoming(1, dup=True)) == 1, "the identifier is in use again"


def test_equal_messages_without_an_id_are_never_taken_for_one() -> None:
    """Messages of foreign clients have no id of their own, so that one that comes again is always handed out."""
    session = Session(("broker", "name"), is_kept=True)
    session.begins_anew()
    foreign = Incoming("a", b"21.5", 1, 1, retain=False, dup=True, properties=b"")
    session.finished(foreign)

    assert session.attempt(foreign) == 1


def test_memory_of_a_session_is_bounded() -> None:
    """However many messages are finished, only as many are remembered as can be under way, twice over."""
    session = Session(("broker", "name"), is_kept=True)
    session.remember(200)
    for mid in range(1, 10_000):
        session.handed_out(mid, 1)
        session.finished(incoming(mid, dup=False))

    assert (len(session._attempts), len(session._finished)) == (400, 400)
