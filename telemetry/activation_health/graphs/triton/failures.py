"""Triton counts a request of the Python backend as failed only where `execute` raises.

An answer that carries an error reaches the client as one, but `nv_inference_request_success` counts it (Triton 2.51).
Raising fails every request of the call, so it is done where all of them failed anyway: where Triton joins no requests,
as in the configurations written here, a call has one.
"""

from __future__ import annotations

from typing import Any


def counted(answers: list[Any], pb_utils: Any) -> list[Any]:
    """`answers`, or Triton's exception with their messages where each is an error."""
    if answers and all(answer.has_error() for answer in answers):
        messages = dict.fromkeys(answer.error().message() for answer in answers)
        raise pb_utils.TritonModelException("; ".join(messages))
    return answers
