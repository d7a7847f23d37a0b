"""No socket is left open whose connection is reset before its handshake, whoever collects it later."""

from __future__ import annotations

import gc
import select
import socket
import ssl
import struct
import threading
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.lab.components.client_tls import client_context


@pytest.fixture
def resetting() -> Iterator[int]:
    """The port of a server that resets every connection at once."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield server.getsockname()[1]
        thread.join()


def left_open(port: int, context: ssl.SSLContext) -> list[str]:
    """What the collector finds open after one try."""
    with warnings.catch_warnings(record=True) as found, socket.create_connection(("127.0.0.1", port)) as plain:
        warnings.simplefilter("always")
        poll = select.poll()
        poll.register(plain, select.POLLHUP)
        assert poll.poll(5000), "no reset"
        with pytest.raises(ConnectionResetError):
            context.wrap_socket(plain, server_hostname="127.0.0.1")
        gc.collect()
    return [str(each.message) for each in found if "SSLSocket" in str(each.message)]


def test_a_connection_that_is_reset_before_the_handshake_leaves_no_socket_open(resetting: int, tmp_path: Path):
    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.crt"))
    assert left_open(resetting, client_context(tmp_path / "ca.crt")) == []
