"""Running: applications start together, end together, and no failure of one is lost or passed over."""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import pytest

from spa_core import (
    AbstractApplication,
    ApplicationLifeCycle,
    ConsumerApplication,
    DistributedApplication,
    FailurePolicy,
    ProducerApplication,
    SpaMessage,
    SpaSocket,
    hookimpl,
)
from spa_core._application.runner import Runner
from spa_core.errors import (
    CapabilityError,
    ConfigurationError,
    ConnectError,
    DisconnectedError,
    HandlerFailedError,
    ResourceError,
    SubscribeError,
)
from spa_core.transport import Ack, Capabilities, ConnectionEvent

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from tests.core.application.conftest import Launch
    from tests.core.conftest import Broker, Eventually, Quiet

    MakeApp = Callable[..., DistributedApplication]

pytestmark = pytest.mark.anyio
ONCE = FailurePolicy(attempts=1, backoff=0)


async def nothing(**_: object) -> None:
    """Handle a message, or produce nothing."""


async def forever(**_: object) -> None:
    """Never end."""
    await anyio.sleep_forever()


async def fails(**_: object) -> None:
    """Fail."""
    message = "too wet"
    raise ValueError(message)


# -- the order of a life -----------------------------------------------------------------------------------------------


class Noted(ConsumerApplication):
    """An application that notes the steps of its life among the calls of the transport."""

    notes: list[str]

    def setup(self) -> None:
        """Note the setup."""
        self.notes.append("setup")
        super().setup()

    async def run_async(self) -> None:
        """Note the run."""
        self.notes.append("run")
        await super().run_async()
        self.notes.append("ran")

    async def teardown(self) -> None:
        """Note the teardown: the socket and the resources are still open."""
        self.notes.append("teardown")
        await self.socket.check()  # type: ignore[union-attr]


async def test_the_order_of_a_life(broker: Broker, eventually: Eventually) -> None:
    """Lifespan, setup, socket, resources, run, teardown, and everything closed in reverse; the origin's order."""

    @asynccontextmanager
    async def resource() -> AsyncGenerator[None]:
        broker.calls.append("enter resource")
        yield
        broker.calls.append("exit resource")

    class Surround:
        @hookimpl
        @asynccontextmanager
        async def spa_application_lifespan(self) -> AsyncGenerator[None]:
            broker.calls.append("enter lifespan")
            yield
            broker.calls.append("exit lifespan")

    app = DistributedApplication(broker.provider(), plugins=[Surround()])
    noted = Noted(nothing, broker.provider(), topics="a", resources={"r": resource})
    noted.notes = broker.calls
    app.applications.append(noted)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app.start_async)
        await eventually(lambda: "run" in broker.calls)
        app.stop()

    assert broker.calls == [
        "enter lifespan",
        "setup",
        "connect",
        "subscribe a",
        "enter resource",
        "run",
        "stop_fetching",
        "ran",
        "teardown",
        "check",
        "exit resource",
        "leave a",
        "disconnect",
        "exit lifespan",
    ]


async def test_the_origins_protocol_is_satisfied(broker: Broker) -> None:
    """Every application has the origin's five methods."""
    for kind in (ConsumerApplication, ProducerApplication, AbstractApplication):
        assert isinstance(kind(nothing, broker.provider()), ApplicationLifeCycle)


async def test_a_base_application_does_nothing_by_itself(broker: Broker) -> None:
    """A subclass says what it does; one that does not is an error when it is run."""
    application = AbstractApplication(nothing, broker.provider())
    with pytest.raises(TypeError, match="run_async"):
        await application.start_async()

    assert broker.calls[-1] == "disconnect"
    assert application.status == "failed"


async def test_a_run_of_ones_own(broker: Broker) -> None:
    """A subclass with a ``run_async`` of its own has an open socket and open resources, and ends when it returns."""

    class Own(AbstractApplication):
        async def run_async(self) -> None:
            assert self.socket is not None
            await self.socket.publish("a", self.ressources["word"])

    own = Own(nothing, broker.provider(), resources={"word": lambda: "hello"})
    await own.start_async()

    assert broker.published[0].payload == b"hello"
    assert own.status == "stopped"
    assert own.ressources.keys() == {"word"}


