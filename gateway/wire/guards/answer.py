"""Check a chat or text completion that is not streamed, choice by choice."""

from typing import Any

import msgspec

from gateway.call.errors import UpstreamFailed
from gateway.wire.guards.texts import CheckText, TextRefused, check_texts

CONTENT_FILTER = "content_filter"
# The fields of an answer or chunk that hold no text of documents or models.
KNOWN_FIELDS = frozenset(
    "id object created model choices usage service_tier system_fingerprint "
    "x_maas_cost x_maas_currency x_maas_balance x_maas_answer".split()
)
_OBJECT = msgspec.json.Decoder(dict[str, Any])


def check_answer(body: bytes, check: CheckText) -> tuple[bytes, bool]:
    """Return an answer with its texts checked, and whether a choice of it was refused.

    A refused choice has no text and the finish reason `content_filter`. Raises UpstreamFailed.
    """
    try:
        answer = _OBJECT.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError):
        raise UpstreamFailed("The model's response could not be parsed.") from None
    choices = [one for one in answer.get("choices") or [] if isinstance(one, dict)]
    are_refused = [not _passes(choice, check) for choice in choices]
    check_other_fields(answer, check)
    return msgspec.json.encode(answer), any(are_refused)


def check_other_fields(answer: dict[str, Any], check: CheckText) -> None:
    """Check fields beside the choices, such as retrieved passages; drop those that are refused."""
    for name in answer.keys() - KNOWN_FIELDS:
        try:
            answer[name] = check_texts(answer[name], check)
        except TextRefused:
            del answer[name]


def _passes(choice: dict[str, Any], check: CheckText) -> bool:
    """Check a choice in place; empty it and return False if it is refused."""
    message = choice.get("message")
    before = message if isinstance(message, dict) else {"text": choice.get("text")}
    try:
        after = check_texts(before, check)
    except TextRefused:
        _empty(choice)
        return False
    if after != before:
        # Both would show the original text, or point into it.
        after.pop("annotations", None)
        choice["logprobs"] = None
    if isinstance(message, dict):
        choice["message"] = after
    else:
        choice |= after
    return True


def _empty(choice: dict[str, Any]) -> None:
    """Remove everything that a refused choice says."""
    if "message" in choice:
        choice["message"] = {"role": "assistant", "content": ""}
    else:
        choice["text"] = ""
    choice |= {"logprobs": None, "finish_reason": CONTENT_FILTER}
