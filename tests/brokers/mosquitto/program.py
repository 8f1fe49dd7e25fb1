"""
Where Mosquitto's program is: installed, or Debian's package unpacked into a cache outside of the checkout.

``python tests/brokers/mosquitto/program.py`` sees to it that there is one. Nothing is installed, no service is started,
and no right is needed but to read the system's package lists.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["NoMosquittoError", "fetch_mosquitto", "find_mosquitto"]

_SYSTEM_FOLDERS: Final = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")  # not on everybody's PATH
_WANTED: Final = "install Mosquitto 2 (on Debian: apt-get install mosquitto)"


class NoMosquittoError(Exception):
    """Mosquitto cannot run here; the text says what to do about it."""


def find_mosquitto() -> list[str]:
    """
    Return the command that runs Mosquitto 2.

    Raises:
        NoMosquittoError: There is none.
    """
    installed = shutil.which("mosquitto", path=os.pathsep.join([os.environ.get("PATH", ""), *_SYSTEM_FOLDERS]))
    command = [installed] if installed else _unpacked_command(_cache())
    if command is None:
        raise NoMosquittoError(f"there is no Mosquitto: {_WANTED}, or run 'python {Path(__file__)}'")
    text = subprocess.run([*command, "-h"], capture_output=True, text=True, check=False).stdout
    version = re.search(r"mosquitto version ([\d.]+)", text)
    if version is None or not version[1].startswith("2."):
        found = version[1] if version else "no version"
        raise NoMosquittoError(f"{command[-1]} is not Mosquitto 2, it says {found}: {_WANTED}")
    return command


def fetch_mosquitto() -> list[str]:
    """
    Unpack Debian's package of Mosquitto, and what it needs that is not installed, into the cache.

    Returns:
        The command that runs it.

    Raises:
        NoMosquittoError: There is no apt here, or it cannot get the packages.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise NoMosquittoError(f"there is no Mosquitto, and no apt to fetch it with: {_WANTED}")
    folder = _cache()
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        downloads, root = Path(work) / "downloads", Path(work) / "root"
        downloads.mkdir()
        _run("apt-get", "download", *_needed_packages(), folder=downloads)
        for package in downloads.glob("*.deb"):
            _run("dpkg-deb", "-x", str(package), str(root))
        _publish(root, folder)
    return find_mosquitto()


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


def _run(*command: str, folder: Path | None = None) -> str:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run(
        command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if done.returncode:
        text = f"there is no Mosquitto, and '{' '.join(command)}' failed"
        raise NoMosquittoError(f"{text}: {_WANTED}\n{done.stdout}{done.stderr}")
    return done.stdout


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spa-tests" / "mosquitto"


def _unpacked_command(root: Path) -> list[str] | None:
    program = root / "usr/sbin/mosquitto"
    if not program.is_file():
        return None
    libraries = sorted({str(path.parent) for path in root.rglob("*.so.*")})
    return ["/usr/bin/env", f"LD_LIBRARY_PATH={os.pathsep.join(libraries)}", str(program)]


def _publish(root: Path, folder: Path) -> None:
    """Let the folder appear at once and whole; another test run may have been faster."""
    try:
        root.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def main() -> None:
    """Say which Mosquitto there is, after fetching one if there is none."""
    try:
        command = find_mosquitto()
    except NoMosquittoError:
        try:
            command = fetch_mosquitto()
        except NoMosquittoError as reason:
            sys.exit(str(reason))
    print(f"Mosquitto is {command[-1]}")  # noqa: T201 - it is what was asked


if __name__ == "__main__":
    main()
