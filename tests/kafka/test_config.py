"""What a Kafka URL and code say, what is refused, and that a password is shown nowhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.config import describe_config, replace_config
from spa_core.errors import ParameterError, UrlError
from spa_core.url import Host, Secret, Url
from spa_kafka.config import KafkaConfig

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=12)
HOSTS = st.builds(Host, NAMES | st.just("::1"), st.integers(1, 65_535))


def config(text: str) -> KafkaConfig:
    """Return the configuration of a URL."""
    return KafkaConfig.from_url(Url.parse(text))


@pytest.mark.parametrize(
    ("text", "addresses", "tls"),
    [
        ("kafka://broker", ("broker:9092",), False),
        ("kafka://b1:9093,b2/", ("b1:9093", "b2:9092"), False),
        ("kafka://[::1]:19092", ("[::1]:19092",), False),
        ("kafka+ssl://b1,b2:9094", ("b1:9092", "b2:9094"), True),
    ],
)
def test_addresses(text: str, addresses: tuple[str, ...], *, tls: bool) -> None:
    """The hosts of the URL are the brokers to ask first, port 9092 unless it says another; the scheme asks for TLS."""
    made = config(text)

    assert (made.bootstrap_servers, made.tls) == (addresses, tls)


def test_parameters() -> None:
    """Parameters come with their units, and core's own are among them."""
    made = config(
        "kafka://b/?group=g&topics=a,b/%2B&acks=1&compression=lz4&batch_size=64KiB&publish_timeout=500ms"
        "&start_from=earliest&session_timeout=6s&commit_interval=250ms&declare_topics=validate&partitions=3"
        "&replication=none&discover_interval=1m"
    )

    assert made == KafkaConfig(
        bootstrap_servers="b",
        group="g",
        default_subscription_topics=("a", "b/+"),
        acks=1,
        compression="lz4",
        batch_size=65_536,
        publish_timeout=0.5,
        start_from="earliest",
        session_timeout=6.0,
        commit_interval=0.25,
        declare_topics="validate",
        partitions=3,
        discover_interval=60.0,
    )


@given(st.lists(HOSTS, min_size=1, max_size=4), st.booleans())
def test_a_url_and_code_say_the_same(hosts: list[Host], tls: bool) -> None:  # noqa: FBT001 - drawn
    """Any list of brokers means the same in a URL, as one text, and as a list in code."""
    url = Url(scheme="kafka+ssl" if tls else "kafka", hosts=tuple(hosts))
    texts = [str(host) for host in hosts]

    assert KafkaConfig.from_url(url) == KafkaConfig(texts, tls=tls) == KafkaConfig(", ".join(texts), tls=tls)


def test_the_origins_form() -> None:
    """The origin's arguments mean what they did, and its group is SPA's."""
    made = KafkaConfig(
        bootstrap_servers="b1:9092,b2:9092", default_subscription_topics="plants", group_id="g", client_id="me"
    )

    assert made.bootstrap_servers == ("b1:9092", "b2:9092")
    assert (made.default_subscription_topics, made.group, made.client_id) == (("plants",), "g", "me")
    assert made == KafkaConfig("b1,b2", default_subscription_topics=["plants"], group="g", client_id="me")


def test_the_group_can_be_changed() -> None:
    """A group given in the origin's way can be changed in SPA's, and no topics and no group are the default."""
    made = replace_config(KafkaConfig("b", group_id="g"), group="other", topics=None)

    assert (made.group, made.default_subscription_topics) == ("other", ())
    assert KafkaConfig("b").group is None


@pytest.mark.parametrize(
    ("given_", "tls", "mechanism"),
    [(None, True, "PLAIN"), (None, False, "SCRAM-SHA-256"), ("PLAIN", False, "PLAIN"), ("SCRAM-SHA-512", True, None)],
)
def test_the_mechanism(given_: str | None, mechanism: str | None, *, tls: bool) -> None:
    """Unless it is chosen, the password is sent as it is only where the connection is encrypted."""
    made = KafkaConfig("b", tls=tls, username="ann", password="pw", sasl_mechanism=given_)

    assert made.mechanism == (mechanism or given_)
    assert KafkaConfig("b", tls=tls).mechanism is None


