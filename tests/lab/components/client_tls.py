"""TLS for synchronous clients: a socket whose handshake cannot begin is closed, which the standard library forgets."""

from __future__ import annotations

import errno
import ssl
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path


class ClosedWhenReset(ssl.SSLSocket):
    """Where the peer resets a connection before the handshake (a server that is being killed, or does not keep up),
    ssl reads one byte to find out, raises, and leaves the new socket to the garbage collector (CPython 3.11).
    """

    def recv(self, *arguments: Any) -> bytes:
        """As ever; what it raises for a connection that is gone before the handshake closes the socket."""
        try:
            return super().recv(*arguments)
        except OSError as error:
            if self.version() is None and error.errno not in (errno.ENOTCONN, errno.EINVAL):
                self.close()
            raise


def client_context(authority: Path) -> ssl.SSLContext:
    """Trusts `authority` and nobody else."""
    context = ssl.create_default_context(cafile=str(authority))
    context.sslsocket_class = ClosedWhenReset
    return context
