"""The options of the conformance kit, in runs of pytest of their own."""

from __future__ import annotations

import os
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from spa_core.testing import pytest_plugin
from spa_core.testing.report import read_reports

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytest_plugins = ["pytester"]

SUITE = """
from __future__ import annotations

import random

import anyio
import msgspec
import pytest

from spa_core.testing.scenario import scenario
from spa_core.testing.suite import TransportSuite
from spa_inmemory import MemoryConfig, MemorySocketProvider

copies = []


@pytest.fixture
def anyio_backend():
    return "asyncio"


class Provider(MemorySocketProvider):
    @property
    def capabilities(self):
        return msgspec.structs.replace(super().capabilities, retain=False)


class TestPlant(TransportSuite):
    seed = 3
    timeout_multiplier = 2.0

    def make_provider(self):
        return Provider(MemoryConfig(name="plant"))
"""


@pytest.fixture
def run(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Callable[..., pytest.RunResult]:
    """Run the scenarios given as source, and no others."""
    # Coverage would put its own process before pytest's.
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)

    def run_them(source: str, *options: str) -> pytest.RunResult:
        lines = [f"    {line}" for line in source.strip("\n").splitlines()]
        pytester.makepyfile(test_plant="\n".join([SUITE, *lines, ""]))
        return pytester.runpytest_subprocess("-k", "test_own", "-rA", *options)

    return run_them


HOLDS = '''
@scenario("groups")
async def test_own_holds(self, kit):
    """What is declared | holds."""
'''

OUTCOMES = f'''
{HOLDS}
@scenario("retain")
async def test_own_undeclared(self, kit):
    """What is not declared is skipped."""

@scenario(hook="restart_broker")
async def test_own_unproven(self, kit):
    """What needs a hook is skipped without it."""

@scenario(provisional=True)
async def test_own_provisional(self, kit):
    """What is new may fail."""
    raise ConnectionError("not yet")

@scenario()
async def test_own_failed(self, kit):
    """What is promised may not ``fail``."""
    assert kit.seed_of_nothing, "never"
'''


def test_a_report_tells_every_outcome(run: Callable[..., pytest.RunResult], tmp_path: Path) -> None:
    """The JSON report tells the transport, what it declares, and of each scenario how it ended and why."""
    result = run(OUTCOMES, f"--spa-report={tmp_path / 'plant.json'}")
    [report] = read_reports(tmp_path / "plant.json")
    outcomes = {each.scenario.name: (each.outcome, each.reason) for each in report.results}

    result.assert_outcomes(passed=1, skipped=2, xfailed=1, failed=1)
    assert (report.suite, report.transport) == ("TestPlant", "MemoryConfig(name='plant')")
    assert (report.capabilities.groups, report.capabilities.retain) == (True, False)
    assert outcomes == {
        "test_own_failed": ("failed", "AttributeError: 'Kit' object has no attribute 'seed_of_nothing'"),
        "test_own_holds": ("held", ""),
        "test_own_provisional": ("provisional", "provisional: ConnectionError: not yet"),
        "test_own_undeclared": ("undeclared", "MemoryConfig(name='plant') does not declare retain"),
        "test_own_unproven": ("unproven", "the suite does not give restart_broker"),
    }


def test_a_report_calls_the_transport_what_the_suite_says(run: Callable[..., pytest.RunResult], tmp_path: Path) -> None:
    """A suite whose provider is described differently in each run gives a name for reports."""
    run(f'subject = "a broker on a random port"\n{HOLDS}', f"--spa-report={tmp_path / 'plant.json'}")
    [report] = read_reports(tmp_path / "plant.json")

    assert report.transport == "a broker on a random port"


def test_a_report_is_a_page(run: Callable[..., pytest.RunResult], tmp_path: Path) -> None:
    """A path that ends in .md gets a table of the guarantees, beside the JSON of another path; the run names both."""
    page, data = tmp_path / "new" / "plant.md", tmp_path / "plant.json"
    result = run(OUTCOMES, f"--spa-report={page}", f"--spa-report={data}")
    text = page.read_text("utf-8")

    result.stdout.fnmatch_lines([f"conformance report: {page}", f"conformance report: {data}"])
    assert text.startswith("# Delivery: Plant\n")
    assert (
        "proves of `MemoryConfig(name='plant')`: 1 held, 1 not declared, 1 not proved, 1 fails (provisional), 1 fails."
        in text
    )
    assert "\n| What is declared \\| holds. | `groups` | held |\n" in text
    assert "\n| What is not declared is skipped. | `retain` | not declared |\n" in text
    assert "| `hook restart_broker` | not proved: the suite does not give restart_broker |\n" in text
    assert "\n| What is promised may not `fail`. |  | **FAILS**: AttributeError: " in text
    assert read_reports(data)


def test_a_broken_suite_is_reported(run: Callable[..., pytest.RunResult], tmp_path: Path) -> None:
    """A scenario for which no provider could be made has failed."""
    broken = 'def make_provider(self):\n    raise OSError("no broker")\n'
    run(broken + HOLDS, f"--spa-report={tmp_path / 'plant.json'}")
    [report] = read_reports(tmp_path / "plant.json")

    assert [(each.outcome, each.reason) for each in report.results] == [("failed", "OSError: no broker")]
    assert report.transport == ""


