"""
The ``spa`` command line: runs applications, and talks to any bus by URL without one.

This file names the commands and imports none of them: each is imported when it is called, so that ``spa --help`` costs
little more than click itself.
"""

from __future__ import annotations

import click

from spa_core.cli._group import BuiltIn, SpaGroup

__all__ = ["cli", "main"]

BUILT_IN = {
    "new": BuiltIn("spa_core.cli._new:new", "Make a transport, codec or application to begin with."),
    "plugins": BuiltIn("spa_core.cli._plugins:plugins", "List installed transports, codecs and plugins."),
    "pub": BuiltIn("spa_core.cli._pub:pub", "Publish messages."),
    "req": BuiltIn("spa_core.cli._req:req", "Send a request and print its reply."),
    "run": BuiltIn("spa_core.cli._run:run", "Run an application."),
    "sub": BuiltIn("spa_core.cli._sub:sub", "Print messages as they arrive."),
}

EXAMPLES = """\b
Examples:
  spa run shop.main:app --url mqtt://localhost
  spa sub mqtt://localhost 'plants/#'
  spa pub mqtt://localhost plants/north/flow '{"litres": 100.6}'
"""


@click.group(cls=SpaGroup, built_in=BUILT_IN, epilog=EXAMPLES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="spa-core", prog_name="spa", message="%(prog)s %(version)s")
def cli() -> None:
    """Run distributed applications, and talk to any message bus by its URL."""


def main() -> None:
    """Run the command line on the arguments of the process, and end the process with its exit code."""
    cli(prog_name="spa")
