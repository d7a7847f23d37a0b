"""While the candidate gets copies of requests alone, a gateway counts no answers of it: only its own series speak.

A gate that cannot be judged by them waits for the first weight: it holds no copies back, and has passed nothing.
"""

from __future__ import annotations

from dataclasses import replace

from modelrollout.core.evaluation import GateResult


def on_copies(result: GateResult) -> GateResult:
    """`result` as it counts in a step of copies."""
    if not result.unjudgeable:
        return result
    text = f"judged from the first weight on: no gateway counts the answers to copies ({result.message})"
    return replace(result, required=False, message=text)
