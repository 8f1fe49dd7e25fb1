"""
Between bytes and objects: the codec protocol, the built-in codecs and the registry that picks one by content type.

This package knows media types and nothing of brokers, entry points or handlers. There is no pickle: what arrives from
a network is never executed.
"""

from __future__ import annotations

from spa_core.codecs._plain import BytesCodec, TextCodec
from spa_core.codecs._protocol import Codec
from spa_core.codecs._registry import CodecRegistry
from spa_core.codecs._structured import JsonCodec, MsgpackCodec

__all__ = ["BytesCodec", "Codec", "CodecRegistry", "JsonCodec", "MsgpackCodec", "TextCodec"]
