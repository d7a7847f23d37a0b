"""One exchange with a server: it ends at its deadline whatever it waits for, TLS handshake and headers included."""

from __future__ import annotations

import contextlib
import math
import os
import socket
import threading
import time
from typing import Any

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import NameResolutionError, NewConnectionError

from modelrollout.adapters.prometheus.failures import Refused
from modelrollout.adapters.prometheus.going_on import LastAnswer
from modelrollout.adapters.prometheus.limits import SMALL
from modelrollout.adapters.prometheus.room import Lease
from modelrollout.adapters.prometheus.turns import PAUSE

_HERE = threading.local()


def current() -> Exchange:
    """The exchange of this thread."""
    found: Exchange = _HERE.exchange
    return found


class Exchange:
    """A query under way in the thread that entered it; any other thread may cut it off, whatever it waits for."""

    def __init__(
        self, seconds: float, lease: Lease, gate: threading.Lock, tenant: str = "", last: LastAnswer | None = None
    ) -> None:
        self.seconds, self.lease, self._gate, self.tenant, self.last = seconds, lease, gate, tenant, last
        self._is_large = False
        self.deadline = math.inf
        self.is_cut = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []

    def __enter__(self) -> None:
        _HERE.exchange = self
        self.deadline = time.monotonic() + self.seconds

    def __exit__(self, *_: object) -> None:
        _HERE.exchange = None
        if self._is_large:
            self._gate.release()
        with self._lock:
            for one in self._sockets:
                one.close()
            self._sockets.clear()

    def grow(self, number: int) -> None:
        """The answer is `number` bytes larger. For one namespace one large answer at a time is received and read.

        Raises Refused where there is no room for it, or nobody waits for it any more.
        """
        self.lease.take(number)
        if self.lease.bytes > SMALL:
            if not self._is_large:
                self._is_large = self._gate.acquire(timeout=max(self.deadline - time.monotonic(), 0))
            time.sleep(PAUSE)  # other threads have the interpreter
        self.check()

    def check(self) -> None:
        """Raise Refused where nobody waits for the answer any more."""
        if self.is_cut or time.monotonic() > self.deadline:
            raise Refused("PrometheusTimeout", f"no complete answer within {self.seconds:g} s")

    def watch(self, sock: socket.socket) -> None:
        """From now on `cut` ends what waits for this socket. A copy, since TLS takes the original away."""
        copy = socket.socket(fileno=os.dup(sock.fileno()))
        with self._lock:
            self._sockets.append(copy)
            if self.is_cut:
                _end(copy)

    def forget_last(self) -> None:
        """The socket that was watched last is closed: of thousands of addresses one is held at a time."""
        with self._lock:
            self._sockets.pop().close()

    def cut(self) -> None:
        """End it: whoever reads gets the end of the stream at once."""
        with self._lock:
            self.is_cut = True
            for one in self._sockets:
                _end(one)


def _end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _connected(sock: socket.socket, address: Any, exchange: Exchange) -> socket.socket:
    """`sock`, once it is connected; what ends the exchange ends the attempt. Raises OSError."""
    exchange.watch(sock)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.settimeout(max(exchange.deadline - time.monotonic(), 0.001))
        sock.connect(address)
    except OSError:
        sock.close()
        exchange.forget_last()
        raise
    return sock


class _Watched:
    """A connection whose socket belongs to the exchange of its thread, from before the TLS handshake on."""

    sock: Any
    host: Any
    port: Any
    _dns_host: Any

    def _new_conn(self) -> socket.socket:
        """Connected to the first of its addresses that answers, however many there are, within the exchange."""
        host, exchange, last = self._dns_host.strip("[]"), current(), OSError("it has no address")
        try:
            found = socket.getaddrinfo(host, self.port, type=socket.SOCK_STREAM)
        except (socket.gaierror, UnicodeError) as error:
            raise NameResolutionError(self.host, self, error) from error  # type: ignore[arg-type]  # a UnicodeError too
        for family, kind, protocol, _, address in found:
            exchange.check()
            try:
                return _connected(socket.socket(family, kind, protocol), address, exchange)
            except OSError as error:
                last = error
        exchange.check()
        raise NewConnectionError(self, f"no connection: {last}") from last  # type: ignore[arg-type]  # self is one

    def request(self, *args: Any, **kwargs: Any) -> None:
        if self.sock is not None:
            current().watch(self.sock)
        super().request(*args, **kwargs)  # type: ignore[misc]  # of urllib3's connection, the other base


class _Plain(_Watched, HTTPConnection):
    pass


class _Encrypted(_Watched, HTTPSConnection):
    pass


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


class WatchedAdapter(HTTPAdapter):
    """Connections that an Exchange can cut off."""

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _EncryptedPool}
