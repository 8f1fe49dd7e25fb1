"""The fault proxy in front of a real server on the loopback interface."""

from __future__ import annotations

import socket
import struct
from contextlib import ExitStack, asynccontextmanager, contextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from anyio.abc import SocketAttribute

from spa_core.errors import ConnectError
from spa_core.testing.proxy import FaultProxy

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator

    from anyio.abc import SocketStream

pytestmark = pytest.mark.anyio

PATIENCE = 30.0  # seconds until a test that waits for what never happens fails
FLOOD = bytes(range(256)) * 128 * 1024  # more than the buffers of the operating system hold
LOOPBACK = "127.0.0.1"


class Server:
    """
    An echo server that remembers.

    Attributes:
        port: Where it listens.
        streams: Its side of each connection, in order.
        endings: How connections have ended for it: ``"end"`` or ``"reset"``.
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.streams: list[SocketStream] = []
        self.endings: list[str] = []
        self._changed = anyio.Event()

    async def serve(self, stream: SocketStream) -> None:
        """Send back what comes."""
        async with stream:
            self.streams.append(stream)
            self._change()
            try:
                async for data in stream:
                    await stream.send(data)
            except anyio.BrokenResourceError:
                self.endings.append("reset")
            except anyio.ClosedResourceError:
                self.endings.append("closed here")
            else:
                self.endings.append("end")
            self._change()

    async def until(self, *, connections: int = 0, endings: int = 0) -> None:
        """Wait until there were so many connections, and so many of them have ended."""
        while len(self.streams) < connections or len(self.endings) < endings:
            await self._changed.wait()

    def _change(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()


@asynccontextmanager
async def proxied() -> AsyncGenerator[tuple[FaultProxy, Server]]:
    """Run an echo server and a proxy in front of it, with a deadline for what is done with them."""
    with anyio.fail_after(PATIENCE):
        async with await anyio.create_tcp_listener(local_host=LOOPBACK) as listener:
            server = Server(listener.extra(SocketAttribute.local_port))  # noqa: S610 - anyio's, not Django's
            async with anyio.create_task_group() as tasks, FaultProxy(LOOPBACK, server.port) as proxy:
                tasks.start_soon(listener.serve, server.serve)
                yield proxy, server
                tasks.cancel_scope.cancel()


@asynccontextmanager
async def connected(proxy: FaultProxy) -> AsyncGenerator[SocketStream]:
    """Connect to a proxy."""
    async with await anyio.connect_tcp(proxy.host, proxy.port) as stream:
        yield stream


@asynccontextmanager
async def client(proxy: FaultProxy) -> AsyncGenerator[SocketStream]:
    """Connect through a proxy, and have an answer from the broker."""
    async with connected(proxy) as stream:
        await stream.send(b"hello")

        assert await received(stream, 5) == b"hello"

        yield stream


async def received(stream: SocketStream, size: int) -> bytes:
    """Receive so many bytes."""
    data = bytearray()
    while len(data) < size:
        data += await stream.receive()
    return bytes(data)


def arrived(stream: SocketStream) -> bytes | None:
    """Return what has come and waits to be received: bytes, or nothing at the end; ``None`` if nothing has come."""
    with stream.extra(SocketAttribute.raw_socket).dup() as raw:  # noqa: S610 - anyio's, not Django's
        try:
            return raw.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return None


def reset(raw: socket.socket) -> None:
    """Close a connection without a goodbye."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


@contextmanager
def listening() -> Iterator[socket.socket]:
    """Listen without ever answering."""
    with socket.create_server((LOOPBACK, 0), backlog=0) as listener:
        yield listener


async def others_come_and_go(proxy: FaultProxy, server: Server) -> None:
    """Let connections be made and ended beside the others: what was on its way before has arrived, if it ever will."""
    for _ in range(3):
        connections = len(server.streams)
        async with connected(proxy):
            await server.until(connections=connections + 1)


async def test_bytes_are_forwarded_both_ways() -> None:
    """What a client sends arrives at the broker, what the broker sends arrives at the client, and both are counted."""
    async with proxied() as (proxy, server), client(proxy) as stream:
        await stream.send(b"0123456789")

        assert await received(stream, 10) == b"0123456789"
        assert proxy.bytes_to_broker == 15
        assert proxy.bytes_to_client == 15
        assert proxy.connections == 1
        assert len(server.streams) == 1


