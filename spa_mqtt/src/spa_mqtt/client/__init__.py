"""
The one seam over aiomqtt and paho: a connection from CONNECT to its end, as typed calls and three callbacks.

Nothing outside of this package imports either, and nothing in it knows of messages.
"""

from __future__ import annotations

from spa_mqtt.client._connection import Connection

__all__ = ["Connection"]
