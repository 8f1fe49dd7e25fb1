"""Which codec serves a content type, and what is said when none does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.codecs import BytesCodec, Codec, CodecRegistry, JsonCodec, MsgpackCodec, TextCodec
from spa_core.errors import (
    ConfigurationError,
    PluginConflictError,
    PluginLoadError,
    SpaError,
    UnknownContentTypeError,
)
from spa_core.message import SpaMessage

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

BUILT_IN = (
    "application/json",
    "application/msgpack",
    "application/octet-stream",
    "application/vnd.msgpack",
    "application/x-msgpack",
    "text/plain",
)


class FakeCodec:
    """A codec of any content types, as a third party would write it."""

    def __init__(self, *content_types: str) -> None:
        self.content_types = content_types

    def encode(self, value: object, *, topic: str, headers: MutableMapping[str, str], is_key: bool) -> bytes:
        """Write the value's text and leave a trace in the headers."""
        headers["trace"] = f"{topic} {is_key}"
        return str(value).encode()

    def decode(self, payload: bytes, wanted: Any, *, topic: str, headers: Mapping[str, str], is_key: bool) -> Any:  # noqa: ANN401
        """Return all that was given."""
        return payload, wanted, topic, headers, is_key


class Finder:
    """Plugins by media subtype; notes what it was asked for."""

    def __init__(self, **answers: Codec | SpaError) -> None:
        self.answers = answers
        self.asked: list[str] = []

    def __call__(self, subtype: str) -> Codec | None:
        """Return or raise what was prepared for *subtype*."""
        self.asked.append(subtype)
        answer = self.answers.get(subtype)
        if isinstance(answer, SpaError):
            raise answer
        return answer


@pytest.mark.parametrize(
    ("content_type", "kind"),
    [
        ("application/json", JsonCodec),
        ("APPLICATION/JSON; charset=latin-1", JsonCodec),
        ("application/vnd.acme+json", JsonCodec),
        ("application/vnd.acme+JSON;v=2", JsonCodec),
        ("application/msgpack", MsgpackCodec),
        ("application/x-msgpack", MsgpackCodec),
        ("application/vnd.msgpack", MsgpackCodec),
        ("application/vnd.acme+msgpack", MsgpackCodec),
        ("text/plain; charset=utf-8", TextCodec),
        ("application/octet-stream", BytesCodec),
    ],
)
def test_built_in_codecs(content_type: str, kind: type) -> None:
    """The built-in codecs serve their types, aliases and suffixes, without regard to parameters and case."""
    assert type(CodecRegistry().codec_for(content_type)) is kind


def test_registered_content_types_are_listed() -> None:
    """The content types that need no plugin can be listed."""
    assert CodecRegistry().content_types == BUILT_IN


def test_built_ins_and_fakes_are_codecs() -> None:
    """The protocol can be asked at run time."""
    for codec in (JsonCodec(), MsgpackCodec(), TextCodec(), BytesCodec(), FakeCodec("a/b")):
        assert isinstance(codec, Codec)


def test_given_codec_wins_over_the_built_in() -> None:
    """An application can replace the JSON codec, suffixes included, and the other types stay."""
    mine = FakeCodec("Application/JSON")
    registry = CodecRegistry([mine])

    assert registry.codec_for("application/json") is mine
    assert registry.codec_for("application/vnd.acme+json") is mine
    assert type(registry.codec_for("application/msgpack")) is MsgpackCodec


def test_exact_type_wins_over_its_suffix() -> None:
    """A codec for a very type is taken before the one for its suffix."""
    exact = FakeCodec("application/vnd.acme+json")
    registry = CodecRegistry([exact])

    assert registry.codec_for("application/vnd.acme+json") is exact
    assert type(registry.codec_for("application/vnd.other+json")) is JsonCodec


def test_two_given_codecs_for_one_type_conflict() -> None:
    """Two given codecs that claim one content type are an error naming both; one given twice is not."""
    cbor = FakeCodec("application/cbor")

    with pytest.raises(PluginConflictError, match="the content type 'application/cbor' is claimed by ") as caught:
        CodecRegistry([cbor, FakeCodec("application/CBOR")])
    assert caught.value.plugin == "application/cbor"
    assert all(name.endswith("FakeCodec") for name in caught.value.distributions)
    assert CodecRegistry([cbor, cbor]).codec_for("application/cbor") is cbor


@pytest.mark.parametrize("wrong", [object(), FakeCodec, JsonCodec], ids=["object", "class", "built-in class"])
def test_what_is_no_codec_is_refused(wrong: Any) -> None:  # noqa: ANN401
    """A class or any other object in the place of a codec is refused when the registry is made."""
    with pytest.raises(ConfigurationError, match="is no codec"):
        CodecRegistry([wrong])


def test_content_types_must_be_a_tuple() -> None:
    """A single string would be taken letter by letter, so it is refused."""
    codec = FakeCodec()
    codec.content_types = "application/cbor"  # type: ignore[assignment]

    with pytest.raises(ConfigurationError, match=r"content_types of .*FakeCodec must be a tuple"):
        CodecRegistry([codec])


def test_default_content_type_must_be_served() -> None:
    """A default nobody serves is refused when the registry is made, with the nearest match."""
    with pytest.raises(UnknownContentTypeError, match="Did you mean 'application/json'"):
        CodecRegistry(default_content_type="application/jsn")