async def test_nobody_publishes_before_all_are_subscribed(broker: Broker, make_app: MakeApp, launch: Launch) -> None:
    """However long a subscription takes, no producer runs before the last one is live."""
    app = make_app()

    @app.producer()
    async def produce(socket: SpaSocket) -> None:
        await socket.publish("a", b"1")

    app.application("a")(nothing)
    app.application("b")(nothing)
    gate = anyio.Event()
    broker.before["subscribe b"] = gate.wait
    async with launch(app, until=lambda: "subscribe b" in broker.calls) as run:
        assert broker.published == []
        assert run.health.state == "starting"

        gate.set()
        with anyio.fail_after(5):
            while not broker.settled:
                await anyio.lowlevel.checkpoint()

    assert broker.outcomes() == [Ack]


# -- what ends a run ---------------------------------------------------------------------------------------------------


async def test_producers_alone_end_when_all_have_finished(make_app: MakeApp) -> None:
    """Without a handler the run is over when the last producer is."""
    app = make_app()
    done: list[int] = []

    @app.producer()
    async def first() -> None:
        done.append(1)

    @app.producer()
    async def second() -> None:
        for _ in range(5):
            await anyio.lowlevel.checkpoint()
        done.append(2)

    await app.start_async()

    assert done == [1, 2]
    assert app.ending == "finished"


async def test_a_consumer_keeps_running(make_app: MakeApp, launch: Launch, quiet: Quiet) -> None:
    """With a handler the run goes on after the producers have finished, until it is stopped."""
    app = make_app()
    app.application("a")(nothing)
    app.producer()(nothing)
    async with launch(app) as run:
        await quiet()

        assert run.states == ["running", "stopped"]
        assert not run.done.is_set()

    assert run.error is None
    assert app.ending == "drained"
    assert run.states == ["stopped", "stopped"]


async def test_stopping_ends_producers(make_app: MakeApp, launch: Launch) -> None:
    """A producer that would go on for ever is cancelled by a stop; that is no error."""
    app = make_app()
    app.producer()(forever)
    async with launch(app) as run:
        pass

    assert run.error is None
    assert (app.ending, run.states) == ("drained", ["stopped"])


async def test_stopping_what_does_not_run(make_app: MakeApp) -> None:
    """Stopping before the start and after the end does nothing."""
    app = make_app()
    app.producer()(nothing)
    app.stop()
    await app.start_async()
    app.stop()

    assert app.ending == "finished"


async def test_a_handler_may_stop_its_application(broker: Broker, make_app: MakeApp, launch: Launch) -> None:
    """A handler that stops the application still finishes, and its message is settled."""
    app = make_app()

    @app.application("a")
    async def handle() -> None:
        app.stop()
        await anyio.lowlevel.checkpoint()

    async with launch(app) as run:
        broker.deliver(SpaMessage(topic="a"))
        assert await run.ended() is None

    assert broker.outcomes() == [Ack]


async def test_draining_lets_handlers_finish(
    broker: Broker, make_app: MakeApp, launch: Launch, eventually: Eventually
) -> None:
    """While handlers finish the state is draining, nothing new is fetched, and then everything is closed."""
    app = make_app()
    started, go_on = anyio.Event(), anyio.Event()

    @app.application("a")
    async def handle() -> None:
        started.set()
        await go_on.wait()

    async with launch(app) as run:
        broker.deliver(SpaMessage(topic="a", payload=b"1"))
        await started.wait()
        app.stop()
        await eventually(lambda: run.health.state == "draining")
        broker.deliver(SpaMessage(topic="a", payload=b"2"))

        assert run.health.applications[0].in_flight == 1
        assert broker.settled == []

        go_on.set()
        assert await run.ended() is None

    assert [message.payload for message, _ in broker.settled] == [b"1"]
    assert app.ending == "drained"


