"""``spa run``: which application it runs, how, and what its ending means."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

import pytest

from spa_core.cli import _run
from spa_core.cli._run import LOG_FORMAT, report
from spa_core.errors import ConfigurationError, ConnectError, HandlerFailedError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from click.testing import Result

PLAIN = """
from spa_core import DistributedApplication

app = DistributedApplication({default})

@app.producer()
async def tell(socket):
    print("on", app.default_socket_provider.describe(), app.shutdown_timeout)
"""

FACTORIES = """
import asyncio
from spa_core import DistributedApplication

def make():
    asyncio.run(asyncio.sleep(0))  # a plain factory may run an event loop of its own
    app = DistributedApplication()

    @app.producer()
    async def tell():
        print("made")

    return app

async def make_async():
    asyncio.get_running_loop()
    return make_in_loop()

def make_in_loop():
    app = DistributedApplication("memory://")

    @app.producer()
    async def tell():
        print("made in the loop")

    return app

def make_nothing():
    return None
"""

FAILING = """
import anyio
from spa_core import DistributedApplication, FailurePolicy
from spa_core.errors import ConnectError, TopicError

app = DistributedApplication("memory://")

@app.producer()
async def fail(socket):
    {body}
"""


@pytest.fixture
def start(spa: Callable[..., Result], module: Callable[[str, str], Path]) -> Callable[..., Result]:
    """Run the application ``cli_app:app`` with the given text and options."""

    def run(text: str, *options: str, target: str = "cli_app") -> Result:
        folder = module("cli_app", text).parent
        return spa("run", target, "--app-dir", str(folder), *options)

    return run


def test_an_application_runs_to_its_end(start: Callable[..., Result]) -> None:
    """An application that ends by itself ends with 0, on its own provider and with its own timeout."""
    result = start(PLAIN.format(default="'memory://own'"))

    assert (result.exit_code, result.stdout) == (0, "on MemoryConfig(name='own') 30.0\n")


@pytest.mark.parametrize("default", ["", "'memory://own'"])
def test_the_url_replaces_the_default(start: Callable[..., Result], default: str) -> None:
    """``--url`` gives a provider to an application that has none, and another one to one that has."""
    result = start(PLAIN.format(default=default), "--url", "memory://given", "--shutdown-timeout", "250ms")

    assert (result.exit_code, result.stdout) == (0, "on MemoryConfig(name='given') 0.25\n")


def test_the_url_can_come_from_the_environment(start: Callable[..., Result], monkeypatch: pytest.MonkeyPatch) -> None:
    """``SPA_URL`` stands for ``--url``."""
    monkeypatch.setenv("SPA_URL", "memory://environment")

    assert start(PLAIN.format(default="")).stdout == "on MemoryConfig(name='environment') 30.0\n"


def test_the_current_folder_is_searched(
    spa: Callable[..., Result], module: Callable[[str, str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without ``--app-dir`` modules are looked for in the current folder."""
    folder = module("cli_app", PLAIN.format(default="'memory://own'")).parent
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(folder)])

    assert spa("run", "cli_app").exit_code == 0


@pytest.mark.parametrize(("factory", "output"), [("make", "made\n"), ("make_async", "made in the loop\n")])
def test_a_factory_makes_the_application(start: Callable[..., Result], factory: str, output: str) -> None:
    """With ``--factory`` a function makes the application, outside the event loop or, a coroutine function, in it."""
    result = start(FACTORIES, "--factory", "--url", "memory://", target=f"cli_app:{factory}")

    assert (result.exit_code, result.stdout) == (0, output)


@pytest.mark.parametrize(
    ("target", "options", "line"),
    [
        ("cli_app:make_nothing", ["--factory"], "cli_app:make_nothing made a NoneType, not a DistributedApplication"),
        (
            "cli_app:make",
            [],
            "cli_app:make is a function, not a DistributedApplication. If it makes one, add --factory",
        ),
        ("cli_app:mkae", [], "the module cli_app has no attribute 'mkae'. Did you mean 'make'?"),
        ("7up", [], "'7up' is no name of a module; an application is named as in shop.main:app"),
    ],
)
def test_a_wrong_target_is_one_line(start: Callable[..., Result], target: str, options: list[str], line: str) -> None:
    """What cannot be run ends with 2 and one sentence, without a traceback."""
    result = start(FACTORIES, *options, target=target)

    assert (result.exit_code, result.stdout, result.stderr) == (2, "", f"Error: {line}\n")


@pytest.mark.parametrize(
    ("text", "options", "part"),
    [
        (PLAIN.format(default=""), [], "no socket provider"),
        (PLAIN.format(default=""), ["--url", "memry://"], "Did you mean 'memory'?"),
        (
            "from spa_core import DistributedApplication\napp = DistributedApplication('memory://')",
            [],
            "nothing to run",
        ),
        (FAILING.format(body="pass\napp.application('a/#/b')(fail)"), [], "a/#/b"),
    ],
)
def test_a_wrong_configuration_is_one_line(
    start: Callable[..., Result], text: str, options: list[str], part: str
) -> None:
    """What is configured wrongly, in the application or on the command line, ends with 2 and one sentence."""
    result = start(text, *options)

    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("Error: ")
    assert result.stderr.count("\n") == 1
    assert part in result.stderr


