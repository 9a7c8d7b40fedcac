"""What the specialists' server says while it learns, line by line."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from gateway.call.errors import UpstreamFailed
from gateway.upstream.error_mapping import SpecialistRefused
from gateway.upstream.http1 import Connection

# An artefact in base 64, which is one line.
_MOST_BYTES = 64 << 20


class Metrics(msgspec.Struct):
    """How far learning is, in OpenAI's words."""

    step: int
    total_steps: int
    train_loss: float
    valid_loss: float | None = None


class LearnedVariant(msgspec.Struct):
    """A variant, and how it did on examples that it had not learned from."""

    artefact: bytes
    score: dict[str, Any]
    examples: int
    held_out: int
    trained_tokens: int | None = None


class Fault(msgspec.Struct):
    """Why there is none, in the customer's words."""

    message: str
    param: str | None = None
    code: str | None = None


class Line(msgspec.Struct):
    """A sentence of progress, with figures or without, or the end: a variant after so many seconds,
    or a fault."""

    progress: str | None = None
    metrics: Metrics | None = None
    variant: LearnedVariant | None = None
    seconds: int = 0
    error: Fault | None = None


_LINE = msgspec.json.Decoder(Line)


async def lines_of(answer: Connection) -> AsyncIterator[Line]:
    """Each line as it comes. Raises UpstreamFailed, BrokenOff."""
    rest = b""
    while piece := await answer.read():
        *whole, rest = (rest + piece).split(b"\n")
        for line in whole:
            yield _read(line)
        if len(rest) > _MOST_BYTES:
            raise UpstreamFailed("The model's answer is too large.")


def refusal_of(fault: Fault) -> SpecialistRefused:
    """The same as a fact."""
    return SpecialistRefused(400, fault.message, fault.param, fault.code)


def _read(line: bytes) -> Line:
    try:
        return _LINE.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise UpstreamFailed("The model's answer could not be read.") from None
