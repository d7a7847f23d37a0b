"""A Webhook gate's question, and the answer that comes back on the same connection: a verdict and a message, or none.

Whatever else comes back (too much, compressed, no JSON, another word) is no verdict. What is read is bounded and made
clean here; secrets of ours that the other side repeats are taken out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from modelrollout.adapters.webhooks.posting import Posting
from modelrollout.api.base import GROUP, GROUP_VERSION, PLURAL
from modelrollout.api.borders.cleaning import LONGEST_SAID, clean
from modelrollout.api.borders.secrecy import without_secrets
from modelrollout.api.timestamps import format_timestamp
from modelrollout.ports import Said, Unclear

if TYPE_CHECKING:
    from modelrollout.api.config import GateWebhook
    from modelrollout.ports import Question

TYPE = ".".join(reversed(GROUP.split("."))) + ".gate.question"
MOST_BYTES = 16 * 1024
"""Of an answer: a word and a sentence take a hundred."""
EXAMPLE = '{"verdict": "PASS", "message": "..."}'


class _Answer(BaseModel):
    """Other fields are left alone: they are the other side's own."""

    model_config = ConfigDict(strict=True, frozen=True)

    verdict: Literal["PASS", "FAIL", "CONTINUE"]
    message: str | None = None


class WebhookJudge:
    """A Judge of ports.py."""

    def __init__(self, posting: Posting | None = None) -> None:
        self._posting = posting or Posting()

    async def ask(self, webhook: GateWebhook, question: Question) -> Said:
        """One POST. Raises Undelivered, or Unclear where an answer came that is none."""
        parts, size = list[bytes](), 0
        async with self._posting.sent(webhook, _event(question), webhook.timeout) as answer:
            if answer.headers.get("Content-Encoding", "identity").lower() != "identity":
                raise Unclear("its answer is compressed, which was not asked for")
            while part := await answer.content.read(MOST_BYTES):
                parts.append(part)
                size += len(part)
                if size > MOST_BYTES:
                    raise Unclear(f"its answer is larger than {MOST_BYTES // 1024} KiB")
        return read_answer(b"".join(parts))

    async def close(self) -> None:
        """Let connections go."""
        await self._posting.close()


def read_answer(body: bytes) -> Said:
    """The verdict in an answer. Raises Unclear."""
    try:
        found = _Answer.model_validate_json(body)
    except ValidationError as error:
        if any(one["type"] == "json_invalid" for one in error.errors(include_url=False)):
            raise Unclear(f"its answer is no JSON: it should be {EXAMPLE}") from None
        raise Unclear(f"its answer has no verdict PASS, FAIL or CONTINUE: it should be {EXAMPLE}") from None
    return Said(found.verdict, clean(without_secrets(found.message or ""), LONGEST_SAID))


def _event(question: Question) -> dict[str, Any]:
    namespace, name = question.data["namespace"], question.data["name"]
    return {
        "specversion": "1.0",
        "id": question.ident,
        "source": f"/apis/{GROUP_VERSION}/namespaces/{namespace}/{PLURAL}/{name}",
        "type": TYPE,
        "subject": f"{namespace}/{name}",
        "time": format_timestamp(question.at),
        "datacontenttype": "application/json",
        "data": question.data,
    }
