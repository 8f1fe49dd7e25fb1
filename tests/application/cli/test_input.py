"""Standard input as lines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.lowlevel import checkpoint

from spa_core.cli._input import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.anyio


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """Open a pipe; the test closes the writing end."""
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


async def test_lines_come_as_they_are_written(pipe: tuple[int, int]) -> None:
    """A line is there as soon as it is written, although the pipe stays open; a part of one waits for its end."""
    reading, writing = pipe
    source = lines(reading)
    os.write(writing, b"one\ntwo\nth")
    first = await anext(source)
    os.write(writing, b"ree\nfour")
    second = await anext(source)
    os.close(writing)

    assert first == [b"one", b"two"]
    assert second == [b"three"]
    assert [batch async for batch in source] == [[b"four"]]


@pytest.mark.parametrize(
    ("text", "expected"), [(b"", []), (b"\n", [b""]), (b"a\r\nb", [b"a", b"b"]), (b"a\n\nb\n", [b"a", b"", b"b"])]
)
async def test_a_file_is_read_to_its_end(tmp_path: Path, text: bytes, expected: list[bytes]) -> None:
    """A regular file gives its lines without their ends, and a last line without an end too."""
    file = tmp_path / "lines"
    file.write_bytes(text)
    with file.open("rb") as opened:
        found = [line async for batch in lines(opened.fileno()) for line in batch]

    assert found == expected


async def test_a_long_line_is_one(pipe: tuple[int, int]) -> None:
    """A line longer than a single read is still one line."""
    reading, writing = pipe
    found: list[bytes] = []

    async def read() -> None:
        found.extend([line async for batch in lines(reading) for line in batch])

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        for _ in range(50):
            await anyio.wait_writable(writing)
            os.write(writing, b"x" * 4096)  # so much a writable pipe takes at once
        os.close(writing)

    assert found == [b"x" * 4096 * 50]


async def test_waiting_for_input_can_be_cancelled(pipe: tuple[int, int]) -> None:
    """Who waits for a line that does not come can be cancelled."""
    reading, writing = pipe
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anext, lines(reading))
            await checkpoint()
            scope.cancel()
    os.close(writing)

    assert scope.cancelled_caught
