"""
What clients and the broker say to each other, and the connection that carries it.

For another broker this is its client library; it knows nothing of sockets, subscriptions and settlement.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Self, TypeAlias

import anyio
import msgspec
from anyio.streams.buffered import BufferedByteReceiveStream

from spa_core import SpaMessage

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import ByteStream


class Check(msgspec.Struct, tag=True):
    """Are you there? Answered with ``Done``, as is every frame with an *id*."""

    id: int


class Publish(msgspec.Struct, tag=True):
    """Give a message to everybody who listens."""

    id: int
    message: SpaMessage


class Subscribe(msgspec.Struct, tag=True):
    """Keep what matches *topics*, for the group if there is one; *subscription* names it on this connection."""

    id: int
    subscription: int
    topics: tuple[str, ...]
    group: str | None
    prefetch: int


class Leave(msgspec.Struct, tag=True):
    """End a subscription; what is unsettled goes back to its group."""

    id: int
    subscription: int


class Fetch(msgspec.Struct, tag=True):
    """Hand out from one to *most* messages, once, as soon as there are some."""

    subscription: int
    most: int


class Settle(msgspec.Struct, tag=True):
    """A message is done with, or wanted *again*."""

    subscription: int
    number: int
    again: bool


class Done(msgspec.Struct, tag=True):
    """It is done; *heard* says of ``Publish`` whether anybody listens."""

    id: int
    heard: bool = True


class Batch(msgspec.Struct, tag=True):
    """The answer to ``Fetch``: messages and the numbers to settle them by."""

    subscription: int
    messages: list[tuple[int, SpaMessage]]


Request: TypeAlias = Check | Publish | Subscribe | Leave
Frame: TypeAlias = Request | Fetch | Settle | Done | Batch

FAULTS: Final = anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.IncompleteRead, msgspec.DecodeError
"""What reading and writing raise when a connection is lost, or speaks something else."""

_encoder = msgspec.msgpack.Encoder(enc_hook=dict)  # a message's headers are a read-only view of a dict
_decoder = msgspec.msgpack.Decoder(Frame)


class Connection:
    """Frames over one TCP connection: posting never waits for the network, and reading never for who handles them."""

    def __init__(self, stream: ByteStream) -> None:
        self.over = anyio.Event()
        self._stream = stream
        self._incoming = BufferedByteReceiveStream(stream)
        self._answers: dict[int, _Answer] = {}
        self._posted: list[bytes] = []
        self._wake = anyio.Event()
        self._finishing = False

    @classmethod
    async def open(cls, host: str, port: int) -> Self:
        """Connect and be answered, because a port that is open proves nothing."""
        connection = cls(await anyio.connect_tcp(host, port))
        try:
            await connection._stream.send(_packed(Check(0)))
            await connection._receive()
        except BaseException:
            await anyio.aclose_forcefully(connection._stream)
            raise
        return connection

    def post(self, frame: Frame) -> None:
        """Send a frame; what is posted together goes together."""
        self._posted.append(_packed(frame))
        self._wake.set()

    async def ask(self, request: Request) -> bool | None:
        """Send a request and return what ``Done`` says; ``None`` if it did not come before the connection ended."""
        if self.over.is_set():
            return None
        answer = self._answers[request.id] = _Answer()
        self.post(request)
        try:
            await answer.given.wait()
        finally:
            del self._answers[request.id]
        return answer.heard

    def finish(self) -> None:
        """Send what is posted, and end."""
        self._finishing = True
        self._wake.set()

    async def run(self, handle: Callable[[Frame], None], at_end: Callable[[], None]) -> None:
        """Carry frames until an end comes from either side, or by a fault: *at_end* is called when no more comes in."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write)
                try:
                    await self._read(handle)
                finally:
                    self._end()
                    at_end()
                self.finish()
        except* FAULTS:
            pass  # the connection is over, and that is all there is to know
        finally:
            await anyio.aclose_forcefully(self._stream)

    async def _read(self, handle: Callable[[Frame], None]) -> None:
        while frame := await self._receive():
            if isinstance(frame, Done):
                if frame.id in self._answers:
                    self._answers[frame.id].give(frame)
            else:
                handle(frame)

    async def _receive(self) -> Frame | None:
        try:
            size = await self._incoming.receive_exactly(4)
        except anyio.IncompleteRead:
            return None
        frame: Frame = _decoder.decode(await self._incoming.receive_exactly(int.from_bytes(size, "big")))
        return frame

    async def _write(self) -> None:
        while self._posted or not self._finishing:
            await self._wake.wait()
            self._wake = anyio.Event()
            together, self._posted = b"".join(self._posted), []
            await self._stream.send(together)
        await self._stream.send_eof()

    def _end(self) -> None:
        self.over.set()
        for answer in self._answers.values():
            answer.given.set()


class _Answer:
    def __init__(self) -> None:
        self.given = anyio.Event()
        self.heard: bool | None = None

    def give(self, done: Done) -> None:
        self.heard = done.heard
        self.given.set()


def _packed(frame: Frame) -> bytes:
    body = _encoder.encode(frame)
    return len(body).to_bytes(4, "big") + body
