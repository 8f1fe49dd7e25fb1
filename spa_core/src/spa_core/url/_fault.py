"""What is said of a URL that cannot be read: its scheme and the reason, nothing else of the text."""

from __future__ import annotations

from spa_core.errors import UrlError

__all__ = ["PASSWORD_HINT", "fault"]

PASSWORD_HINT = "In a user name or password write '@' as %40, '/' as %2F, '?' as %3F and '#' as %23"  # noqa: S105
"""A password that was not encoded is the usual reason why a port, a host or a path looks wrong."""


def fault(scheme: str, reason: str, *, hint: str | None = None) -> UrlError:
    """
    Return the error for a URL of which no more than the scheme may be shown.

    Args:
        scheme: The scheme, empty while it is not known to be one.
        reason: The end of a sentence that starts with "the URL".
        hint: The way out.
    """
    subject = f"the {scheme} URL" if scheme else "the URL"
    return UrlError(f"{subject} {reason}", url=f"{scheme}://***" if scheme else "***", hint=hint)
