"""What can be set on the MQTT transport, with units and defaults, and how a URL says it; opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final, Literal, Self

import msgspec

from spa_core.config import ByteSize, Seconds, TransportConfig, config_from_url, validate_config
from spa_core.url import Host, Secret
from spa_mqtt import rules
from spa_mqtt.address import DEFAULT_PORTS, WEBSOCKET_PATH, Scheme, address_fields, broker_hosts

if TYPE_CHECKING:
    from spa_core.url import Url

__all__ = ["MqttConfig"]

_NAMED_SESSION: Final = 3600.0
_NAMELESS_SESSION: Final = 300.0

_Port = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
_Window = Annotated[int, msgspec.Meta(ge=1, le=65_535)]
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Deadline = Annotated[Seconds, msgspec.Meta(gt=0)]
_Expiry = Annotated[Seconds, msgspec.Meta(le=4_294_967_295)]  # what fits into the protocol's four bytes
_QualityOfService = Literal[0, 1, 2]


class _MqttOptions(TransportConfig, frozen=True, kw_only=True):
    """The fields that are given by keyword only."""

    scheme: Scheme = "mqtt"
    fallback_hosts: tuple[str, ...] = ()
    websocket_path: Annotated[str, msgspec.Meta(pattern="^/")] = WEBSOCKET_PATH
    unix_path: _Text | None = None

    username: str | None = None
    password: Secret | None = None
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    session_expiry: _Expiry | None = None
    clean_start: bool = False

    tls_ca: _Text | None = None
    tls_cert: _Text | None = None
    tls_key: _Text | None = None
    tls_key_password: Secret | None = None
    tls_insecure: bool = False

    retain: bool = False
    publish_window: _Window = 100
    outbox_max: Annotated[int, msgspec.Meta(ge=1)] = 10_000
    publish_timeout: _Deadline = 30.0

    ack: Literal["after_handler", "on_receive"] = "after_handler"
    overflow: Literal["pause", "drop_oldest", "drop_new"] = "pause"
    envelope: Literal["auto", "always", "never"] = "auto"
    max_packet_size: Annotated[ByteSize, msgspec.Meta(ge=256, le=268_435_460)] | None = None
    response_prefix: _Text = "spa/reply"

    connect_timeout: _Deadline = 10.0
    reconnect_min: _Deadline = 0.1
    reconnect_max: _Deadline = 30.0
    drain_timeout: Seconds = 10.0

    will_topic: _Text | None = None
    will_payload: str = ""
    will_qos: _QualityOfService = 1
    will_retain: bool = False
    will_delay: _Expiry = 0.0

    nodelay: bool = True
    fast_path: Literal["auto", "off"] = "auto"


class MqttConfig(_MqttOptions, frozen=True):
    """
    How to reach a broker, and how to behave towards it.

    Everything is checked when it is made, but for files, which are read when a socket connects. Four fields can be
    given by position, in the origin's order; write them by name.

    Attributes:
        host: The broker's name or address.
        port: Its port; ``None`` is 1883, over TLS 8883, over websockets 80 and 443.
        keepalive: Seconds, whole ones, after which a silent connection is probed; one that stays silent is given up
            after as long again.
        qos: The MQTT level of publishes that name none, and of subscriptions: 0 can lose and has no back-pressure at
            the broker, 1 repeats and never loses, 2 does neither where the broker supports it.

        scheme: The way to the broker: ``mqtt`` (TCP), ``mqtts`` (TLS), ``ws``, ``wss`` (websockets), ``mqtt+unix``.
        fallback_hosts: Brokers of the same cluster, ``name`` or ``name:port``, tried in turn when *host* is away.
        websocket_path: The path that is asked for over websockets.
        unix_path: The path of the broker's unix socket.

        username: The name to log in with.
        password: The password, which nothing ever shows; it needs a *username*.
        protocol: The version of MQTT; ``"auto"`` is 5, and 3.1.1 if the broker does not know it. Only 5 carries
            headers, expiry and content types natively; see *envelope*.
        client_id: The name of the session. One that is given keeps the session across restarts of the program, and
            no two programs may use it at a time. ``None`` makes one up.
        session_expiry: Seconds, whole ones, for which the broker keeps subscriptions and unread messages while the
            connection is away. ``None`` is an hour with a *client_id*, else 5 minutes, for members of a group 15
            seconds: what one that crashed would have got is lost with its session. A session without a *client_id* is
            ended when its socket closes. MQTT 3.1.1 knows only 0 and for ever.
        clean_start: Whether a socket begins by forgetting the session that an earlier one left.

        tls_ca: A file of the authorities (PEM) that may sign the broker's certificate; ``None`` trusts those of the
            system.
        tls_cert: A file of our own certificate (PEM), with its chain.
        tls_key: The file of its key (PEM); ``None`` looks in *tls_cert*.
        tls_key_password: The password of an encrypted key.
        tls_insecure: Accept any certificate of any broker: encrypted, but to whom is unknown. For tests.

        retain: Whether messages that do not say otherwise are kept by the broker for later subscribers.
        publish_window: The most messages sent and not yet confirmed.
        outbox_max: The most messages that wait to be sent or confirmed; more make ``publish`` wait.
        publish_timeout: Seconds until a publish that is not confirmed fails.

        ack: When a message counts as done towards the broker: ``"after_handler"``, or ``"on_receive"``, which loses
            what was not handled when the program ends.
        overflow: What becomes of messages of level 0 that come faster than they are handled: ``"pause"`` stops
            reading, so that the broker has to decide; ``"drop_oldest"`` and ``"drop_new"`` drop here, and count.
        envelope: Whether what MQTT 3.1.1 has no place for (headers, content type, ...) travels in front of the
            payload: ``"auto"`` does it under 3.1.1 where there is something to carry; ``"always"`` under MQTT 5 too,
            for readers that use 3.1.1; ``"never"`` drops it. Reading recognises it always. With the origin's payload
            format ``"auto"`` is ``"never"``, because its nodes could not read it.
        max_packet_size: The largest packet in bytes that the broker may send; it skips larger messages. MQTT 5.
        response_prefix: First levels of the topics that replies come back on.

        connect_timeout: Seconds for one attempt to connect, and for a socket to open.
        reconnect_min: Seconds, at most, before the first attempt to reconnect; the bound doubles with each attempt.
        reconnect_max: Seconds, at most, between attempts to reconnect, of which there is no end.
        drain_timeout: Seconds that closing waits for confirmations that are under way.

        will_topic: Where the broker publishes a last will when this client vanishes; ``None`` is no will.
        will_payload: The will's text.
        will_qos: The will's level.
        will_retain: Whether the will is kept for later subscribers.
        will_delay: Seconds, whole ones, that the broker waits for the client to come back. MQTT 5.

        nodelay: Whether small packets are sent at once (``TCP_NODELAY``); without it a round trip can take 40 ms.
        fast_path: ``"auto"`` reads and writes many packets at a time where the installed client allows it.

    Example:
        >>> from spa_core.url import Url
        >>> config = MqttConfig.from_url(Url.parse("mqtts://ann:hunter2@broker?keepalive=1m&client_id=detector"))
        >>> config.port, config.addresses, config.keepalive, config.password
        (None, (Host(name='broker', port=8883),), 60.0, ***)

    Raises:
        ParameterError: A value does not fit its field, or two fields contradict each other.
    """

    host: _Text = "localhost"
    port: _Port | None = None
    keepalive: Annotated[Seconds, msgspec.Meta(ge=1, le=65_535)] = 30.0
    qos: _QualityOfService = 1

    def __post_init__(self) -> None:
        """Check every field, and that they go together."""
        super().__post_init__()
        validate_config(self)
        rules.check(self)

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """
        Make a configuration of ``mqtt://user:password@host:port,host:port?parameter=value``.

        The scheme chooses the way to the broker. Over websockets the path is the one to ask for; for ``mqtt+unix`` it
        is the socket's.

        Raises:
            UrlError: A part is missing, or the scheme has no use for it.
            ParameterError: A parameter is unknown, does not fit, or is not for this scheme.
        """
        return config_from_url(cls, url, fixed=address_fields(url))

    @property
    def addresses(self) -> tuple[Host, ...]:
        """Every broker to try, each with its port, in turn; none for a unix socket."""
        if self.scheme == "mqtt+unix":
            return ()
        port = DEFAULT_PORTS[self.scheme]
        return Host(self.host, self.port or port), *broker_hosts(self.fallback_hosts, default_port=port)

    @property
    def is_persistent(self) -> bool:
        """Whether the session outlives the socket, so that the next one of the same name goes on with it."""
        return self.client_id is not None and self.session_seconds > 0

    @property
    def session_seconds(self) -> float:
        """The `session_expiry` in force."""
        if self.session_expiry is not None:
            return self.session_expiry
        return _NAMELESS_SESSION if self.client_id is None else _NAMED_SESSION
