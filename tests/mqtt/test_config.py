"""What an MQTT URL and an MqttConfig say, and what neither can say."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from spa_core.config import describe_config, replace_config
from spa_core.errors import ConfigurationError, ParameterError, UrlError
from spa_core.url import Host, Secret, Url
from spa_mqtt.address import DEFAULT_PORTS, SCHEMES
from spa_mqtt.config import MqttConfig


def config(text: str) -> MqttConfig:
    """Return the configuration of a URL."""
    return MqttConfig.from_url(Url.parse(text))


# ---------------------------------------------------------------------------------------------------------------------
# The way to the broker


@pytest.mark.parametrize(
    ("text", "scheme", "address"),
    [
        ("mqtt://broker", "mqtt", Host("broker", 1883)),
        ("mqtts://broker/", "mqtts", Host("broker", 8883)),
        ("ws://broker", "ws", Host("broker", 80)),
        ("wss://broker", "wss", Host("broker", 443)),
        ("mqtt+ws://broker", "ws", Host("broker", 80)),
        ("mqtt+wss://broker:9443", "wss", Host("broker", 9443)),
        ("mqtt://[::1]:1884", "mqtt", Host("::1", 1884)),
    ],
)
def test_scheme_and_port(text: str, scheme: str, address: Host) -> None:
    """The scheme chooses the way to the broker and, if the URL names none, the port."""
    made = config(text)

    assert (made.scheme, made.addresses) == (scheme, (address,))


def test_several_hosts() -> None:
    """All hosts of a URL are tried in turn, each with its own port or the scheme's."""
    made = config("mqtts://one:1,two,[::1]:3")

    assert made.addresses == (Host("one", 1), Host("two", 8883), Host("::1", 3))
    assert made == MqttConfig("one", 1, scheme="mqtts", fallback_hosts=("two", "[::1]:3"))


def test_the_unix_socket() -> None:
    """The path of a mqtt+unix URL is the socket's, and there are no hosts."""
    made = config("mqtt+unix://ann:pw@/run/mosquitto.sock?client_id=x")

    assert (made.unix_path, made.addresses, made.username) == ("/run/mosquitto.sock", (), "ann")


@pytest.mark.parametrize(("text", "path"), [("ws://b", "/mqtt"), ("ws://b/", "/"), ("wss://b:1/a/b", "/a/b")])
def test_the_websocket_path(text: str, path: str) -> None:
    """Over websockets the path is the one to ask for."""
    assert config(text).websocket_path == path


@pytest.mark.parametrize(
    ("text", "reason", "hint"),
    [
        ("mqtt://", "the mqtt URL names no broker", "mqtt://localhost"),
        ("wss://?qos=1", "the wss URL names no broker", "wss://localhost"),
        ("mqtt://broker/plants/flow", "the mqtt URL has a path", "topics"),
        ("mqtt+unix://run/mosquitto.sock", "the mqtt+unix URL needs the path of a unix socket", "three slashes"),
        ("mqtt+unix:///", "the mqtt+unix URL needs the path of a unix socket", "three slashes"),
    ],
)
def test_parts_that_do_not_fit(text: str, reason: str, hint: str) -> None:
    """A part that is missing or means nothing is refused, with the way to say it."""
    with pytest.raises(UrlError) as caught:
        config(text)

    assert caught.value.message.startswith(reason)
    assert hint in (caught.value.hint or "")


def test_the_origin_s_call() -> None:
    """The origin's fields can be given by name and its first four by position, username and password too."""
    made = MqttConfig(
        "broker", 1884, 60, 0, default_subscription_topics="plants/#", client_id="c", username="ann", password="pw"
    )

    assert made == MqttConfig(
        host="broker",
        port=1884,
        keepalive=60,
        qos=0,
        default_subscription_topics=["plants/#"],
        client_id="c",
        username="ann",
        password=Secret("pw"),
    )


def test_defaults_keep_messages() -> None:
    """Who says nothing gets the levels that lose nothing."""
    made = MqttConfig()

    assert (made.qos, made.ack, made.overflow, made.clean_start) == (1, "after_handler", "pause", False)


@pytest.mark.parametrize(
    ("fields", "seconds", "persistent"),
    [
        ({}, 300, False),
        ({"client_id": "c"}, 3600, True),
        ({"client_id": "c", "session_expiry": 0}, 0, False),
        ({"session_expiry": 60}, 60, False),
        ({"client_id": "c", "session_expiry": 7 * 86_400}, 604_800, True),
    ],
)
def test_sessions(fields: dict[str, Any], seconds: float, *, persistent: bool) -> None:
    """A session is kept for an hour if it has a name, long enough to reconnect if it has none, or as configured."""
    made = MqttConfig(**fields)

    assert (made.session_seconds, made.is_persistent) == (seconds, persistent)


