"""Inference over gRPC, by tritonclient."""

from __future__ import annotations

import ssl
from typing import Any

from tritonclient import grpc as triton
from tritonclient.grpc import aio
from tritonclient.utils import InferenceServerException

from modelrollout.adapters.triton.tls import TlsError, handshake
from modelrollout.api.borders.cleaning import clean
from modelrollout.prober.asking.ask import MOST_ANSWER, Answer, NoAnswerError, Question

LONGEST_STATUS = 64


class GrpcAsker:
    """The Asker of ask.py over gRPC; one channel for each address."""

    def __init__(self) -> None:
        self._clients: dict[str, aio.InferenceServerClient] = {}

    async def ask(self, question: Question) -> Answer:
        """The outputs. Raises NoAnswerError."""
        inputs = []
        for name, array in question.inputs.items():
            one = triton.InferInput(name, list(array.shape), question.dtypes[name])
            one.set_data_from_numpy(array)
            inputs.append(one)
        try:
            found = await self._client(question).infer(question.model, inputs, question.version or "")
            names = [output.name for output in found.get_response().outputs]
            return {name: found.as_numpy(name) for name in names}
        except InferenceServerException as error:
            await _insist_on_proof(question)
            raise NoAnswerError(f"it answered {clean(error.status() or 'an error', LONGEST_STATUS)}") from None
        except Exception as error:  # whatever a server sends that is no answer
            raise NoAnswerError(f"its answer cannot be read ({type(error).__name__})") from error

    async def close(self) -> None:
        """Drop the connections."""
        for client in self._clients.values():
            await client.close()

    def _client(self, question: Question) -> aio.InferenceServerClient:
        if question.address not in self._clients:
            options: list[tuple[str, Any]] = [
                ("grpc.max_receive_message_length", MOST_ANSWER),
                ("grpc.enable_http_proxy", 0),
            ]
            given: dict[str, Any] = {"channel_args": options}
            if question.proof is not None:
                options.append(("grpc.ssl_target_name_override", question.proof.name))
                authorities = question.proof.authorities or ssl.get_default_verify_paths().cafile
                given |= {"ssl": True, "root_certificates": authorities}
            self._clients[question.address] = aio.InferenceServerClient(question.address, **given)
        return self._clients[question.address]


async def _insist_on_proof(question: Question) -> None:
    """NoAnswerError where the server cannot prove its name: gRPC says of that only that it is unavailable."""
    if question.proof is not None:
        try:
            await handshake(question.address, question.proof)
        except TlsError as error:
            raise NoAnswerError(str(error)) from None
        except OSError as error:
            raise NoAnswerError(f"no connection ({type(error).__name__})") from None
