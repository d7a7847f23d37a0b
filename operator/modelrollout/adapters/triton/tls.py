"""TLS to model servers, where the operator's configuration says so: whose word a certificate is, and for which name.

Nothing is asked of a server that cannot prove its name; what is wrong with the proof is a sentence with the fix.
"""

from __future__ import annotations

import asyncio
import functools
import ipaddress
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from modelrollout.api.borders.cleaning import clean
from modelrollout.api.config.allowed import ServerTls

LONGEST_WHY = 80
MOST_AUTHORITIES = 4 * 2**20
"""Bytes of a file of certificate authorities."""
_EXPIRED, _NOT_YET, _UNKNOWN, _NAMES = 10, 9, frozenset({18, 19, 20, 21}), frozenset({62, 63, 64})
"""What OpenSSL calls a certificate's faults (X509_V_ERR_*)."""


class TlsError(Exception):
    """Why nothing was asked; the text says what is wrong, and where to put it right."""


@dataclass(frozen=True)
class Secured:
    """How one Service's servers prove who they are: by an authority of `authorities`, for `name`."""

    context: ssl.SSLContext
    name: str
    authorities: str | None
    """A file; None for the system's own."""


def secured(tls: ServerTls, namespace: str, service: str) -> Secured:
    """For one Service. Raises TlsError where the authorities cannot be read."""
    file = tls.ca_file
    try:
        found = None if file is None else Path(file).stat()
        stamp = None if found is None else (found.st_ino, found.st_mtime_ns, found.st_size)
        if found is not None and found.st_size > MOST_AUTHORITIES:
            raise TlsError(f"caFile {file} of probes.tls has more than {MOST_AUTHORITIES} bytes")
        context = _context(file, stamp)
    except ssl.SSLError:
        raise TlsError(f"caFile {file} of probes.tls holds no certificate that can be read; write it in PEM") from None
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else type(error).__name__
        raise TlsError(f"caFile {file} of probes.tls cannot be read: {why}") from None
    return Secured(context, tls.name_of(namespace, service), file)


@functools.lru_cache(maxsize=32)
def _context(file: str | None, _stamp: tuple[int, ...] | None) -> ssl.SSLContext:
    """Of the file as it is now: a bundle that is renewed is read again."""
    return ssl.create_default_context(cafile=file)


@contextmanager
def told(proof: Secured) -> Iterator[None]:
    """What goes wrong in a handshake is a TlsError."""
    try:
        yield
    except ssl.SSLError as error:
        raise TlsError(said(error, proof)) from None


def said(error: ssl.SSLError, proof: Secured) -> str:
    """What is wrong, and what puts it right."""
    if not isinstance(error, ssl.SSLCertVerificationError):
        return f"it speaks no TLS that can be read ({clean(error.reason or 'no reason', LONGEST_WHY)}): see probes.tls"
    if error.verify_code in _NAMES:
        return f"its certificate is not for {proof.name}; issue it for that name, or set serverName in probes.tls"
    if error.verify_code in _UNKNOWN:
        whose = f"caFile {proof.authorities}" if proof.authorities else "the system, for there is no caFile"
        return f"its certificate is signed by nobody whom probes.tls believes ({whose})"
    if error.verify_code == _EXPIRED:
        return "its certificate has expired; renew it at the server"
    if error.verify_code == _NOT_YET:
        return "its certificate is not valid yet; compare the clocks of both"
    return f"its certificate proves nothing: {clean(error.verify_message, LONGEST_WHY)}"


async def handshake(target: str, proof: Secured) -> None:
    """One handshake with `target` (address:port). Raises TlsError, or OSError; the caller bounds the time."""
    host, _, port = target.rpartition(":")
    address = str(ipaddress.ip_address(host.strip("[]")))
    with told(proof):
        _, writer = await asyncio.open_connection(address, int(port), ssl=proof.context, server_hostname=proof.name)
    writer.transport.abort()