def test_a_failed_import_shows_where(start: Callable[..., Result]) -> None:
    """When the application's module imports what does not exist, the traceback begins in that module."""
    result = start("import xyzzy")
    lines = result.stderr.splitlines()

    assert result.exit_code == 1
    assert lines[0] == "Traceback (most recent call last):"
    assert "cli_app.py" in lines[1]
    assert lines[-1] == "Error: ModuleNotFoundError: No module named 'xyzzy'"


def test_an_unexpected_failure_shows_where(start: Callable[..., Result]) -> None:
    """When a producer fails, it ends with 1, the traceback and a line that says what failed."""
    result = start(FAILING.format(body="raise RuntimeError('out of order')"))

    assert result.exit_code == 1
    assert "Traceback (most recent call last):" in result.stderr
    assert "cli_app.py" in result.stderr
    assert result.stderr.endswith("\nError: RuntimeError: out of order\n")


def test_an_expected_failure_is_one_line(start: Callable[..., Result]) -> None:
    """When the bus fails for good, it ends with 1 and one line."""
    result = start(FAILING.format(body="raise ConnectError('no broker', hint='Start one')"))

    assert (result.exit_code, result.stderr) == (1, "Error: no broker. Start one\n")


def test_debugging_shows_every_traceback(start: Callable[..., Result]) -> None:
    """With ``--log-level debug`` an expected failure comes with its traceback too."""
    result = start(FAILING.format(body="raise ConnectError('no broker')"), "--log-level", "debug")

    assert result.exit_code == 1
    assert "Traceback (most recent call last):" in result.stderr
    assert result.stderr.endswith("\nError: no broker\n")


def test_the_application_can_end_the_process(start: Callable[..., Result]) -> None:
    """A ``SystemExit`` of the application is the exit code."""
    assert start("raise SystemExit(7)").exit_code == 7


def test_the_cause_of_a_failed_handler_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    """A handler that failed for good is one line after the traceback of what it raised."""
    error = HandlerFailedError("detect failed", application="detect", topic="a")
    error.__cause__ = RuntimeError("out of order")
    code = report(error, debug=False)

    assert (code, capsys.readouterr().err) == (1, "RuntimeError: out of order\nError: detect failed\n")


@pytest.mark.parametrize(
    ("errors", "code"),
    [
        ([ConfigurationError("one"), ConfigurationError("two")], 2),
        ([ConfigurationError("one"), ConnectError("two")], 1),
        ([ConnectError("one"), ConfigurationError("two")], 1),
    ],
)
def test_several_failures_are_a_line_each(
    errors: list[Exception], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """When several parts fail each has its line; the exit code is 2 only if all were configured wrongly."""
    reported = report(ExceptionGroup("several", [errors[0], ExceptionGroup("more", errors[1:])]), debug=False)

    assert (reported, capsys.readouterr().err) == (code, "Error: one\nError: two\n")


@pytest.mark.parametrize(("options", "level"), [([], "INFO"), (["--log-level", "WARNING"], "WARNING")])
def test_the_command_configures_logging(
    start: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, options: list[str], level: str
) -> None:
    """Logging is configured by the command line and nowhere else, at the level that is asked for in any case."""
    configured: list[dict[str, object]] = []
    monkeypatch.setattr(logging, "basicConfig", lambda **values: configured.append(values))
    start(PLAIN.format(default="'memory://own'"), *options)

    assert configured == [{"level": level, "format": LOG_FORMAT}]


@pytest.mark.parametrize(("ending", "code"), [("finished", 0), ("drained", 0), ("timed-out", 3), ("forced", 130)])
def test_endings_have_exit_codes(
    start: Callable[..., Result], monkeypatch: pytest.MonkeyPatch, ending: str, code: int
) -> None:
    """Every way a run can end has its exit code."""
    monkeypatch.setattr(_run, "end", lambda ctx, code: ctx.exit(code))
    text = (
        f"from spa_core import DistributedApplication\nclass App(DistributedApplication):\n"
        f"    ending = {ending!r}\n    async def start_async(self): pass\napp = App('memory://')"
    )

    assert start(text).exit_code == code


@pytest.mark.parametrize("option", [["--shutdown-timeout", "soon"], ["--app-dir", "xyzzy"], ["--log-level", "loud"]])
def test_wrong_options_are_wrong_use(spa: Callable[..., Result], option: list[str]) -> None:
    """An option that cannot be used ends with 2."""
    assert spa("run", "cli_app", *option).exit_code == 2
