"""What every transport's configuration holds; knows no transport."""

from __future__ import annotations

from typing import Annotated

import msgspec

from spa_core.config._faults import IN_CODE, unusable
from spa_core.config._fields import fields_of
from spa_core.config._units import Seconds

__all__ = ["TransportConfig"]


class TransportConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The base of every transport's configuration: frozen, given by keywords, compared by value.

    Made directly, a configuration puts what code means into the form its fields have: a str, a list or ``None`` given
    for a ``tuple[X, ...]`` becomes a tuple, and a str given for a `Secret` is wrapped, so that no ``repr`` shows it.
    Anything else in the place of a secret is refused at once, for the same reason. Nothing more is converted or checked
    until `validate_config`, which a socket provider calls. A subclass with a ``__post_init__`` of its own calls this
    one's first.

    Attributes:
        client_id: The name this client has towards the broker, for brokers that know their clients by name;
            ``None`` lets the transport make one up. Also the default of a message's ``client_id``.
        client_name: A name for people; the default of a message's ``client_name``.
        default_subscription_topics: The topics a socket subscribes to by itself when it is entered.
        group: The consumer group that the default topics are read in: its members share the messages. ``None`` gives
            every socket all messages.
        prefetch: The most messages handed to one subscription and not yet settled, at least 1.
        request_timeout: How many seconds a request waits for its answer unless it says otherwise.

    Raises:
        ParameterError: Something that is no text is given for a `Secret`; it is not shown.
        TypeError: A field is of a type that cannot be a parameter; for the author of a subclass.

    Example:
        >>> class LineConfig(TransportConfig, frozen=True):
        ...     '''A serial line; ``device`` is its path, ``baud`` its speed in bits a second.'''
        ...
        ...     device: str
        ...     baud: int = 9600
        >>> LineConfig(device="/dev/ttyS0", default_subscription_topics="plant/flow").default_subscription_topics
        ('plant/flow',)
    """

    client_id: str | None = None
    client_name: str | None = None
    default_subscription_topics: tuple[str, ...] = ()
    group: Annotated[str, msgspec.Meta(min_length=1)] | None = None
    prefetch: Annotated[int, msgspec.Meta(ge=1)] = 100
    request_timeout: Seconds = 30.0

    def __post_init__(self) -> None:
        """Bring what code gave into the form of the fields."""
        for name, field in fields_of(type(self)).items():
            value: object = getattr(self, name)
            normal = field.reader.normalise(value)
            if field.reader.secret and not field.reader.accepts(normal):
                raise unusable(name, field, value=value, source=IN_CODE)
            if normal is not value:
                msgspec.structs.force_setattr(self, name, normal)
