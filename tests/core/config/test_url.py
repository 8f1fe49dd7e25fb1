"""URLs are read and written without loss, and refused with a reason."""

from __future__ import annotations

import contextlib
import copy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from spa_core.errors import UrlError
from spa_core.url import Host, Secret, Url

if TYPE_CHECKING:
    import ipaddress

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NAMES = TEXTS.filter(bool)
SCHEMES = st.from_regex(r"[a-z][a-z0-9+.-]{0,8}", fullmatch=True)
PORTS = st.none() | st.integers(1, 65535)
ADDRESSES = st.ip_addresses().map(str) | st.just("fe80::1%eth0")
HOSTS = st.lists(st.builds(Host, NAMES | ADDRESSES, PORTS), max_size=3).map(tuple)
PATHS = (
    st.lists(TEXTS).map(lambda levels: "".join(f"/{level}" for level in levels)).filter(lambda path: "//" not in path)
)
QUERIES = st.lists(st.tuples(NAMES, TEXTS), max_size=3).map(tuple)
URLS = st.builds(
    Url,
    scheme=SCHEMES,
    username=st.none() | TEXTS,
    password=st.none() | st.builds(Secret, TEXTS),
    hosts=HOSTS,
    path=PATHS,
    query=QUERIES,
)
"""All URLs there are, in small."""


@given(URLS)
def test_a_revealed_url_reads_back_as_itself(url: Url) -> None:
    """Url.parse(url.reveal()) == url, for every URL that can be made."""
    again = Url.parse(url.reveal())

    assert again == url
    assert hash(again) == hash(url)
    assert again.reveal() == url.reveal()


@given(
    st.text(st.characters()) | st.text("mqt:/@[]%,?&=#.+12 é\ud800") | st.text("x:/@[]%,?&=1").map("mqtt://".__add__)
)
@example("mqtt://[")
@example("mqtt://h:٣")
@example("mqtt://[fe80::1%25%FF]")
def test_no_text_raises_anything_but_a_url_error(text: str) -> None:
    """Whatever the text, it is a URL that reads back as itself, or a UrlError tells why not."""
    with contextlib.suppress(UrlError):
        url = Url.parse(text)

        assert Url.parse(url.reveal()) == url


@given(URLS)
def test_a_shown_url_is_redacted(url: Url) -> None:
    """Text and repr have the scheme, the hosts, the path and the query's names, and stars for all else."""
    shown = str(url)

    assert shown.count("***@") == (url.username is not None or url.password is not None)
    assert shown.count("=***") == len(url.query)
    assert f"{url}" == shown
    assert repr(url) == f"Url({shown!r})"
    assert Url.parse(shown).hosts == url.hosts


def test_all_parts_of_a_url_are_read() -> None:
    """Scheme in lower case, user, password, hosts with ports, path with its slash, query in order with repeats."""
    url = Url.parse("Kafka+SSL://ann:hun:ter%402@b1:9092,b2,[::1]:9094/a%20b/c?topics=a&acks=all&topics=b%26c")

    assert url.scheme == "kafka+ssl"
    assert url.username == "ann"
    assert url.password == Secret("hun:ter@2")
    assert url.hosts == (Host("b1", 9092), Host("b2"), Host("::1", 9094))
    assert url.path == "/a b/c"
    assert url.query == (("topics", "a"), ("acks", "all"), ("topics", "b&c"))
    assert str(url) == "kafka+ssl://***@b1:9092,b2,[::1]:9094/a%20b/c?topics=***&acks=***&topics=***"


