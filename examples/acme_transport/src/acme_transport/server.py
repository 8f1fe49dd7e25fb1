"""
The acme broker, kept in memory: ``python -m acme_transport.server --port 7171``.

A toy: it has neither passwords nor a disk, and it keeps the messages of a group for ever if nobody takes them.
"""

from __future__ import annotations

import argparse
from heapq import heappop, heappush
from typing import TYPE_CHECKING

import anyio

from acme_transport.wire import Batch, Connection, Done, Fetch, Frame, Leave, Publish, Settle, Subscribe
from spa_core.topics import matches

if TYPE_CHECKING:
    from anyio.abc import SocketStream

    from spa_core import SpaMessage


class Member:
    """A subscription of a client: what it wants, and what it has not settled."""

    def __init__(self, queue: Queue, connection: Connection, subscribe: Subscribe) -> None:
        self.queue = queue
        self.wanted = 0
        self.unsettled: dict[int, SpaMessage] = {}
        self._connection = connection
        self._number = subscribe.subscription
        self._prefetch = subscribe.prefetch

    @property
    def room(self) -> int:
        """How many messages it can be given now."""
        return min(self.wanted, self._prefetch - len(self.unsettled))

    def give(self, messages: list[tuple[int, SpaMessage]]) -> None:
        """Answer its ``Fetch``."""
        self.wanted = 0
        self.unsettled |= messages
        self._connection.post(Batch(self._number, messages))


class Queue:
    """What waits for a group, or for one subscription without a group; by its number, so in order."""

    def __init__(self, topics: tuple[str, ...]) -> None:
        self.members: list[Member] = []
        self._topics = topics
        self._waiting: list[tuple[int, SpaMessage]] = []

    def selects(self, topic: str) -> bool:
        """Whether a topic's messages belong here."""
        return any(matches(each, topic) for each in self._topics)

    def put(self, number: int, message: SpaMessage) -> None:
        """Let a message wait for its turn, which it may have had before."""
        heappush(self._waiting, (number, message))
        self.serve()

    def serve(self) -> None:
        """Hand out what members have room for; who got something goes to the end of the line."""
        for member in tuple(self.members):
            if count := min(member.room, len(self._waiting)):
                self.members.remove(member)
                self.members.append(member)
                member.give([heappop(self._waiting) for _ in range(count)])

    def leave(self, member: Member) -> None:
        """Take back what a member has not settled."""
        self.members.remove(member)
        for unsettled in member.unsettled.items():
            heappush(self._waiting, unsettled)
        self.serve()


class Broker:
    """All queues, and the number of the last message."""

    def __init__(self) -> None:
        self._queues: dict[object, Queue] = {}
        self._last = 0

    def publish(self, message: SpaMessage) -> bool:
        """Put a message where it belongs; return whether anybody listens."""
        self._last += 1
        queues = [queue for queue in self._queues.values() if queue.selects(message.topic)]
        for queue in queues:
            queue.put(self._last, message)
        return bool(queues)

    def join(self, connection: Connection, subscribe: Subscribe) -> Member:
        """Begin a subscription."""
        name = (subscribe.group, subscribe.topics) if subscribe.group is not None else object()
        queue = self._queues.setdefault(name, Queue(subscribe.topics))
        member = Member(queue, connection, subscribe)
        queue.members.append(member)
        return member

    def leave(self, member: Member) -> None:
        """End a subscription; a queue without a group ends with it."""
        member.queue.leave(member)
        self._queues = {name: queue for name, queue in self._queues.items() if queue.members or isinstance(name, tuple)}

    async def serve(self, stream: SocketStream) -> None:
        """Serve one client until its connection ends."""
        client = Client(self, Connection(stream))
        await client.connection.run(client.handle, client.leave)


class Client:
    """One connection and its subscriptions."""

    def __init__(self, broker: Broker, connection: Connection) -> None:
        self.connection = connection
        self._broker = broker
        self._members: dict[int, Member] = {}

    def handle(self, frame: Frame) -> None:
        """Do what a frame asks for."""
        heard = True
        match frame:
            case Publish():
                heard = self._broker.publish(frame.message)
            case Subscribe():
                self._members[frame.subscription] = self._broker.join(self.connection, frame)
            case Leave() if frame.subscription in self._members:
                self._broker.leave(self._members.pop(frame.subscription))
            case Fetch() | Settle() if frame.subscription in self._members:
                self._take_part(self._members[frame.subscription], frame)
            case _:
                pass
        if not isinstance(frame, Fetch | Settle | Done | Batch):
            self.connection.post(Done(frame.id, heard))

    def leave(self) -> None:
        """End all subscriptions."""
        while self._members:
            self._broker.leave(self._members.popitem()[1])

    def _take_part(self, member: Member, frame: Fetch | Settle) -> None:
        if isinstance(frame, Fetch):
            member.wanted = frame.most
        else:
            message = member.unsettled.pop(frame.number, None)
            if message is not None and frame.again:
                member.queue.put(frame.number, message)
        member.queue.serve()


async def listen(port: int) -> None:
    """Serve clients of this machine until cancelled."""
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1", local_port=port)
    print(f"acme broker at 127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}", flush=True)  # noqa: S610
    await listener.serve(Broker().serve)


def main() -> None:
    """Run the broker."""
    parser = argparse.ArgumentParser(description="The acme broker.")
    parser.add_argument("--port", type=int, default=7171, help="where to listen; 0 takes a free port")
    anyio.run(listen, parser.parse_args().port)


if __name__ == "__main__":
    main()
