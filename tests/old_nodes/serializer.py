"""
The serializer of spa-dat, asked line by line; run by the Python of an environment that holds spa-dat.

A line in is a JSON string, what is on the wire. A line out is a JSON object: the fields that a node reads from it, and
what a node writes for the message it has read.
"""

from __future__ import annotations

import json
import sys
import warnings

from spa_dat.serialization import JsonSerializer

warnings.simplefilter("ignore")  # pydantic's about spa-dat
serializer = JsonSerializer()
for line in sys.stdin:
    message = serializer.deserialize(json.loads(line))
    read = json.loads(message.model_dump_json())
    print(json.dumps({"read": read, "written": serializer.serialize(message).decode()}), flush=True)  # noqa: T201