@pytest.mark.parametrize(
    ("text", "hosts", "path"),
    [
        ("memory://", (), ""),
        ("memory:///", (), "/"),
        ("memory://Plant%20North", (Host("Plant North"),), ""),
        ("mqtt+unix:///run/mqtt.sock", (), "/run/mqtt.sock"),
        ("mqtt+unix://ann:pw@/run/mqtt.sock", (), "/run/mqtt.sock"),
        ("mqtt://broker?", (Host("broker"),), ""),
        ("mqtt://[fe80::1%25eth0]", (Host("fe80::1%eth0"),), ""),
        ("mqtt://b%C3%BCro,büro", (Host("büro"), Host("büro")), ""),
        ("mqtt://host%2Cone%3A1", (Host("host,one:1"),), ""),
    ],
)
def test_hosts_and_path_can_each_be_absent(text: str, hosts: tuple[Host, ...], path: str) -> None:
    """A URL has any number of hosts, and a path or none."""
    url = Url.parse(text)

    assert url.hosts == hosts
    assert url.path == path


@pytest.mark.parametrize(
    ("text", "username", "password"),
    [
        ("redis://broker", None, None),
        ("redis://@broker", None, None),
        ("redis://ann@broker", "ann", None),
        ("redis://ann:@broker", "ann", Secret("")),
        ("redis://:pw@broker", None, Secret("pw")),
        ("redis://:@broker", None, Secret("")),
    ],
)
def test_user_and_password_can_each_be_absent(text: str, username: str | None, password: Secret | None) -> None:
    """An absent password is told from an empty one; an empty user name is none."""
    url = Url.parse(text)

    assert url.username == username
    assert url.password == password
    assert Url.parse(url.reveal()) == url


def test_a_plus_sign_in_the_query_is_a_plus_sign() -> None:
    """Topics have plus signs as wildcards, so a plus is not read as a blank."""
    url = Url.parse("mqtt://broker?topics=plants/+/flow&note=a%20b")

    assert url.query == (("topics", "plants/+/flow"), ("note", "a b"))
    assert url.reveal() == "mqtt://broker?topics=plants%2F%2B%2Fflow&note=a%20b"


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_stands_in_brackets(address: ipaddress.IPv6Address) -> None:
    """A host shows itself as it stands in a URL."""
    assert str(Host(str(address), 1883)) == f"[{address}]:1883"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "the URL is empty"),
        ("hunter2", "the URL has no '://'"),
        ("mqtt:hunter2", "the URL has no '://'"),
        ("hunter2:x@mqtt://broker", "the URL has something before its '://' that is no scheme"),
        ("://broker", "the URL has something before its '://' that is no scheme"),
        ("mqtt://bro ker", "the mqtt URL has a blank or a control character in it"),
        ("mqtt://broker\n", "the mqtt URL has a blank or a control character in it"),
        ("mqtt://\ud800", "the mqtt URL has a blank or a control character in it"),
        ("mqtt://broker#hunter2", "the mqtt URL has a fragment, which means nothing here"),
        ("mqtt://hunter2@ann@broker", "the mqtt URL has two '@' before its path"),
        ("mqtt://ann:12/hunter2@broker", "the mqtt URL has an '@' behind its hosts"),
        ("mqtt://broker?client_id=ann@hunter2", "the mqtt URL has an '@' behind its hosts"),
        ("mqtt://b1,,b2", "the mqtt URL has a host without a name"),
        ("mqtt://:1883", "the mqtt URL has a host without a name"),
        ("mqtt://ann:hunter2", "the mqtt URL has a port that is not a number"),
        ("mqtt://broker:1_0", "the mqtt URL has a port that is not a number"),
        ("mqtt://broker:123456", "the mqtt URL has a port that is not a number"),
        ("mqtt://broker:", "the mqtt URL has a ':' without a port"),
        ("mqtt://broker:0", "the mqtt URL has a port that is not from 1 to 65535"),
        ("mqtt://broker:65536", "the mqtt URL has a port that is not from 1 to 65535"),
        ("mqtt://::1:1883", "the mqtt URL has several colons in one host"),
        ("mqtt://[::1", "the mqtt URL has an unclosed '[' in a host"),
        ("mqtt://[hunter2]", "the mqtt URL has something in brackets that is no IPv6 address"),
        ("mqtt://[::1]1883", "the mqtt URL has text right behind the ']' of a host"),
        ("mqtt://::1]", "the mqtt URL has several colons in one host"),
        ("mqtt://bro[ker", "the mqtt URL has a bracket that does not enclose a whole IPv6 address"),
        ("mqtt:////broker", "the mqtt URL has a duplicate slash"),
        ("mqtt://broker/a%2F/b", "the mqtt URL has a duplicate slash"),
        ("mqtt://ann:100%@broker", "the mqtt URL has a '%' in its password without two hexadecimal digits behind it"),
        ("mqtt://%E4nn@broker", "the mqtt URL has escapes in its user name that are not UTF-8"),
        ("mqtt://broker?a=%FF", "the mqtt URL has escapes in its query that are not UTF-8"),
        (
            "mqtt://broker?password=hun&ter2",
            "the mqtt URL has something in its query that is not of the form name=value",
        ),
        ("mqtt://broker?a=1&", "the mqtt URL has something in its query that is not of the form name=value"),
        ("mqtt://ann:12?a=hunter2@broker", "the mqtt URL has an '@' behind its hosts"),
        ("mqtt://broker?=hunter2", "the mqtt URL has a value without a name in its query"),
    ],
)
def test_what_is_no_url_is_refused_with_the_reason(text: str, reason: str) -> None:
    """The error says what is wrong and shows no more of the text than the scheme."""
    with pytest.raises(UrlError) as caught:
        Url.parse(text)

    assert caught.value.message == reason
    assert "hunter2" not in str(caught.value)
    assert caught.value.url == ("mqtt://***" if "the mqtt" in reason else "***")