async def test_much_is_forwarded_in_order() -> None:
    """Megabytes from several clients at once arrive whole and in order, though no buffer holds them."""
    payload = bytes(range(256)) * 16 * 1024

    async def exchange(number: int) -> None:
        async with client(proxy) as stream, anyio.create_task_group() as tasks:
            tasks.start_soon(stream.send, payload[number:])

            assert await received(stream, len(payload) - number) == payload[number:]

    async with proxied() as (proxy, _), anyio.create_task_group() as tasks:
        for number in range(3):
            tasks.start_soon(exchange, number)


@asynccontextmanager
async def flooded() -> AsyncGenerator[tuple[FaultProxy, socket.socket, Callable[[], Awaitable[None]]]]:
    """Let a client send to a broker that reads nothing, until all buffers are full; yield the broker's side."""
    with listening() as listener:
        async with (
            proxied() as others,
            FaultProxy(*listener.getsockname()) as proxy,
            connected(proxy) as stream,
            anyio.create_task_group() as tasks,
        ):
            tasks.start_soon(stream.send, FLOOD)
            await anyio.wait_readable(listener)
            with listener.accept()[0] as broker:
                broker.settimeout(0)
                before = 0
                while before < proxy.bytes_to_broker or not before:
                    before = proxy.bytes_to_broker
                    await others_come_and_go(*others)
                yield proxy, broker, partial(others_come_and_go, *others)
            tasks.cancel_scope.cancel()


async def test_a_side_that_does_not_read_is_felt_by_the_other() -> None:
    """While the broker reads nothing, the proxy does not take all there is from the client."""
    async with flooded() as (proxy, _, _):
        assert 0 < proxy.bytes_to_broker < len(FLOOD)


async def test_a_stall_in_the_middle_loses_nothing() -> None:
    """Stalled while the broker was not taking any more, the proxy sends it nothing, and everything once resumed."""
    async with flooded() as (proxy, broker, fence):
        forwarded = proxy.bytes_to_broker
        data = bytearray()

        async def read() -> None:
            while len(data) < len(FLOOD):
                await anyio.wait_readable(broker)
                data.extend(broker.recv(1024 * 1024))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read)
            proxy.stall()
            while len(data) < forwarded:
                await fence()
            await fence()

            assert len(data) == proxy.bytes_to_broker == forwarded

            proxy.resume()

        assert data == FLOOD


async def test_the_end_of_a_connection_is_forwarded() -> None:
    """A client that sends no more still gets what is on its way, and then the broker's end."""
    async with proxied() as (proxy, server), client(proxy) as stream:
        await stream.send(b"the last words")
        await stream.send_eof()

        assert await received(stream, 14) == b"the last words"

        with pytest.raises(anyio.EndOfStream):
            await stream.receive()
        await server.until(endings=1)

        assert server.endings == ["end"]


async def test_the_end_from_the_broker_is_forwarded() -> None:
    """A client whose broker closes the connection gets its end."""
    async with proxied() as (proxy, server), client(proxy) as stream:
        await server.streams[0].aclose()

        with pytest.raises(anyio.EndOfStream):
            await stream.receive()


async def test_a_broker_that_is_gone_refuses_what_still_comes() -> None:
    """A client that goes on sending after the broker's end has its connection reset, as without a proxy."""
    async with proxied() as (proxy, server), client(proxy) as stream:
        await server.streams[0].aclose()
        with pytest.raises(anyio.EndOfStream):
            await stream.receive()

        with pytest.raises(anyio.BrokenResourceError):  # noqa: PT012 - not the first that is sent
            while True:
                await stream.send(b"hello?")


async def test_what_has_ended_is_forgotten() -> None:
    """Nothing is kept of connections that have ended, however many there were."""
    async with proxied() as (proxy, server):
        for _ in range(5):
            async with client(proxy):
                pass
        await server.until(endings=5)
        await proxy.cut()
        await anyio.wait_all_tasks_blocked()

        assert proxy.accepted == 5
        assert not proxy._links


