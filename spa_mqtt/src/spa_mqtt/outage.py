"""
What the log says of a broker that is away: once that it is, once of every way it fails, and once that it is back.

It knows links by identity only. All links of a process to one broker share one outage, however often each tries.
"""

from __future__ import annotations

import logging
import time

__all__ = ["Outage"]

logger = logging.getLogger("spa_mqtt.link")


class Outage:
    """
    The outages of one broker, one after the other.

    Example:
        >>> outage = Outage()
        >>> outage.lost("one link", "broker:1883: the connection was lost")
        >>> outage.lost("another", "broker:1883: the connection was lost")
        >>> [outage.is_news(text) for text in ("refused", "refused", "not authorized")]
        [True, False, True]
        >>> outage.back("one link", "broker:1883"), outage.back("another", "broker:1883")
        (None, None)
        >>> outage.is_news("refused")
        True
    """

    def __init__(self) -> None:
        self._down: set[object] = set()
        self._told: set[str] = set()
        self._since = 0.0

    def lost(self, link: object, reason: str, *, is_fault: bool = False) -> None:
        """
        Tell that a link is lost, if it is the first.

        Args:
            link: The link.
            reason: Why it is lost.
            is_fault: Whether somebody has to do something about it: then it is told in any case, once.
        """
        if not self._down:
            self._since = time.monotonic()
            self._told.clear()
        if is_fault and self.is_news(reason):
            logger.error("%s", reason)
        elif not self._down:
            logger.warning("%s; it is tried again until it is back", reason)
        self._down.add(link)

    def failed(self, error: Exception, *, can_pass: bool) -> None:
        """
        Tell how an attempt failed, unless one of this outage failed in the same way.

        Args:
            error: What is told.
            can_pass: Whether it may be over by itself; else somebody has to do something about it.
        """
        level = logging.WARNING if can_pass else logging.ERROR
        logger.log(level if self.is_news(str(error)) else logging.DEBUG, "%s", error)

    def is_news(self, text: str) -> bool:
        """Note a text, and return whether this outage has not heard it yet."""
        is_news = text not in self._told
        self._told.add(text)
        return is_news

    def back(self, link: object, where: str) -> None:
        """Tell that all links are back, if this one is the last."""
        if link in self._down:
            self.left(link)
            if not self._down:
                logger.info("%s: connected again after %.1f s", where, time.monotonic() - self._since)

    def left(self, link: object) -> None:
        """Note that a link is not wanted any more."""
        self._down.discard(link)
        if not self._down:
            self._told.clear()