async def test_handlers_that_do_not_finish_are_cancelled(
    broker: Broker, make_app: MakeApp, launch: Launch, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """After ``shutdown_timeout`` handlers are cancelled, their messages given back, and it is said so."""
    app = make_app(shutdown_timeout=0.01)
    app.application("a", policy=ONCE)(forever)
    async with launch(app) as run:
        broker.deliver(SpaMessage(topic="a"))
        await eventually(lambda: run.health.applications[0].in_flight)
        app.stop()
        assert await run.ended() is None

    assert app.ending == "timed-out"
    assert (broker.settled, len(broker.given_back)) == ([], 1)
    assert [record.levelname for record in caplog.records if "cancelled" in record.getMessage()] == ["WARNING"]
    assert broker.calls[-1] == "disconnect"


async def test_a_shutdown_timeout_of_nothing(broker: Broker, make_app: MakeApp, launch: Launch) -> None:
    """With no time at all an idle application still ends in good order."""
    app = make_app(shutdown_timeout=0)
    app.application("a")(nothing)
    async with launch(app) as run:
        pass

    assert run.error is None
    assert broker.subscriptions == []


async def test_a_broker_that_hangs_does_not_keep_the_others_from_draining(
    broker: Broker, make_app: MakeApp, launch: Launch, eventually: Eventually
) -> None:
    """Where one application cannot even begin to drain, the others do all the same, and end."""
    app = make_app()
    app.application("hangs")(nothing)
    app.application("a")(nothing)
    gate = anyio.Event()
    hanging = [gate.wait]

    async def hang() -> None:
        if hanging:
            await hanging.pop()()

    broker.before["stop_fetching"] = hang
    async with launch(app) as run:
        app.stop()
        await eventually(lambda: sorted(run.states) == ["draining", "stopped"])
        gate.set()

        assert await run.ended() is None


async def test_a_drain_that_fails_does_not_stop_the_others(
    broker: Broker, make_app: MakeApp, launch: Launch, eventually: Eventually
) -> None:
    """What goes wrong while one application begins to drain is raised when the others are drained; it is cancelled."""
    app = make_app()
    done: list[str] = []
    gate = anyio.Event()

    async def handle(message: SpaMessage) -> None:
        await gate.wait()
        done.append(message.topic)

    app.application("a")(handle)
    app.application("b")(handle)
    refusals = [DisconnectedError("gone")]
    broker.refuse = lambda call, _message: refusals.pop() if call == "stop_fetching" and refusals else None
    async with launch(app) as run:
        broker.deliver(SpaMessage(topic="a"))
        broker.deliver(SpaMessage(topic="b"))
        await eventually(lambda: [each.in_flight for each in run.health.applications] == [1, 1])
        app.stop()
        await eventually(lambda: sorted(run.states) == ["draining", "stopped"])
        gate.set()
        error = await run.ended()

    assert isinstance(error, DisconnectedError)
    assert len(done) == 1
    assert len(broker.given_back) == 1


async def test_stopping_while_one_is_closing_already(
    broker: Broker, make_app: MakeApp, launch: Launch, eventually: Eventually
) -> None:
    """An application that failed and takes long to close gets in no other's way when these are drained."""
    app = make_app()
    gate = anyio.Event()
    broker.before["disconnect"] = gate.wait
    done: list[str] = []

    @app.application("bad", policy=FailurePolicy(attempts=1, then="stop"))
    async def bad() -> None:
        raise ValueError

    @app.application("a")
    async def good() -> None:
        await handling.wait()
        done.append("a")

    handling = anyio.Event()
    async with launch(app) as run:
        broker.deliver(SpaMessage(topic="a"))
        broker.deliver(SpaMessage(topic="bad"))
        await eventually(lambda: "disconnect" in broker.calls)
        app.stop()
        for _ in range(20):
            await anyio.lowlevel.checkpoint()
        handling.set()
        await eventually(lambda: done)
        gate.set()

        assert isinstance(await run.ended(), HandlerFailedError)

    assert Ack in broker.outcomes()


# -- failures ----------------------------------------------------------------------------------------------------------


async def test_one_that_fails_drains_the_others_and_is_raised(
    broker: Broker, make_app: MakeApp, launch: Launch, eventually: Eventually
) -> None:
    """If a part dies for good the others finish what they have, and then its very error is raised."""
    app = make_app()
    started, go_on = anyio.Event(), anyio.Event()

    @app.application("a")
    async def slow() -> None:
        started.set()
        await go_on.wait()

    app.application("bad", policy=FailurePolicy(attempts=1, then="stop"))(fails)
    async with launch(app) as run:
        broker.deliver(SpaMessage(topic="a"))
        await started.wait()
        broker.deliver(SpaMessage(topic="bad"))
        await eventually(lambda: run.states == ["draining", "failed"])

        assert run.health.state == "failed"
        assert not run.done.is_set()

        go_on.set()
        error = await run.ended()

    assert isinstance(error, HandlerFailedError)
    assert isinstance(error.__cause__, ValueError)
    assert broker.outcomes() == [Ack]
    assert run.states == ["stopped", "failed"]


async def test_a_producer_that_fails(make_app: MakeApp, launch: Launch) -> None:
    """What a producer raises ends the run with that very error, in no group."""
    app = make_app()
    app.application("a")(nothing)
    app.producer()(fails)
    async with launch(app) as run:
        error = await run.ended()

    assert type(error) is ValueError
    assert run.states == ["stopped", "failed"]


async def test_several_that_fail(make_app: MakeApp, launch: Launch, eventually: Eventually) -> None:
    """Of several failures none is lost: they come in one group."""
    app = make_app()
    ready = anyio.Event()

    @app.producer()
    async def first() -> None:
        try:
            await ready.wait()
            await anyio.sleep_forever()
        finally:
            raise KeyError

    app.producer()(fails)
    async with launch(app, until=lambda: True) as run:
        ready.set()
        await eventually(run.done.is_set)

    assert isinstance(run.error, ExceptionGroup)
    assert {type(each) for each in run.error.exceptions} == {KeyError, ValueError}


async def test_a_lost_subscription_ends_the_run(broker: Broker, make_app: MakeApp, launch: Launch) -> None:
    """A consumer whose subscription is lost for good does not go on deaf: the run fails."""
    app = make_app()
    app.application("a")(nothing)
    app.application("b")(nothing)
    async with launch(app) as run:
        broker.subscriptions[0].end(DisconnectedError("gone for good"))
        error = await run.ended()

    assert isinstance(error, DisconnectedError)
    assert broker.subscriptions == []


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_producer_that_ends_with_anothers_cancellation(make_app: MakeApp, launch: Launch) -> None:
    """A producer that awaits a cancelled future has failed: the run does not end as if it had finished."""
    app = make_app()

    @app.producer()
    async def produce() -> None:
        future = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    async with launch(app) as run:
        error = await run.ended()

    assert error is not None
    assert "produce" in str(error)
    assert run.states == ["failed"]


# -- starting ----------------------------------------------------------------------------------------------------------


async def test_one_that_cannot_connect_closes_those_that_did(broker: Broker, make_app: MakeApp) -> None:
    """A start that fails opens nothing further, closes what was opened, and raises what was wrong."""
    app = make_app()
    for name in ("first", "second", "third"):
        app.application(name)(nothing)
    error = ConnectError("no link")
    broker.refuse = lambda call, _message: error if call == "subscribe second" else None
    with pytest.raises(ConnectError) as caught:
        await app.start_async()

    assert caught.value is error
    assert broker.subscriptions == []
    assert broker.calls.count("connect") == broker.calls.count("disconnect") == 2
    assert [each.state for each in app.health().applications] == ["stopped", "failed", "new"]


async def test_a_producer_does_not_run_when_the_start_fails(broker: Broker, make_app: MakeApp) -> None:
    """Nothing is produced for an application that did not come up."""
    app = make_app()
    ran: list[int] = []

    @app.producer()
    async def produce() -> None:
        ran.append(1)

    app.application("a")(nothing)
    broker.refuse = lambda call, _message: SubscribeError("no", topics=("a",)) if call == "subscribe a" else None
    with pytest.raises(SubscribeError):
        await app.start_async()

    assert ran == []


async def test_a_resource_that_fails_to_enter(broker: Broker, make_app: MakeApp) -> None:
    """The socket that was opened for it is closed again."""

    def no_database() -> None:
        raise OSError("no database")

    app = make_app()
    app.application("a", resources={"database": no_database})(nothing)
    with pytest.raises(ResourceError, match="'database'"):
        await app.start_async()

    assert broker.calls[-1] == "disconnect"


@pytest.mark.parametrize("call", ["connect", "subscribe b"])
async def test_stopping_during_the_start(broker: Broker, make_app: MakeApp, launch: Launch, call: str) -> None:
    """A stop while something is still being opened gives that up and closes what was opened; that is no error."""
    app = make_app()
    ran: list[int] = []

    @app.producer()
    async def produce() -> None:
        ran.append(1)

    app.application("a")(nothing)
    app.application("b")(nothing)
    broker.before[call] = anyio.sleep_forever
    async with launch(app, until=lambda: call in broker.calls) as run:
        app.stop()
        assert await run.ended() is None

    assert ran == []
    assert app.ending == "drained"
    assert broker.subscriptions == []
    assert "failed" not in run.states


async def test_one_that_fails_while_others_are_still_opened(broker: Broker, make_app: MakeApp, launch: Launch) -> None:
    """An application that loses its connection before the others are up ends the start."""
    app = make_app()
    app.application("a")(nothing)
    app.application("b")(nothing)
    broker.before["subscribe b"] = anyio.sleep_forever

    class Losing:
        @hookimpl
        def spa_application_state(self, application: AbstractApplication, state: str) -> None:
            if state == "starting" and len(broker.subscriptions) == 1:
                assert application.name == "nothing"

    async with launch(app, until=lambda: "subscribe b" in broker.calls) as run:
        application = app.applications[0]
        application.socket._link.tasks.start_soon(fails)  # type: ignore[union-attr]  # a reader that dies
        error = await run.ended()

    assert type(error) is ValueError
    assert broker.subscriptions == []


async def test_nothing_to_run(make_app: MakeApp) -> None:
    """An application without handlers and producers is a mistake, and says how to register one."""
    with pytest.raises(ConfigurationError, match="nothing to run") as caught:
        await make_app().start_async()

    assert "@app.application" in (caught.value.hint or "")


async def test_a_handler_without_topics(broker: Broker) -> None:
    """A handler that listens to nothing is refused before anything is opened: it would be deaf for ever."""
    app = DistributedApplication(broker.provider())
    app.add_application(nothing)
    app.producer()(nothing)
    with pytest.raises(ConfigurationError, match="nothing has no topics"):
        await app.start_async()

    assert broker.calls == []


async def test_a_consumer_with_a_run_of_its_own_needs_no_topics(broker: Broker) -> None:
    """A subclass that subscribes to what it likes is not refused for listening to nothing by itself."""

    class Own(ConsumerApplication):
        async def run_async(self) -> None:
            assert self.socket is not None
            await self.socket.subscribe("a")

    await Own(nothing, broker.provider()).start_async()

    assert "subscribe a" in broker.calls


@pytest.mark.parametrize(
    ("missing", "options"),
    [("groups", {"group": "g"}), ("fanout", {}), ("wildcards", {"topics": "plants/{plant}"})],
)
async def test_what_the_transport_does_not_declare(broker: Broker, missing: str, options: dict[str, Any]) -> None:
    """An application that asks for what the transport cannot do fails at start, before any of them connects."""
    able = {"groups": True, "fanout": True, "wildcards": "mqtt", missing: "none" if missing == "wildcards" else False}
    app = DistributedApplication(broker.provider(capabilities=Capabilities(**able)))
    app.producer()(nothing)
    app.application(**{"topics": "a", **options})(nothing)
    with pytest.raises(CapabilityError) as caught:
        await app.start_async()

    assert caught.value.capability == missing
    assert broker.calls == []


async def test_starting_again(broker: Broker, make_app: MakeApp, launch: Launch, eventually: Eventually) -> None:
    """The same application starts again after it has ended, as new: counts, socket and state."""
    app = make_app()
    handled: list[bytes] = []

    @app.application("a")
    async def handle(message: SpaMessage) -> None:
        handled.append(message.payload)

    for number in range(3):
        async with launch(app) as run:
            broker.deliver(SpaMessage(topic="a", payload=str(number)))
            await eventually(lambda number=number: len(handled) == number + 1)

            assert run.health.applications[0].counts.received == 1

        assert run.error is None

    assert handled == [b"0", b"1", b"2"]
    assert broker.calls.count("connect") == broker.calls.count("disconnect") == 3


async def test_starting_again_after_a_failure(broker: Broker, make_app: MakeApp, launch: Launch) -> None:
    """A start that failed can be made again, and then nothing of the failure is left."""
    app = make_app()
    app.application("a")(nothing)
    broker.refuse = lambda call, _message: ConnectError("no link") if call == "connect" else None
    with pytest.raises(ConnectError):
        await app.start_async()
    broker.refuse = lambda _call, _message: None
    async with launch(app) as run:
        assert run.states == ["running"]

    assert run.error is None


async def test_a_runner_that_was_not_started(broker: Broker) -> None:
    """A runner may be stopped before it runs, which does nothing."""
    runner = Runner([ProducerApplication(nothing, broker.provider())], handle_signals=False)
    runner.stop()
    await runner.run()

    assert runner.ending == "finished"


async def test_running_by_hand_needs_a_socket(broker: Broker) -> None:
    """``run_async`` is called by the runner, after ``setup``; called by hand it says what is missing."""
    application = ConsumerApplication(nothing, broker.provider(), topics="plants/{plant}")
    with pytest.raises(RuntimeError, match="nothing has no socket"):
        await application.run_async()

    assert [template.text for template in application.templates] == ["plants/{plant}"]


async def test_another_provider_for_the_next_start(broker: Broker) -> None:
    """An application can be given another provider between two starts."""

    class Own(AbstractApplication):
        async def run_async(self) -> None:
            assert self.socket is not None
            await self.socket.publish("a")

    own = Own(nothing, broker.provider(client_id="first"))
    await own.start_async()
    own.use_provider(broker.provider(client_id="second"))
    await own.start_async()

    assert [message.client_id for message in broker.published] == ["first", "second"]


async def test_starting_twice_at_once(make_app: MakeApp, launch: Launch) -> None:
    """A second start while the first runs is refused, and the first goes on."""
    app = make_app()
    app.application("a")(nothing)
    async with launch(app) as run:
        with pytest.raises(RuntimeError, match="running already"):
            await app.start_async()

        assert run.states == ["running"]

    assert run.error is None


async def test_one_application_in_two_runs_at_once(broker: Broker, eventually: Eventually) -> None:
    """An application that runs alone, or in another run, is not started a second time."""
    application = ConsumerApplication(nothing, broker.provider(), topics="a")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(application.start_async)
        await eventually(lambda: application.status == "running")
        with pytest.raises(RuntimeError, match="running already"):
            await Runner([application], handle_signals=False).run()

        assert application.status == "running"

        tasks.cancel_scope.cancel()


# -- from outside ------------------------------------------------------------------------------------------------------


async def test_a_cancellation_from_outside(broker: Broker, make_app: MakeApp, eventually: Eventually) -> None:
    """Cancelling the whole run closes everything, gives messages back, and is no failure."""
    app = make_app()
    app.application("a")(forever)
    app.producer()(forever)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app.start_async)
        await eventually(lambda: app.health().state == "running")
        broker.deliver(SpaMessage(topic="a"))
        await eventually(lambda: app.health().applications[0].in_flight)
        tasks.cancel_scope.cancel()

    assert broker.subscriptions == []
    assert len(broker.given_back) == 1
    assert [each.state for each in app.health().applications] == ["stopped", "stopped"]


