"""Read the JSONL progress stream of a training request to the serving process."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from gateway.call.errors import UpstreamFailed
from gateway.upstream.error_mapping import SpecialistError
from gateway.upstream.http1 import Connection
from models.sentences import restored

# The final line contains the artefact in base 64: 116 MB for a base of 9 billion parameters.
_MAX_LINE_BYTES = 256 << 20


class TrainingMetrics(msgspec.Struct):
    """Training metrics, with OpenAI's field names."""

    step: int
    total_steps: int
    train_loss: float
    valid_loss: float | None = None


class TrainedVariant(msgspec.Struct):
    """A trained variant with its score on held-out examples."""

    artefact: bytes
    score: dict[str, Any]
    examples: int
    held_out: int
    trained_tokens: int | None = None


class TrainingError(msgspec.Struct):
    """An error that ended the training, with a message for the customer.

    `sentence` is the message with its template and values, if it can be translated.
    """

    message: str
    param: str | None = None
    code: str | None = None
    sentence: dict[str, Any] | None = None


class ProgressLine(msgspec.Struct):
    """A line of the stream: progress with optional metrics, or the final variant or error.

    `sentence` is the progress with its template and values, if it can be translated
    (models/sentences.py). `seconds` is the training time, set with the variant.
    """

    progress: str | None = None
    sentence: dict[str, Any] | None = None
    metrics: TrainingMetrics | None = None
    variant: TrainedVariant | None = None
    seconds: int = 0
    error: TrainingError | None = None


_LINE_DECODER = msgspec.json.Decoder(ProgressLine)


async def read_progress_lines(response: Connection) -> AsyncIterator[ProgressLine]:
    """Yield each line as it arrives. Raises UpstreamFailed, ConnectionBroken."""
    # Each chunk is searched once: the last line has thousands of them.
    parts, size = list[bytes](), 0
    while chunk := await response.read():
        *ended, rest = chunk.split(b"\n")
        for line in ended:
            parts.append(line)
            yield _decode_line(b"".join(parts))
            parts.clear()
            size = 0
        parts.append(rest)
        size += len(rest)
        if size > _MAX_LINE_BYTES:
            raise UpstreamFailed("The model's response is too large.")


def to_specialist_error(error: TrainingError) -> SpecialistError:
    """Convert a training error to a client error (400)."""
    made_of = error.sentence
    message = error.message if made_of is None else restored(error.message, made_of)
    return SpecialistError(400, message, error.param, error.code)


def _decode_line(line: bytes) -> ProgressLine:
    """Decode a JSON line of a training's progress. Raises UpstreamFailed."""
    try:
        return _LINE_DECODER.decode(line)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise UpstreamFailed("The model's response could not be parsed.") from None
