"""What the certificate files of a configuration come to: the one place that reads them; knows no connection."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from spa_core.errors import ParameterError

if TYPE_CHECKING:
    from spa_core.url import Secret

__all__ = ["TlsFields", "tls_context"]


class TlsFields(Protocol):
    """The fields by which a transport's configuration says whom to trust, and who we are."""

    @property
    def tls_ca(self) -> str | None:
        """A file of the authorities (PEM) to trust; ``None`` is those of the system."""
        ...

    @property
    def tls_cert(self) -> str | None:
        """A file of our own certificate (PEM), with its chain."""
        ...

    @property
    def tls_key(self) -> str | None:
        """The file of its key (PEM); ``None`` is *tls_cert*."""
        ...

    @property
    def tls_key_password(self) -> Secret | None:
        """The password of an encrypted key."""
        ...

    @property
    def tls_insecure(self) -> bool:
        """Whether any certificate of any broker is accepted."""
        ...


def tls_context(config: TlsFields) -> ssl.SSLContext:
    """
    Return what a connection is encrypted with; reads files, so it is not for the event loop's thread.

    TLS 1.2 or later; the broker's certificate and name are verified unless ``tls_insecure`` is set. Nobody is asked at
    the terminal for a password.

    Raises:
        ParameterError: A file is not there, cannot be read, or holds something else; its cause is chained.
    """
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


def _load_certificate(context: ssl.SSLContext, config: TlsFields, certificate: str) -> None:
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
