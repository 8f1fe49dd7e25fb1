"""What can be set on the Kafka transport, with units and defaults, and how a URL says it; opens nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal, Self

import msgspec

from spa_core.config import ByteSize, Seconds, TransportConfig, config_from_url, validate_config
from spa_core.url import Secret
from spa_kafka import rules
from spa_kafka.address import address_fields, broker_addresses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spa_core.url import Url

__all__ = ["KafkaConfig", "SaslMechanism"]

SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]
"""How a user name and a password are shown to the broker."""

_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Count = Annotated[int, msgspec.Meta(ge=1)]
_Deadline = Annotated[Seconds, msgspec.Meta(gt=0)]


class _KafkaOptions(TransportConfig, frozen=True, kw_only=True):
    """The fields that are given by keyword only."""

    group_id: _Text | None = None

    tls: bool = False
    tls_ca: _Text | None = None
    tls_cert: _Text | None = None
    tls_key: _Text | None = None
    tls_key_password: Secret | None = None
    tls_insecure: bool = False
    username: _Text | None = None
    password: Secret | None = None
    sasl_mechanism: SaslMechanism | None = None

    connect_timeout: _Deadline = 10.0
    broker_timeout: _Deadline = 10.0
    reconnect_min: _Deadline = 0.1
    reconnect_max: _Deadline = 30.0
    drain_timeout: Seconds = 10.0

    acks: Literal["all", 1, 0] = "all"
    idempotence: Literal["auto", "on", "off"] = "auto"
    compression: Literal["none", "gzip", "snappy", "lz4", "zstd"] = "none"
    batch_size: Annotated[ByteSize, msgspec.Meta(ge=1024)] = 128 * 1024
    outbox_max: _Count = 10_000
    publish_timeout: _Deadline = 30.0
    max_payload: Annotated[ByteSize, msgspec.Meta(ge=1)] = 1_000_000

    start_from: Literal["latest", "earliest"] = "latest"
    isolation: Literal["read_committed", "read_uncommitted"] = "read_committed"
    session_timeout: Annotated[Seconds, msgspec.Meta(ge=1)] = 30.0
    rebalance_timeout: Annotated[Seconds, msgspec.Meta(ge=1)] = 60.0
    commit_interval: _Deadline = 1.0
    fetch_max_wait: _Deadline = 0.5
    fetch_size: Annotated[ByteSize, msgspec.Meta(ge=1024)] = 1024 * 1024
    poll_max: _Count = 500
    buffer_high: _Count = 1000
    buffer_low: Annotated[int, msgspec.Meta(ge=0)] = 250
    stuck_after: _Deadline = 60.0

    declare_topics: Literal["ensure", "validate", "off"] = "ensure"
    partitions: _Count | None = None
    replication: Annotated[int, msgspec.Meta(ge=1, le=32_767)] | None = None
    reply_retention: _Deadline = 600.0
    discover_interval: _Deadline = 5.0


class KafkaConfig(_KafkaOptions, frozen=True):
    """
    How to reach a cluster, and how to behave towards it.

    Everything is checked when it is made, but for files, which are read when a socket connects. The brokers can be
    given by position, everything else by name.

    Attributes:
        bootstrap_servers: Brokers to ask first, ``name`` or ``name:port`` (9092), as a list or separated by commas;
            they tell of all others.
        default_subscription_topics: The topics a socket subscribes to by itself when it is entered.
        group_id: The origin's word for ``group``; what is given here is found there.
        client_id: The name this client has in the broker's logs, metrics and quotas; ``None`` makes one up.

        tls: Whether connections are encrypted (TLS); the scheme ``kafka+ssl`` in a URL.
        tls_ca: A file of the authorities (PEM) that may sign the brokers' certificates; ``None`` trusts those of the
            system.
        tls_cert: A file of our own certificate (PEM), with its chain.
        tls_key: The file of its key (PEM); ``None`` looks in *tls_cert*.
        tls_key_password: The password of an encrypted key.
        tls_insecure: Accept any certificate of any broker: encrypted, but to whom is unknown. For tests.
        username: The name to log in with (SASL).
        password: The password, which nothing ever shows.
        sasl_mechanism: How to log in. ``None`` is ``PLAIN`` with TLS; without it ``SCRAM-SHA-256``, which does not show
            the password to whoever listens.

        connect_timeout: Seconds for a socket to open, and for one attempt to connect again.
        broker_timeout: Seconds without an answer after which a call to a broker counts as failed.
        reconnect_min: Seconds, at most, before the first attempt to connect again; the bound doubles with each attempt.
        reconnect_max: Seconds, at most, between attempts to connect again, of which there is no end.
        drain_timeout: Seconds that giving partitions to another member of the group waits for handlers that are
            running; their messages are delivered again if it is over. Less than *rebalance_timeout*.

        acks: When a publish counts as accepted: ``"all"`` replicas in sync have it, ``1``: its leader has it, ``0``:
            it was sent, and may be lost.
        idempotence: Whether a publish that is tried again is never stored twice: ``"auto"`` if the broker can and
            *acks* is ``"all"``, ``"on"``, or ``"off"``.
        compression: How batches are compressed.
        batch_size: Bytes that go to a partition in one batch, at most. Nothing waits for a batch to fill: it is made
            of what came while the one before was under way.
        outbox_max: The most messages that wait to be sent or confirmed; more make ``publish`` wait.
        publish_timeout: Seconds until a publish that is not confirmed fails; whether the broker has it is unknown then.
        max_payload: The largest payload in bytes. The broker's ``message.max.bytes`` (1,048,588) has to hold key and
            headers too.

        start_from: Where a group that has never been there begins: ``"latest"`` with what is published from then on,
            ``"earliest"`` with all there is. A subscription without a group begins with what is published from then on.
        isolation: Whether messages of transactions are read only when these were committed.
        session_timeout: Seconds of silence after which a member of a group counts as dead and others get its
            partitions.
        rebalance_timeout: Seconds that the group waits for a member to give its partitions back.
        commit_interval: Seconds between commits of what was settled; this much is repeated after a crash, at least.
        fetch_max_wait: Seconds that the broker holds back an empty answer.
        fetch_size: Bytes that one partition gives at a time, at most, but for a larger message.
        poll_max: The most messages that are taken from the client at once.
        buffer_high: So many messages of one partition wait here before its fetching is paused.
        buffer_low: So few, when it goes on. Less than *buffer_high*.
        stuck_after: Seconds after which a message that is not settled, and holds back the commit of those behind it, is
            warned about.

        declare_topics: What becomes of a topic that is used: ``"ensure"`` makes it if it is not there, ``"validate"``
            refuses one that is not there, ``"off"`` does not look. Nothing is ever changed or deleted.
        partitions: The partitions of a topic that is made; ``None`` leaves it to the broker.
        replication: The copies of each of them; ``None`` leaves it to the broker.
        reply_retention: Seconds that the broker keeps replies. The topic for them is this socket's own and is deleted
            when it closes.
        discover_interval: Seconds between looks for new topics that match a wildcard.

    Raises:
        ParameterError: A value does not fit its field, or two fields contradict each other.

    Example:
        >>> from spa_core.url import Url
        >>> config = KafkaConfig.from_url(Url.parse("kafka+ssl://ann:hunter2@b1,b2:9093/?group=detector"))
        >>> config.bootstrap_servers, config.group, config.mechanism, config.password
        (('b1:9092', 'b2:9093'), 'detector', 'PLAIN', ***)
    """

    bootstrap_servers: tuple[str, ...] = ("localhost:9092",)

    def __post_init__(self) -> None:
        """Bring addresses and the group into their one form, and check every field and that they go together."""
        super().__post_init__()
        validate_config(self)
        rules.check(self)
        self._become("bootstrap_servers", broker_addresses(self.bootstrap_servers))
        if self.group_id is not None:
            self._become("group", self.group_id)
            self._become("group_id", None)  # one place, so that equal configurations are equal

    @classmethod
    def from_url(cls, url: Url) -> Self:
        """
        Make a configuration of ``kafka://user:password@host:port,host:port/?parameter=value``, or ``kafka+ssl://``.

        Raises:
            UrlError: No broker is named, or there is a path.
            ParameterError: A parameter is unknown or does not fit.
        """
        return config_from_url(cls, url, fixed=address_fields(url))

    @property
    def mechanism(self) -> SaslMechanism | None:
        """The `sasl_mechanism` in force; ``None`` without a user name."""
        if self.username is None or self.sasl_mechanism is not None:
            return self.sasl_mechanism
        return "PLAIN" if self.tls else "SCRAM-SHA-256"

    def _become(self, field: str, value: Iterable[str] | str | None) -> None:
        msgspec.structs.force_setattr(self, field, value)