# ---------------------------------------------------------------------------------------------------------------------
# Parameters


def test_units() -> None:
    """Durations and sizes come with their units."""
    made = config(
        "mqtt://b?keepalive=1m&connect_timeout=250ms&max_packet_size=64KiB&session_expiry=1d&will_topic=w&will_delay=5"
    )

    assert (made.keepalive, made.connect_timeout, made.max_packet_size) == (60, 0.25, 65_536)
    assert (made.session_expiry, made.will_delay) == (86_400, 5)


@pytest.mark.parametrize(
    ("query", "parameter", "said"),
    [
        ("keepalve=3", "keepalve", "Did you mean 'keepalive'?"),
        ("qos=3", "qos", "one of '0', '1', '2'"),
        ("keepalive=0", "keepalive", "at least 1"),
        ("keepalive=1.5", "keepalive", "whole seconds"),
        ("protocol=3.1", "protocol", "Did you mean '3.1.1'?"),
        ("overflow=drop", "overflow", "'drop_oldest'"),
        ("publish_window=70000", "publish_window", "at most 65535"),
        ("connect_timeout=0", "connect_timeout", "more than 0"),
        ("host=other", "host", "takes it from the URL's user, host or path"),
        ("password=pw", "password", "takes it from the URL's user, host or path"),
        ("unix_path=/x", "unix_path", "takes it from the URL's user, host or path"),
        ("tls_ca=ca.pem", "tls_ca", "is for mqtts, wss, not for mqtt"),
        ("tls_insecure=yes", "tls_insecure", "is for mqtts, wss, not for mqtt"),
        ("will_payload=gone", "will_payload", "means nothing without 'will_topic'"),
        ("will_topic=a/%23", "will_topic", "must be a topic"),
        ("response_prefix=a/%2B", "response_prefix", "must be a topic"),
        ("reconnect_min=5&reconnect_max=1", "reconnect_min", "must not be more than 'reconnect_max', which is 1"),
        ("protocol=3.1.1&max_packet_size=1kB", "max_packet_size", "needs MQTT 5"),
        ("client_id=a%00b", "client_id", "NUL"),
    ],
)
def test_parameters_that_do_not_fit(query: str, parameter: str, said: str) -> None:
    """A parameter that is unknown, does not fit or contradicts another is refused, with the way out."""
    with pytest.raises(ParameterError) as caught:
        config(f"mqtt://broker?{query}")

    assert caught.value.parameter == parameter
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("fields", "parameter"),
    [
        ({"port": "1883"}, "port"),
        ({"port": 1, "scheme": "mqtt+unix", "unix_path": "/s"}, "port"),
        ({"scheme": "mqtt+unix"}, "unix_path"),
        ({"unix_path": "/s"}, "unix_path"),
        ({"websocket_path": "/x"}, "websocket_path"),
        ({"scheme": "ws", "websocket_path": "x"}, "websocket_path"),
        ({"fallback_hosts": ("a:b",)}, "fallback_hosts"),
        ({"scheme": "mqtt+unix", "unix_path": "/s", "fallback_hosts": ("a",)}, "fallback_hosts"),
        ({"password": "hunter2"}, "password"),
        ({"username": "ann", "password": "hunter2\0"}, "password"),
        ({"username": "ann", "password": "hunter2" * 10_000}, "password"),
        ({"username": "\ud800"}, "username"),
        ({"scheme": "mqtts", "tls_key": "key.pem"}, "tls_key"),
        ({"scheme": "mqtts", "tls_key_password": "hunter2"}, "tls_key_password"),
    ],
)
def test_values_in_code_that_do_not_fit(fields: dict[str, Any], parameter: str) -> None:
    """A configuration that cannot be meant is refused where it is made, and no secret is shown."""
    with pytest.raises(ParameterError) as caught:
        MqttConfig(**fields)

    assert caught.value.parameter == parameter
    assert "hunter2" not in f"{caught.value!r} {vars(caught.value)}"


def test_changes_are_checked() -> None:
    """A change that contradicts what stays is refused, and the configuration stays as it was."""
    made = MqttConfig(reconnect_max=1)
    with pytest.raises(ParameterError, match="reconnect_min"):
        replace_config(made, reconnect_min="5s")

    assert made == MqttConfig(reconnect_max=1)


# ---------------------------------------------------------------------------------------------------------------------
# Properties

NAMES = st.text("abcXYZ019-_.é", min_size=1, max_size=8)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=8)
SECONDS = st.integers(1, 65_535).map(float)
HOSTS = st.builds(Host, NAMES, st.none() | st.integers(1, 65_535))

