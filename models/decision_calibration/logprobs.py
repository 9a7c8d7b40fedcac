"""The chat request for the log-probabilities of an answer's first token, and its response."""

from typing import Any

import msgspec

from models.decision_calibration.ballots import MAX_GROUP
from models.decision_calibration.prompts import Message
from models.decision_calibration.scoring import TokenLogprobs


class _TokenLogprob(msgspec.Struct):
    """A token with its log-probability."""

    token: str
    logprob: float


class _Position(msgspec.Struct):
    """A position of the answer with its most likely tokens."""

    top_logprobs: list[_TokenLogprob]


class _Logprobs(msgspec.Struct):
    """`logprobs` of a choice."""

    content: list[_Position] | None = None


class _Choice(msgspec.Struct):
    """The part of a choice that is read here."""

    logprobs: _Logprobs | None = None


class _Response(msgspec.Struct):
    """The part of a chat completion that is read here."""

    choices: list[_Choice]


_RESPONSE = msgspec.json.Decoder(_Response)


def first_token_request(model: str, messages: list[Message]) -> dict[str, Any]:
    """Return the chat request for the log-probabilities of the answer's first token."""
    return {
        "model": model,
        "messages": messages,
        "max_tokens": 1,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": MAX_GROUP,
    }


def decode_first_token(body: bytes) -> TokenLogprobs | None:
    """Return the most likely first tokens of a chat's answer; None if the response has none."""
    try:
        choices = _RESPONSE.decode(body).choices
    except (msgspec.MsgspecError, RecursionError, ValueError):
        return None
    logprobs = choices[0].logprobs if choices else None
    if logprobs is None or not logprobs.content or not logprobs.content[0].top_logprobs:
        return None
    return [(one.token, one.logprob) for one in logprobs.content[0].top_logprobs]
