"""What becomes of the files with certificates that a configuration names, for every transport."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING, Any

import pytest
from brokers.certificates import Certificates
from cryptography.hazmat.primitives import serialization

from spa_core.config import TransportConfig
from spa_core.errors import ParameterError
from spa_core.tls import tls_context
from spa_core.url import Secret

if TYPE_CHECKING:
    from pathlib import Path


class Config(TransportConfig, frozen=True):
    """A configuration as every transport with TLS has it."""

    tls_ca: str | None = None
    tls_cert: str | None = None
    tls_key: str | None = None
    tls_key_password: Secret | None = None
    tls_insecure: bool = False


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """Return an authority and a client's certificate."""
    return Certificates.made_in(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def encrypted_key(certificates: Certificates) -> Path:
    """Return the client's key, encrypted with the password ``hunter2``."""
    key = serialization.load_pem_private_key(certificates.client.read_bytes(), password=None)
    encryption = serialization.BestAvailableEncryption(b"hunter2")
    path = certificates.client.with_name("encrypted.pem")
    path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption))
    return path


def context(**fields: Any) -> ssl.SSLContext:
    """Return the context of a configuration with TLS."""
    return tls_context(
        Config(**{name: value if name == "tls_insecure" else str(value) for name, value in fields.items()})
    )


def test_brokers_are_verified(certificates: Certificates) -> None:
    """By default the broker must prove who it is, to who trusts the given authority and no other."""
    made = context(tls_ca=certificates.authority)

    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert made.minimum_version >= ssl.TLSVersion.TLSv1_2
    assert len(made.get_ca_certs()) == 1


def test_anybody_is_trusted_when_told_to() -> None:
    """Verification is off only when it is switched off."""
    made = context(tls_insecure=True)

    assert (made.verify_mode, made.check_hostname) == (ssl.CERT_NONE, False)


def test_client_certificates(certificates: Certificates, encrypted_key: Path) -> None:
    """A certificate and its key come from one file or from two, and the key may be encrypted."""
    assert context(tls_cert=certificates.client)
    assert context(tls_cert=certificates.client, tls_key=certificates.client)
    assert context(tls_cert=certificates.client, tls_key=encrypted_key, tls_key_password="hunter2")


@pytest.mark.parametrize("name", ["tls_ca", "tls_cert", "tls_key"])
def test_files_that_are_not_there(name: str, certificates: Certificates) -> None:
    """A file that is not there is named."""
    with pytest.raises(ParameterError, match=r"'nowhere.pem' cannot be read: No such file") as caught:
        context(**{"tls_cert": certificates.client, name: "nowhere.pem"})

    assert caught.value.parameter == name
    assert isinstance(caught.value.__cause__, FileNotFoundError)


def test_a_path_that_is_none() -> None:
    """A path that the system cannot take is refused by the same error."""
    with pytest.raises(ParameterError, match="cannot be read"):
        context(tls_ca="ca\0.pem")


def test_files_with_something_else(certificates: Certificates, tmp_path: Path) -> None:
    """A file that holds something else than it should is named."""
    text = tmp_path / "text.pem"
    text.write_text("no certificate", "utf-8")
    with pytest.raises(ParameterError, match="holds no certificates in PEM form"):
        context(tls_ca=text)
    with pytest.raises(ParameterError, match="are no certificate and its key"):
        context(tls_cert=text)
    with pytest.raises(ParameterError, match="are no certificate and its key"):
        context(tls_cert=certificates.client, tls_key=certificates.server)


@pytest.mark.parametrize("password", [{}, {"tls_key_password": "hunter3"}])
def test_an_encrypted_key_without_its_password(
    certificates: Certificates, encrypted_key: Path, password: dict[str, str]
) -> None:
    """Nobody is asked at the terminal for the password of a key: it is refused, and the wrong one is not shown."""
    with pytest.raises(ParameterError, match="is encrypted, and not with this password") as caught:
        context(tls_cert=certificates.client, tls_key=encrypted_key, **password)

    assert "hunter3" not in str(caught.value)
