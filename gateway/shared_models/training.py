"""Train a version on a serving process, like customers' adapters.

An invalid line of an account is excluded and the training retried, so that one account cannot block
the others. The training is not billed.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass

from gateway.call.errors import UpstreamFailed, UpstreamTimeout
from gateway.call.values import UpstreamRequest
from gateway.fine_tuning.progress_stream import (
    ProgressLine,
    read_progress_lines,
    to_specialist_error,
)
from gateway.shared_models.training_file import TrainingText
from gateway.upstream.client import UpstreamClient
from gateway.upstream.error_mapping import SpecialistError
from gateway.wire.fine_tuning import MAX_TEXT_DURATION_S, build_fine_tuning_request
from infra import ids
from models.catalog import Model

# Customers' jobs may be ahead in the serving queue, each up to the maximum duration.
_TRAINING_TIMEOUT_S = 4.0 * MAX_TEXT_DURATION_S
_MAX_EXCLUDED = 20
# Weight of the trained adapter when merged with the built-in one: at 0.5 nearly all is learned and
# nearly nothing forgotten (docs/decisions/0030).
_MERGE_WEIGHT = 0.5
_LINE_NUMBER = re.compile(r"Line (\d+)\b")


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """The trained weights, the training text without excluded lines, and the trainer's score."""

    artefact: bytes
    text: TrainingText
    score: dict[str, object]
    seconds: int


async def train(
    upstream: UpstreamClient,
    server: str,
    model: Model,
    text: TrainingText,
    report: Callable[[str], None],
) -> TrainingResult:
    """Train a version, excluding up to 20 invalid examples of accounts.

    Raises SpecialistError if the file as a whole is invalid, UpstreamFailed and similar errors,
    UpstreamTimeout.
    """
    for _ in range(_MAX_EXCLUDED):
        try:
            return await _train_once(upstream, server, model, text, report)
        except SpecialistError as error:
            match = _LINE_NUMBER.match(error.message)
            # An invalid line that is not an account's is our own error.
            if match is None or int(match[1]) not in text.examples:
                raise
            text = text.without_line(int(match[1]))
            report(f"An account's example is excluded: {error.message}")
    raise UpstreamFailed(f"More than {_MAX_EXCLUDED} examples cannot be used for training.")


async def _train_once(
    upstream: UpstreamClient,
    server: str,
    model: Model,
    text: TrainingText,
    report: Callable[[str], None],
) -> TrainingResult:
    """Train and report progress. Raises UpstreamTimeout, UpstreamFailed, the training's error."""
    request = build_fine_tuning_request(model, text.content, mixing=_MERGE_WEIGHT)
    target = UpstreamRequest(server + request.path, request, ids.new_id(), server)
    try:
        async with asyncio.timeout(_TRAINING_TIMEOUT_S), upstream.open(target) as response:
            async for line in read_progress_lines(response):
                if result := _to_result(line, text):
                    return result
                report(line.progress or "")
    except TimeoutError:
        raise UpstreamTimeout("Training did not end in time.") from None
    raise UpstreamFailed("Training was interrupted.")


def _to_result(line: ProgressLine, text: TrainingText) -> TrainingResult | None:
    """Return the trained version of a line, None if it is progress. Raises the line's error."""
    if line.error is not None:
        raise to_specialist_error(line.error)
    if line.variant is None:
        return None
    return TrainingResult(line.variant.artefact, text, line.variant.score, line.seconds)
