"""JSON and MessagePack: what is written is read back, and whatever else arrives is one kind of error."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime as dt
import math
from typing import Annotated, Any, TypedDict

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.codecs import Codec, JsonCodec, MsgpackCodec
from spa_core.errors import DecodeError, EncodeError

CODECS = [JsonCodec(), MsgpackCodec()]

each_codec = pytest.mark.parametrize("codec", CODECS, ids=["json", "msgpack"])


class Reading(msgspec.Struct):
    """One measurement."""

    plant: str
    flow: float
    tags: list[str] = []


class Alarm(msgspec.Struct):
    """Another struct without a tag."""

    plant: str


@dataclasses.dataclass
class Limit:
    """A dataclass around a struct."""

    reading: Reading
    at: dt.datetime | None


class Row(TypedDict):
    """A typed dict."""

    number: int
    flag: bool | None


def encode(codec: Codec, value: object, *, is_key: bool = False) -> bytes:
    """Write *value* for a fixed topic."""
    return codec.encode(value, topic="plants/north", headers={}, is_key=is_key)


def decode(codec: Codec, payload: bytes, wanted: object = Any, *, is_key: bool = False) -> object:
    """Read *payload* from a fixed topic."""
    return codec.decode(payload, wanted, topic="plants/north", headers={}, is_key=is_key)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=20,
)
msgpack_values = st.recursive(
    json_values | st.binary() | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text() | st.integers(-5, 5), inner, max_size=5),
    max_leaves=20,
)
readings = st.builds(Reading, plant=st.text(), flow=st.floats(allow_nan=False, allow_infinity=False))
typed_values = st.one_of(
    st.tuples(st.just(Reading), readings),
    st.tuples(
        st.just(Limit),
        st.builds(Limit, reading=readings, at=st.none() | st.datetimes(timezones=st.just(dt.UTC))),
    ),
    st.tuples(st.just(Row), st.fixed_dictionaries({"number": st.integers(0, 9), "flag": st.none() | st.booleans()})),
    st.tuples(st.just(list[Reading]), st.lists(readings, max_size=3)),
    st.tuples(st.just(bytes), st.binary()),
    st.tuples(st.just(tuple[int, str] | None), st.none() | st.tuples(st.integers(0, 9), st.text())),
)


@given(json_values)
def test_json_values_come_back(value: object) -> None:
    """Whatever JSON has a form for comes back as it was written."""
    codec = JsonCodec()

    assert decode(codec, encode(codec, value)) == value
    assert decode(codec, encode(codec, value), object) == value


@given(msgpack_values)
def test_msgpack_values_come_back(value: object) -> None:
    """Whatever MessagePack has a form for comes back as it was written, bytes and infinities included."""
    codec = MsgpackCodec()

    assert decode(codec, encode(codec, value)) == value


@each_codec
@given(typed_values)
def test_typed_values_come_back(codec: Codec, typed: tuple[object, object]) -> None:
    """Structs, dataclasses, typed dicts and generic types come back as what was asked for."""
    wanted, value = typed

    assert decode(codec, encode(codec, value), wanted) == value


@each_codec
@given(
    st.binary() | st.text().map(str.encode),
    st.sampled_from(
        [Any, object, Reading, Limit, Row, int, str, bytes, list[float], None, Annotated[dict, {"no": "hash"}]]
    ),
)
def test_arbitrary_bytes_raise_nothing_but_codec_errors(codec: Codec, payload: bytes, wanted: object) -> None:
    """Whatever bytes arrive, they are read or refused with a DecodeError."""
    with contextlib.suppress(DecodeError):
        decode(codec, payload, wanted)


@each_codec
@pytest.mark.parametrize("depth_byte", [b"[", b"\x91"], ids=["json", "msgpack"])
def test_nesting_beyond_reason_is_a_decode_error(codec: Codec, depth_byte: bytes) -> None:
    """A payload nested deeper than the interpreter can follow is refused like any other."""
    with pytest.raises(DecodeError):
        decode(codec, depth_byte * 200_000)


def test_decode_error_says_what_and_where() -> None:
    """The error names size, content type, topic, wanted type and the path to the culprit, and chains the cause."""
    payload = b'{"plant":"north","flow":"hunter2"}'

    with pytest.raises(DecodeError) as caught:
        decode(JsonCodec(), payload, Reading)

    assert str(caught.value) == (
        "the application/json payload of 34 bytes on 'plants/north' cannot be read as Reading: "
        "Expected `float`, got `str` - at `$.flow`"
    )
    assert caught.value.content_type == "application/json"
    assert isinstance(caught.value.__cause__, msgspec.ValidationError)


@each_codec
@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=12, max_size=12))
def test_payload_is_never_echoed(codec: Codec, secret: str) -> None:
    """An error never holds what was in the payload."""
    for value, wanted in [(secret, int), ([secret], Reading), ({"plant": "north", "flow": secret}, Reading)]:
        with pytest.raises(DecodeError) as caught:
            decode(codec, encode(codec, value), wanted)

        assert secret not in str(caught.value)
    with pytest.raises(DecodeError) as caught:
        decode(codec, secret.encode() + b"\xc1", Reading)
    assert secret not in str(caught.value)


def test_key_is_named_as_such() -> None:
    """An error about a key says key."""
    with pytest.raises(DecodeError, match="the application/json key of 1 bytes on 'plants/north'"):
        decode(JsonCodec(), b"x", int, is_key=True)


@each_codec
def test_generic_types_are_named_in_full(codec: Codec) -> None:
    """A wanted type that is no class is named as it is written."""
    with pytest.raises(DecodeError, match=r"as list\[int\] \| None: "):
        decode(codec, encode(codec, "text"), list[int] | None)


@each_codec
def test_type_msgspec_cannot_read_is_a_decode_error(codec: Codec) -> None:
    """A union of structs without tags is refused with the reason, each time."""
    for _ in range(2):
        with pytest.raises(DecodeError, match="must be tagged"):
            decode(codec, encode(codec, {}), Reading | Alarm)


@each_codec
def test_failing_validator_is_a_decode_error(codec: Codec) -> None:
    """A wanted type whose own check raises anything at all makes a DecodeError."""

    class Checked(msgspec.Struct):
        number: int

        def __post_init__(self) -> None:
            raise KeyError

    with pytest.raises(DecodeError, match="KeyError") as caught:
        decode(codec, encode(codec, {"number": 1}), Checked)

    assert isinstance(caught.value.__cause__, KeyError)


@each_codec
def test_types_without_hash_are_served(codec: Codec) -> None:
    """An annotation that cannot be hashed is read as well, only not from the table."""
    wanted = Annotated[dict[str, int], {"unit": "m3/h"}]

    assert decode(codec, encode(codec, {"flow": 1}), wanted) == {"flow": 1}


@each_codec
def test_many_wanted_types_take_bounded_memory(codec: JsonCodec) -> None:
    """Types made at run time do not pile up."""
    for number in range(1000):
        assert decode(codec, encode(codec, number), Annotated[int, number]) == number

    assert len(codec._decoders) <= 256


@each_codec
def test_unknown_types_are_encode_errors(codec: Codec) -> None:
    """An object msgspec does not know is refused with type, content type, topic and a way out."""
    with pytest.raises(EncodeError) as caught:
        encode(codec, object())

    assert str(caught.value) == (
        f"a value of type object cannot be written as the {codec.content_types[0]} payload for 'plants/north': "
        "Encoding objects of type object is unsupported. "
        "It takes msgspec structs, dataclasses, typed dicts and built-in types; other types need their own codec"
    )
    assert caught.value.content_type == codec.content_types[0]
    assert isinstance(caught.value.__cause__, TypeError)


@pytest.mark.parametrize("value", [2**70, "\ud800"], ids=["too large", "no Unicode"])
def test_values_out_of_range_are_encode_errors(value: object) -> None:
    """A value of a known type that the format cannot hold is an EncodeError."""
    with pytest.raises(EncodeError):
        encode(MsgpackCodec(), value)


@each_codec
@given(st.dictionaries(st.text(), st.frozensets(st.integers(0, 99)), min_size=2))
def test_equal_keys_give_equal_bytes(codec: Codec, key: dict[str, frozenset[int]]) -> None:
    """However a key's entries are ordered, its bytes are the same, so that equal keys meet in one lane."""
    turned = dict(reversed(key.items()))

    assert encode(codec, key, is_key=True) == encode(codec, turned, is_key=True)


def test_nan_is_null_in_json_and_itself_in_msgpack() -> None:
    """JSON has no NaN and gets null; MessagePack carries it."""
    assert encode(JsonCodec(), math.nan) == b"null"
    assert decode(MsgpackCodec(), encode(MsgpackCodec(), math.nan)) != 0


def test_reprs_are_readable() -> None:
    """A codec shows its class."""
    assert [repr(codec) for codec in CODECS] == ["JsonCodec()", "MsgpackCodec()"]