async def test_a_reset_by_the_client_is_forwarded() -> None:
    """A client that resets its connection resets the broker's."""
    async with proxied() as (proxy, server):
        with socket.create_connection((proxy.host, proxy.port)) as raw:
            await server.until(connections=1)
            reset(raw)
        await server.until(endings=1)

        assert server.endings == ["reset"]


async def test_a_reset_by_the_broker_is_forwarded() -> None:
    """A broker that resets a connection resets the client's."""
    with listening() as listener, anyio.fail_after(PATIENCE):
        async with FaultProxy(*listener.getsockname()) as proxy, connected(proxy) as stream:
            await anyio.wait_readable(listener)
            reset(listener.accept()[0])

            with pytest.raises(anyio.BrokenResourceError):
                await stream.receive()


async def test_a_broker_that_does_not_listen_is_no_fault_of_the_proxy() -> None:
    """A client's connection is reset where the broker refuses it, and works once the broker is there."""
    async with proxied() as (proxy, _):
        known, proxy._addresses = proxy._addresses, [(socket.AF_INET, socket.SOCK_STREAM, 0, "", (LOOPBACK, 1))]
        async with connected(proxy) as stream:
            with pytest.raises(anyio.BrokenResourceError):
                await stream.receive()
        proxy._addresses = [*proxy._addresses, *known]
        async with client(proxy):
            assert proxy.accepted == 2
            assert proxy.connections == 1


async def test_cut_resets_both_sides() -> None:
    """When ``cut`` returns, all connections are reset, for the client and for the broker; new ones work."""
    async with proxied() as (proxy, server), client(proxy) as first, client(proxy) as second:
        await proxy.cut()

        assert proxy.connections == 0
        for stream in (first, second):
            with pytest.raises(anyio.BrokenResourceError):
                await stream.receive()
        await server.until(endings=2)
        assert server.endings == ["reset", "reset"]

        async with client(proxy):
            assert proxy.connections == 1


async def test_cut_resets_what_is_not_connected_yet() -> None:
    """A connection whose broker does not answer is cut like any other."""
    with listening() as listener, ExitStack() as stack, anyio.fail_after(PATIENCE):
        for _ in range(4):  # as many as the listener's queue holds, and more
            waiting = stack.enter_context(socket.socket())
            waiting.settimeout(0)
            waiting.connect_ex(listener.getsockname())
        async with FaultProxy(*listener.getsockname()) as proxy, connected(proxy) as stream:
            await proxy.wait_for_accepted(1)

            assert proxy.connections == 0

            await proxy.cut()

            with pytest.raises(anyio.BrokenResourceError):
                await stream.receive()


async def test_cutting_nothing_is_nothing() -> None:
    """Without connections, ``cut`` returns at once."""
    async with proxied() as (proxy, _):
        await proxy.cut()

        assert proxy.connections == 0


async def test_stall_holds_everything_up() -> None:
    """Stalled, the proxy forwards nothing in either direction; resumed, it forwards all that was held up."""
    async with proxied() as (proxy, server), client(proxy) as stream:
        proxy.stall()
        proxy.stall()
        await stream.send(b"up")
        await server.streams[0].send(b"down")
        await others_come_and_go(proxy, server)

        assert (proxy.bytes_to_broker, proxy.bytes_to_client) == (5, 5)
        assert arrived(stream) is None
        assert arrived(server.streams[0]) is None

        proxy.resume()
        proxy.resume()

        assert await received(stream, 6) in (b"downup", b"updown")


async def test_stall_holds_ends_up() -> None:
    """Stalled, the proxy keeps connections that one side has closed or reset, until it is resumed."""
    async with proxied() as (proxy, server):
        with socket.create_connection((proxy.host, proxy.port)) as raw:
            await server.until(connections=1)
            proxy.stall()
            async with client_of_a_stalled(proxy):
                pass
            reset(raw)
            await others_come_and_go(proxy, server)

            assert server.endings == []
            assert proxy.connections >= 2

            proxy.resume()
            await server.until(endings=5)

            assert sorted(server.endings) == ["end"] * 4 + ["reset"]


