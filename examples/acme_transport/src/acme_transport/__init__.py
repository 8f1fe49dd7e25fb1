"""SPA over the acme broker: ``acme://host:port``."""

from __future__ import annotations

from acme_transport.config import AcmeConfig
from acme_transport.transport import AcmeSocketProvider

__all__ = ["AcmeConfig", "AcmeSocketProvider"]
