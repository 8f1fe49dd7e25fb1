"""URLs and the secrets in them; knows how they are written, not which transport a scheme selects."""

from __future__ import annotations

from spa_core.url._host import Host
from spa_core.url._secret import Secret
from spa_core.url._url import Url

__all__ = ["Host", "Secret", "Url"]
