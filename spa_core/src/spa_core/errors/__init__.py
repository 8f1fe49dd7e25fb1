"""
Every error SPA raises, drawn as a tree.

::

    SpaError
    ├── ConfigurationError (ValueError)    wrong before anything ran
    │   ├── UrlError                       the URL cannot be read
    │   ├── UnknownSchemeError             no installed transport serves the scheme
    │   ├── ParameterError                 unknown or unusable configuration parameter
    │   ├── TopicError                     invalid topic, filter or template
    │   ├── SignatureError                 a handler's signature cannot be satisfied
    │   └── CapabilityError                the transport does not declare what is asked
    ├── PluginError                        a plugin stands in the way
    │   ├── PluginLoadError                its import failed
    │   └── PluginConflictError            two distributions claim one name
    ├── CodecError                         between bytes and objects
    │   ├── DecodeError (ValueError)       the payload is not what the type asks for
    │   ├── EncodeError (TypeError)        the object cannot be written in the content type
    │   └── UnknownContentTypeError        no codec for the content type
    ├── TransportError                     between us and the broker
    │   ├── ConnectError                   no connection within the deadline
    │   │   └── AuthenticationError        the broker refused the credentials
    │   ├── DisconnectedError              the connection ended while in use
    │   ├── SocketClosedError              used before opening or after closing
    │   ├── SubscribeError                 the broker refused the subscription
    │   └── PublishError                   the message was not accepted
    │       ├── QueueFullError             a bounded queue stayed full
    │       ├── MessageTooLargeError       larger than the transport allows
    │       └── PublishRefusedError        the broker said no
    ├── RequestError                       a request got no answer to return
    │   ├── RequestTimeoutError (TimeoutError)
    │   ├── NoRespondersError              nobody listens on the topic
    │   └── RemoteError                    the responder failed; its error travelled back
    ├── ApplicationError                   an application ended for good
    │   ├── ResourceError                  a resource failed to enter or to exit
    │   └── HandlerFailedError             a handler failed under ``then="stop"``
    └── RejectError                        raised *by* handlers: do not try again
    EndOfSubscription (Exception)          no further delivery will come; no fault, like StopIteration

Facts are attributes, ``hint`` is the way out. A driver's exception is always the ``__cause__``.
"""

from __future__ import annotations

from spa_core.errors._base import SpaError
from spa_core.errors._codec import (
    CodecError,
    DecodeError,
    EncodeError,
    UnknownContentTypeError,
)
from spa_core.errors._configuration import (
    CapabilityError,
    ConfigurationError,
    ParameterError,
    PluginConflictError,
    PluginError,
    PluginLoadError,
    SignatureError,
    TopicError,
    UnknownSchemeError,
    UrlError,
)
from spa_core.errors._runtime import (
    ApplicationError,
    HandlerFailedError,
    NoRespondersError,
    RejectError,
    RemoteError,
    RequestError,
    RequestTimeoutError,
    ResourceError,
)
from spa_core.errors._transport import (
    AuthenticationError,
    ConnectError,
    DisconnectedError,
    EndOfSubscription,
    MessageTooLargeError,
    PublishError,
    PublishRefusedError,
    QueueFullError,
    SocketClosedError,
    SubscribeError,
    TransportError,
)

__all__ = [
    "ApplicationError",
    "AuthenticationError",
    "CapabilityError",
    "CodecError",
    "ConfigurationError",
    "ConnectError",
    "DecodeError",
    "DisconnectedError",
    "EncodeError",
    "EndOfSubscription",
    "HandlerFailedError",
    "MessageTooLargeError",
    "NoRespondersError",
    "ParameterError",
    "PluginConflictError",
    "PluginError",
    "PluginLoadError",
    "PublishError",
    "PublishRefusedError",
    "QueueFullError",
    "RejectError",
    "RemoteError",
    "RequestError",
    "RequestTimeoutError",
    "ResourceError",
    "SignatureError",
    "SocketClosedError",
    "SpaError",
    "SubscribeError",
    "TopicError",
    "TransportError",
    "UnknownContentTypeError",
    "UnknownSchemeError",
    "UrlError",
]

# Users see, import and pickle the errors from here; which file defines them is nobody's business.
for _name in __all__:
    globals()[_name].__module__ = __name__