@asynccontextmanager
async def client_of_a_stalled(proxy: FaultProxy) -> AsyncGenerator[SocketStream]:
    """Connect through a proxy that forwards nothing."""
    connections = proxy.connections
    async with connected(proxy) as stream:
        await proxy.wait_for_connections(connections + 1)
        yield stream


async def test_new_connections_are_stalled_too() -> None:
    """A connection made while stalled is kept, and works when the proxy is resumed."""
    async with proxied() as (proxy, server):
        proxy.stall()
        async with client_of_a_stalled(proxy) as stream:
            await stream.send(b"patience")
            await others_come_and_go(proxy, server)

            assert proxy.bytes_to_broker == 0

            proxy.resume()

            assert await received(stream, 8) == b"patience"


async def test_half_open_hides_the_broker() -> None:
    """The broker gets what the client sends, and nothing comes back, not even the end of the connection."""
    async with proxied() as (proxy, server), client(proxy) as stream:
        proxy.half_open()
        await stream.send(b"anybody there")
        while proxy.bytes_to_broker < 18:
            await others_come_and_go(proxy, server)
        await server.streams[0].aclose()
        await others_come_and_go(proxy, server)

        assert arrived(stream) is None
        assert proxy.bytes_to_client == 5

        for _ in range(3):  # the broker refuses it by now
            await stream.send(b"anybody at all")
            await others_come_and_go(proxy, server)

        assert arrived(stream) is None


async def test_half_open_is_for_life() -> None:
    """A connection that lost bytes never gets any more of them, whatever is commanded; new ones are forwarded."""
    async with proxied() as (proxy, server), client(proxy) as stream:
        proxy.half_open()
        proxy.forward()
        await stream.send(b"still there")
        async with client(proxy):
            await others_come_and_go(proxy, server)

            assert arrived(stream) is None


async def test_a_half_open_connection_ends_with_its_client() -> None:
    """The broker learns that the client is gone, by its end as by its reset, and nothing of the connection is left."""
    async with proxied() as (proxy, server):
        async with client(proxy):
            proxy.half_open()
        await server.until(endings=1)
        with socket.create_connection((proxy.host, proxy.port)) as raw:
            await proxy.wait_for_connections(1)
            proxy.half_open()
            reset(raw)
        await server.until(endings=2)

        assert server.endings == ["end", "reset"]


async def test_bytes_of_the_broker_under_way_are_lost_with_a_half_open_connection() -> None:
    """What the broker had sent and the proxy not yet forwarded does not arrive any more."""
    async with proxied() as (proxy, server), client(proxy) as stream:
        proxy.stall()
        await server.streams[0].send(b"too late")
        await others_come_and_go(proxy, server)
        proxy.half_open()
        proxy.resume()
        await others_come_and_go(proxy, server)

        assert arrived(stream) is None


async def test_delay_takes_its_time() -> None:
    """Bytes take the delay in each direction."""
    async with proxied() as (proxy, _), client(proxy) as stream:
        proxy.delay(0.03)
        start = anyio.current_time()
        await stream.send(b"ping")
        await received(stream, 4)

        assert anyio.current_time() - start >= 0.06


async def test_refuse_leaves_nobody_in() -> None:
    """When ``refuse`` returns, connecting fails as if nobody listened; live connections are kept."""
    async with proxied() as (proxy, _), client(proxy) as stream:
        await proxy.refuse()
        await proxy.refuse()

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((proxy.host, proxy.port))
        await stream.send(b"I am in")
        assert await received(stream, 7) == b"I am in"


async def test_the_port_is_kept_while_refused() -> None:
    """Nobody else gets the port meanwhile, and the proxy listens on it again."""
    async with proxied() as (proxy, _):
        port = proxy.port
        await proxy.refuse()

        with socket.socket() as other, pytest.raises(OSError, match="in use"):
            other.bind((LOOPBACK, port))

        proxy.accept()
        proxy.accept()
        async with client(proxy):
            assert proxy.port == port


async def test_a_chosen_port_is_listened_on() -> None:
    """A broker that was told a port to send its clients to has the proxy there, once nobody else is."""
    with listening() as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConnectError, match=f"port {port} cannot be had"):
            async with FaultProxy(LOOPBACK, 1, listen=port):
                raise AssertionError
    async with FaultProxy(LOOPBACK, 1, listen=port) as proxy, connected(proxy):
        assert proxy.port == port