def test_new_scenarios_do_not_fail_a_run(run: Callable[..., pytest.RunResult]) -> None:
    """A provisional scenario that fails is an expected failure, and with --runxfail an ordinary one."""
    source = '''
@scenario(provisional=True)
async def test_own_new(self, kit):
    """What is new may fail, in a group too."""
    with pytest.raises(OSError):
        pass
'''

    assert run(source).ret == pytest.ExitCode.OK
    assert run(source, "--runxfail").ret == pytest.ExitCode.TESTS_FAILED


def test_stress_runs_scenarios_at_once(run: Callable[..., pytest.RunResult]) -> None:
    """Under stress a scenario is run so many times at once, each with tools of its own; one that is alone in turn."""
    source = '''
here = 0

@scenario()
async def test_own_together(self, kit):
    """Four at once."""
    copies.append(kit)
    await kit.until(lambda: len(copies) == 4, "all are here")
    seeds = [each for first in copies if first.twins for each in (first, *first.twins)]
    assert len({id(each) for each in copies}) == len({each.topic() for each in copies}) == 4
    assert len({id(each.provider) for each in copies}) == 4
    assert kit.random.random() == random.Random(3 + seeds.index(kit)).random()

@scenario(alone=True)
async def test_own_alone(self, kit):
    """One at a time."""
    type(self).here += 1
    assert self.here == 1
    await anyio.sleep(0)
    type(self).here -= 1
'''

    run(source, "--spa-stress=4").assert_outcomes(passed=2)


def test_stress_tells_which_copy_failed(run: Callable[..., pytest.RunResult]) -> None:
    """A failure of one copy under stress is the scenario's failure, as if it had run alone."""
    source = '''
@scenario()
async def test_own_third(self, kit):
    """The third fails."""
    copies.append(kit)
    assert len(copies) != 3, "the third one"
'''
    result = run(source, "--spa-stress=4")

    result.stdout.fnmatch_lines(["FAILED *::test_own_third* - AssertionError: the third one*"])


def test_seed_and_patience(run: Callable[..., pytest.RunResult]) -> None:
    """The seed replaces the suite's, the multiplier comes on top of the suite's, and the run says how to repeat it."""
    source = '''
@scenario()
async def test_own_options(self, kit):
    """Options arrive."""
    assert kit.random.random() == random.Random(7).random()
    assert kit.patience == 10 * 2.0 * 1.5
'''
    result = run(source, "--spa-seed=7", "--spa-timeout-multiplier=1.5")

    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["spa: --spa-timeout-multiplier=1.5 --spa-seed=7"])


def test_the_suite_needs_no_options(run: Callable[..., pytest.RunResult]) -> None:
    """Without the plugin the suite runs as it says itself."""
    source = '''
@scenario()
async def test_own_alone(self, kit):
    """No options."""
    assert kit.random.random() == random.Random(3).random()
    assert kit.patience == 10 * 2.0
    assert kit.twins == []
'''

    assert run(source, "-p", "no:spa").ret == pytest.ExitCode.OK


def test_assertions_of_scenarios_are_explained(run: Callable[..., pytest.RunResult]) -> None:
    """Modules whose assertions fail on a transport's faults are rewritten by pytest, so that it shows the values."""
    source = '''
@scenario()
async def test_own_modules(self, kit):
    """Rewritten."""
    import spa_core.testing.kit, spa_core.testing.scenarios.settlement
    for module in (spa_core.testing.kit, spa_core.testing.scenarios.settlement):
        assert type(module.__loader__).__name__ == "AssertionRewritingHook"
'''

    assert run(source).ret == pytest.ExitCode.OK


@pytest.mark.parametrize("option", ["--spa-stress=0", "--spa-timeout-multiplier=0", "--spa-timeout-multiplier=nan"])
def test_numbers_out_of_range_are_refused(run: Callable[..., pytest.RunResult], option: str) -> None:
    """A number that makes no sense ends the run before it begins, with the option's name."""
    result = run(HOLDS, option)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {option.partition('=')[0]} must be *"])


def test_workers_write_no_report() -> None:
    """Where tests are spread over processes, only the one that hears of all of them writes the report."""
    option = SimpleNamespace(spa_stress=1, spa_timeout_multiplier=1.0, spa_report=["report.json"])
    config: Any = SimpleNamespace(option=option, workerinput={})

    pytest_plugin.pytest_configure(cast("pytest.Config", config))  # it would fail to register


def test_the_plugin_costs_nothing() -> None:
    """Importing the plugin, as every run of pytest does where core is installed, loads nothing of core or the kit."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    command = [sys.executable, "-c", "import sys, spa_core.testing.pytest_plugin; print(*sys.modules)"]
    loaded = set(subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.split())

    assert {module for module in loaded if module.startswith("spa_")} == {
        "spa_core",
        "spa_core.testing",
        "spa_core.testing.pytest_plugin",
    }
    assert loaded.isdisjoint({"anyio", "hypothesis", "msgspec", "trio"})
