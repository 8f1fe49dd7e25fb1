"""What a configuration's certificates come to: the one place that reads them; knows no connection."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from spa_core.errors import ParameterError
from spa_mqtt.address import TLS_SCHEMES

if TYPE_CHECKING:
    from spa_mqtt.config import MqttConfig

__all__ = ["tls_context"]


def tls_context(config: MqttConfig) -> ssl.SSLContext | None:
    """
    Return what a connection is encrypted with, or ``None`` where it is not; reads the files that *config* names.

    TLS 1.2 or later; the broker's certificate and name are verified unless ``tls_insecure`` is set.

    Raises:
        ParameterError: A file is not there, cannot be read, or holds something else; its cause is chained.
    """
    if config.scheme not in TLS_SCHEMES:
        return None
    context = _trusting(config.tls_ca)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if config.tls_insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if config.tls_cert is not None:
        _load_certificate(context, config, config.tls_cert)
    return context


def _trusting(authorities: str | None) -> ssl.SSLContext:
    if authorities is not None:
        _check_readable("tls_ca", authorities)
    try:
        return ssl.create_default_context(cafile=authorities)
    except ssl.SSLError as error:
        raise _fault("tls_ca", authorities, "holds no certificates in PEM form") from error


def _load_certificate(context: ssl.SSLContext, config: MqttConfig, certificate: str) -> None:
    key = config.tls_key or certificate
    _check_readable("tls_cert", certificate)
    _check_readable("tls_key", key)
    is_encrypted = False

    def password() -> str:  # without it OpenSSL would ask at the terminal
        nonlocal is_encrypted
        is_encrypted = True
        return "" if config.tls_key_password is None else config.tls_key_password.reveal()

    try:
        context.load_cert_chain(certificate, key, password)
    except ssl.SSLError as error:
        if is_encrypted:
            raise _fault("tls_key_password", key, "is encrypted, and not with this password") from error
        raise _fault("tls_cert", certificate, f"and {key!r} are no certificate and its key in PEM form") from error


def _check_readable(name: str, path: str) -> None:
    try:
        with Path(path).open("rb"):
            pass
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        reason = getattr(error, "strerror", None) or str(error)
        raise _fault(name, path, f"cannot be read: {reason}") from error


def _fault(name: str, path: str | None, reason: str) -> ParameterError:
    return ParameterError(f"parameter {name!r}: the file {path!r} {reason}", parameter=name, source="the configuration")
