"""
The virtual environments that hold spa-dat: made once, pinned, and kept outside of the checkout.

Each version has one of its own, because both are called ``spa_dat`` and neither can live with today's broker clients.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["NoSpaDatError", "python_with"]

_PINS: Final = ("kafka-python==2.0.2",)  # aiokafka, which spa-dat pins, fails on import with a newer one
_LAST_LINES: Final = 10


class NoSpaDatError(Exception):
    """A version of spa-dat cannot be installed here; the text says what to do about it."""


def python_with(version: str) -> Path:
    """
    Return the Python that has spa-dat in *version*, which is installed if it is not there.

    Raises:
        NoSpaDatError: There is no way to install it.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spa-tests"
    folder = cache / f"spa-dat-{version}-py{sys.version_info.major}.{sys.version_info.minor}"
    python = folder / "bin" / "python"
    if not python.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            made = Path(work) / "environment"
            _run(version, sys.executable, "-m", "venv", "--clear", str(made))
            _run(version, str(made / "bin" / "python"), "-m", "pip", "install", f"spa-dat=={version}", *_PINS)
            _publish(made, folder)
    return python


def _run(version: str, *command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-_LAST_LINES:])
        raise NoSpaDatError(
            f"spa-dat {version} could not be installed; it needs Python 3.11 with venv, and a package index that pip "
            f"reaches:\n{last}"
        )


def _publish(made: Path, folder: Path) -> None:
    """Let the folder appear at once and whole; another test run may have been faster."""
    try:
        made.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise
