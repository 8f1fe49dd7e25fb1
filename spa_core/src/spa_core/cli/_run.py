"""``spa run``: imports an application, runs it, and turns its ending into an exit code."""

from __future__ import annotations

import inspect
import logging
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import anyio
import click

from spa_core.cli._endings import DONE, FAILED, FORCED, TIMED_OUT, WRONG, end, exit_code, one_line
from spa_core.cli._parameters import duration
from spa_core.cli._target import application, call_factory, find, read_target
from spa_core.errors import ApplicationError, SpaError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from spa_core._application.runner import Ending
    from spa_core.cli._target import Target

LOG_FORMAT: Final = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

EXIT_CODES: Final[dict[Ending, int]] = {"finished": DONE, "drained": DONE, "timed-out": TIMED_OUT, "forced": FORCED}

_DULL: Final = ("anyio.", "asyncio.", "importlib", "spa_core.cli.")

EPILOG: Final = """\b
Signals: SIGTERM and SIGINT (Ctrl-C) drain: nothing more is fetched, running
handlers finish, everything is closed. A second signal cancels the handlers.

\b
Exit codes:
  0    finished by itself, or drained
  1    failed: a handler, a producer or the bus, for good
  2    wrong use, configuration or plugin; nothing was run
  3    handlers were cancelled at the shutdown deadline
  130  handlers were cancelled by a second signal

Messages of cancelled handlers are given back to the bus.
"""


@click.command(epilog=EPILOG)
@click.argument("target", metavar="MODULE:APP")
@click.option(
    "--url", envvar="SPA_URL", show_envvar=True, help="The bus to run on, instead of the application's default."
)
@click.option("--factory", is_flag=True, help="MODULE:APP is a function that makes the application; it may be async.")
@click.option(
    "--app-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=".",
    show_default="the current folder",
    help="Where to look for MODULE first.",
)
@click.option(
    "--shutdown-timeout",
    type=duration,
    help="How long running handlers may take to finish when the application is stopped, such as 5s.  "
    "[default: the application's, 30s unless it says otherwise]",
)
@click.option(
    "--log-level",
    type=click.Choice(["debug", "info", "warning", "error"], case_sensitive=False),
    default="info",
    show_default=True,
    help="The least level that is logged on standard error; debug also shows the traceback of every error.",
)
@click.pass_context
def run(
    ctx: click.Context,
    *,
    target: str,
    url: str | None,
    app_dir: Path,
    shutdown_timeout: float | None,
    log_level: str,
    factory: bool,
) -> None:
    """
    Run the application APP of MODULE until it ends or is stopped.

    MODULE is importable, such as shop.main; APP is its attribute, "app" if left out. --url takes the place of the
    application's default provider; parts with a provider of their own keep it.
    """
    logging.basicConfig(level=log_level.upper(), format=LOG_FORMAT)
    try:
        code = start(read_target(target), app_dir, url=url, shutdown_timeout=shutdown_timeout, factory=factory)
    except Exception as error:  # noqa: BLE001 - whatever ended the application ends the process
        code = report(error, debug=log_level == "debug")
    sys.stdout.flush()
    end(ctx, code)


def start(target: Target, folder: Path, *, url: str | None, shutdown_timeout: float | None, factory: bool) -> int:
    """
    Run what *target* names; return the exit code.

    Args:
        target: The application, or with *factory* a function that makes it.
        folder: Where its module is looked for first.
        url: The bus to run on; ``None`` is the application's own.
        shutdown_timeout: Seconds that handlers get to finish; ``None`` is as the application says.
        factory: Whether to call what *target* names.

    Raises:
        ConfigurationError: There is no such application, or it cannot run; nothing was opened.
        Exception: What it failed with.
    """
    found = find(target, folder=folder.resolve())
    # Called before there is an event loop: a plain factory may run one of its own.
    made = call_factory(target, found) if factory else found

    async def serve() -> Ending:
        awaited: object = await made if inspect.isawaitable(made) else made
        app = application(target, awaited, made=factory)
        if url is not None:
            app.use_provider(url)
        if shutdown_timeout is not None:
            app.shutdown_timeout = shutdown_timeout
        await app.start_async()
        return app.ending or "finished"

    return EXIT_CODES[anyio.run(serve)]


def report(error: Exception, *, debug: bool) -> int:
    """
    Say on standard error why the application failed; return the exit code.

    An error of SPA's is one line. What user code raised is shown with its traceback, and so is everything with *debug*.
    """
    errors = list(_leaves(error))
    for one in errors:
        shown = one if debug else _unexpected(one)
        if shown is not None:
            traceback.print_exception(shown.with_traceback(_without_ours(shown.__traceback__)))
        click.echo(f"Error: {one_line(one)}", err=True)
    return max(map(exit_code, errors), key=[WRONG, FAILED].index)


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in nested groups."""
    if isinstance(error, BaseExceptionGroup):
        for one in cast("BaseExceptionGroup[BaseException]", error).exceptions:
            yield from _leaves(one)
    else:
        yield error


def _unexpected(error: BaseException) -> BaseException | None:
    """Return what user code raised, be it behind an error that says which part of the application it ended."""
    if isinstance(error, ApplicationError):
        return error.__cause__
    return None if isinstance(error, SpaError) else error


def _without_ours(frames: TracebackType | None) -> TracebackType | None:
    """Return a traceback from the first frame that tells the user something."""
    while frames is not None and frames.tb_frame.f_globals.get("__name__", "").startswith(_DULL):
        frames = frames.tb_next
    return frames