@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_asyncios_own_cancellation_from_outside(make_app: MakeApp, eventually: Eventually) -> None:
    """``task.cancel()`` ends a run like any other task."""
    app = make_app()
    app.application("a")(nothing)
    task = asyncio.create_task(app.start_async(handle_signals=False))
    await eventually(lambda: app.health().state == "running")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert task.cancelled()


# -- signals -----------------------------------------------------------------------------------------------------------


async def run_with_signals(
    app: DistributedApplication, *numbers: signal.Signals, busy: bool = False, turns: int = 50
) -> None:
    """Run an application and send this process signals, one after the other, once it runs, or even handles."""
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.start_async)
            while app.health().state != "running" or (busy and not app.health().applications[0].in_flight):
                await anyio.lowlevel.checkpoint()
            for number in numbers:
                signal.raise_signal(number)
                for _ in range(turns):
                    await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_drains(make_app: MakeApp, number: signal.Signals) -> None:
    """The first signal ends an idle application in good order."""
    app = make_app()
    app.application("a")(nothing)
    await run_with_signals(app, number)

    assert app.ending == "drained"


async def test_a_second_signal_cancels(broker: Broker, make_app: MakeApp) -> None:
    """Handlers that do not finish are cancelled by the second signal; their messages are given back."""
    app = make_app()
    app.application("a")(forever)
    app.producer()(publishing)
    await run_with_signals(app, signal.SIGTERM, signal.SIGTERM, busy=True)

    assert app.ending == "forced"
    assert (broker.settled, len(broker.given_back)) == ([], 1)
    assert [each.state for each in app.health().applications] == ["stopped", "stopped"]


