"""Inference and metadata over HTTP: tritonclient writes and reads the bodies, aiohttp carries them within bounds."""

from __future__ import annotations

import json
import ssl
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import aiohttp
from tritonclient import http as triton

from modelrollout.adapters.triton.tls import said
from modelrollout.api.borders.cleaning import clean, mapping, mappings
from modelrollout.prober.asking.ask import MOST_ANSWER, Answer, NoAnswerError, Question
from modelrollout.prober.golden.fit import ModelFacts, Tensor

LENGTH = "Inference-Header-Content-Length"
LONGEST_NAME, MOST_TENSORS, MOST_AXES = 128, 64, 16


class HttpAsker:
    """The Asker of ask.py over HTTP."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(trust_env=False)

    async def ask(self, question: Question) -> Answer:
        """The outputs. Raises NoAnswerError."""
        inputs = []
        for name, array in question.inputs.items():
            one = triton.InferInput(name, list(array.shape), question.dtypes[name])
            one.set_data_from_numpy(array)
            inputs.append(one)
        body, length = triton.InferenceServerClient.generate_request_body(inputs)
        headers = {LENGTH: str(length)} if length is not None else {}
        answer, size = await self._exchange("POST", question, "/infer", body, headers)
        try:
            found = triton.InferenceServerClient.parse_response_body(answer, header_length=size)
            outputs = found.get_response().get("outputs", [])
            return {str(one["name"]): found.as_numpy(one["name"]) for one in outputs[:MOST_TENSORS]}
        except Exception as error:  # whatever a server sends that is no answer
            raise NoAnswerError(f"its answer cannot be read ({type(error).__name__})") from error

    async def facts(self, question: Question) -> ModelFacts:
        """What the server says of the model's inputs and outputs. Raises NoAnswerError."""
        meta = await self._json(question, "")
        config = await self._json(question, "/config")
        inputs = {
            clean(one.get("name"), LONGEST_NAME): Tensor(clean(one.get("datatype"), LONGEST_NAME), _shape(one))
            for one in mappings(meta.get("inputs"))[:MOST_TENSORS]
        }
        outputs = tuple(clean(one.get("name"), LONGEST_NAME) for one in mappings(meta.get("outputs"))[:MOST_TENSORS])
        optional = (one for one in mappings(config.get("input"))[:MOST_TENSORS] if one.get("optional") is True)
        return ModelFacts(inputs, outputs, frozenset(clean(one.get("name"), LONGEST_NAME) for one in optional))

    async def close(self) -> None:
        """Drop the connections."""
        await self._session.close()

    async def _json(self, question: Question, what: str) -> dict[str, Any]:
        answer, _ = await self._exchange("GET", question, what, b"", {})
        try:
            return mapping(json.loads(answer))
        except (ValueError, RecursionError):
            raise NoAnswerError("what it says of the model is no JSON") from None

    async def _exchange(
        self, method: str, question: Question, what: str, body: bytes, headers: dict[str, str]
    ) -> tuple[bytes, int | None]:
        url, proof = f"{_path(question)}{what}", question.proof
        context, name = (True, None) if proof is None else (proof.context, proof.name)
        headers |= {} if name is None else {"Host": name}
        try:
            async with self._session.request(
                method,
                url,
                data=body or None,
                headers=headers,
                allow_redirects=False,
                ssl=context,
                server_hostname=name,
            ) as response:
                answer = await _bounded(response)
                if response.status != HTTPStatus.OK:
                    raise NoAnswerError(f"it answered {response.status}")
                size = response.headers.get(LENGTH, "")
                return answer, int(size) if size.isascii() and size.isdecimal() else None
        except aiohttp.ClientError as error:
            cause = error.__cause__
            if proof is not None and isinstance(cause, ssl.SSLError):
                raise NoAnswerError(said(cause, proof)) from None
            raise NoAnswerError(f"no connection ({type(error).__name__})") from None


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    parts, size = [], 0
    async for part in response.content.iter_any():
        size += len(part)
        if size > MOST_ANSWER:
            raise NoAnswerError(f"its answer is longer than {MOST_ANSWER} bytes")
        parts.append(part)
    return b"".join(parts)


def _path(question: Question) -> str:
    which = "" if question.version is None else f"/versions/{quote(question.version, safe='')}"
    scheme = "http" if question.proof is None else "https"
    return f"{scheme}://{question.address}/v2/models/{quote(question.model, safe='')}{which}"


def _shape(one: dict[str, Any]) -> tuple[int, ...]:
    found = one.get("shape")
    sizes = found[:MOST_AXES] if isinstance(found, list) else []
    return tuple(int(size) if str(size).lstrip("-").isdecimal() else -1 for size in sizes)