@pytest.mark.parametrize(
    ("text", "hint"),
    [("kafka://", "kafka://localhost:9092"), ("kafka+ssl://", "ssl://localhost:9092"), ("kafka://b/plants", "topics")],
)
def test_no_address(text: str, hint: str) -> None:
    """A URL without a broker, or with a path, is refused with the way out."""
    with pytest.raises(UrlError, match=hint):
        config(text)


@pytest.mark.parametrize(
    ("query", "name", "hint"),
    [
        ("acsk=all", "acsk", "acks"),
        ("acks=2", "acks", "'0'"),
        ("sasl_mechanism=PLIAN", "sasl_mechanism", "'PLAIN'"),
        ("compression=lz5", "compression", "lz4"),
        ("declare_topics=ensured", "declare_topics", "ensure"),
        ("partitions=0", "partitions", "at least 1"),
        ("group=", "group", "at least 1"),
        ("batch_size=1", "batch_size", "1024"),
        ("publish_timeout=0", "publish_timeout", "more than 0"),
        ("tls=true", "tls", "URL"),
        ("bootstrap_servers=x", "bootstrap_servers", "URL"),
    ],
)
def test_bad_parameters(query: str, name: str, hint: str) -> None:
    """A parameter that is unknown or does not fit is refused by name, with what fits."""
    with pytest.raises(ParameterError, match=hint) as caught:
        config(f"kafka://b/?{query}")

    assert caught.value.parameter == name


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"bootstrap_servers": ()}, "bootstrap_servers"),
        ({"bootstrap_servers": "b:port"}, "bootstrap_servers"),
        ({"bootstrap_servers": "kafka://b"}, "bootstrap_servers"),
        ({"bootstrap_servers": "b/path"}, "bootstrap_servers"),
        ({"password": "pw"}, "password"),
        ({"username": "ann"}, "username"),
        ({"sasl_mechanism": "PLAIN"}, "sasl_mechanism"),
        ({"tls_ca": "ca.pem"}, "tls_ca"),
        ({"tls_insecure": True}, "tls_insecure"),
        ({"tls": True, "tls_key": "key.pem"}, "tls_key"),
        ({"tls": True, "tls_key_password": "pw"}, "tls_key_password"),
        ({"reconnect_min": 9.0, "reconnect_max": 8.0}, "reconnect_min"),
        ({"session_timeout": 90.0}, "session_timeout"),
        ({"drain_timeout": 60.0}, "drain_timeout"),
        ({"buffer_low": 1000}, "buffer_low"),
        ({"idempotence": "on", "acks": 1}, "idempotence"),
        ({"group": "a", "group_id": "b"}, "group_id"),
        ({"partitions": "3"}, "partitions"),
        ({"acks": True}, "acks"),
    ],
)
def test_what_cannot_be_meant(fields: dict[str, object], name: str) -> None:
    """Fields that contradict each other, or have no partner, are refused when the configuration is made."""
    with pytest.raises(ParameterError) as caught:
        KafkaConfig(**fields)

    assert caught.value.parameter == name


def test_an_empty_password() -> None:
    """An empty password is a password."""
    assert KafkaConfig("b", username="ann", password="").password == Secret("")


def test_a_password_is_shown_nowhere() -> None:
    """Neither the configuration nor its refusal shows a password, wherever it was written."""
    made = config("kafka://ann:hunter2@b")
    shown = [repr(made), str(made), describe_config(made)]
    for broken in ({"bootstrap_servers": "ann:hunter2@b"}, {"bootstrap_servers": "b", "password": "hunter2"}):
        with pytest.raises(ParameterError) as caught:
            KafkaConfig(**broken)
        shown += [str(caught.value), repr(caught.value), repr(vars(caught.value))]

    assert [text for text in shown if "hunter2" in text] == []
