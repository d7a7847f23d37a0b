"""What every client outside of the cluster has in common: whom it trusts, what an answer means, what went wrong."""

from __future__ import annotations

import os
import ssl
from http import HTTPStatus

from modelrollout.adapters.files import Unreadable
from modelrollout.ports import Undelivered

_TRY_AGAIN = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.CONFLICT, HTTPStatus.TOO_EARLY, 429})


def trust(ca_file: str | None) -> ssl.SSLContext | bool:
    """What aiohttp takes as `ssl`. Raises Unreadable."""
    if not ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError):
        raise Unreadable(f"caFile {ca_file} holds no certificate that can be read") from None


def judge(status: int, retry_after: str) -> None:
    """Raise Undelivered unless the answer says that the request was taken."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    after = float(retry_after) if retry_after.isdecimal() and len(retry_after) < 7 else None  # noqa: PLR2004 - days
    final = status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _TRY_AGAIN
    raise Undelivered(f"it answered {status}", final=final, retry_after=after)


def cause(error: Exception) -> str:
    """What is wrong, in words that no address is in."""
    number = getattr(getattr(error, "os_error", None), "errno", None)
    return os.strerror(number) if isinstance(number, int) and number > 0 else type(error).__name__
