"""What the kit counts as open: tasks, threads and descriptors, told by what they are, idle workers left out."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import anyio
import pytest

from spa_core.testing.hooks import Hooks, is_given
from spa_core.testing.proxy import FaultProxy
from spa_core.testing.resources import Resources
from spa_core.testing.scenario import scenario

pytestmark = pytest.mark.anyio


async def test_nothing_has_changed() -> None:
    """Looking twice finds nothing new."""
    before = Resources.now()

    assert Resources.now().since(before) == []


async def test_a_task_is_found_until_it_ends() -> None:
    """A running task is told by its name."""
    before = Resources.now()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(anyio.sleep_forever, name="the sleeper")
        await anyio.lowlevel.checkpoint()
        [found] = Resources.now().since(before)
        tasks.cancel_scope.cancel()

    assert "the sleeper" in found
    assert Resources.now().since(before) == []


async def test_a_thread_is_found_until_it_ends() -> None:
    """A running thread is told by its name; workers that an event loop keeps for later are not counted."""
    await anyio.to_thread.run_sync(int)
    before = Resources.now()
    end = threading.Event()
    worker = threading.Thread(target=end.wait, name="the waiter")
    worker.start()
    found = Resources.now().since(before)
    end.set()
    worker.join()

    assert any("the waiter" in each for each in found)
    assert Resources.now().since(before) == []


async def test_a_proxy_that_refuses_and_accepts_leaves_nothing() -> None:
    """A suite may put a fault proxy before its broker: its port, closed and opened on command, is not counted."""
    async with FaultProxy("127.0.0.1", 1) as proxy:
        before = Resources.now()
        await proxy.refuse()
        shut = Resources.now().since(before)
        proxy.accept()
        await anyio.lowlevel.checkpoint()

        assert (shut, Resources.now().since(before)) == ([], [])


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the system does not tell of descriptors")
async def test_a_descriptor_is_found_until_it_is_closed() -> None:
    """An open descriptor is told by what it leads to."""
    before = Resources.now()
    ends = os.pipe()
    found = Resources.now().since(before)
    for end in ends:
        os.close(end)

    assert len(found) == 2
    assert all("pipe" in each for each in found)
    assert Resources.now().since(before) == []


def test_hooks_are_given_by_overriding() -> None:
    """A hook is given where a suite overrides it, whether it is a method or a value."""

    class Suite(Hooks):
        url = "acme://here"

        async def restart_broker(self) -> None:
            """Restart it."""

    given = [hook for hook in ("url", "restart_broker", "cut_network") if is_given(Suite(), hook)]

    assert given == ["url", "restart_broker"]


def test_a_hook_that_does_not_exist() -> None:
    """A scenario that names a hook there is not is refused, instead of being skipped for ever."""
    with pytest.raises(TypeError, match="no such hook: 'restart_brocker'"):
        scenario(hook="restart_brocker")
