"""Certificates for brokers on this machine and for their clients: made anew for each run, trusted by nobody else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import trustme
from cryptography.hazmat.primitives import serialization

from brokers.process import LOOPBACK

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Certificates"]


@dataclass(frozen=True)
class Certificates:
    """
    Files in PEM: an authority, and what it has certified.

    Attributes:
        authority: The certificate to verify others with.
        server: The broker's key and certificate, in one file.
        client: A client's key and certificate, in one file.
    """

    authority: Path
    server: Path
    client: Path

    @classmethod
    def made_in(cls, folder: Path) -> Certificates:
        """Make an authority and have it certify a broker on this machine, and a client."""
        authority = trustme.CA()
        made = cls(folder / "authority.pem", folder / "server.pem", folder / "client.pem")
        authority.cert_pem.write_to_path(made.authority)
        _write(authority.issue_cert(LOOPBACK, "localhost"), made.server)
        _write(authority.issue_cert("client@spa.test"), made.client)
        return made


def _write(issued: trustme.LeafCert, path: Path) -> None:
    # Kafka reads keys in PKCS 8 only.
    key = serialization.load_pem_private_key(issued.private_key_pem.bytes(), password=None)
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(text + b"".join(each.bytes() for each in issued.cert_chain_pems))