def test_unknown_content_type_names_the_way_out() -> None:
    """The error names what is installed, plugins included, and the entry point that would help."""
    registry = CodecRegistry(find=Finder(), known=lambda: ["toml"])

    with pytest.raises(UnknownContentTypeError) as caught:
        registry.codec_for("image/tga")

    assert str(caught.value) == (
        "no codec is installed for content type 'image/tga'; installed are: application/json, application/msgpack, "
        "application/octet-stream, application/vnd.msgpack, application/x-msgpack, text/plain, toml. "
        "A distribution with an entry point 'tga' in the group 'spa_core.codecs' would bring one"
    )
    assert caught.value.content_type == "image/tga"
    assert caught.value.installed == (*BUILT_IN, "toml")


@pytest.mark.parametrize(
    ("content_type", "hint"),
    [
        ("aplication/json", "Did you mean 'application/json'? "),
        ("json", "Did you mean 'application/json'? A content type has the form 'type/subtype'"),
        ("x/msgpck", "Did you mean 'application/msgpack'? "),
        ("", "A content type has the form 'type/subtype'"),
    ],
)
def test_nearest_content_type_is_named(content_type: str, hint: str) -> None:
    """A misspelt content type gets the nearest one as a hint, also when only the subtype was written."""
    with pytest.raises(UnknownContentTypeError) as caught:
        CodecRegistry().codec_for(content_type)

    assert caught.value.hint is not None
    assert caught.value.hint.startswith(hint)


@pytest.mark.parametrize(
    "content_type",
    ["application/x-pickle", "application/python-pickle", "application/x-python-serialize", "application/x+pickle"],
)
def test_pickle_is_refused(content_type: str) -> None:
    """There is no codec that would execute what arrives."""
    with pytest.raises(UnknownContentTypeError):
        CodecRegistry().codec_for(content_type)


def test_plugin_is_asked_for_once() -> None:
    """A plugin is found by media subtype, and its answer is kept, whether there is one or not."""
    cbor = FakeCodec("application/cbor")
    find = Finder(cbor=cbor)
    registry = CodecRegistry(find=find)

    for _ in range(3):
        assert registry.codec_for("application/CBOR") is cbor
        assert registry.decode(SpaMessage(topic="t", payload=b"x", content_type="application/xyz")) == b"x"
    assert find.asked == ["cbor", "xyz"]


def test_plugin_is_not_asked_for_what_is_here() -> None:
    """Registered codecs are used without a look at plugins."""
    find = Finder()
    registry = CodecRegistry(find=find)

    assert type(registry.codec_for("application/json")) is JsonCodec
    assert find.asked == []


def test_plugin_for_the_exact_type_then_for_the_suffix() -> None:
    """A plugin for the very type is asked for first, then the suffix is tried, with plugins as well."""
    cbor = FakeCodec("application/cbor")
    find = Finder(cbor=cbor)
    registry = CodecRegistry(find=find)

    assert registry.codec_for("application/vnd.acme+cbor") is cbor
    assert type(registry.codec_for("application/vnd.acme+json")) is JsonCodec
    assert find.asked == ["vnd.acme+cbor", "cbor", "vnd.acme+json"]


def test_broken_plugin_is_asked_for_once_and_refused_each_time() -> None:
    """A plugin that fails to load is an UnknownContentTypeError with its reason, and never quietly bytes."""
    reason = PluginLoadError("Plugin 'cbor' cannot be imported", plugin="cbor", distribution="spa-cbor")
    find = Finder(cbor=reason)
    registry = CodecRegistry(find=find)
    message = SpaMessage(topic="t", payload=b"x", content_type="application/cbor")

    with pytest.raises(UnknownContentTypeError) as caught:
        registry.codec_for("application/cbor")
    assert str(caught.value) == (
        "the codec for content type 'application/cbor' cannot be used: Plugin 'cbor' cannot be imported"
    )
    assert caught.value.__cause__ is reason
    for wanted in (Any, str, int):
        with pytest.raises(UnknownContentTypeError, match="cannot be used"):
            registry.decode(message, wanted)
    assert registry.decode(message, bytes) == b"x"
    assert find.asked == ["cbor"]


def test_plugin_that_gives_no_codec_is_refused() -> None:
    """An entry point that leads to anything but a codec is an error that says so."""
    registry = CodecRegistry(find=Finder(cbor=FakeCodec))  # type: ignore[arg-type]

    with pytest.raises(UnknownContentTypeError, match="FakeCodec is no codec"):
        registry.codec_for("application/cbor")


def test_unknown_charset_is_refused() -> None:
    """A text in a charset nobody knows is not read as if it were another one."""
    registry = CodecRegistry()
    message = SpaMessage(topic="t", payload=b"x", content_type="text/plain; charset=klingon")

    with pytest.raises(UnknownContentTypeError, match="cannot be used: unknown charset 'klingon'"):
        registry.decode(message, str)


def test_many_content_types_take_bounded_memory() -> None:
    """Content types that a peer makes up, many or long ones, do not pile up."""
    registry = CodecRegistry()

    for number in range(1000):
        assert registry.decode(SpaMessage(topic="t", payload=b"x", content_type=f"made/up{number}")) == b"x"
    kept = len(registry._codecs)
    long = SpaMessage(topic="t", payload=b"{}", content_type="application/json; x=" + "y" * 10_000)
    assert registry.decode(long) == {}

    assert kept <= 256
    assert len(registry._codecs) == kept


def test_long_content_type_is_shortened_in_errors() -> None:
    """An error does not repeat a content type of any length."""
    with pytest.raises(UnknownContentTypeError) as caught:
        CodecRegistry().codec_for("made/" + "up" * 10_000)

    assert len(str(caught.value)) < 1000


@given(st.text())
def test_no_content_type_raises_anything_else(content_type: str) -> None:
    """Whatever a peer writes as its content type, there is a codec for it or an UnknownContentTypeError."""
    try:
        codec = CodecRegistry().codec_for(content_type)
    except UnknownContentTypeError:
        return

    assert isinstance(codec, Codec)
