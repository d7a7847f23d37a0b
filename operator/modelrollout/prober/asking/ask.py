"""What both ways to ask have in common: an answer is arrays by output, or there is none, with the reason."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy.typing as npt

from modelrollout.adapters.triton.tls import Secured

MOST_ANSWER = 8 * 2**20
"""Bytes of one answer."""
Answer = Mapping[str, npt.NDArray[Any]]


class NoAnswerError(Exception):
    """The version gave no answer that could be used; the text says why, in few words."""


@dataclass(frozen=True)
class Question:
    """One row for one version. `version`: as the server calls it, None for the path without one."""

    address: str
    model: str
    version: str | None
    inputs: Mapping[str, npt.NDArray[Any]]
    dtypes: Mapping[str, str]
    proof: Secured | None = None
    """How the address proves who it is; None where it speaks no TLS."""


class Asker(Protocol):
    """One protocol."""

    async def ask(self, question: Question) -> Answer:
        """The outputs. Raises NoAnswerError; the caller bounds the time."""

    async def close(self) -> None:
        """Drop the connections."""
