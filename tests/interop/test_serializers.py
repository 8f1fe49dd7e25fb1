"""What SPA writes spa-dat reads, and what spa-dat writes SPA reads, whatever a message holds; no broker is needed."""

from __future__ import annotations

import json
import math
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import old_nodes
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core import SpaMessage
from spa_core.envelopes import SpaDatEnvelope

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Ask = Callable[[bytes], dict[str, Any]]

SERIALIZER = Path(old_nodes.__file__).with_name("serializer.py")

texts = st.text(st.characters(exclude_categories=["Cs"]))
names = st.none() | texts
messages = st.builds(
    SpaMessage,
    topic=st.just("plants/north/flow"),
    payload=texts,
    content_type=names,
    client_id=names,
    client_name=names,
    response_topic=st.none() | st.just("plants/north/answers"),
    quality_of_service=st.sampled_from([None, 0, 1, 2]),
    timestamp=st.floats(0, 4e9),
)


@pytest.fixture(scope="module", params=["0.3.0", "0.4.0"])
def version(request: pytest.FixtureRequest) -> str:
    """One version of spa-dat after the other."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def ask(version: str, python_of: Callable[[str], Path]) -> Iterator[Ask]:
    """Asks the serializer of this version."""
    command = [str(python_of(version)), str(SERIALIZER)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        question, answer = process.stdin, process.stdout
        assert question is not None
        assert answer is not None

        def tell(wire: bytes) -> dict[str, Any]:
            print(json.dumps(wire.decode()), file=question, flush=True)
            answered: dict[str, Any] = json.loads(answer.readline())
            return answered

        yield tell


@given(message=messages)
def test_node_reads(message: SpaMessage, ask: Ask, version: str) -> None:
    """A node reads every field as it was given; a time in whole seconds, and the level 2 where none is given."""
    wire = SpaDatEnvelope("0.3" if version == "0.3.0" else "0.4").wrap(message)

    read = ask(wire.payload)["read"]

    expected = {name: getattr(message, name) for name in read}
    expected |= {"payload": message.payload.decode(), "timestamp": math.floor(message.timestamp or 0.0)}
    if version == "0.4.0" and message.quality_of_service is None:
        expected["quality_of_service"] = 2
    assert read == expected


@given(message=messages)
def test_node_writes(message: SpaMessage, ask: Ask, version: str) -> None:
    """SPA reads every field of what a node writes, from either dialect without being told which."""
    wire = SpaDatEnvelope("0.3" if version == "0.3.0" else "0.4").wrap(message)
    answered = ask(wire.payload)
    arrived = SpaMessage(topic=message.topic, payload=answered["written"])

    read = SpaDatEnvelope().unwrap(arrived)

    fields = {**answered["read"], "payload": message.payload}
    assert {name: getattr(read, name) for name in fields} == fields