async def test_two_signals_in_one_moment(broker: Broker, make_app: MakeApp) -> None:
    """Two signals at once are a first and a second one, and that is how the run has ended."""
    app = make_app()
    app.application("a")(forever)
    app.producer()(publishing)
    await run_with_signals(app, signal.SIGTERM, signal.SIGINT, busy=True, turns=0)

    assert app.ending == "forced"
    assert len(broker.given_back) == 1


async def publishing(socket: SpaSocket) -> None:
    """Publish one message and stay."""
    await socket.publish("a")
    await anyio.sleep_forever()


async def test_a_third_signal_gives_up_closing(make_app: MakeApp) -> None:
    """What hangs on the way out does not keep the process: the third signal cancels that too."""

    @asynccontextmanager
    async def hanging() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await anyio.sleep_forever()

    app = make_app()
    app.application("a", resources={"hanging": hanging})(nothing)
    await run_with_signals(app, signal.SIGTERM, signal.SIGINT, signal.SIGTERM)

    assert app.ending == "forced"


async def test_an_event_loop_without_signals(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the event loop takes no signal handlers, as on Windows, the application runs without."""

    def refuse(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(anyio, "open_signal_receiver", refuse)
    app = make_app()
    app.producer()(nothing)
    await app.start_async(handle_signals=True)

    assert app.ending == "finished"


# -- health ------------------------------------------------------------------------------------------------------------


async def test_health_before_anything_runs(make_app: MakeApp) -> None:
    """A snapshot can be taken at any time: before the start everything is new and nothing happened."""
    app = make_app()
    app.application("a", client_name="listener")(nothing)
    app.producer()(nothing)
    health = app.health()

    assert health.state == "new"
    assert [each.name for each in health.applications] == ["listener", "nothing"]
    (listener, _) = health.applications
    assert (listener.connected, listener.in_flight, listener.oldest, listener.counts.received) == (False, 0, None, 0)
    assert (listener.seconds_since_settled, listener.requests_pending, listener.late_replies) == (None, 0, 0)
    assert listener.transport == {}


async def test_health_while_it_connects(broker: Broker, make_app: MakeApp, launch: Launch) -> None:
    """A snapshot can be taken while a connection is being made, and then says so."""
    app = make_app()
    app.application("a")(nothing)
    broker.before["connect"] = anyio.sleep_forever
    async with launch(app, until=lambda: "connect" in broker.calls) as run:
        assert run.health.state == "starting"
        assert run.health.applications[0].connected is False


async def test_health_of_what_runs(broker: Broker, make_app: MakeApp, launch: Launch, eventually: Eventually) -> None:
    """Handlers that run, the oldest of them, the connection, pending requests and what was settled are all told."""
    app = make_app()
    gates = {b"1": anyio.Event(), b"2": anyio.Event()}

    @app.application("a", concurrency=2)
    async def handle(message: SpaMessage, socket: SpaSocket) -> None:
        if message.payload == b"2":
            with anyio.move_on_after(5):
                await socket.request("nobody")
        await gates[message.payload].wait()

    async with launch(app) as run:
        broker.deliver(SpaMessage(topic="a", payload=b"1"))
        await eventually(lambda: run.health.applications[0].in_flight == 1)
        broker.deliver(SpaMessage(topic="a", payload=b"2"))
        await eventually(lambda: broker.on("nobody"))
        (busy,) = run.health.applications

        assert (busy.in_flight, busy.connected, busy.counts.received) == (2, True, 2)
        assert busy.requests_pending == 1
        assert busy.oldest is not None
        assert busy.oldest.topic == "a"
        assert 0 <= busy.oldest.seconds < 60

        request = broker.on("nobody")[0]
        broker.deliver(SpaMessage(topic=request.response_topic or ""))
        broker.deliver(SpaMessage(topic=request.response_topic or ""))
        for gate in gates.values():
            gate.set()
        await eventually(lambda: run.health.applications[0].counts.handled == 2)
        (idle,) = run.health.applications

        assert (idle.in_flight, idle.oldest, idle.requests_pending, idle.late_replies) == (0, None, 0, 1)
        assert idle.seconds_since_settled is not None
        assert busy.counts.handled == 0, "a snapshot does not change afterwards"

        assert broker.listener is not None
        broker.listener(ConnectionEvent(state="disconnected", reason="cable"))

        assert run.health.applications[0].connected is False

    assert run.health.state == "stopped"


# -- wiring ------------------------------------------------------------------------------------------------------------


async def test_as_many_handlers_run_as_were_asked_for(
    broker: Broker, make_app: MakeApp, launch: Launch, eventually: Eventually
) -> None:
    """A concurrency above the configured prefetch raises that: it does not quietly bound the concurrency."""
    app = make_app(broker.provider(prefetch=2))
    app.application("a", concurrency=5)(forever)
    async with launch(app) as run:
        assert broker.subscriptions[0].spec.prefetch == 5

        for _ in range(10):
            broker.deliver(SpaMessage(topic="a"))
        await eventually(lambda: run.health.applications[0].in_flight == 5)
        app.stop()
        app.applications[0].cancel()


@pytest.mark.parametrize("name", ["Sensor #1", "a+b", "größe", "north/flow"])
async def test_any_readable_name_makes_a_dead_letter(
    broker: Broker, make_app: MakeApp, launch: Launch, eventually: Eventually, name: str
) -> None:
    """An application may be called anything; its dead letters are accepted all the same."""
    app = make_app()
    app.application("a", client_name=name, policy=ONCE)(fails)
    async with launch(app):
        broker.deliver(SpaMessage(topic="a"))
        await eventually(lambda: broker.settled)

    assert broker.published[0].topic.startswith("dead-letters/")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"concurrency": 0}, "at least 1"),
        ({"ordering": "random"}, "key, topic, none"),
        ({"policy": FailurePolicy(dead_letter_topic="dead/#")}, "dead-letter topic"),
        ({"resources": {"socket": 1}}, "'socket'"),
        ({"ressources": {"message": 1}}, "'message'"),
        ({"topics": "a/{b"}, "is invalid"),
    ],
)
async def test_what_cannot_work_is_refused_at_registration(
    make_app: MakeApp, options: dict[str, Any], reason: str
) -> None:
    """A handler that cannot work is refused where it is registered, and nothing is registered."""
    app = make_app()
    with pytest.raises(ConfigurationError, match=reason):
        app.application(**{"topics": "a", **options})(nothing)

    assert app.applications == []


async def test_a_normal_run_is_quiet(
    broker: Broker, make_app: MakeApp, launch: Launch, eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    """From start to drain, one retry included, nothing is logged above INFO, and nothing for each message."""
    caplog.set_level(logging.DEBUG, "spa_core")
    app = make_app()
    answers = iter([ValueError("not yet"), *[None] * 20])

    @app.application("a", policy=FailurePolicy(backoff=0))
    async def handle() -> None:
        if (error := next(answers)) is not None:
            raise error

    async with launch(app):
        for _ in range(20):
            broker.deliver(SpaMessage(topic="a"))
        await eventually(lambda: len(broker.settled) == 20)

    ours = [record for record in caplog.records if record.name.startswith("spa_core")]
    assert max(record.levelno for record in ours) <= logging.INFO
    assert len(ours) <= 5