OPTIONS: dict[str, st.SearchStrategy[Any]] = {
    "ack": st.sampled_from(["after_handler", "on_receive"]),
    "clean_start": st.booleans(),
    "client_id": TEXTS,
    "client_name": TEXTS,
    "connect_timeout": SECONDS,
    "drain_timeout": SECONDS,
    "envelope": st.sampled_from(["auto", "always", "never"]),
    "fast_path": st.sampled_from(["auto", "off"]),
    "group": NAMES,
    "keepalive": SECONDS,
    "max_packet_size": st.integers(256, 2**28),
    "nodelay": st.booleans(),
    "outbox_max": st.integers(1, 10**6),
    "overflow": st.sampled_from(["pause", "drop_oldest", "drop_new"]),
    "prefetch": st.integers(1, 1000),
    "protocol": st.sampled_from(["auto", "5"]),
    "publish_timeout": SECONDS,
    "publish_window": st.integers(1, 65_535),
    "qos": st.sampled_from([0, 1, 2]),
    "request_timeout": SECONDS,
    "response_prefix": NAMES,
    "retain": st.booleans(),
    "session_expiry": SECONDS,
    "will_qos": st.sampled_from([0, 1, 2]),
    "will_topic": NAMES,
}


@st.composite
def addresses(draw: st.DrawFn) -> tuple[str, dict[str, Any]]:
    """Draw what stands before a URL's query, and the fields it gives."""
    scheme = draw(st.sampled_from(sorted(SCHEMES)))
    fields: dict[str, Any] = {"scheme": SCHEMES[scheme]}
    user, password = draw(st.none() | TEXTS), draw(TEXTS)
    login = "" if user is None else f"{quote(user, safe='')}:{quote(password, safe='')}@"
    if user is not None:
        fields |= {"username": user, "password": password}
    if fields["scheme"] == "mqtt+unix":
        fields["unix_path"] = f"/{draw(NAMES)}"
        return f"{scheme}://{login}{quote(fields['unix_path'])}", fields
    first, *others = draw(st.lists(HOSTS, min_size=1, max_size=3))
    fields |= {"host": first.name, "port": first.port, "fallback_hosts": tuple(map(str, others))}
    path = f"/{draw(NAMES)}" if fields["scheme"] in ("ws", "wss") else ""
    if path:
        fields["websocket_path"] = path
    return f"{scheme}://{login}{','.join(map(str, [first, *others]))}{quote(path)}", fields


def as_text(value: object) -> str:
    """Return a value as a URL gives it."""
    return quote(str(value).lower() if isinstance(value, bool) else str(value), safe="")


@given(addresses(), st.fixed_dictionaries({}, optional=OPTIONS))
def test_a_url_says_all_that_code_can(address: tuple[str, dict[str, Any]], options: dict[str, Any]) -> None:
    """Whatever can be given in code can be given in a URL, and gives an equal configuration."""
    text, fields = address
    made = MqttConfig(**fields, **options)
    query = "&".join(f"{name}={as_text(value)}" for name, value in options.items())

    assert config(f"{text}?{query}" if query else text) == made


@given(addresses(), st.fixed_dictionaries({}, optional=OPTIONS))
def test_addresses_are_complete(address: tuple[str, dict[str, Any]], options: dict[str, Any]) -> None:
    """Every address has a port, the first one the configured host; only unix sockets have none."""
    made = MqttConfig(**address[1], **options)

    assert bool(made.addresses) == (made.scheme in DEFAULT_PORTS)
    assert all(host.port for host in made.addresses)
    assert not made.addresses or made.addresses[0].name == made.host


@given(addresses())
def test_no_password_is_shown(address: tuple[str, dict[str, Any]]) -> None:
    """Neither the representation nor the description of a configuration has the password in it."""
    made = MqttConfig(**address[1])
    assume(made.password is not None)
    bare = MqttConfig(**(address[1] | {"password": "another"}))

    assert (repr(made), describe_config(made)) == (repr(bare), describe_config(bare))


WORDS = st.sampled_from(
    [*MqttConfig.__struct_fields__, "topics", "qoss", "", "-1", "0", "1", "none", "a,b", "5s", "yes"]
)


@given(
    st.sampled_from(sorted(SCHEMES)), st.text("ab:/@[],.1", max_size=8), st.lists(st.tuples(WORDS, WORDS), max_size=3)
)
def test_any_url_is_a_configuration_or_refused(scheme: str, rest: str, query: list[tuple[str, str]]) -> None:
    """Of a URL whatsoever comes a configuration that can be made again, or one of the errors for configurations."""
    pairs = "&".join(f"{name}={value}" for name, value in query)
    try:
        made = config(f"{scheme}://{rest}?{pairs}")
    except ConfigurationError:
        return

    assert MqttConfig(**msgspec.structs.asdict(made)) == made
