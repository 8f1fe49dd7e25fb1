"""What the tests' Mosquitto is told in its files; knows Mosquitto's words, and starts nothing."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import TYPE_CHECKING, Final, NamedTuple

from brokers.process import LOOPBACK

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from brokers.certificates import Certificates

__all__ = ["Listeners", "write_settings"]

# It counts as root's only while it starts, else it could not read its certificates; for other users it says nothing.
_GENERAL: Final = """\
user root
per_listener_settings true
log_dest stderr
log_type error
log_type warning
log_type notice
sys_interval 0
set_tcp_nodelay true
max_queued_messages 1000000
persistence true
persistence_location {folder}/
autosave_interval 0
"""

_ITERATIONS: Final = 101  # what mosquitto_passwd takes


class Listeners(NamedTuple):
    """
    The TCP port of each way in.

    Attributes:
        plain: Everybody is let in.
        login: A user and a password are needed.
        restricted: A user and a password are needed, and not everybody may do everything.
        tls: TLS.
        mutual_tls: TLS where the client needs a certificate too.
        ws: Websockets.
        wss: Websockets over TLS.
    """

    plain: int
    login: int
    restricted: int
    tls: int
    mutual_tls: int
    ws: int
    wss: int


def write_settings(
    folder: Path,
    ports: Listeners,
    certificates: Certificates,
    *,
    unix_path: Path,
    users: Mapping[str, str],
    password: str,
    more: str,
) -> Path:
    """
    Write the files Mosquitto starts with, and return the main one.

    Args:
        folder: Where they go, and what it stores.
        ports: Where it listens.
        certificates: For listeners with TLS.
        unix_path: The path of the unix socket.
        users: Who may log in, and what each may do where that is restricted: ``"read"`` or ``"readwrite"``.
        password: The password of all users.
        more: Further lines for all listeners.
    """
    logins, rights = folder / "logins", folder / "rights"
    logins.write_text("".join(f"{user}:{_hashed(password)}\n" for user in users), "utf-8")
    rights.write_text("".join(f"user {user}\ntopic {right} #\n" for user, right in users.items()), "utf-8")
    for path in (logins, rights):
        path.chmod(0o600)
    anybody, tls = "allow_anonymous true", _tls(certificates)
    known = ["allow_anonymous false", f"password_file {logins}"]
    listeners = {
        f"0 {unix_path}": [anybody],
        f"{ports.plain} {LOOPBACK}": [anybody],
        f"{ports.login} {LOOPBACK}": known,
        f"{ports.restricted} {LOOPBACK}": [*known, f"acl_file {rights}"],
        f"{ports.tls} {LOOPBACK}": [anybody, *tls],
        f"{ports.mutual_tls} {LOOPBACK}": [anybody, *tls, "require_certificate true"],
        f"{ports.ws} {LOOPBACK}": [anybody, "protocol websockets"],
        f"{ports.wss} {LOOPBACK}": [anybody, "protocol websockets", *tls],
    }
    sections = [f"listener {where}\n" + "".join(f"{line}\n" for line in lines) for where, lines in listeners.items()]
    path = folder / "mosquitto.conf"
    path.write_text(_GENERAL.format(folder=folder) + f"{more}\n" + "\n".join(sections), "utf-8")
    return path


def _tls(certificates: Certificates) -> list[str]:
    server = certificates.server
    return [f"cafile {certificates.authority}", f"certfile {server}", f"keyfile {server}"]


def _hashed(password: str) -> str:
    """Return what mosquitto_passwd writes behind a user's name."""
    salt = secrets.token_bytes(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"
