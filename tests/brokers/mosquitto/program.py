"""
Where Mosquitto's program is: installed, or Debian's package unpacked into a cache outside of the checkout.

Nothing is installed and no service is started; who is not root needs no more than package lists that are there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["NoMosquittoError", "mosquitto_command"]

_SYSTEM_FOLDERS: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")  # not on everybody's PATH
_WANTED: Final = "install Mosquitto 2 (on Debian: apt-get install mosquitto)"
_PATIENCE: Final = 100  # seconds


class NoMosquittoError(Exception):
    """Mosquitto cannot run here; the text says what to do about it."""


def mosquitto_command() -> list[str]:
    """
    Return the command that runs Mosquitto 2, which is fetched if it is not there.

    Raises:
        NoMosquittoError: There is none, and none can be had.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spa-tests" / "mosquitto"
    installed = shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_FOLDERS]))
    if installed is None and not root.is_dir():
        _fetch(root)
    command = [installed] if installed else _unpacked_command(root)
    version = re.search(r"mosquitto version (\S+)", _run(*command, "-h", expected=(0, 3)))
    if version is None or not version[1].startswith("2."):
        raise NoMosquittoError(f"{command[-1]} is {version[0] if version else 'no Mosquitto'}: {_WANTED}")
    return command


def _fetch(root: Path) -> None:
    """Unpack Debian's package, and what it needs that is not installed."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoMosquittoError(f"there is no Mosquitto, and no apt to fetch it with: {_WANTED}")
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent) as work:
        downloads, unpacked = Path(work) / "downloads", Path(work) / "root"
        downloads.mkdir()
        _run("apt-get", "download", *_needed_packages(), folder=downloads)
        for package in downloads.glob("*.deb"):
            _run("dpkg-deb", "-x", str(package), str(unpacked))
        _publish(unpacked, root)


def _needed_packages() -> list[str]:
    """Return Mosquitto's package and those it needs besides the installed ones, as ``name=version``."""
    ask = ("apt-get", "--simulate", "--no-install-recommends", "install", "mosquitto")
    try:
        plan = _run(*ask)
    except NoMosquittoError:
        # A new machine has no lists; only root can get them.
        _run("apt-get", "update")
        plan = _run(*ask)
    return [
        f"{name}={version}" for name, version in re.findall(r"^Inst (\S+) (?:\[.*?\] )?\((\S+)", plan, re.MULTILINE)
    ]


def _publish(unpacked: Path, root: Path) -> None:
    """Let the folder appear at once and whole; another test run may have been faster."""
    try:
        unpacked.rename(root)
    except OSError:
        if not root.is_dir():
            raise


def _unpacked_command(root: Path) -> list[str]:
    libraries = sorted({str(path.parent) for path in root.rglob("*.so.*")})
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={os.pathsep.join(libraries)}", str(root / "usr/sbin/mosquitto")]


def _run(*command: str, folder: Path | None = None, expected: tuple[int, ...] = (0,)) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_PATIENCE,
        )
    except subprocess.TimeoutExpired as error:
        raise NoMosquittoError(f"there is no Mosquitto, and {command[0]} takes too long: {_WANTED}") from error
    if done.returncode not in expected:
        raise NoMosquittoError(f"there is no Mosquitto, and {' '.join(command)!r} failed: {_WANTED}\n{done.stdout}")
    return done.stdout
