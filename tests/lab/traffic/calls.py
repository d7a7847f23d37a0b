"""Calls of gRPC by the client that users have, tritonclient: one at a time or at a steady rate, every answer kept."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import tritonclient.grpc as triton

from tests.lab.models.data import holdout

OK = "OK"


@dataclass(frozen=True)
class Call:
    """`at` is time.time() when it was sent; `code` gRPC's status by name; `version` who answered."""

    at: float
    code: str
    version: str = ""
    why: str = ""


class CallClient:
    """`rate` calls a second from a few threads, open loop. A context manager; `client` is tritonclient's own."""

    def __init__(self, address: str, host: str, model: str, *, rate: float = 20.0, timeout: float = 5.0) -> None:
        self.client = triton.InferenceServerClient(address, channel_args=[("grpc.default_authority", host)])
        self._model, self._rate, self._timeout = model, rate, timeout
        self.rows = holdout()[0][:4].astype(np.float32)
        self._stopping = threading.Event()
        self._sender: threading.Thread | None = None
        self.calls: list[Call] = []

    def inputs(self, rows: np.ndarray[Any, Any] | None = None) -> list[Any]:
        """Four rows of the hold-out, or those given."""
        sent = self.rows if rows is None else rows
        one = triton.InferInput("X", list(sent.shape), "FP32")
        one.set_data_from_numpy(sent)
        return [one]

    def infer(self, model: str | None = None, rows: np.ndarray[Any, Any] | None = None, **more: Any) -> Call:
        """One call, kept and returned."""
        at = time.time()
        wanted = [triton.InferRequestedOutput("CLASS")]
        try:
            found = self.client.infer(
                model or self._model, self.inputs(rows), outputs=wanted, client_timeout=self._timeout, **more
            )
        except triton.InferenceServerException as error:
            code = str(error.status()).rpartition(".")[2]
            call = Call(at, code, why=str(error.message()))
        else:
            call = Call(at, OK, found.get_response().model_version)
        self.calls.append(call)
        return call

    @property
    def failed(self) -> list[Call]:
        return [call for call in list(self.calls) if call.code != OK]

    def versions(self, since: float = 0.0) -> Counter[str]:
        """How many answers each version gave to calls sent at `since` or later."""
        return Counter(call.version for call in list(self.calls) if call.at >= since and call.code == OK)

    def start(self) -> Self:
        self._sender = threading.Thread(target=self._send_all, daemon=True)
        self._sender.start()
        return self

    def stop(self) -> None:
        """Send nothing more and wait for the answers under way; idempotent."""
        self._stopping.set()
        if self._sender is not None:
            self._sender.join(self._timeout + 10)
            self._sender = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()
        self.client.close()

    def _send_all(self) -> None:
        started, sent = time.monotonic(), 0
        with ThreadPoolExecutor(8) as pool:
            while not self._stopping.is_set():
                pool.submit(self.infer)
                sent += 1
                time.sleep(max(0.0, started + sent / self._rate - time.monotonic()))
