"""
The jars of Kafka 4.4.0: fetched once, pinned, and kept outside of the checkout.

Kafka is a Java program. Maven copies it and all it needs into one folder, and Java runs it from there.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

__all__ = ["NoKafkaError", "java", "kafka_jars"]

POM: Final = Path(__file__).with_name("pom.xml")


class NoKafkaError(Exception):
    """Kafka cannot run here; the text says what to do about it."""


def java() -> str:
    """Return the command that runs Java."""
    return _command("java")


def kafka_jars() -> Path:
    """
    Return the folder of the jars, which are fetched if they are not there.

    Raises:
        NoKafkaError: Java or Maven is missing, or the jars cannot be fetched.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "spa-tests"
    folder = cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as work:
            _fetch(Path(work))
            _publish(Path(work) / "jars", folder)
    return folder


def _fetch(work: Path) -> None:
    # A copy of the pom: beside the original Maven would leave its own files in the checkout.
    pom = shutil.copy(POM, work)
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={work / 'jars'}"]
    command = [_command("mvn"), "--batch-mode", "--quiet", "--file", str(pom), *goal]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoKafkaError(f"Maven could not fetch Kafka's jars:\n{done.stdout}{done.stderr}")


def _publish(jars: Path, folder: Path) -> None:
    """Let the folder appear at once and whole; another test run may have been faster."""
    try:
        jars.rename(folder)
    except OSError:
        if not folder.is_dir():
            raise


def _command(name: str) -> str:
    found = shutil.which(name)
    if found is None:
        hint = "install Java 17 and Maven (on Debian: apt-get install default-jre-headless maven)"
        raise NoKafkaError(
            f"there is no {name!r} to run Kafka with: {hint}, or give a broker in SPA_TEST_KAFKA=host:port"
        )
    return found