async def test_refuse_right_after_accept() -> None:
    """Commands take effect in their order, however soon one follows the other."""
    async with proxied() as (proxy, _):
        await proxy.refuse()
        proxy.accept()
        await proxy.refuse()

        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((proxy.host, proxy.port))


async def test_accept_then_close() -> None:
    """A new connection is accepted and closed at once, and counted; live ones are kept; ``forward`` ends it."""
    async with proxied() as (proxy, server), client(proxy) as stream:
        await proxy.refuse()
        proxy.accept_then_close()
        async with connected(proxy) as other:
            with pytest.raises(anyio.EndOfStream):
                await other.receive()
        await proxy.wait_for_accepted(2)
        await stream.send(b"I am in")

        assert await received(stream, 7) == b"I am in"
        assert len(server.streams) == 1

        proxy.forward()
        async with client(proxy):
            assert proxy.connections == 2


async def test_forward_undoes_every_command() -> None:
    """After any commands, ``forward`` makes the proxy as good as new."""
    async with proxied() as (proxy, _):
        proxy.stall()
        proxy.delay(3600)
        proxy.accept_then_close()
        await proxy.refuse()
        proxy.forward()
        async with client(proxy) as stream:
            await stream.send(b"fine")

            assert await received(stream, 4) == b"fine"


async def test_connections_are_waited_for() -> None:
    """``wait_for_connections`` returns when so many are live, at once if they are."""
    async with proxied() as (proxy, _):
        await proxy.wait_for_connections(0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(proxy.wait_for_connections, 2)
            async with client(proxy), client(proxy):
                await proxy.wait_for_connections(2)

                assert proxy.connections == 2


async def test_leaving_closes_everything() -> None:
    """When the proxy is left, its port and all its connections are closed."""
    async with proxied() as (outer, _):
        async with FaultProxy(outer.host, outer.port) as proxy:
            stream = await anyio.connect_tcp(proxy.host, proxy.port)
            await outer.wait_for_connections(1)
        async with stream:
            with pytest.raises((anyio.EndOfStream, anyio.BrokenResourceError)):
                await stream.receive()

        assert proxy.connections == 0
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((proxy.host, proxy.port))


async def test_leaving_closes_what_has_not_begun() -> None:
    """A connection accepted in the last moment is closed too."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        async with FaultProxy(LOOPBACK, 1) as proxy:
            proxy._welcome(theirs)

        assert theirs.fileno() == -1


async def test_errors_inside_come_out_as_they_are() -> None:
    """What is raised inside is not wrapped in a group."""
    with pytest.raises(KeyError, match="mine"):
        async with FaultProxy(LOOPBACK, 1):
            raise KeyError("mine")


async def test_an_error_of_its_own_ends_what_is_done_with_it() -> None:
    """Should the proxy itself fail, whoever uses it is not left waiting."""

    async def fail() -> None:
        raise OSError("the port is gone")

    with pytest.raises(ExceptionGroup) as caught:  # noqa: PT012 - leaving raises
        async with FaultProxy(LOOPBACK, 1) as proxy:
            proxy._tasks.start_soon(fail)
            await anyio.sleep_forever()

    assert caught.group_contains(OSError, match="the port is gone")


async def test_a_proxy_can_be_cancelled() -> None:
    """Cancelling whoever uses the proxy closes it."""
    with anyio.CancelScope() as scope:
        async with FaultProxy(LOOPBACK, 1) as proxy:
            scope.cancel()
            await anyio.sleep_forever()

    assert scope.cancelled_caught
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((proxy.host, proxy.port))


async def test_an_unknown_host_is_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker whose name has no address is a mistake of the test, and no connection is needed to see it."""

    async def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(anyio, "getaddrinfo", unknown)

    with pytest.raises(ConnectError, match=r"host 'broker\.invalid' of the broker behind the proxy has no address"):
        async with FaultProxy("broker.invalid", 1883):
            raise AssertionError


def test_a_proxy_says_what_it_stands_before() -> None:
    """Its representation names the broker."""
    assert repr(FaultProxy("localhost", 1883)) == "FaultProxy('localhost', 1883)"
