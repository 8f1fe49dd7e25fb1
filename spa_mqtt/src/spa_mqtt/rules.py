"""Which fields of a configuration go together; each alone is of its type already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from spa_core.errors import ParameterError, TopicError, UrlError
from spa_core.topics import validate_topic
from spa_mqtt.address import TLS_SCHEMES, WEBSOCKET_PATH, WEBSOCKET_SCHEMES, broker_hosts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from spa_mqtt.config import MqttConfig

__all__ = ["check"]

_WHOLE_SECONDS: Final = ("keepalive", "session_expiry", "will_delay")
_LONGEST_TEXT: Final = 65_535
_TEXTS: Final = ("client_id", "username", "will_payload")

_FOR_SCHEMES: Final[Mapping[str, frozenset[str]]] = {
    "fallback_hosts": frozenset({"mqtt", "mqtts", "ws", "wss"}),
    "port": frozenset({"mqtt", "mqtts", "ws", "wss"}),
    "tls_ca": TLS_SCHEMES,
    "tls_cert": TLS_SCHEMES,
    "tls_insecure": TLS_SCHEMES,
    "tls_key": TLS_SCHEMES,
    "tls_key_password": TLS_SCHEMES,
    "unix_path": frozenset({"mqtt+unix"}),
}
"""The schemes under which a field means something."""

_NEEDS: Final[Mapping[str, str]] = {
    "password": "username",
    "tls_key": "tls_cert",
    "tls_key_password": "tls_cert",
    "will_delay": "will_topic",
    "will_payload": "will_topic",
    "will_retain": "will_topic",
}
"""Fields that mean nothing without another."""

_NOT_IN_3_1_1: Final = ("max_packet_size", "will_delay")


def check(config: MqttConfig) -> None:
    """
    Refuse what cannot be meant.

    Raises:
        ParameterError: Fields contradict each other, or one holds what the protocol cannot carry.
    """
    for fault in _faults(config):
        raise fault


def _faults(config: MqttConfig) -> Iterator[ParameterError]:
    yield from _scheme_faults(config)
    yield from _missing_partners(config)
    yield from _number_faults(config)
    yield from _text_faults(config)
    yield from _topic_faults(config)


def _scheme_faults(config: MqttConfig) -> Iterator[ParameterError]:
    for name, schemes in _FOR_SCHEMES.items():
        if getattr(config, name) and config.scheme not in schemes:
            reason = f"is for {', '.join(sorted(schemes))}, not for {config.scheme}"
            yield _fault(name, reason, "Choose the way to the broker by the scheme, such as mqtts://broker")
    if config.scheme == "mqtt+unix" and config.unix_path is None:
        yield _fault("unix_path", "is needed for mqtt+unix", "Write the URL as mqtt+unix:///run/mosquitto.sock")
    if config.websocket_path != WEBSOCKET_PATH and config.scheme not in WEBSOCKET_SCHEMES:
        yield _fault("websocket_path", f"is for ws and wss, not for {config.scheme}")
    try:
        broker_hosts(config.fallback_hosts, default_port=1)
    except UrlError as error:
        yield _fault("fallback_hosts", "holds what is no host", error.hint)


def _missing_partners(config: MqttConfig) -> Iterator[ParameterError]:
    for name, partner in _NEEDS.items():
        if getattr(config, name) and getattr(config, partner) is None:
            yield _fault(name, f"means nothing without {partner!r}", f"Give {partner}= too")


def _number_faults(config: MqttConfig) -> Iterator[ParameterError]:
    for name in _WHOLE_SECONDS:
        if (getattr(config, name) or 0) % 1:
            yield _fault(name, f"must be whole seconds, not {getattr(config, name):g}")
    if config.reconnect_min > config.reconnect_max:
        bound = f"'reconnect_max', which is {config.reconnect_max:g}"
        yield _fault("reconnect_min", f"is {config.reconnect_min:g} seconds and must not be more than {bound}")
    if config.protocol == "3.1.1":
        for name in _NOT_IN_3_1_1:
            if getattr(config, name):
                yield _fault(name, "needs MQTT 5, and the protocol is set to 3.1.1", "Leave protocol= at 'auto'")


def _text_faults(config: MqttConfig) -> Iterator[ParameterError]:
    for name in _TEXTS:
        text = getattr(config, name) or ""
        if not _is_text(text):
            yield _fault(name, "must be UTF-8 without a NUL character, at most 65,535 bytes")
    password = "" if config.password is None else config.password.reveal()
    if not _is_text(password):
        yield _fault("password", "must be UTF-8 without a NUL character, at most 65,535 bytes; it is not shown")


def _is_text(text: str) -> bool:
    try:
        return "\0" not in text and len(text.encode()) <= _LONGEST_TEXT
    except UnicodeEncodeError:
        return False


def _topic_faults(config: MqttConfig) -> Iterator[ParameterError]:
    for name in ("will_topic", "response_prefix"):
        topic: str | None = getattr(config, name)
        try:
            if topic is not None:
                validate_topic(topic)
        except TopicError as error:
            yield _fault(name, f"must be a topic: {error.reason}", error.hint)


def _fault(name: str, reason: str, hint: str | None = None) -> ParameterError:
    return ParameterError(f"parameter {name!r} {reason}", parameter=name, source="the configuration", hint=hint)
