"""How EndpointSlices are shown on loopback as v1, whatever the API server makes of that; texts of equal length only.

A server before 1.21 knows v1beta1 alone: `OldSlices` shows it as v1. A newer one has v1 and refuses loopback addresses
in it: `LoopbackSlices` writes 127.x.y.z as 198.x.y.z and shows it as it came. Equal lengths keep list, watch and
Content-Length framing; a text that is cut in two between chunks is held back until the rest of it has come.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

GROUP = "/apis/discovery.k8s.io"


class Slices(Protocol):
    """`asked` changes a request (path, body), `shown` an answer."""

    def asked(self, path: str, body: bytes) -> tuple[str, bytes]: ...

    def shown(self, text: bytes) -> bytes: ...

    def held_back(self, text: bytes) -> int:
        """How many trailing bytes may be the start of a text that chunking cut in two."""


class OldSlices:
    """v1beta1 as v1."""

    _OLD, _NEW = b'"discovery.k8s.io/v1beta1"', b'"discovery.k8s.io/v1"'
    _OLD_PAIR, _NEW_PAIR = _OLD + b',"version":"v1beta1"', _NEW + b',"version":"v1"'

    def asked(self, path: str, body: bytes) -> tuple[str, bytes]:
        where, _, query = path.partition("?")
        if where != f"{GROUP}/v1" and not where.startswith(f"{GROUP}/v1/"):
            return path, body
        where = f"{GROUP}/v1beta1{where[len(GROUP) + 3 :]}"
        return f"{where}?{query}" if query else where, body.replace(self._NEW, self._OLD)

    def shown(self, text: bytes) -> bytes:
        # Spaces between JSON tokens mean nothing.
        pair, single = self._NEW_PAIR.ljust(len(self._OLD_PAIR)), self._NEW.ljust(len(self._OLD))
        return text.replace(self._OLD_PAIR, pair).replace(self._OLD, single)

    def held_back(self, text: bytes) -> int:
        if text.endswith(self._OLD_PAIR):
            # Its own last quote could be taken for the next one's first.
            return 0
        return _beginning(self._OLD_PAIR, text)


class LoopbackSlices:
    """127.x.y.z as 198.x.y.z on its way up, and back on its way down."""

    _HERE, _THERE = b'"127.', b'"198.'

    def asked(self, path: str, body: bytes) -> tuple[str, bytes]:
        return path, body.replace(self._HERE, self._THERE)

    def shown(self, text: bytes) -> bytes:
        return text.replace(self._THERE, self._HERE)

    def held_back(self, text: bytes) -> int:
        return _beginning(self._THERE, text)


def _beginning(token: bytes, text: bytes) -> int:
    """Length of the longest end of `text` with which `token` starts, the whole token left out."""
    sizes = range(min(len(token) - 1, len(text)), 0, -1)
    return next((size for size in sizes if token.startswith(text[-size:])), 0)


async def shown(slices: Slices, source: AsyncIterator[bytes]) -> AsyncGenerator[bytes]:
    """The chunks of an answer as `slices` shows them, however they are cut."""
    kept = b""
    async for chunk in source:
        text = kept + chunk
        until = len(text) - slices.held_back(text)
        kept = text[until:]
        if until:
            yield slices.shown(text[:until])
    if kept:
        yield slices.shown(kept)