def test_a_missing_separator_shows_the_right_form() -> None:
    """The hint shows two URLs to go by."""
    with pytest.raises(UrlError) as caught:
        Url.parse("localhost:1883")

    assert caught.value.hint == "A URL starts with a scheme and '://', as in memory://name or mqtt://broker:1883"


@pytest.mark.parametrize(
    ("parts", "reason"),
    [
        (
            {"scheme": "MQTT"},
            "the MQTT URL has a scheme that is not made of lower-case letters, digits, '+', '.'",
        ),
        ({"scheme": "hunter 2"}, "the URL has a scheme that is not made of lower-case letters"),
        ({"scheme": "mqtt", "hosts": (Host(""),)}, "the mqtt URL has a host without a name"),
        ({"scheme": "mqtt", "hosts": (Host("b", 0),)}, "the mqtt URL has a port that is not from 1 to 65535"),
        ({"scheme": "mqtt", "path": "a"}, "the mqtt URL has a path that does not start with a slash"),
        ({"scheme": "mqtt", "path": "//a"}, "the mqtt URL has a duplicate slash"),
        ({"scheme": "mqtt", "query": (("", "1"),)}, "the mqtt URL has a value without a name in its query"),
        ({"scheme": "mqtt", "username": "\ud800"}, "the mqtt URL has a character that UTF-8 cannot write"),
        ({"scheme": "mqtt", "password": Secret("\ud800")}, "the mqtt URL has a character that UTF-8 cannot write"),
        ({"scheme": "mqtt", "query": (("a", "\ud800"),)}, "the mqtt URL has a character that UTF-8 cannot write"),
    ],
)
def test_no_url_can_be_made_that_could_not_be_read(parts: dict[str, Any], reason: str) -> None:
    """Parts given in code keep the rules of the text."""
    with pytest.raises(UrlError) as caught:
        Url(**parts)

    assert caught.value.message.startswith(reason)


def test_a_url_is_a_value() -> None:
    """A URL cannot be changed, and a copy equals it."""
    url = Url.parse("mqtt://ann:pw@broker")

    with pytest.raises(AttributeError):
        url.path = "/a"  # type: ignore[misc]
    assert copy.deepcopy(url) == url
    assert url != Url.parse("mqtt://ann:wp@broker")
