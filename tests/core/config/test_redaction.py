"""A secret, wherever it is put, is seen nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spa_core.config import TransportConfig, config_from_url, describe_config, replace_config, validate_config
from spa_core.errors import SpaError
from spa_core.url import Host, Secret, Url

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class VaultConfig(TransportConfig, frozen=True):
    """Secrets in every place a field can have them."""

    password: Secret = Secret("")
    token: Secret | None = None
    keys: tuple[Secret, ...] = ()
    few: Annotated[tuple[Secret, ...], msgspec.Meta(max_length=0)] = ()
    number: int = 0


SECRETS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20).map("§7Kq{}§".format)
"""Secrets of any characters; what marks them occurs nowhere else."""

WORDS = st.sampled_from(["passwort", "passwrd", "pass-word", "x", "tokens", "PASSWORD", "unknown"])


def traces(secret: str) -> Callable[[str], bool]:
    """Return what tells whether a text holds the secret, in clear, escaped or percent-encoded."""
    forms = {secret, repr(secret)[1:-1], quote(secret, safe=""), "7Kq"}
    return lambda text: any(form in text for form in forms)


def texts_of(error: BaseException | None) -> Iterator[str]:
    """Return all that an error and those behind it can show."""
    while error is not None:
        yield from (str(error), repr(error), f"{error}", repr(error.args), repr(vars(error)))
        yield from (str(value) for value in vars(error).values())
        yield from getattr(error, "__notes__", ())
        error = error.__cause__ or error.__context__


def shown(action: Callable[[], object]) -> list[str]:
    """Do something and return everything it shows, by its result or its error."""
    try:
        result = action()
    except SpaError as error:
        return list(texts_of(error))
    texts = [str(result), repr(result), f"{result}", format(result, "")]
    if isinstance(result, TransportConfig):
        texts += [describe_config(result), str(tuple(result.__rich_repr__()))]
    return texts


@given(SECRETS, SECRETS)
def test_userinfo_is_never_shown(user: str, password: str) -> None:
    """A user name and a password, well formed, are in no text of the URL."""
    url = Url(scheme="x", username=user, password=Secret(password), hosts=(Host("h"),))

    assert not any(map(traces(user), shown(lambda: url)))
    assert not any(map(traces(password), shown(lambda: Url.parse(url.reveal()))))


@given(
    SECRETS,
    st.sampled_from(
        [
            "{}",
            "{}://h",
            "x:{}",
            "x:/{}@h",
            "x://u:{}",
            "x://u:{}@h:port",
            "x://{}:p@h:0",
            "x://u:{}@[::1",
            "x://u:{}@[::1]x",
            "x://u:{}@h//p",
            "x://u:{}@h,,h",
            "x://u:{}@h@h",
            "x://u:1/{}@h",
            "x://u:{}@h#f",
            "x://u:{}@h?a",
            "x://u:{}@h%",
            "x://u:{}%FF@h",
            "x://u:%{}@h",
            "x://u: {}@h",
            "x://h?password={}&b",
            "x://h?password=a&{}",
            "x://h?={}",
            "x://h?password=%{}",
            "x://h#{}",
            "x://h:{}",
            "x://h:1:{}",
            "x://[{}]",
            "x://[{}",
            "x://[::1]{}",
        ]
    ),
)
def test_an_unreadable_url_shows_nothing_of_itself(secret: str, template: str) -> None:
    """Wherever a URL is broken, its error shows no secret that was in it."""
    with pytest.raises(SpaError) as caught:
        Url.parse(template.format(quote(secret, safe="")))

    assert not any(map(traces(secret), texts_of(caught.value)))
    assert not any(map(traces(secret), shown(lambda: Url.parse(template.format(secret)))))


@given(
    SECRETS,
    st.sampled_from(["x://u:{}@h", "x://{}@h", "x://:{}@h/p?a=1", "x://u:1{}@h", "x://u:1/{}@h", "x://h?password={}"]),
)
def test_a_secret_that_nobody_encoded_is_not_shown_either(secret: str, template: str) -> None:
    """A password pasted as it is, with any characters, gives a redacted URL or an error without it."""
    assert not any(map(traces(secret), shown(lambda: Url.parse(template.format(secret)))))


@given(SECRETS, st.sampled_from(["password", "token", "keys", "few"]) | WORDS, st.integers(1, 2))
def test_a_query_value_is_never_shown(secret: str, name: str, times: int) -> None:
    """Under a known, an unknown or a misspelt name, once or repeated, a value is in no URL, configuration or error."""
    url = Url(scheme="x", hosts=(Host("h"),), query=((name, secret),) * times)
    leaks = traces(secret)

    assert not any(map(leaks, shown(lambda: url)))
    assert not any(map(leaks, shown(lambda: config_from_url(VaultConfig, url))))
    assert not any(map(leaks, shown(lambda: config_from_url(VaultConfig, url, fixed={"password": secret}))))


@given(SECRETS, st.sampled_from(["password", "token"]))
def test_a_good_secret_is_not_shown_when_another_parameter_is_bad(secret: str, name: str) -> None:
    """The error of one parameter tells nothing of the others."""
    leaks = traces(secret)

    for bad in [("number", "x"), ("nubmer", "1"), (name, "again")]:
        url = Url(scheme="x", query=((name, secret), bad))
        with pytest.raises(SpaError) as caught:
            config_from_url(VaultConfig, url)
        assert not any(map(leaks, texts_of(caught.value)))


@given(
    SECRETS, st.sampled_from(["password", "token", "keys", "few"]) | WORDS, st.sampled_from([str, Secret, list, bytes])
)
def test_a_secret_given_in_code_is_never_shown(secret: str, name: str, form: type) -> None:
    """Whatever form a secret is given in, right or wrong, no configuration or error shows it."""
    value: Any = [secret] if form is list else secret.encode() if form is bytes else form(secret)
    leaks = traces(secret)

    assert not any(map(leaks, shown(lambda: replace_config(VaultConfig(), **{name: value}))))
    if name in VaultConfig.__struct_fields__:
        assert not any(map(leaks, shown(lambda: VaultConfig(**{name: value}))))
        assert not any(map(leaks, shown(lambda: validate_config(VaultConfig(**{name: value})))))
